"""Where workers come from: a zygote that forks them, or, where there is no such thing, a new process for each."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Protocol

from runtime.sandbox.worker import DeadlinePassed, ProtocolBroken, Worker, WorkerDied

START_SECONDS_MAX = 20.0  # from nothing to a warm zygote: 0.2 s on an idle machine
FORK_SECONDS_MAX = 5.0  # 3 ms on an idle machine
MESSAGE_BYTES_MAX = 64
ZYGOTE_FORKS_MAX = 1_000
ZYGOTE_SECONDS_MAX = 600.0
ZYGOTE = ("-m", "runtime.sandbox.zygote")
SPAWNED = ("-m", "runtime.sandbox.child")


class NoWorker(Exception):
    """No worker could be made."""


class Nursery(Protocol):
    """Makes workers, one at a time, for any thread."""

    def begin(self) -> Worker:
        """A worker that comes up; `awaited` gives it when it has. Raises `NoWorker`."""
        ...

    def end_of(self, worker: Worker) -> int | None:
        """How a worker that died has died: its exit code, or minus the signal; None where that is not known."""
        ...

    def close(self) -> None:
        """Ends what makes workers. Workers that run are the pool's to end."""
        ...


class ZygoteNursery:
    """Forks workers from a zygote, and starts another zygote when that one has gone or is spent.

    All workers of one zygote share where its memory lies and how its texts hash. So after `forks_max` of them or
    `seconds_max`, another one is started beside it, and takes over when it is warm; the former one ends with its last
    worker.
    """

    def __init__(
        self,
        program: Sequence[str] = ZYGOTE,
        *,
        forks_max: int = ZYGOTE_FORKS_MAX,
        seconds_max: float = ZYGOTE_SECONDS_MAX,
    ) -> None:
        self._program = program
        self._forks_max = forks_max
        self._seconds_max = seconds_max
        self._lock = threading.Lock()  # of what follows
        self._zygote: Zygote | None = None
        self._former: list[Zygote] = []
        self._successor: threading.Thread | None = None
        self._closed = False

    def begin(self) -> Worker:
        zygote = self._present()
        try:
            worker = zygote.fork()
        except (OSError, ValueError):  # it has gone: one new zygote, and no third try
            self._forget(zygote)
            zygote = self._present()
            try:
                worker = zygote.fork()
            except (OSError, ValueError) as error:
                self._forget(zygote)
                raise NoWorker("the zygote does not fork") from error
        if zygote.forks >= self._forks_max or zygote.age_seconds > self._seconds_max:
            self._renew(zygote)
        return worker

    def end_of(self, worker: Worker) -> int | None:
        return worker.zygote.end_of(worker) if isinstance(worker, _ForkedWorker) else None

    def close(self) -> None:
        with self._lock:
            self._closed = True
            zygotes = [*self._former, *([self._zygote] if self._zygote else [])]
            self._zygote = None
            self._former.clear()
            successor = self._successor
        for zygote in zygotes:
            zygote.stop()
        if successor is not None:
            successor.join()

    def _present(self) -> "Zygote":
        with self._lock:
            if self._closed:
                raise NoWorker("the pool is closed")
            if self._zygote is None:
                try:
                    self._zygote = Zygote(self._program)
                except OSError as error:
                    raise NoWorker("the zygote does not start") from error
            return self._zygote

    def _forget(self, zygote: "Zygote") -> None:
        with self._lock:
            if self._zygote is zygote:
                self._zygote = None
        zygote.stop()

    def _renew(self, spent: "Zygote") -> None:
        with self._lock:
            if self._closed or self._successor is not None or self._zygote is not spent:
                return
            self._successor = threading.Thread(target=self._succeed, args=(spent,), name="verbena-sandbox-zygote")
            self._successor.start()

    def _succeed(self, spent: "Zygote") -> None:
        zygote: Zygote | None = None
        with contextlib.suppress(OSError):  # then the spent one goes on, and its next fork tries again
            zygote = Zygote(self._program)
        with self._lock:
            self._successor = None
            self._former = [former for former in self._former if former.is_running]
            is_wanted = zygote is not None and not self._closed and self._zygote is spent
            if is_wanted:
                self._zygote = zygote
                self._former.append(spent)
        if is_wanted:
            spent.retire()
        elif zygote is not None:
            zygote.stop()


class Zygote:
    """A process that forks workers when asked, started and warm. Its calls raise OSError or ValueError where it has gone."""

    def __init__(self, program: Sequence[str]) -> None:
        self._lock = threading.Lock()  # one request at a time on the control socket
        self._counting = threading.Lock()
        self._workers = 0
        self._retired = False
        self.forks = 0
        self._born = time.monotonic()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                self._process = _python(program, theirs)
            self._control.settimeout(START_SECONDS_MAX)
            try:
                if self._control.recv(MESSAGE_BYTES_MAX) != b"ready":
                    raise OSError("the zygote did not start")
            except OSError:
                self.stop()
                raise
        except OSError:
            self._control.close()
            raise
        self._control.settimeout(FORK_SECONDS_MAX)

    @property
    def age_seconds(self) -> float:
        """How long ago it was started."""
        return time.monotonic() - self._born

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def fork(self) -> Worker:
        """A worker that comes up."""
        ours, theirs = socket.socketpair()
        try:
            with self._lock, theirs:
                socket.send_fds(self._control, [b"F"], [theirs.fileno()])
                message, handles, _, _ = socket.recv_fds(self._control, MESSAGE_BYTES_MAX, 1)
            worker = _ForkedWorker(
                connection=ours, pid=int(message), handle=handles[0] if handles else None, zygote=self
            )
        except (OSError, ValueError):
            ours.close()
            raise
        with self._counting:
            self.forks += 1
            self._workers += 1
        return worker

    def end_of(self, worker: Worker) -> int | None:
        """How a worker of it that died has died, see `Nursery.end_of`."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._control.send(b"S%d" % worker.pid)
            return int(self._control.recv(MESSAGE_BYTES_MAX))
        return None

    def kill(self, worker: Worker) -> None:
        """Ends a worker of which there is no handle."""
        with self._lock, contextlib.suppress(OSError):
            self._control.send(b"K%d" % worker.pid)

    def retire(self) -> None:
        """It forks no more, and ends with its last worker."""
        with self._counting:
            self._retired = True
            is_last = self._workers == 0
        if is_last:
            self.stop()

    def let_go(self) -> None:
        """One of its workers has ended."""
        with self._counting:
            self._workers -= 1
            is_last = self._retired and self._workers == 0
        if is_last:
            self.stop()

    def stop(self) -> None:
        """Ends it, and every worker that is left with it. Safe to call twice."""
        self._process.kill()
        self._process.wait()
        self._control.close()


class _ForkedWorker(Worker):
    def __init__(self, *, connection: socket.socket, pid: int, handle: int | None, zygote: Zygote) -> None:
        super().__init__(connection=connection, pid=pid, handle=handle)
        self.zygote = zygote
        self._has_handle = handle is not None
        self._is_counted = True

    def kill(self) -> None:
        super().kill()
        if not self._has_handle:
            self.zygote.kill(self)

    def end(self) -> None:
        super().end()
        if self._is_counted:
            self._is_counted = False
            if not self._has_handle:
                self.zygote.kill(self)
            self.zygote.let_go()


class SpawnNursery:
    """Starts a new interpreter for each worker: slower by a factor of fifty, and all that some platforms have."""

    def __init__(self) -> None:
        self._closed = False
        self._lock = threading.Lock()
        self._processes: dict[int, subprocess.Popen[bytes]] = {}  # one for each worker that has not been reaped

    def begin(self) -> Worker:
        if self._closed:
            raise NoWorker("the pool is closed")
        self._reap()
        ours, theirs = socket.socketpair()
        with theirs:
            process = _python(SPAWNED, theirs)
        with self._lock:
            self._processes[process.pid] = process
        return _SpawnedWorker(connection=ours, process=process)

    def end_of(self, worker: Worker) -> int | None:
        process = self._processes.get(worker.pid)
        if process is None:
            return None
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(FORK_SECONDS_MAX)
        return None

    def close(self) -> None:
        self._closed = True
        for process in list(self._processes.values()):
            process.kill()
            process.wait()
        self._processes.clear()

    def _reap(self) -> None:
        with self._lock:
            for pid, process in list(self._processes.items()):
                if process.poll() is not None:
                    del self._processes[pid]


class _SpawnedWorker(Worker):
    def __init__(self, *, connection: socket.socket, process: subprocess.Popen[bytes]) -> None:
        super().__init__(connection=connection, pid=process.pid, handle=None)
        self._process = process

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> None:
        super().end()
        self._process.kill()  # it is our own child: until it is waited for, its pid means no other


def can_fork() -> bool:
    """Whether this platform has zygotes: fork is unsafe on macOS and absent on Windows."""
    return sys.platform == "linux" and hasattr(os, "fork")


def awaited(worker: Worker) -> Worker:
    """The worker, ready for its job. Raises NoWorker where it did not come up; then it is ended."""
    try:
        worker.await_ready(time.monotonic() + START_SECONDS_MAX)
    except (WorkerDied, DeadlinePassed, ProtocolBroken) as error:
        worker.end()
        raise NoWorker("the worker did not come up") from error
    return worker


def _python(program: Sequence[str], inherited: socket.socket) -> subprocess.Popen[bytes]:
    """Our interpreter with that program, in isolated mode, with no environment and that one descriptor."""
    return subprocess.Popen(
        [sys.executable, "-I", "-B", "-X", "utf8", *program, str(inherited.fileno())],
        pass_fds=[inherited.fileno()],
        env={},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
