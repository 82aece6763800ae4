"""The zygote: a process that has loaded everything, holds no secret, and forks a worker for each request.

It is started as `python -I -B -m runtime.sandbox.zygote <descriptor>`, with an empty environment. The descriptor is one
end of a SEQPACKET socket. Each message there is one request:

    b"F" + a socket      fork a worker that talks over that socket; answer: its pid, with a pidfd where there are such
    b"K" + a pid         end that worker; no answer. For kernels without pidfds, and servers without a descriptor left
    b"S" + a pid         how did that worker end? answer: its exit code, or minus its signal; empty when not known

The end of the socket is the end of the zygote, and with it of every worker.
"""

import contextlib
import gc
import os
import signal
import socket
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NoReturn

from runtime.sandbox import namespaces, walls
from runtime.sandbox.frames import Channel

Serve = Callable[[Channel, int, walls.Walls, walls.Survey], NoReturn]

MESSAGE_BYTES_MAX = 64
ENDS_KEPT_MAX = 256  # how many ends of workers are remembered for the question above
END_WAIT_SECONDS = 0.1
_WORKER_DESCRIPTOR = 3


def main(load: Callable[[], Serve] | None = None) -> NoReturn:
    """Isolates itself, warms up, says that it is ready, and serves requests until the other side closes.

    `load` imports and warms what a worker does, and gives it; it is called when the namespaces have been entered.
    """
    # No PDEATHSIG here: it would follow the server's thread that happened to start us, not the server.
    number = int(sys.argv[1])
    _close_standard_streams()
    walls.go_first()
    around = walls.Walls().with_wall("namespaces", namespaces.enter(number))
    control = socket.socket(fileno=number)
    serve = (load or _load)()
    gc.collect()
    gc.freeze()  # what is loaded is shared with the workers; collecting it would copy every page of it
    base_bytes = walls.mapped_bytes()
    found = walls.survey()
    if "namespaces" in around.standing:
        around = around.with_wall("empty_root", namespaces.leave_files())
    else:
        around = around.with_wall("empty_root", "it needs a namespace")
    around = around.with_wall("no_privileges", namespaces.drop_rights())
    if "namespaces" in around.standing:
        walls.die_with_parent()  # the kernel forgets it where rights change
    answer(control, lambda channel: serve(channel, base_bytes, around, found))


def answer(control: socket.socket, serve: Callable[[Channel], NoReturn]) -> NoReturn:
    """Says that it is ready, and forks workers that `serve`, until the other side closes."""
    control.send(b"ready")
    ends: OrderedDict[int, int] = OrderedDict()
    while True:
        try:
            message, descriptors, _, _ = socket.recv_fds(control, MESSAGE_BYTES_MAX, 1)
            if not message:
                break
            if message[:1] == b"F":
                _fork(control, descriptors[0], serve)
            elif message[:1] == b"K":
                _kill(int(message[1:]), ends)
            else:
                control.send(_end_of(int(message[1:]), ends))
            _reap(ends)
        except OSError:
            break
    os._exit(0)


def _load() -> Serve:
    # Here and not above: what is loaded before the namespaces are entered is held twice.
    from runtime.sandbox import child

    child.warm()
    return child.serve


def _fork(control: socket.socket, descriptor: int, serve: Callable[[Channel], NoReturn]) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            walls.die_with_parent()
            if descriptor != _WORKER_DESCRIPTOR:
                os.dup2(descriptor, _WORKER_DESCRIPTOR)
            walls.close_all_but(_WORKER_DESCRIPTOR)
            serve(Channel(_WORKER_DESCRIPTOR))
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


def _kill(pid: int, ends: OrderedDict[int, int]) -> None:
    """Until it is reaped, which only we do, a pid means the worker that was forked under it."""
    _reap(ends)
    if pid not in ends:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


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
