"""Where workers come from: a zygote that forks them, or, where there is no such thing, a new process for each."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from typing import Protocol

from runtime.sandbox.worker import DeadlinePassed, ProtocolBroken, Worker, WorkerDied

START_SECONDS_MAX = 20.0  # from nothing to a warm zygote: 0.2 s on an idle machine
FORK_SECONDS_MAX = 5.0  # 3 ms on an idle machine
MESSAGE_BYTES_MAX = 64


class NoWorker(Exception):
    """No worker could be made."""


class Nursery(Protocol):
    """Makes workers, one at a time, for any thread."""

    def make(self) -> Worker:
        """A worker that is ready for its job. Raises `NoWorker`."""
        ...

    def end_of(self, worker: Worker) -> int | None:
        """How a worker that died has died: its exit code, or minus the signal; None where that is not known."""
        ...

    def close(self) -> None:
        """Ends what makes workers. Workers that run are the pool's to end."""
        ...


class ZygoteNursery:
    """Forks workers from a zygote, and starts another zygote when that one has gone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # one request at a time on the control socket
        self._zygote: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._closed = False

    def make(self) -> Worker:
        with self._lock:
            try:
                worker = self._fork(self._running())
            except (OSError, ValueError):  # it has gone: one new zygote, and no third try
                self._stop()
                try:
                    worker = self._fork(self._running())
                except (OSError, ValueError) as error:
                    self._stop()
                    raise NoWorker("the zygote does not fork") from error
        return _ready(worker)

    def end_of(self, worker: Worker) -> int | None:
        with self._lock, contextlib.suppress(OSError, ValueError):
            if self._control is not None:
                self._control.send(b"S%d" % worker.pid)
                return int(self._control.recv(MESSAGE_BYTES_MAX))
        return None

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._stop()

    def _running(self) -> socket.socket:
        if self._closed:
            raise NoWorker("the pool is closed")
        if self._control is None:
            self._control = self._start()
        return self._control

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._zygote = _python("runtime.sandbox.zygote", theirs)
        ours.settimeout(START_SECONDS_MAX)
        try:
            if ours.recv(MESSAGE_BYTES_MAX) != b"ready":
                raise OSError("the zygote did not start")
        except OSError:
            ours.close()
            raise
        ours.settimeout(FORK_SECONDS_MAX)
        return ours

    def _fork(self, control: socket.socket) -> Worker:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(control, [b"F"], [theirs.fileno()])
                message, handles, _, _ = socket.recv_fds(control, MESSAGE_BYTES_MAX, 1)
            return Worker(connection=ours, pid=int(message), handle=handles[0] if handles else None)
        except (OSError, ValueError):
            ours.close()
            raise

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._zygote is not None:
            self._zygote.kill()
            self._zygote.wait()
            self._zygote = None


class SpawnNursery:
    """Starts a new interpreter for each worker: slower by a factor of fifty, and all that some platforms have."""

    def __init__(self) -> None:
        self._closed = False
        self._lock = threading.Lock()
        self._processes: dict[int, subprocess.Popen[bytes]] = {}  # one for each worker that has not been reaped

    def make(self) -> Worker:
        if self._closed:
            raise NoWorker("the pool is closed")
        self._reap()
        ours, theirs = socket.socketpair()
        with theirs:
            process = _python("runtime.sandbox.child", theirs)
        with self._lock:
            self._processes[process.pid] = process
        return _ready(_SpawnedWorker(connection=ours, process=process))

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

    def end(self) -> None:
        super().end()
        self._process.kill()  # it is our own child: until it is waited for, its pid means no other


def can_fork() -> bool:
    """Whether this platform has zygotes: fork is unsafe on macOS and absent on Windows."""
    return sys.platform == "linux" and hasattr(os, "fork")


def _ready(worker: Worker) -> Worker:
    try:
        worker.await_ready(time.monotonic() + START_SECONDS_MAX)
    except (WorkerDied, DeadlinePassed, ProtocolBroken) as error:
        worker.end()
        raise NoWorker("the worker did not come up") from error
    return worker


def _python(module: str, inherited: socket.socket) -> subprocess.Popen[bytes]:
    """Our interpreter with that module, in isolated mode, with no environment and that one descriptor."""
    return subprocess.Popen(
        [sys.executable, "-I", "-B", "-m", module, str(inherited.fileno())],
        pass_fds=[inherited.fileno()],
        env={"LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
