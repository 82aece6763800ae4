"""The zygote: a process that has loaded everything, holds no secret, and forks a worker for each request.

It is started as `python -I -B -m runtime.sandbox.zygote <descriptor>`, with an empty environment. The descriptor is one
end of a SEQPACKET socket. Each message there is one request:

    b"F" + a socket      fork a worker that talks over that socket; answer: its pid, with a pidfd where there are such
    b"S" + a pid         how did that worker end? answer: its exit code, or minus its signal; empty when not known

The end of the socket is the end of the zygote, and with it of every worker.
"""

import gc
import os
import signal
import socket
import sys
import time
from collections import OrderedDict
from typing import NoReturn

from runtime.sandbox import child, walls
from runtime.sandbox.frames import Channel

MESSAGE_BYTES_MAX = 64
ENDS_KEPT_MAX = 256  # how many ends of workers are remembered for the question above
END_WAIT_SECONDS = 0.1
_WORKER_DESCRIPTOR = 3


def main() -> NoReturn:
    """Warms up, says that it is ready, and serves requests until the other side closes."""
    # No PDEATHSIG here: it would follow the server's thread that happened to start us, not the server.
    control = socket.socket(fileno=int(sys.argv[1]))
    _close_standard_streams()
    child.warm()
    gc.collect()
    gc.freeze()  # what is loaded is shared with the workers; collecting it would copy every page of it
    base_bytes = walls.mapped_bytes()
    control.send(b"ready")
    ends: OrderedDict[int, int] = OrderedDict()
    while True:
        try:
            message, descriptors, _, _ = socket.recv_fds(control, MESSAGE_BYTES_MAX, 1)
            if not message:
                break
            if message[:1] == b"F":
                _fork(control, descriptors[0], base_bytes)
            else:
                control.send(_end_of(int(message[1:]), ends))
            _reap(ends)
        except OSError:
            break
    os._exit(0)


def _fork(control: socket.socket, descriptor: int, base_bytes: int) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            walls.die_with_parent()
            if descriptor != _WORKER_DESCRIPTOR:
                os.dup2(descriptor, _WORKER_DESCRIPTOR)
            os.closerange(_WORKER_DESCRIPTOR + 1, 256)
            child.serve(Channel(_WORKER_DESCRIPTOR), base_bytes)
        finally:
            os._exit(1)
    os.close(descriptor)
    try:
        handle = os.pidfd_open(pid)
    except (OSError, AttributeError):
        control.send(str(pid).encode())
        return
    socket.send_fds(control, [str(pid).encode()], [handle])
    os.close(handle)


def _reap(ends: OrderedDict[int, int]) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        ends[pid] = os.waitstatus_to_exitcode(status)
        while len(ends) > ENDS_KEPT_MAX:
            ends.popitem(last=False)


def _end_of(pid: int, ends: OrderedDict[int, int]) -> bytes:
    """A worker whose socket has closed is about to end, if it has not: a moment is enough."""
    until = time.monotonic() + END_WAIT_SECONDS
    while True:
        _reap(ends)
        if pid in ends:
            return str(ends[pid]).encode()
        if time.monotonic() > until:
            return b"?"
        time.sleep(0.001)


def _close_standard_streams() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is the server's to handle


if __name__ == "__main__":
    main()
