"""A process whose handler writes outside twice for each contact, until it kills itself at a named step.

`python asks_until_killed.py DATA ADDRESS STEP OCCURRENCE`. Every acknowledged contact is printed.
"""

import os
import signal
import sys
import threading
from pathlib import Path

from runtime.engine import Engine, EngineOptions
from runtime.outside.hosts import read_hosts
from runtime.wire import Question, decode

CONTACTS_MAX = 40
# The handler, and what a `do` asks by itself. Each write says for whom, and which one of the two it is.
HANDLER = """
@$.Contact.created
def tell(entity, $):
    first = $.http.post("{address}/handler", json=[entity.name, 1])
    second = $.http.post("{address}/handler", json=[entity.name, 2])
    $.Contact.update(entity.$id, title=first.json.key + " " + second.json.key)
"""
CODE = """
$.http.post("{address}/do", json=["{name}", 0])
return $.Contact.create(name="{name}").$id
"""


def main() -> None:
    data, address, step, occurrence = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
    lock = threading.Lock()
    left, answered = occurrence, False

    def die(name: str) -> None:
        nonlocal left, answered
        with lock:
            answered = answered or name == "after outcome"
            if name != step or (name == "before commit" and not answered):
                return
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    engine = Engine(data, EngineOptions(step=die, hosts=read_hosts(f"{address}=Idempotency-Key")))
    ask(engine, HANDLER.format(address=address))
    for number in range(CONTACTS_MAX):
        name = f"{os.getpid()}-{number}"
        os.write(1, f"{ask(engine, CODE.format(address=address, name=name))} {name}\n".encode())


def ask(engine: Engine, code: str) -> object:
    return decode(engine.answer(Question("do", "default", {"code": code})))["result"]


if __name__ == "__main__":
    main()
