"""The owner of a data folder: the one process that opens its files, started by whoever comes first, ending when idle."""

import argparse
import contextlib
import fcntl
import gc
import os
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import structlog

from runtime import wire
from runtime.client import OwnerOptions
from runtime.engine import Engine, EngineOptions
from runtime.errors import ExecutionError, InvalidArguments, Unavailable, VerbenaError
from runtime.outside.hosts import read_hosts
from runtime.stream import Bell, Stream

CONNECTIONS_MAX = 128
# Whoever follows events is told that the owner ends, unless they are too slow to hear it.
FAREWELL_SECONDS_MAX = 1.0
LOG_BYTES_MAX = 5 << 20
# The exit code of an owner whose folder was taken away.
DISPLACED = 3
# How often the owner looks whether it is idle, and whether the folder is still there.
LOOK_EVERY_S = 1.0

log = structlog.get_logger()


class Daemon:
    """Listens at the data folder's socket and answers each connection in a thread of its own."""

    def __init__(self, data: Path, engine: Engine, *, idle_s: float) -> None:
        self._data = data
        self._engine = engine
        self._idle_s = idle_s
        self._open = 0
        self._last = time.monotonic()
        self._lock = threading.Lock()
        self._streams: set[Stream] = set()
        self._streams_changed = threading.Condition()
        self._ending = threading.Event()
        self._path = wire.socket_path(data)
        wire.private_folder(self._path.parent)
        self._path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        former = os.umask(0o177)  # the socket is made for its user alone, without a moment in between
        try:
            self._listener.bind(str(self._path))
        finally:
            os.umask(former)
        self._listener.listen(CONNECTIONS_MAX)

    def serve(self) -> None:
        """Answer until the daemon was idle for its time, or is told to end."""
        threading.Thread(target=self._watch_idle, name="verbena-idle", daemon=True).start()
        while not self._ending.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                break
            if not _same_user(connection) or self._open >= CONNECTIONS_MAX:
                connection.close()
                continue
            with self._lock:
                self._open += 1
            threading.Thread(target=self._converse, args=(connection,), name="verbena-connection", daemon=True).start()
        self._leave_where_displaced()
        self._path.unlink(missing_ok=True)
        self._take_leave()

    def end(self) -> None:
        """Stop listening; `serve` returns."""
        self._ending.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _converse(self, connection: socket.socket) -> None:
        try:
            with connection:
                while (payload := wire.receive(connection)) is not None:
                    self._leave_where_displaced()
                    answer = self._answer(payload, connection)
                    if answer is None:
                        break
                    connection.sendall(wire.frame(answer))
                    if self._ending.is_set():
                        break
        except (OSError, VerbenaError):
            pass  # the other side is gone, or sends what is no frame
        finally:
            with self._lock:
                self._open -= 1
                self._last = time.monotonic()

    def _answer(self, payload: bytes, connection: socket.socket) -> bytes | None:
        """The answer to a question; None where its answers were a stream, which is over."""
        try:
            try:
                question = wire.decode_question(payload)
            except Exception as error:
                raise InvalidArguments("that is no question of this protocol") from error
            if question.call == "end":
                threading.Thread(target=self.end).start()
                return wire.success(b"null")
            if question.call == "subscribe":
                self._stream(question, connection)
                return None
            answer = wire.success(self._engine.answer(question))
            if len(answer) > wire.FRAME_BYTES_MAX:
                wire.frame(answer)
            return answer
        except VerbenaError as error:
            return wire.failure(error)
        except Exception:
            log.exception("a call failed inside")
            return wire.failure(
                ExecutionError("something failed inside Verbena", hint="the daemon's log has the details")
            )

    def _stream(self, question: wire.Question, connection: socket.socket) -> None:
        with Bell() as bell, self._engine.follow(question, bell.ring) as subscription:
            stream = Stream(connection, subscription, bell)
            with self._streams_changed:
                self._streams.add(stream)
            try:
                if self._ending.is_set():
                    stream.end()
                with contextlib.suppress(OSError):  # the other side is gone, as it may be at any time
                    stream.run()
            finally:
                with self._streams_changed:
                    self._streams.discard(stream)
                    self._streams_changed.notify_all()

    def _take_leave(self) -> None:
        """Tell whoever follows events that this is the end, and wait a moment until they were told."""
        with self._streams_changed:
            for stream in self._streams:
                stream.end()
            self._streams_changed.wait_for(lambda: not self._streams, FAREWELL_SECONDS_MAX)

    def _leave_where_displaced(self) -> None:
        """End at once where the folder was deleted or moved: what stands at its path now is not ours.

        To close would remove the socket and the write-ahead logs of another owner, whose commits would be lost with them.
        """
        if not owns(self._data):
            os._exit(DISPLACED)

    def _watch_idle(self) -> None:
        while not self._ending.wait(min(self._idle_s, LOOK_EVERY_S)):
            self._leave_where_displaced()
            with self._lock:
                idle = self._open == 0 and time.monotonic() - self._last > self._idle_s
            if idle and not self._engine.awaits_runs():
                self.end()


def own(data: Path) -> int:
    """Become the one owner of a data folder; the descriptor holds the lock until the process ends."""
    wire.private_folder(data)
    descriptor = os.open(data / "verbena.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise Unavailable(f"{data} is owned by another process", hint="talk to that one through its socket") from error
    os.truncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
    return descriptor


def owns(data: Path) -> bool:
    """Whether the lock file at this path is still that of this process."""
    try:
        return (data / "verbena.lock").read_bytes() == str(os.getpid()).encode()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # it cannot be read now, which says nothing of whose it is


def _same_user(connection: socket.socket) -> bool:
    if not hasattr(socket, "SO_PEERCRED"):
        return True  # the folder's mode is the wall where the kernel does not tell
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", credentials)
    return user == os.getuid()


def main() -> None:
    """`python -m runtime.daemon DATA OPTIONS`: own the folder, answer until idle."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("options", type=OwnerOptions.from_argument)
    given = parser.parse_args()
    data: Path = given.data
    options: OwnerOptions = given.options
    try:
        own(data)
    except Unavailable:
        sys.exit(0)  # somebody was quicker; whoever started this process finds them
    _log_to(data / "daemon.log")
    engine = Engine(
        data,
        EngineOptions(
            base_url=options.base_url,
            hosts=read_hosts(options.http_hosts),
            accept_fewer_walls=options.accept_fewer_walls,
        ),
    )
    gc.freeze()  # what is loaded by now stays: to look through it again and again was a tenth of an import
    daemon = Daemon(data, engine, idle_s=options.idle_s)
    _on_signals(daemon.end)
    log.info("serving", data=str(data), pid=os.getpid())
    daemon.serve()
    engine.close()


def _on_signals(end: Callable[[], None]) -> None:
    def handle(number: int, frame: FrameType | None) -> None:
        end()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, handle)


def _log_to(path: Path) -> None:
    if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
        path.replace(path.with_suffix(".log.1"))
    stream = path.open("a", buffering=1)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(stream),
    )


if __name__ == "__main__":
    main()
