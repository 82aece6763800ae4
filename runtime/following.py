"""Events as they happen, for scripts: an iterator, ordinary or async, that outlives the owner of the data folder.

Whoever hands over events also says how far the log was read for them, so that a connection which is lost is made again
from there, without a gap and without a repeat.
"""

import asyncio
import contextlib
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, Self

from runtime import wire
from runtime.client import Connection, knock, reach
from runtime.errors import Unavailable, VerbenaError

RECEIVE_BYTES = 1 << 18
# Between two attempts to get a connection back. Nothing happens in a log that nobody owns, so nothing is late by it.
PAUSE_SECONDS = 0.1
# An owner that hangs up as often in a row, each time at once, is given up: that is half a minute.
HANGUPS_MAX = 300
AT_ONCE_SECONDS = 1.0


class Events:
    """The events that one subscription gives, from one position of the log on, in its order. Without end: break, or close.

    For one thread or one task; only `close` may come from another one. Where the owner ended in peace, it goes on as
    soon as somebody starts one; where it was cut off, it starts one itself.
    """

    def __init__(
        self,
        beside: Connection,
        arguments: Mapping[str, Any],
        *,
        shape: Callable[[dict[str, Any]], Any] = lambda event: event,
    ) -> None:
        """Subscribes at once, over a connection of its own to where `beside` leads: what happens from now on is heard.

        `arguments` are `{pattern, filter, since}`. Raises the VerbenaError that it was refused with.
        """
        self._to = beside
        self._arguments = dict(arguments)
        self._shape = shape
        self._line: socket.socket | None = None
        self._frames = _Frames()
        self._ready: deque[dict[str, Any]] = deque()
        self._reached: int | None = None  # the position up to which everything is in `_ready`, or was
        self._peace = False  # whether the owner said that it ends
        self._connecting = threading.Lock()
        self._connected_at = 0.0
        self._hangups = 0  # in a row, each soon after the connection was made
        self._pause_s = 0.0  # to wait before the next attempt
        self._reading = False
        self._closed = False
        try:
            while self._reached is None:
                self._step()
        except BaseException:
            self.close()
            raise

    @property
    def seq(self) -> int:
        """Everything up to this position of the log was given out: `since=` of a subscription that goes on from here."""
        return self._ready[0]["seq"] - 1 if self._ready else self._reached or 0

    def close(self) -> None:
        """End it: whoever waits for the next event is told that there is none."""
        self._closed = True
        line = self._line
        if line is None:
            return
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)  # wakes who reads from it, and they close it
        if not self._reading:
            self._hang_up()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        while not self._closed:
            if self._ready:
                return self._shape(self._ready.popleft())
            self._step()
        raise StopIteration

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        while not self._closed:
            if self._ready:
                return self._shape(self._ready.popleft())
            await self._step_async()
        raise StopAsyncIteration

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    # One step of either iterator: get a connection back, or take what comes over it. All that is not waiting is shared.

    def _step(self) -> None:
        line = self._line
        if line is not None:
            with self._reads(line):
                line.setblocking(True)
                self._take(line.recv(RECEIVE_BYTES))
        else:
            time.sleep(self._pause_s)
            self._reconnect()

    async def _step_async(self) -> None:
        line = self._line
        if line is not None:
            with self._reads(line):
                line.setblocking(False)
                self._take(await asyncio.get_running_loop().sock_recv(line, RECEIVE_BYTES))
        else:
            await asyncio.sleep(self._pause_s)
            # An owner that must be started takes a second, in which the loop has other things to do.
            await asyncio.to_thread(self._reconnect)

    def _reconnect(self) -> None:
        """Get a connection and ask for what comes next, unless nobody owns the folder in peace."""
        to = self._to
        with self._connecting:  # a task that was cancelled may have left a thread here
            if self._line is not None or self._closed:
                return
            line = knock(to.data) if self._peace else reach(to.data, to.options)
            if line is None:
                self._pause_s = PAUSE_SECONDS
                return
            since = {} if self._reached is None else {"since": self._reached}
            try:
                line.sendall(wire.question("subscribe", to.tenant, {**self._arguments, **since}))
            except OSError:
                line.close()
                self._count_hangup()
                return
            except BaseException:
                line.close()
                raise
            self._frames, self._pause_s, self._peace = _Frames(), 0.0, False
            self._connected_at = time.monotonic()
            self._line = line
            if self._closed:
                self._hang_up()

    @contextlib.contextmanager
    def _reads(self, line: socket.socket) -> Generator[None]:
        """Around one reading: whatever cuts it off also cuts the connection, since half a frame may be lost with it."""
        self._reading = True
        try:
            yield
        except OSError:
            self._hang_up()
            self._count_hangup()
        except VerbenaError:
            self._closed = True
            raise
        except BaseException:
            self._hang_up()
            raise
        finally:
            self._reading = False
            if self._closed:
                self._hang_up()

    def _take(self, received: bytes) -> None:
        if not received:
            raise ConnectionResetError
        for payload in self._frames.feed(received):
            try:
                told = wire.decode(wire.result_of(payload))
            except Unavailable as error:
                if self._reached is None:
                    raise
                # The tenant is being restored or written anew: in a moment again.
                raise ConnectionResetError from error
            self._ready.extend(told["events"])
            self._reached = told["seq"]
            self._peace = "ends" in told

    def _count_hangup(self) -> None:
        """Wait before the next attempt, where it is not the first. Raises Unavailable where it goes on like that."""
        if self._peace or self._closed:
            return
        if time.monotonic() - self._connected_at > AT_ONCE_SECONDS:
            self._hangups = 0
        self._hangups += 1
        self._pause_s = PAUSE_SECONDS if self._hangups > 1 else 0.0
        if self._hangups > HANGUPS_MAX:
            self._closed = True
            raise Unavailable("the owner of the data folder hangs up again and again", hint="run: verbena doctor")

    def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()


class _Frames:
    """Puts frames together from whatever comes over a connection."""

    def __init__(self) -> None:
        self._received = bytearray()

    def feed(self, received: bytes) -> Iterator[bytes]:
        """The payloads of the frames that are whole now. Raises LimitExceeded for one that announces too much."""
        self._received += received
        while len(self._received) >= 4:
            end = 4 + wire.length_of(bytes(self._received[:4]))
            if len(self._received) < end:
                return
            payload = bytes(self._received[4:end])
            del self._received[:end]
            yield payload
