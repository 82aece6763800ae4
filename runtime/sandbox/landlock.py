"""The wall around files, TCP and other processes: a Landlock domain without a single exception."""

import errno
import os
import struct

from runtime.sandbox import kernel

_CREATE_RULESET, _RESTRICT_SELF = 444, 446  # the same numbers on every architecture
_CREATE_RULESET_VERSION = 1
# What each ABI of the kernel added, and we forbid: rights on files, on TCP, and reach beyond the domain.
_FILES = (1 << 13) - 1  # execute, read, write, list, remove, make
_FILES_BY_ABI = {2: 1 << 13, 3: 1 << 14, 5: 1 << 15}  # link across folders, truncate, ioctl of devices
_TCP_ABI, _TCP = 4, 0b11  # bind, connect
_SCOPE_ABI, _SCOPE = 6, 0b11  # abstract sockets and signals of others


def abi() -> int:
    """The version of Landlock that this kernel offers; 0 where it offers none."""
    try:
        return kernel.syscall(_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION)
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM):  # the last from a container's own filter
            return 0
        raise


def deny_all(version: int) -> None:
    """Takes every right that ABI `version` knows from this process, for good. Needs no_new_privs. Raises OSError."""
    rights = ruleset(version)
    descriptor = kernel.syscall(_CREATE_RULESET, rights, len(rights), 0)
    try:
        kernel.syscall(_RESTRICT_SELF, descriptor, 0)
    finally:
        os.close(descriptor)


def ruleset(version: int) -> bytes:
    """The struct landlock_ruleset_attr that handles all that ABI `version` knows; no shorter kernel takes more of it."""
    files = _FILES
    for since, rights in _FILES_BY_ABI.items():
        files |= rights if version >= since else 0
    if version >= _SCOPE_ABI:
        return struct.pack("QQQ", files, _TCP, _SCOPE)
    if version >= _TCP_ABI:
        return struct.pack("QQ", files, _TCP)
    return struct.pack("Q", files)
