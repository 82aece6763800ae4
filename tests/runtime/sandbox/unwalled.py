"""A zygote that lies: neither it nor its workers raise a wall of the kernel, and they say that all of them stand."""

import socket
import sys
from typing import NoReturn

from runtime.sandbox import child, probes, walls, zygote
from runtime.sandbox.frames import Channel

ALL = ("rlimits", "memory_limit", "no_new_privs", "no_privileges", "namespaces", "empty_root", "landlock", "seccomp")


class Unbounded(child.Run):
    """A job without its limits."""

    def bound(self) -> None:
        """Bounds nothing, not even its time."""
        self.seconds = 0.0


def serve(channel: Channel) -> NoReturn:
    """As a worker does, without the walls."""
    channel.send(child.ready(walls.Walls(standing=ALL)))
    while True:
        Unbounded(channel.receive(), channel, 0).perform()


if __name__ == "__main__":
    child.warm()
    probes.inherited[b"LEFT"] = b"behind"
    zygote.answer(socket.socket(fileno=int(sys.argv[1])), serve)
