"""The walls of a worker that the kernel holds, raised before it reads the job.

What the kernel offers is found out once, by `survey`; each worker raises all of it. After `raise_walls` nothing may be
imported or opened: what a job needs is loaded and warm before.
"""

import contextlib
import math
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from runtime.sandbox import kernel, landlock, seccomp

try:
    import resource
except ImportError:  # Windows has no rlimits; there the kill on deadline is the only wall
    resource = None

_OPEN_FILES_MAX = 16
_DESCRIPTORS_MAX = 256  # who makes workers is started with four, and opens no more than two at a time
MEMORY_TO_REPORT = 16 * 2**20  # bytes past the limit, given free once it was hit, so that the end can be told
CPU_SECONDS_MAX = 3_600  # of all jobs of one worker; thirty of the longest
CPU_SECONDS_SPARE = 2  # past the deadline; the pool's kill comes first


@dataclass(frozen=True, slots=True, kw_only=True)
class Walls:
    """What stands around a process. `missing` is what the kernel does not offer, `failed` what it offered and refused."""

    standing: tuple[str, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict[str, str])  # wall → why
    failed: Mapping[str, str] = field(default_factory=dict[str, str])

    def with_wall(self, name: str, why_not: str | None) -> "Walls":
        """These and one more, which stands unless there is a reason why not."""
        if why_not is None:
            return replace(self, standing=(*self.standing, name))
        return replace(self, missing={**self.missing, name: why_not})


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a worker can raise on this machine."""

    landlock_abi: int
    filter: bytes | None
    no_filter: str | None  # why there is none


def survey() -> Survey:
    """Looks what this kernel offers. For the process that makes workers, once."""
    if sys.platform != "linux":
        return Survey(landlock_abi=0, filter=None, no_filter="only Linux has it")
    no_filter = seccomp.why_not()
    return Survey(
        landlock_abi=landlock.abi(), filter=None if no_filter else seccomp.compiled_here(), no_filter=no_filter
    )


def raise_walls(around: Walls, found: Survey) -> Walls:
    """Raises in this process all that was found, and says what stands together with what stands `around` it already."""
    walls = around
    if resource is not None:
        # No core dump with tenant data, no file content, no further process (root is exempt from the last).
        for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC):
            resource.setrlimit(limit, (0, 0))
        resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES_MAX, _OPEN_FILES_MAX))
    walls = walls.with_wall("rlimits", None if resource is not None else "this platform has none")
    if sys.platform != "linux":
        only = "only Linux has it"
        return walls.with_wall("memory_limit", only).with_wall("landlock", only).with_wall("seccomp", found.no_filter)
    walls = walls.with_wall("memory_limit", None)  # each job sets its own; Darwin would not hold to it
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    walls = walls.with_wall("no_new_privs", None)
    if not found.landlock_abi:
        walls = walls.with_wall("landlock", "this kernel has none, or it is switched off")
    else:
        try:
            landlock.deny_all(found.landlock_abi)
            walls = walls.with_wall("landlock", None)
        except OSError as error:
            walls = replace(walls, failed={**walls.failed, "landlock": str(error)[:80]})
    if found.filter is None:
        return walls.with_wall("seccomp", found.no_filter)
    try:
        seccomp.confine(found.filter)  # last: it forbids what raises the others
    except OSError as error:
        return replace(walls, failed={**walls.failed, "seccomp": str(error)[:80]})
    return walls.with_wall("seccomp", None)


def bound_memory(base_bytes: int, memory_bytes: int) -> None:
    """The job's memory: `memory_bytes` on top of what is mapped already. It must stay possible behind the walls."""
    if resource is not None and sys.platform == "linux":
        soft = base_bytes + memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (soft, soft + MEMORY_TO_REPORT))


def free_reserve() -> None:
    """Lets the process use the memory that was kept back for telling how it ended."""
    if resource is not None and sys.platform == "linux":
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def bound_processor(seconds: float) -> None:
    """A last stop, for code that neither the timer nor the pool could end. It comes on top of what was used before."""
    if resource is not None:
        whole = math.ceil(time.process_time() + seconds) + CPU_SECONDS_SPARE
        resource.setrlimit(resource.RLIMIT_CPU, (min(whole, CPU_SECONDS_MAX), CPU_SECONDS_MAX))


def mapped_bytes() -> int:
    """How much address space this process has mapped. Opens a file: before the walls only."""
    if sys.platform != "linux":
        return 0
    pages = Path("/proc/self/statm").read_bytes().split()[0]
    return int(pages) * (resource.getpagesize() if resource else 4096)


def close_all_but(descriptor: int) -> None:
    """Closes every other descriptor, the standard ones too: nothing can be opened later that would take their place."""
    os.closerange(0, descriptor)
    os.closerange(descriptor + 1, _DESCRIPTORS_MAX)


def go_first() -> None:
    """Where the machine's memory runs out, the kernel ends this process and its children before the server."""
    with contextlib.suppress(OSError):  # a courtesy to the machine, no wall
        Path("/proc/self/oom_score_adj").write_bytes(b"1000")


def die_with_parent() -> None:
    """The kernel ends this process when the thread that made it ends. For children of the single-threaded zygote."""
    if sys.platform == "linux":
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
