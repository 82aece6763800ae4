"""A subscription over a connection: frame after frame until one of the two sides has had enough.

The first frame, at once, says where it begins: `{events: [], seq}`. Each further one has events and how far the log was
read for them: whoever asks again from there misses nothing and gets nothing twice. The last one of an owner that ends in
peace says so, `ends`; one of an error is the last one too. The other side sends nothing, and hangs up when it likes.
"""

import contextlib
import selectors
import socket
from typing import Self

from runtime import wire
from runtime.errors import VerbenaError
from runtime.subscription import Page, Subscription

# Where nothing of so many events was wanted, the position alone is told: going on from there later is cheap.
SILENT_EVENTS_MAX = 10_000


class Bell:
    """Wakes the one thread that waits for it, from any other; rung often, it wakes once."""

    def __init__(self) -> None:
        self._heard, self._rung = socket.socketpair()
        self._heard.setblocking(False)
        self._rung.setblocking(False)

    def ring(self) -> None:
        """Wake whoever waits, or will wait next. Never blocks and never fails: the writer rings in its turn."""
        with contextlib.suppress(OSError):  # full: it has been rung already; closed: nobody waits
            self._rung.send(b"!")

    def wait(self, connection: socket.socket) -> bool:
        """Return when it was rung, True, or when the other side of the connection is gone, False."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._heard, selectors.EVENT_READ)
            selector.register(connection, selectors.EVENT_READ)
            ready = {key.fileobj for key, _ in selector.select()}
        if self._heard in ready:
            with contextlib.suppress(BlockingIOError):
                while self._heard.recv(4096):
                    pass
        return connection not in ready

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._rung.close()
        self._heard.close()


class Stream:
    """What of a subscription goes over one connection."""

    def __init__(self, connection: socket.socket, subscription: Subscription, bell: Bell) -> None:
        self._connection = connection
        self._subscription = subscription
        self._bell = bell
        self._ending = False

    def end(self) -> None:
        """Say farewell and return from `run`, as soon as what is being sent is sent. From any thread."""
        self._ending = True
        self._bell.ring()

    def run(self) -> None:
        """Send until the other side hangs up, or `end`. Raises OSError where the connection broke."""
        told = self._subscription.seq
        self._send(Page(events=[], seq=told, more=True))
        while not self._ending:
            try:
                page = self._subscription.page()
            except VerbenaError as error:
                self._connection.sendall(wire.frame(wire.failure(error)))
                return
            if page.events or page.seq - told >= SILENT_EVENTS_MAX:
                self._send(page)
                told = page.seq
            if not page.more and not self._bell.wait(self._connection):
                return
        self._send(Page(events=[], seq=self._subscription.seq, more=False), ends=True)

    def _send(self, page: Page, *, ends: bool = False) -> None:
        shape = {"events": page.events, "seq": page.seq, **({"ends": True} if ends else {})}
        self._connection.sendall(wire.frame(wire.success(wire.encode(shape))))
