"""A process that writes from several threads until it kills itself in a named step. Every acknowledged id is printed.

`python writes_until_killed.py DATA STEP OCCURRENCE`
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path

from runtime.engine import Engine, EngineOptions
from runtime.errors import VerbenaError
from runtime.wire import Question, decode

WRITERS = 4
SECONDS_MAX = 20.0


def main() -> None:
    data, step, occurrence = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    seen = 0

    def die(name: str) -> None:
        nonlocal seen
        if name != step:
            return
        seen += 1
        if seen < occurrence:
            return
        if step == "in commit":
            # The step comes right before COMMIT: die a moment later, while it is at work.
            threading.Thread(target=lambda: (time.sleep(0.0004 * (occurrence % 5)), _kill())).start()
        else:
            _kill()

    engine = Engine(data, EngineOptions(step=die))
    for number in range(WRITERS):
        threading.Thread(target=_write, args=(engine, number, os.getpid()), daemon=True).start()
    time.sleep(SECONDS_MAX)


def _write(engine: Engine, number: int, pid: int) -> None:
    for turn in range(10_000):
        email = f"{pid}.{number}.{turn}@example.com"
        try:
            made = _do(engine, {"action": "create", "type": "Contact", "data": {"name": f"N{turn}", "email": email}})
            os.write(1, f"{made['$id']} 1\n".encode())
            changed = _do(
                engine, {"action": "update", "type": "Contact", "id": made["$id"], "data": {"leadScore": turn}}
            )
            os.write(1, f"{changed['$id']} 2\n".encode())
            if turn % 3 == 0:
                gone = _do(engine, {"action": "delete", "type": "Contact", "id": made["$id"]})
                os.write(1, f"{gone['$id']} 3\n".encode())
        except VerbenaError as error:
            os.write(2, str(error).encode())


def _do(engine: Engine, arguments: dict[str, object]) -> dict[str, str]:
    return decode(engine.answer(Question("do", "default", arguments)))["result"]


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
