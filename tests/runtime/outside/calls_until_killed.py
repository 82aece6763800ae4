"""A process that carries out a run of three writes and kills itself at a named step. What the run was told is printed.

`python calls_until_killed.py JOURNAL ADDRESS RUN STEP OCCURRENCE`; with the step `never` it comes to its end.
"""

import os
import signal
import sys
from pathlib import Path

from runtime.outside.effects import Effects
from runtime.outside.guard import Guard
from runtime.outside.hosts import read_hosts
from runtime.outside.http import Http
from runtime.outside.journal import Journal
from runtime.outside.message import Caps, request

WRITES = 3


def main() -> None:
    path, address, run, step, occurrence = sys.argv[1:]
    left = int(occurrence)

    def die(name: str) -> None:
        nonlocal left
        if name == step:
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    http = Http(Guard(hosts=read_hosts(f"{address}=Idempotency-Key"), only_listed=True))
    journal = Journal(Path(path), "acme")
    effects = Effects(journal=journal, http=http, run=run, now=lambda: "2026-01-01T00:00:00Z", again=True, step=die)
    for number in range(WRITES):
        answer = effects.call(request("POST", f"{address}/{number}", json=number, caps=Caps()))
        os.write(1, f"{number} {answer['json']['key']} {answer['json']['times']}\n".encode())
    effects.end()
    journal.close()


if __name__ == "__main__":
    main()
