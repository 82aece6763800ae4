"""The walls around the zygote, and so around every worker: a world with no network, no files and nobody else.

`enter` comes first, before anything large is loaded. `leave_files` and `drop_rights` come last: after them nothing can
be imported.
"""

import os
import signal
import sys

from runtime.sandbox import kernel

NOBODY = 65534
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REC, _MS_PRIVATE = 1, 2, 4, 8, 0x4000, 0x4_0000
_MNT_DETACH = 2
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_OTHERS = kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS | kernel.CLONE_NEWPID | kernel.CLONE_NEWNS


def enter(control: int) -> str | None:
    """Goes on as the first process of new namespaces; what it was started as stays behind and ends with it.

    `control` is the descriptor that only the first process keeps. Gives why there are none here, or None.
    """
    try:
        _unshare()
    except OSError as error:
        return f"the kernel does not allow them here ({error.strerror})"
    pid = os.fork()
    if pid:
        os.close(control)  # else its other end would never learn that the zygote has gone
        drop_rights()  # it only waits
        _, status = os.waitpid(pid, 0)
        os._exit(max(os.waitstatus_to_exitcode(status), 0))
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    return None


def leave_files() -> str | None:
    """Puts an empty read-only file system in the place of all. Only behind `enter`. Gives why not, or None."""
    number = _PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        return f"no number of pivot_root is known for {os.uname().machine}"
    try:
        kernel.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)  # what we do here stays here
        # Over /dev, which is there on every Linux; it is gone with all the rest a moment later.
        flags = _MS_RDONLY | _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
        kernel.mount(b"none", b"/dev", b"tmpfs", flags, b"size=4k,nr_inodes=2,mode=555")
        os.chdir("/dev")
        kernel.syscall(number, b".", b".")
        kernel.umount(b".", _MNT_DETACH)
        os.chdir("/")
    except OSError as error:
        return f"the kernel does not allow it here ({error.strerror})"
    return None


def drop_rights() -> str | None:
    """Goes on as nobody where this is root, and without any capability. Gives why not, or None."""
    try:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        if sys.platform == "linux":
            kernel.drop_capabilities()  # also those that a user namespace gives
    except OSError as error:
        return f"the kernel does not allow it here ({error.strerror})"
    return None


def _unshare() -> None:
    """Root needs no user namespace, and without one it can become nobody; where root may not, it is tried like others."""
    if os.geteuid() == 0:
        try:
            kernel.unshare(_OTHERS)
            return
        except OSError:
            pass
    kernel.unshare(_OTHERS | kernel.CLONE_NEWUSER)
