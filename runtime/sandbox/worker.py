"""The parent's end of one worker. Everything that comes from there is hostile: sized, decoded strictly, and doubted."""

import contextlib
import os
import signal
import socket
import time
from typing import Annotated, Any

import msgspec

from runtime.sandbox.frames import FRAME_BYTES_MAX, HEADER, OUTPUT_CHARS_MAX, PATH_WORDS_MAX, WORD_CHARS_MAX, packed

_READ_BYTES = 256 * 1024
WALLS_MAX = 16
_NOTE_CHARS = 100  # the note about cut output

Word = Annotated[str, msgspec.Meta(max_length=WORD_CHARS_MAX)]


class Ready(msgspec.Struct, tag="ready", tag_field="t", forbid_unknown_fields=True):
    """The worker waits for its job behind these walls; why others are missing, or failed though the kernel has them."""

    walls: Annotated[list[Word], msgspec.Meta(max_length=WALLS_MAX)]
    missing: Annotated[dict[Word, Word], msgspec.Meta(max_length=WALLS_MAX)] = {}
    failed: Annotated[dict[Word, Word], msgspec.Meta(max_length=WALLS_MAX)] = {}


class Call(msgspec.Struct, tag="call", tag_field="t", forbid_unknown_fields=True):
    """`$.p(*a, **k)`."""

    p: Annotated[list[Word], msgspec.Meta(min_length=1, max_length=PATH_WORDS_MAX)]
    a: list[Any]
    k: dict[str, Any]


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """An error as the worker tells it."""

    code: Word
    message: Annotated[str, msgspec.Meta(max_length=2_000)]
    hint: Annotated[str, msgspec.Meta(max_length=2_000)] | None = None
    details: dict[str, Any] = {}


class Done(msgspec.Struct, tag="done", tag_field="t", forbid_unknown_fields=True):
    """The end of the run."""

    ok: Any
    error: Fault | None
    out: Annotated[str, msgspec.Meta(max_length=OUTPUT_CHARS_MAX + _NOTE_CHARS)]
    hint: Annotated[str, msgspec.Meta(max_length=2_000)] | None = None


_decoder = msgspec.json.Decoder(Ready | Call | Done)


class WorkerDied(Exception):
    """The worker's socket closed before it was done."""


class ProtocolBroken(Exception):
    """The worker sent what no honest worker sends."""


class DeadlinePassed(Exception):
    """The worker did not answer in time."""


class Worker:
    """A process that waits for jobs. Used by one thread at a time, and ended by `end`."""

    def __init__(self, *, connection: socket.socket, pid: int, handle: int | None) -> None:
        self.pid = pid
        self._connection = connection
        self._handle = handle  # a pidfd: it never means another process, as a pid may
        self._buffer = bytearray()
        self.ready: Ready | None = None  # what it said when it had come up

    def await_ready(self, until: float) -> None:
        """Waits for the first frame, unless it has come. Raises as `receive`."""
        if self.ready is not None:
            return
        frame = self.receive(until)
        if not isinstance(frame, Ready):
            raise ProtocolBroken("the worker did not say that it is ready")
        self.ready = frame

    @property
    def walls(self) -> tuple[str, ...]:
        """What it stands behind; nothing before it has come up."""
        return () if self.ready is None else tuple(self.ready.walls)

    def is_alive(self) -> bool:
        """Whether a waiting worker is still there; it has nothing to say, so anything readable is its end."""
        self._connection.setblocking(False)
        try:
            self._connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def send(self, payload: bytes, until: float) -> None:
        """Sends one frame. Raises `WorkerDied` or `DeadlinePassed`."""
        try:
            self._connection.settimeout(_seconds_until(until))
            self._connection.sendall(packed(payload))
        except TimeoutError as error:
            raise DeadlinePassed from error
        except OSError as error:
            raise WorkerDied from error

    def receive(self, until: float) -> Ready | Call | Done:
        """The next frame. Raises `WorkerDied`, `DeadlinePassed` or `ProtocolBroken`."""
        buffer = self._buffer
        while len(buffer) < HEADER.size:
            self._read(until)
        size = HEADER.unpack_from(buffer)[0]
        if size > FRAME_BYTES_MAX:
            raise ProtocolBroken("the frame is too large")
        end = HEADER.size + size
        while len(buffer) < end:
            self._read(until)
        payload = bytes(buffer[HEADER.size : end])
        del buffer[:end]
        try:
            return _decoder.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ProtocolBroken("the frame cannot be read") from error

    def kill(self) -> None:
        """Kills the process; whoever talks to it hears that it died. For any thread, as long as nobody has ended it."""
        if self._handle is not None:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)
        else:
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        """Kills the process and lets everything of it go. Safe to call twice."""
        self._connection.close()
        if self._handle is not None:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)
            os.close(self._handle)
            self._handle = None

    def _read(self, until: float) -> None:
        try:
            self._connection.settimeout(_seconds_until(until))
            piece = self._connection.recv(_READ_BYTES)
        except TimeoutError as error:
            raise DeadlinePassed from error
        except OSError as error:
            raise WorkerDied from error
        if not piece:
            raise WorkerDied
        self._buffer += piece


def _seconds_until(until: float) -> float:
    """For a socket: never zero, which would mean "do not wait", nor less."""
    return max(until - time.monotonic(), 0.000_1)
