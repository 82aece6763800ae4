"""The walls of a worker that the kernel holds, raised before it reads the job.

After `raise_walls` nothing may be imported or opened: what a job needs is loaded and warm before.
"""

import ctypes
import math
import signal
import sys

try:
    import resource
except ImportError:  # Windows has no rlimits; there the kill on deadline is the only wall
    resource = None

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_OPEN_FILES_MAX = 16
MEMORY_TO_REPORT = 16 * 2**20  # bytes past the limit, given free once it was hit, so that the end can be told
CPU_SECONDS_SPARE = 2  # past the deadline; the pool's kill comes first


def raise_walls() -> list[str]:
    """Raises what this platform has and names what stands. Raises OSError where the kernel refuses one that it has."""
    standing: list[str] = []
    if resource is not None:
        # No core dump with tenant data, no file content, no further process (root is exempt from the last).
        for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC):
            resource.setrlimit(limit, (0, 0))
        resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES_MAX, _OPEN_FILES_MAX))
        standing.append("rlimits")
    if sys.platform == "linux":
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        standing.append("no_new_privs")
    return standing


def bound_memory(base_bytes: int, memory_bytes: int) -> None:
    """The job's memory: `memory_bytes` on top of what is mapped already. It must stay possible behind the walls."""
    if resource is not None and sys.platform == "linux":  # Darwin does not hold to it
        soft = base_bytes + memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (soft, soft + MEMORY_TO_REPORT))


def free_reserve() -> None:
    """Lets the process use the memory that was kept back for telling how it ended."""
    if resource is not None and sys.platform == "linux":
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def bound_processor(seconds: float) -> None:
    """A last stop, for code that neither the timer nor the pool could end."""
    if resource is not None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        whole = math.ceil(used.ru_utime + used.ru_stime + seconds) + CPU_SECONDS_SPARE
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)  # left as it is: the next job gets seconds of its own
        resource.setrlimit(resource.RLIMIT_CPU, (whole, hard))


def mapped_bytes() -> int:
    """How much address space this process has mapped. Opens a file: before the walls only."""
    if sys.platform != "linux":
        return 0
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * (resource.getpagesize() if resource else 4096)


def die_with_parent() -> None:
    """The kernel ends this process when the thread that made it ends. For children of the single-threaded zygote."""
    if sys.platform == "linux":
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
