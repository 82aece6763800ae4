"""How long it takes until there is a first answer, and what an open tenant keeps in memory."""

import os
import sys
import time
from pathlib import Path

from runtime.client import Connection
from tests.bench.row import Effort, Pairs, Row, Say, against_bound
from tests.bench.stdio import owner, server, verbena
from tests.bench.tenants import Stock, stock

OPENING_SECONDS = 2.0
RESIDENT_MB = 400.0
# What a tenant is asked before its memory is read: an idle process would flatter.
FETCHES = 500


async def opening(folder: Path, effort: Effort, say: Say) -> list[Row]:
    """A data folder that nobody owns, up to its first answer: the process, its imports, the file, the entity."""
    large = stock(folder / "data", effort.large, texts=False, say=say)
    opened = [_opened(large, number) for number in range(effort.starts)]
    return [
        against_bound(
            f"opening a tenant of {large.size:,} entities until the first answer",
            [seconds for seconds, _ in opened],
            OPENING_SECONDS,
            "s",
            "from the start of the owning process",
        ),
        against_bound(
            f"memory resident with {large.size:,} entities",
            [megabytes for _, megabytes in opened],
            RESIDENT_MB,
            "MB",
            f"the owning process and its sandbox workers, after {FETCHES} fetches and a search",
        ),
    ]


async def listing(folder: Path, effort: Effort, say: Say) -> list[Row]:
    """From the start of the process to its list of tools, against the smallest server of the same SDK."""
    ours = verbena(folder / "empty", "default")
    theirs = [sys.executable, "-m", "tests.bench.floor"]
    pairs = Pairs(ours=[], theirs=[])
    for number in range(effort.starts + 1):
        for side in ("ours", "theirs") if number % 2 else ("theirs", "ours"):
            taken_s = await _listed_s(ours if side == "ours" else theirs)
            if number:  # the first start of either compiles and reads what the others find ready
                (pairs.ours if side == "ours" else pairs.theirs).append(taken_s)
    return [pairs.row("process start to first tools/list, vs a bare MCPServer", "<= 1.3", "s")]


async def _listed_s(command: list[str]) -> float:
    began = time.perf_counter()
    async with server(command) as started:
        await started.list_tools()
        return time.perf_counter() - began


def _opened(held: Stock, number: int) -> tuple[float, float]:
    """Seconds to the first answer, and megabytes resident after some more."""
    began = time.perf_counter()
    with owner(held.data) as process, Connection(held.data, tenant=held.tenant) as connection:
        connection.ask("fetch", {"id": held.ids[number]})
        taken_s = time.perf_counter() - began
        for id in held.ids[number : number + FETCHES]:
            connection.ask("fetch", {"id": id})
        connection.ask("search", {"type": "Contact", "filter": {"stage": "Lead"}, "sort": "-createdAt"})
        return taken_s, _resident_mb(process.pid)


def _resident_mb(pid: int) -> float:
    """What a process and all that it started hold in memory; what they share is counted once."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        tasks = os.listdir(f"/proc/{pid}/task")
        children = [child for task in tasks for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return 0.0  # a worker of the sandbox that ended a moment ago
    own_kb = sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return own_kb / 1024 + sum(_resident_mb(int(child)) for child in children)
