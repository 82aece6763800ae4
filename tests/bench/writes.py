"""Events a second that the engine commits for a hundred callers at once, against DuckDB's bare appender."""

import itertools
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from runtime.engine import Engine
from runtime.wire import Question
from tests.bench.contacts import contact
from tests.bench.row import Effort, Pairs, Row, Say
from tests.bench.tenants import Stock, copied, stock

# Why the row may miss, and what was tried: it stands in the table beside the figure.
HUNDRED = (
    "half of a batch of 100 is Python under the GIL; handing leadership over brought the batches from 4 to 100 units, encoding "
    "an entity once saved a tenth; the bare tables have no keys"
)
CALLERS = 100
# So many units a caller and round: with fewer, the round would be over before its threads have all begun.
UNITS = 10
BATCH = 100


async def rows(folder: Path, effort: Effort, say: Say) -> list[Row]:
    """At the small and at the large tenant."""
    return [
        _at(stock(folder / "data", size, texts=False, say=say), folder, effort) for size in (effort.small, effort.large)
    ]


def _at(held: Stock, folder: Path, effort: Effort) -> Row:
    pairs = Pairs(ours=[], theirs=[])
    with copied(folder, held) as data:
        bare = duckdb.connect(str(shutil.copy(held.bare, data / "bare.duckdb")))
        bare.execute("SET threads=2")
        bare.execute("SET checkpoint_threshold='1GB'")  # no checkpoint in the middle of a round, as with ours
        engine = Engine(data)
        try:
            run, numbers = secrets.token_hex(4), itertools.count(held.size)
            _commit_all(engine, held.tenant, run, numbers)
            committed = _newest(engine, held.tenant)
            for _ in range(effort.rounds):
                pairs.ours.append(_commit_all(engine, held.tenant, run, numbers))
                pairs.theirs.append(_append_all(bare, *committed))
        finally:
            engine.close()
            bare.close()
    name = f"{CALLERS} concurrent creates, {held.size:,} entities, vs bare appender"
    return pairs.row(name, ">= 0.3", "events/s", HUNDRED)


def _commit_all(engine: Engine, tenant: str, run: str, numbers: Iterator[int]) -> float:
    """Events a second of all callers together; each makes one contact after another, each a unit of its own."""
    questions = [[_create(tenant, run, next(numbers)) for _ in range(UNITS)] for _ in range(CALLERS)]
    begin = threading.Barrier(CALLERS + 1)
    failures: list[Exception] = []

    def call(mine: list[Question]) -> None:
        begin.wait()
        try:
            for question in mine:
                engine.answer(question)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=call, args=(mine,)) for mine in questions]
    for thread in threads:
        thread.start()
    begin.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    taken_s = time.perf_counter() - began
    if failures:
        raise failures[0]
    return CALLERS * UNITS / taken_s


def _create(tenant: str, run: str, number: int) -> Question:
    values = contact(number) | {"stage": "Lead", "email": f"{run}-{number}@example.com"}
    return Question("do", tenant, {"action": "create", "type": "Contact", "data": values})


def _newest(engine: Engine, tenant: str) -> tuple[list[Any], list[Any]]:
    """What a round of ours wrote: as many rows of the log and of contacts, in the order of their columns."""
    file = engine.tenant(tenant).file
    cursor = file.instance.cursor()
    count = CALLERS * UNITS
    events = cursor.execute(f"SELECT * FROM {file.catalog}.events ORDER BY seq DESC LIMIT {count}").fetchall()
    contacts = cursor.execute(f'SELECT * FROM {file.catalog}.contact ORDER BY "$number" DESC LIMIT {count}').fetchall()
    return events, contacts


def _append_all(bare: duckdb.DuckDBPyConnection, events: list[Any], contacts: list[Any]) -> float:
    """Events a second of the appender alone, committing the same rows a hundred at a time, each commit durable."""
    began = time.perf_counter()
    for start in range(0, len(events), BATCH):
        bare.execute("BEGIN")
        for table, rows in (("events", events), ("contact", contacts)):
            appender = bare.appender(table)
            appender.append_rows(rows[start : start + BATCH])
            appender.flush()
        bare.execute("COMMIT")
    return len(events) / (time.perf_counter() - began)
