"""What a worker must not be able to do, tried by ourselves: code of ours, in a real worker, behind no wall of the language.

A probe gives what it got, or None where it was refused; whatever it raises is a refusal. Which walls stop which probe is
in `inspection`, on the parent's side.
"""

import _thread
import contextlib
import mmap
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping

try:
    from posix import environ as inherited  # as the process was started with it
except ImportError:
    inherited: dict[bytes, bytes] = {}

SLEEP_SECONDS = 60.0
_BYTES_TRIED = 2 << 30  # far beyond what an inspection gives a worker
_DESCRIPTORS_TRIED = 64
_NOWHERE = ("192.0.2.1", 9)  # RFC 5737: an address for documentation; to connect a datagram socket sends nothing


def tried(name: str, descriptor: int) -> str | None:
    """What the probe of that name got, or None. `descriptor` is the worker's socket, the one thing that it may have."""
    if name == "descriptors":
        return _descriptors(descriptor)
    try:
        return _PROBES[name]()
    except Exception:  # EPERM, EACCES, ENOENT, MemoryError, ValueError: by whichever wall comes first
        return None


def _files() -> str:
    os.close(os.open(sys.executable, os.O_RDONLY))
    return "a file was opened"


def _writing() -> str:
    path = f"/tmp/verbena-probe-{os.getpid()}"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with contextlib.suppress(OSError):
        os.unlink(path)
    return "a file was made"


def _network() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outside:
        outside.connect(_NOWHERE)
    return "there is a way to the network"


def _processes() -> str:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return "a process was forked"


def _programs() -> str:
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", ""])


def _threads() -> str:
    _thread.start_new_thread(time.sleep, (0,))
    return "a thread was started"


def _machine_code() -> str:
    if not hasattr(mmap, "PROT_EXEC"):
        raise OSError
    mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()
    return "memory was made executable"


def _signals() -> str:
    os.kill(os.getppid(), 0)
    return "another process can be signalled"


def _memory() -> str:
    mmap.mmap(-1, _BYTES_TRIED).close()  # anonymous and untouched: it costs nothing where it is given
    return f"{_BYTES_TRIED >> 20} MB of memory were given"


def _limits() -> str:
    import resource  # loaded with the walls, where the platform has it

    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return "the limit of memory was raised"


def _descriptors(own: int) -> str | None:
    """By closing them, the one thing that is allowed with a descriptor and harms nobody."""
    found: list[int] = []
    for number in range(_DESCRIPTORS_TRIED):
        if number != own:
            with contextlib.suppress(OSError):
                os.close(number)
                found.append(number)
    return f"descriptors were open: {found}" if found else None


def _environment() -> str | None:
    names = sorted(os.fsdecode(name) for name in inherited if name != b"LC_CTYPE")  # Python itself sets that one
    return f"variables were there: {', '.join(names)[:60]}" if names else None


def _time() -> str:
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    time.sleep(SLEEP_SECONDS)
    return "it was not killed"


_PROBES: Mapping[str, Callable[[], str | None]] = {
    "files": _files,
    "writing": _writing,
    "network": _network,
    "processes": _processes,
    "programs": _programs,
    "threads": _threads,
    "machine code": _machine_code,
    "signals": _signals,
    "memory": _memory,
    "limits": _limits,
    "environment": _environment,
    "time": _time,
}
