"""The calls of the Linux kernel that Python has no name for. Each raises OSError where the kernel refuses."""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
PR_GET_SECCOMP = 21
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38

CLONE_NEWNS = 0x0002_0000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000

_CAPABILITY_VERSION = 0x2008_0522

_LIBC: ctypes.CDLL | None = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def prctl(option: int, value: int, pointer: int = 0) -> None:
    """`prctl(option, value, pointer, 0, 0)`."""
    _called("prctl", option, value, pointer, 0, 0)


def unshare(flags: int) -> None:
    """Leaves what `flags` (CLONE_NEW…) name; `os.unshare` is of Python 3.12."""
    _called("unshare", flags)


def mount(source: bytes, target: bytes, kind: bytes | None, flags: int, options: bytes | None) -> None:
    """Mounts a file system, or with `kind` None changes how one is mounted."""
    _called("mount", source, target, kind, flags, options)


def umount(target: bytes, flags: int) -> None:
    """Takes a mounted file system away."""
    _called("umount2", target, flags)


def drop_capabilities() -> None:
    """Gives up every capability of this process, for itself and whatever it executes."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    none = (ctypes.c_uint32 * 6)()
    _called("capset", ctypes.addressof(header), ctypes.addressof(none))


def syscall(number: int, *values: int | bytes | None) -> int:
    """A system call by its number; what it gives."""
    return _called("syscall", number, *values)


def _called(name: str, *values: int | bytes | None) -> int:
    if _LIBC is None:
        raise OSError(f"{name} is a call of Linux")
    call = getattr(_LIBC, name)
    call.restype = ctypes.c_long if name == "syscall" else ctypes.c_int
    given = [ctypes.c_ulong(value) if isinstance(value, int) else ctypes.c_char_p(value) for value in values]
    result: int = call(*given)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return result
