"""What time costs: asking what was against asking what is, planning against doing, and folding the tables from the log."""

import itertools
import secrets
import time
from pathlib import Path
from typing import Any

from runtime.engine import Engine
from runtime.wire import Question, decode
from tests.bench.dos import CREATES, twenty_creates
from tests.bench.reads import QUESTION
from tests.bench.rounds import by_turns
from tests.bench.row import Effort, Row, Say, against_bound
from tests.bench.tenants import Stock, copied, stock

# Of each contact's ten events, one made it.
CHANGES = 9
REBUILD_SECONDS = 60.0
# A rebuild takes so long that more rounds of it would tell nothing new.
REBUILD_ROUNDS = 3


async def as_of(folder: Path, effort: Effort, say: Say) -> list[Row]:
    """A search at moments all over the log, against the same search of the present, both through the engine."""
    held = stock(folder / "data", effort.middle, texts=False, say=say, changes=CHANGES)
    events = held.size * (CHANGES + 1)
    moments = itertools.cycle(range(held.size, events, events // 17))
    with copied(folder, held) as data:
        engine = Engine(data)
        try:
            began = time.perf_counter()
            _ask(engine, held, "search", QUESTION | {"asOf": events // 2})
            folded_s = time.perf_counter() - began
            _same_at_the_end(engine, held, events)

            async def then() -> None:
                engine.answer(Question("search", held.tenant, QUESTION | {"asOf": next(moments)}))

            async def now() -> None:
                engine.answer(Question("search", held.tenant, QUESTION))

            pairs = await by_turns(effort, then, now)
        finally:
            engine.close()
    name = f"search as of a moment, {events:,} events, {held.size:,} entities, vs the present"
    return [pairs.row(name, "<= 3", "ms", f"the very first, which folds the past of the noun, {folded_s:.1f} s")]


async def dry_run(folder: Path, effort: Effort, say: Say) -> list[Row]:
    """Twenty creates planned, and the same twenty creates carried out, both through the engine."""
    small = stock(folder / "data", effort.small, texts=False, say=say)
    with copied(folder, small) as data:
        engine = Engine(data)
        try:
            run, turns = secrets.token_hex(4), itertools.count()

            def twenty(**more: Any) -> Any:
                code = twenty_creates(f"{run}-{next(turns)}")
                answer = _ask(engine, small, "do", {"code": code, **more})
                if answer["result"] != CREATES:
                    raise RuntimeError(f"do did not make {CREATES} entities")
                return answer

            if len(twenty(dryRun=True)["plan"]["writes"]) != CREATES:
                raise RuntimeError(f"a dry run did not plan {CREATES} entities")

            async def plan() -> None:
                twenty(dryRun=True)

            async def real() -> None:
                twenty()

            pairs = await by_turns(effort, plan, real)
        finally:
            engine.close()
    return [pairs.row(f"dry run of {CREATES} creates, vs the real run", "<= 1", "ms")]


async def rebuild(folder: Path, effort: Effort, say: Say) -> list[Row]:
    """The tables folded from the log alone and compared: where each event made an entity, and where each tenth did."""
    made = stock(folder / "data", effort.large, texts=False, say=say)
    changed = stock(folder / "data", effort.middle, texts=False, say=say, changes=CHANGES)
    rounds = min(effort.rounds, REBUILD_ROUNDS)
    return [
        against_bound(
            f"rebuild of {events:,} events, {held.size:,} entities, compared",
            [_rebuilt_s(folder, held) for _ in range(rounds)],
            REBUILD_SECONDS,
            "s",
        )
        for held, events in ((made, made.size), (changed, changed.size * (CHANGES + 1)))
    ]


def _rebuilt_s(folder: Path, held: Stock) -> float:
    with copied(folder, held) as data:
        engine = Engine(data)
        try:
            engine.tenant(held.tenant)
            began = time.perf_counter()
            found = _ask(engine, held, "rebuild", {})
            taken_s = time.perf_counter() - began
        finally:
            engine.close()
    if found["differences"]:
        raise RuntimeError(f"a log gives other tables than those that it came with: {found['differences']}")
    return taken_s


def _same_at_the_end(engine: Engine, held: Stock, events: int) -> None:
    """At the end of the log the past is the present: a quick answer that is wrong is no answer."""
    ours = [_ask(engine, held, "search", QUESTION | more) for more in ({}, {"asOf": events})]
    if ours[0]["results"] != ours[1]["results"]:
        raise RuntimeError(f"the past at {events} is {ours[1]['results']}, and the present {ours[0]['results']}")


def _ask(engine: Engine, held: Stock, call: str, arguments: dict[str, Any]) -> Any:
    return decode(engine.answer(Question(call, held.tenant, arguments)))
