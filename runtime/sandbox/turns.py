"""Turns at a bounded number of places: first come first served within a tenant, round-robin between tenants.

A tenant that holds no place does not wait for those who do: beyond the places that all share, it has one of its own. So
whoever fills every shared place with endless loops holds up nobody but himself.
"""

import contextlib
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Generator

WAITING_MAX = 256  # of one tenant; beyond it a caller is refused at once
# As many tenants may have a place of their own at once; the next one waits like everybody. It bounds memory and load.
OWN_PLACES_MAX = 64


class QueueFull(Exception):
    """The tenant has too many callers waiting already."""


class WaitedTooLong(Exception):
    """No place became free in time."""


class Turn:
    """One caller's claim to a place, from asking to giving back."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self._called = threading.Event()

    @property
    def has_come(self) -> bool:
        """Whether the place is the caller's."""
        return self._called.is_set()

    def call(self) -> None:
        """Say so to who waits for it."""
        self._called.set()

    def wait(self, seconds: float) -> bool:
        """Whether it came within that time."""
        return self._called.wait(max(seconds, 0))


class Turns:
    """`places` callers at once, and one more of each tenant that would have none; the others wait."""

    def __init__(self, places: int, own_places_max: int = OWN_PLACES_MAX) -> None:
        self._places = places
        self._own_places_max = own_places_max
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[Turn]] = OrderedDict()  # the tenant whose turn is next first

    @contextlib.contextmanager
    def turn(self, tenant: str, wait_seconds: float) -> Generator[None]:
        """Holds a place for the block. Raises `QueueFull` or `WaitedTooLong`."""
        turn = self.ask(tenant)
        if not turn.wait(wait_seconds) and not self.give_up(turn):
            raise WaitedTooLong
        try:
            yield
        finally:
            self.give_back(turn)

    @property
    def waiting(self) -> int:
        """How many callers wait now."""
        with self._lock:
            return sum(map(len, self._waiting.values()))

    def ask(self, tenant: str) -> Turn:
        """A turn, which has come or will. Raises `QueueFull`."""
        turn = Turn(tenant)
        with self._lock:
            queue = self._waiting.get(tenant)
            if queue is None:
                if self._is_free_for(tenant):
                    self._give(turn)
                    return turn
                queue = self._waiting[tenant] = deque()
            elif len(queue) >= WAITING_MAX:
                raise QueueFull
            queue.append(turn)
        return turn

    def give_up(self, turn: Turn) -> bool:
        """Stop waiting. True where the turn has come meanwhile: then it is the caller's to give back."""
        with self._lock:
            if turn.has_come:
                return True
            queue = self._waiting[turn.tenant]
            queue.remove(turn)
            if not queue:
                del self._waiting[turn.tenant]
            return False

    def give_back(self, turn: Turn) -> None:
        """Leave the place to whoever is next."""
        with self._lock:
            self._held[turn.tenant] -= 1
            if not self._held[turn.tenant]:
                del self._held[turn.tenant]
            # Two may come at once: the place goes to who is next, and whoever left it has none now, so one of its own.
            while (tenant := next(filter(self._is_free_for, self._waiting), None)) is not None:
                queue = self._waiting.pop(tenant)
                self._give(queue.popleft())
                if queue:
                    self._waiting[tenant] = queue  # behind the others

    def _is_free_for(self, tenant: str) -> bool:
        taken = self._held.total()
        if taken < self._places:
            return True
        return tenant not in self._held and taken < self._places + self._own_places_max

    def _give(self, turn: Turn) -> None:
        self._held[turn.tenant] += 1
        turn.call()
