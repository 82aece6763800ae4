"""What the sandbox costs, in process, with all its walls up: a run, its calls, and many runs at once."""

import itertools
import statistics
import subprocess
import tempfile
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runtime.engine import Engine, EngineOptions
from runtime.sandbox.nursery import Nursery, ZygoteNursery
from runtime.wire import Question, decode
from tests.bench import peers
from tests.bench.rounds import by_turns
from tests.bench.row import Effort, Pairs, Row, Say
from tests.bench.stdio import server

UNWALLED = str(Path(__file__).with_name("unwalled.py"))
TENANT = "bench"
HELLO = "1 + 1"
GETS = 10
CALLERS = 8  # as many as run at once
TENANTS = 10


async def walls(folder: Path, effort: Effort, say: Say) -> list[Row]:
    """`1 + 1` behind all walls, and behind none; what peers take for it stands beside, as they do less or more."""
    with _engine() as walled, _engine(ZygoteNursery((UNWALLED,))) as bare:
        standing = set(walled.pool.inspection().standing)
        if bare.pool.inspection().standing:
            raise RuntimeError("the floor has walls")

        async def ours() -> None:
            _do(walled, HELLO)

        async def theirs() -> None:
            _do(bare, HELLO)

        pairs = await by_turns(effort, ours, theirs)
    beside = f"{len(standing)} walls; for the same, {_monty(folder, effort)}, {await _code_mode(folder, effort)}"
    return [pairs.row("do of 1 + 1 in process, vs the same without the kernel's walls", "<= 1.6", "ms", beside)]


async def gets(folder: Path, effort: Effort, say: Say) -> list[Row]:
    """A run that reads ten entities which are in memory, against one that reads none."""
    with _engine() as engine:
        made = _do(engine, f"[$.Contact.create(name='Ada ' + str(n)).id for n in range({GETS})]")
        code = f"[$.Contact.get(id).name for id in {made!r}]"

        async def reads() -> None:
            if len(_do(engine, code)) != GETS:
                raise RuntimeError("an entity was not read")

        async def nothing() -> None:
            _do(engine, HELLO)

        pairs = await by_turns(effort, reads, nothing)
    return [pairs.row(f"do with {GETS} gets of cached entities, vs one with none", "<= 2", "ms")]


async def many(folder: Path, effort: Effort, say: Say) -> list[Row]:
    """Runs a second by eight callers at once, of ten tenants against one."""
    names = [f"{TENANT}-{number}" for number in range(TENANTS)]
    with _engine() as engine, ThreadPoolExecutor(CALLERS) as threads:
        for name in (TENANT, *names):
            _do(engine, HELLO, tenant=name)

        def run(tenant: str) -> None:
            if _do(engine, HELLO, tenant=tenant) != 2:
                raise RuntimeError("1 + 1 is not 2")

        def a_second(tenants: list[str]) -> float:
            began = time.perf_counter()
            callers = list(itertools.islice(itertools.cycle(tenants), 4 * effort.calls))
            list(threads.map(run, callers))
            return len(callers) / (time.perf_counter() - began)

        pairs = Pairs(ours=[], theirs=[])
        for number in range(effort.rounds):
            sides = [(pairs.ours, names), (pairs.theirs, [TENANT])]
            for taken, tenants in sides if number % 2 else reversed(sides):
                taken.append(a_second(tenants))
    name = f"executions a second, {CALLERS} callers, {TENANTS} tenants vs one"
    return [pairs.row(name, ">= 0.8", "/s", "each a process of its own")]


@contextmanager
def _engine(nursery: Nursery | None = None) -> Generator[Engine]:
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(Path(folder), EngineOptions(nursery=nursery, accept_fewer_walls=True))
        try:
            yield engine
        finally:
            engine.close()


def _do(engine: Engine, code: str, tenant: str = TENANT) -> Any:
    return decode(engine.answer(Question("do", tenant, {"code": code})))["result"]


def _monty(folder: Path, effort: Effort) -> str:
    """What a warm worker of pydantic-monty takes, in its own process, in words."""
    try:
        python = peers.code_mode(folder)[0]  # it comes with FastMCP's code mode
    except peers.NotInstallable as reason:
        return f"pydantic-monty: {reason}"
    command = [python, str(Path(__file__).with_name("monty_job.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as job:
        assert job.stdin is not None and job.stdout is not None
        taken: list[float] = []
        for _ in range(effort.warm_up + effort.calls):
            job.stdin.write("\n")
            job.stdin.flush()
            taken.append(float(job.stdout.readline()))
        job.stdin.close()
    return f"pydantic-monty {1000 * statistics.median(taken[effort.warm_up :]):.2f} ms"


async def _code_mode(folder: Path, effort: Effort) -> str:
    """What FastMCP's code mode takes over stdio, in words."""
    try:
        command = peers.code_mode(folder)
    except peers.NotInstallable as reason:
        return f"FastMCP code mode: {reason}"
    taken: list[float] = []
    async with server(command) as theirs:
        for number in range(effort.warm_up + effort.calls):
            began = time.perf_counter()
            await theirs.call("execute", {"code": f"return {HELLO}"})
            if number >= effort.warm_up:
                taken.append(time.perf_counter() - began)
    return f"FastMCP code mode over stdio {1000 * statistics.median(taken):.1f} ms"
