"""One create, one search, one look-up over stdio, against the official memory server holding as many entities."""

import itertools
import json
import secrets
from pathlib import Path

from tests.bench import peers
from tests.bench.contacts import FIRST_NAMES, LAST_NAMES, contact
from tests.bench.rounds import by_turns
from tests.bench.row import Effort, Row, Say, missing
from tests.bench.stdio import owner, server, verbena
from tests.bench.tenants import copied, stock

TARGET = "<= 0.4"
KINDS = ("create", "search", "open")


async def rows(folder: Path, effort: Effort, say: Say) -> list[Row]:
    """The three of them, each a row."""
    names = {kind: f"one {kind} at {effort.small:,} entities, vs server-memory" for kind in KINDS}
    try:
        command = peers.server_memory(folder)
    except peers.NotInstallable as reason:
        return [missing(name, TARGET, "ms", str(reason)) for name in names.values()]
    small = stock(folder / "data", effort.small, texts=True, say=say)
    with copied(folder, small) as data, owner(data):
        memory = data / "memory.jsonl"
        _fill(memory, small.size)
        async with (
            server(verbena(data, small.tenant)) as ours,
            server(command, {"MEMORY_FILE_PATH": str(memory)}) as theirs,
        ):
            run, our_turns, their_turns = secrets.token_hex(4), itertools.count(), itertools.count()
            words, their_words = itertools.tee(
                itertools.cycle(f"{first} {last}" for last in LAST_NAMES for first in FIRST_NAMES)
            )
            ids = itertools.cycle(small.ids)
            opened = itertools.cycle(range(0, small.size, 7))

            async def create() -> None:
                values = contact(small.size + next(our_turns)) | {"stage": "Lead"}
                await ours.call("do", {"action": "create", "type": "Contact", "data": values})

            async def their_create() -> None:
                number = small.size + next(their_turns)
                await theirs.call("create_entities", {"entities": [_node(number, f"{run} ")]})

            async def search() -> None:
                await ours.call("search", {"query": next(words), "type": "Contact"})

            async def their_search() -> None:
                await theirs.call("search_nodes", {"query": next(their_words)})

            async def fetch() -> None:
                await ours.call("fetch", {"id": next(ids)})

            async def their_open() -> None:
                await theirs.call("open_nodes", {"names": [_node(next(opened))["name"]]})

            return [
                (await by_turns(effort, one, their_one)).row(names[kind], TARGET, "ms")
                for kind, one, their_one in (
                    ("create", create, their_create),
                    ("search", search, their_search),
                    ("open", fetch, their_open),
                )
            ]


def _fill(memory: Path, size: int) -> None:
    """The same contacts in the memory server's own file: writing it by calls would take it minutes."""
    with memory.open("w") as file:
        for number in range(size):
            file.write(json.dumps({"type": "entity", **_node(number)}) + "\n")


def _node(number: int, prefix: str = "") -> dict[str, object]:
    """A contact as the memory server holds it: a name nobody else has, and the other values as observations."""
    values = contact(number)
    return {
        "name": f"{prefix}{values.pop('name')} {number}",
        "entityType": "Contact",
        "observations": [f"{key}: {value}" for key, value in values.items()],
    }
