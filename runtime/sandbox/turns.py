"""Turns at a bounded number of places: first come first served within a tenant, round-robin between tenants."""

import contextlib
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Generator

WAITING_MAX = 256  # of one tenant; beyond it a caller is refused at once


class QueueFull(Exception):
    """The tenant has too many callers waiting already."""


class WaitedTooLong(Exception):
    """No place became free in time."""


class Turns:
    """`places` callers at once; the others wait. No tenant gets two turns while another waits."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._lock = threading.Lock()
        self._waiting: OrderedDict[str, deque[threading.Event]] = OrderedDict()  # the tenant whose turn is next first

    @contextlib.contextmanager
    def turn(self, tenant: str, wait_seconds: float) -> Generator[None]:
        """Holds a place for the block. Raises `QueueFull` or `WaitedTooLong`."""
        self._take(tenant, wait_seconds)
        try:
            yield
        finally:
            self._give_back()

    @property
    def waiting(self) -> int:
        """How many callers wait now."""
        with self._lock:
            return sum(map(len, self._waiting.values()))

    def _take(self, tenant: str, wait_seconds: float) -> None:
        with self._lock:
            if self._free > 0:  # nobody waits while a place is free
                self._free -= 1
                return
            queue = self._waiting.setdefault(tenant, deque())
            if len(queue) >= WAITING_MAX:
                raise QueueFull
            called = threading.Event()
            queue.append(called)
        until = time.monotonic() + wait_seconds
        if called.wait(max(until - time.monotonic(), 0)):
            return
        with self._lock:
            if called.is_set():  # called between the end of the wait and here: the place is ours
                return
            queue.remove(called)
            if not queue:
                self._waiting.pop(tenant, None)
        raise WaitedTooLong

    def _give_back(self) -> None:
        with self._lock:
            if not self._waiting:
                self._free += 1
                return
            tenant, queue = self._waiting.popitem(last=False)
            queue.popleft().set()
            if queue:
                self._waiting[tenant] = queue  # behind the others
