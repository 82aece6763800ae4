"""Where somebody else's filter forbids what our walls need: the first argument says which system call.

The rest is a zygote's only argument, or else a command, which is executed under that filter.
"""

import errno
import os
import platform
import struct
import sys

from runtime.sandbox import child, kernel, seccomp, zygote

# Call → its numbers, and what a container's filter answers.
FORBIDDEN = {
    "unshare": ({"x86_64": 272, "aarch64": 97}, errno.EPERM),
    "landlock_create_ruleset": ({"x86_64": 444, "aarch64": 444}, errno.ENOSYS),
    "landlock_restrict_self": ({"x86_64": 446, "aarch64": 446}, errno.EPERM),
    "mount": ({"x86_64": 165, "aarch64": 40}, errno.EPERM),
    "pidfd_open": ({"x86_64": 434, "aarch64": 434}, errno.ENOSYS),
}


def forbid(name: str) -> None:
    """Has the kernel refuse a system call to this process and all that it forks."""
    numbers, error = FORBIDDEN[name]
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    seccomp.confine(
        struct.pack("HBBI", 0x20, 0, 0, 0)
        + struct.pack("HBBI", 0x15, 0, 1, numbers[platform.machine()])
        + struct.pack("HBBI", 0x06, 0, 0, 0x50000 | error)
        + struct.pack("HBBI", 0x06, 0, 0, 0x7FFF0000)
    )


def load() -> zygote.Serve:
    """What its workers do, warm."""
    child.warm()
    return child.serve


if __name__ == "__main__":
    forbid(sys.argv.pop(1))
    if not sys.argv[1].isdigit():
        os.execv(sys.argv[1], sys.argv[1:])
    zygote.main(load)
