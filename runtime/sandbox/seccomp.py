"""The wall around system calls: a filter that lets a worker compute, talk over what it has open, and end.

What is allowed is listed, everything else is refused with EPERM. A call by the numbers of another architecture ends the
process: there the same number means another call.
"""

import ctypes
import errno
import platform
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from runtime.sandbox import kernel

# Allowed as long as they make no memory executable: with that, what is loaded stays all that can run.
MAPPING = ("mmap", "mprotect")
# Allowed for the process itself and the two bounds that a job sets; the kernel lets nobody raise a hard one.
BOUNDING = "prlimit64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """What the kernel calls it, and its numbers of all calls that a worker may make.

    Memory, signals, clocks, chance, the end; `read` and `write` only reach what is open, which is the worker's socket.
    """

    audit: int
    numbers: Mapping[str, int]
    foreign_from: int | None = None  # numbers from here on are of another interface on the same machine


X86_64 = Architecture(
    audit=0xC000_003E,
    foreign_from=0x4000_0000,  # x32
    numbers={
        "read": 0,
        "write": 1,
        "close": 3,
        "mmap": 9,
        "mprotect": 10,
        "munmap": 11,
        "brk": 12,
        "rt_sigaction": 13,
        "rt_sigprocmask": 14,
        "rt_sigreturn": 15,
        "sched_yield": 24,
        "mremap": 25,
        "madvise": 28,
        "nanosleep": 35,
        "getitimer": 36,
        "setitimer": 38,
        "getpid": 39,
        "exit": 60,
        "gettimeofday": 96,
        "getrusage": 98,
        "sigaltstack": 131,
        "gettid": 186,
        "futex": 202,
        "restart_syscall": 219,
        "clock_gettime": 228,
        "clock_getres": 229,
        "clock_nanosleep": 230,
        "exit_group": 231,
        "prlimit64": 302,
        "getrandom": 318,
        "rseq": 334,
    },
)
AARCH64 = Architecture(
    audit=0xC000_00B7,
    numbers={
        "close": 57,
        "read": 63,
        "write": 64,
        "exit": 93,
        "exit_group": 94,
        "futex": 98,
        "nanosleep": 101,
        "getitimer": 102,
        "setitimer": 103,
        "clock_gettime": 113,
        "clock_getres": 114,
        "clock_nanosleep": 115,
        "sched_yield": 124,
        "restart_syscall": 128,
        "sigaltstack": 132,
        "rt_sigaction": 134,
        "rt_sigprocmask": 135,
        "rt_sigreturn": 139,
        "getrusage": 165,
        "gettimeofday": 169,
        "getpid": 172,
        "gettid": 178,
        "brk": 214,
        "munmap": 215,
        "mremap": 216,
        "mmap": 222,
        "mprotect": 226,
        "madvise": 233,
        "prlimit64": 261,
        "getrandom": 278,
        "rseq": 293,
    },
)
ARCHITECTURES = {"x86_64": X86_64, "aarch64": AARCH64}

_SECCOMP_MODE_FILTER = 2
_PROT_EXEC = 4
_RLIMIT_CPU, _RLIMIT_AS = 0, 9
# Instructions of the classic packet filter, and the answers that a filter may give.
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT, _ANSWER = 0x20, 0x15, 0x35, 0x45, 0x06
_KILL, _ALLOW, _REFUSE = 0x8000_0000, 0x7FFF_0000, 0x0005_0000 | errno.EPERM
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16  # offsets in what the filter reads: struct seccomp_data


def why_not() -> str | None:
    """What keeps this wall from being raised on this machine; None where nothing does."""
    machine = platform.machine()
    if machine not in ARCHITECTURES or struct.calcsize("P") != 8:
        return f"there is no table of system calls for {machine}"
    try:
        kernel.prctl(kernel.PR_GET_SECCOMP, 0)
    except OSError:
        return "this kernel was built without it"
    return None


def confine(program: bytes) -> None:
    """Holds this process to `program`, for good. Needs no_new_privs. Raises OSError."""
    instructions = ctypes.create_string_buffer(program, len(program))
    shape = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(instructions))  # struct sock_fprog
    pointed = ctypes.create_string_buffer(shape, len(shape))
    kernel.prctl(kernel.PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(pointed))


def compiled(architecture: Architecture) -> bytes:
    """The filter as the kernel reads it, eight bytes an instruction."""
    return b"".join(_instructions(architecture))


def compiled_here() -> bytes:
    """The filter of this machine; only where `why_not` gives None."""
    return compiled(ARCHITECTURES[platform.machine()])


def _instructions(architecture: Architecture) -> Iterator[bytes]:
    numbers = architecture.numbers
    yield _load(_ARCHITECTURE_AT)
    yield _jump(_IF_EQUAL, architecture.audit, 1, 0)
    yield _answer(_KILL)
    yield _load(_NUMBER_AT)
    if architecture.foreign_from is not None:
        yield _jump(_IF_AT_LEAST, architecture.foreign_from, 0, 1)
        yield _answer(_KILL)
    for name, number in numbers.items():
        if name not in (*MAPPING, BOUNDING):
            yield _jump(_IF_EQUAL, number, 0, 1)
            yield _answer(_ALLOW)
    for name in MAPPING:
        yield _jump(_IF_EQUAL, numbers[name], 0, 4)
        yield _load(_argument_at(2))
        yield _jump(_IF_ANY_BIT, _PROT_EXEC, 0, 1)
        yield _answer(_REFUSE)
        yield _answer(_ALLOW)
    yield _jump(_IF_EQUAL, numbers[BOUNDING], 0, 7)
    yield _load(_argument_at(0))
    yield _jump(_IF_EQUAL, 0, 0, 4)  # of another process: refused
    yield _load(_argument_at(1))
    yield _jump(_IF_EQUAL, _RLIMIT_AS, 1, 0)
    yield _jump(_IF_EQUAL, _RLIMIT_CPU, 0, 1)
    yield _answer(_ALLOW)
    yield _answer(_REFUSE)
    yield _answer(_REFUSE)


def _argument_at(place: int) -> int:
    """The lower half of an argument: all that the kernel reads of an `int`, and both machines are little-endian."""
    return _ARGUMENTS_AT + 8 * place


def _load(offset: int) -> bytes:
    return struct.pack("HBBI", _LOAD, 0, 0, offset)


def _jump(test: int, value: int, held: int, failed: int) -> bytes:
    """Skips `held` instructions where the loaded word passes the test, else `failed`."""
    return struct.pack("HBBI", test, held, failed, value)


def _answer(value: int) -> bytes:
    return struct.pack("HBBI", _ANSWER, 0, 0, value)
