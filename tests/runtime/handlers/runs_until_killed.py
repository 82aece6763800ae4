"""A process whose verbs ask one handler before and set off two after, until it kills itself at a named step.

`python runs_until_killed.py DATA ADDRESS STEP OCCURRENCE`. Every acknowledged contact is printed.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from runtime.engine import Engine, EngineOptions
from runtime.errors import VerbenaError
from runtime.outside.hosts import read_hosts
from runtime.wire import Question, decode

CONTACTS_MAX = 200

HANDLERS = """
@$.Contact.creating
def before(contact, $):
    $.Activity.create(subject=contact.name, type="Note", description="before")
    return {{"title": "seen"}}

@$.Contact.created
def tells(contact, $):
    answer = $.http.post("{address}/new", json=contact.name)
    $.Activity.create(subject=contact.name, type="Note", description=answer.json.key)

@$.Contact.created
def needs(contact, $):
    $.Activity.create(subject=contact.name, type="Note", description="needs")
    $.Organization.findOne(name=contact.name).id
"""
# What `needs` fails without, and is tried again with.
RETRY = """
$.Organization.findOne(name="{name}") or $.Organization.create(name="{name}")
for run in $.runs.list(handler="{handler}", status="Failed", limit=100):
    if run.entity == "{id}":
        $.runs.retry(run["$id"])
"""


def main() -> None:
    data, address, step, occurrence = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
    lock = threading.Lock()
    left = occurrence

    def die(name: str) -> None:
        nonlocal left
        with lock:
            if name != step:
                return
            left -= 1
            if left > 0:
                return
            if step != "in commit":
                os.kill(os.getpid(), signal.SIGKILL)
        # That step comes right before COMMIT: die a moment later, while it is at work.
        threading.Thread(target=lambda: (time.sleep(0.0004 * (occurrence % 5)), os.kill(os.getpid(), 9))).start()

    engine = Engine(data, EngineOptions(step=die, hosts=read_hosts(f"{address}=Idempotency-Key")))
    if not ask(engine, "$.handlers.list()"):
        ask(engine, HANDLERS.format(address=address))
    (handler,) = [each["$id"] for each in ask(engine, "$.handlers.list()") if each["name"] == "needs"]
    before: list[tuple[str, str]] = []
    for number in range(CONTACTS_MAX):
        name = f"{os.getpid()}-{number}"
        id = ask(engine, f"$.Contact.create(name={name!r}).id")
        os.write(1, f"{id} {name}\n".encode())
        before.append((id, name))
        for id, name in before[-3:-1]:
            try:
                ask(engine, RETRY.format(name=name, handler=handler, id=id))
            except VerbenaError as error:  # such as a conflict with the run that ends just now
                os.write(2, f"{error}\n".encode())


def ask(engine: Engine, code: str) -> Any:
    return decode(engine.answer(Question("do", "default", {"code": code})))["result"]


if __name__ == "__main__":
    main()
