"""Tenants of up to a million contacts, made by the engine itself and kept between runs."""

import hashlib
import json
import random
import shutil
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb

from runtime.catalogue import shipped
from runtime.engine import Engine
from runtime.errors import Unavailable
from runtime.perform import perform
from runtime.sql import Sql
from runtime.store import schema
from runtime.tenant import Tenant
from runtime.unit import Caller, Unit
from tests.bench.contacts import BEGINNING, contact

ROOT = Path(__file__).parents[2]
UNIT_CREATES = 1_000
# So many ids, drawn uniformly, are written down beside a tenant: more than any row asks for.
SAMPLE = 20_000
INDEX_SECONDS_MAX = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """Where a tenant stands: its data folder, its name, a bare table of the same rows, some of its ids."""

    data: Path
    tenant: str
    size: int
    bare: Path
    ids: Sequence[str]


def stock(folder: Path, size: int, *, texts: bool, say: Callable[[str], None], changes: int = 0) -> Stock:
    """The tenant of `size` contacts, each changed `changes` times, made unless an earlier run left it; with `texts`, its
    text index too.

    Making it tells the events a second that the engine took in units of a thousand, one after another.
    """
    named = f"{size}-{changes}" if changes else f"{size}"
    data = folder / f"{_made_from()}-{named}"
    tenant = f"contacts-{size}"
    done, bare, ids = data / "made.json", data / "bare.duckdb", data / "ids.json"
    if not done.exists():
        for stale in folder.glob(f"*-{named}"):
            if stale.name.count("-") == data.name.count("-"):
                shutil.rmtree(stale)
        taken_s = _make(data, tenant, size)
        say(f"made {size:,} contacts: {size / taken_s:,.0f} events/s")
        if changes:
            changing_s = _change(data, tenant, size, changes)
            say(f"changed them {changes} times: {size * changes / changing_s:,.0f} events/s")
            taken_s += changing_s
        _copy_bare(data / "tenants" / f"{tenant}.duckdb", bare, ids)
        done.write_text(json.dumps({"events_per_second": round(size * (1 + changes) / taken_s)}))
    if texts and not (data / "indexed").exists():
        began = time.perf_counter()
        _index(data, tenant)
        say(f"indexed {size:,} contacts: {size / (time.perf_counter() - began):,.0f} a second")
        (data / "indexed").touch()
    return Stock(data=data, tenant=tenant, size=size, bare=bare, ids=json.loads(ids.read_text()))


@contextmanager
def copied(folder: Path, stock: Stock) -> Generator[Path]:
    """A copy of a tenant's data folder to write to, gone at the end: the next run finds the tenant as it was made."""
    data = folder / "copies" / stock.data.name
    shutil.rmtree(data, ignore_errors=True)
    # A socket or a lock that an owner left behind says nothing in the copy.
    shutil.copytree(stock.data, data, ignore=shutil.ignore_patterns("bare.duckdb", "verbena.*", "daemon.log"))
    try:
        yield data
    finally:
        shutil.rmtree(data, ignore_errors=True)


def _make(data: Path, tenant: str, size: int) -> float:
    """Fill a tenant; the seconds that its units took, from the first to the last."""
    engine = Engine(data)
    try:
        opened = engine.tenant(tenant)
        noun = opened.vocabulary.noun("Contact")
        verb = noun.verbs["create"]
        caller = Caller(tenant=tenant, actor="bench")
        began = time.perf_counter()
        for start in range(0, size, UNIT_CREATES):
            numbers = range(start, min(start + UNIT_CREATES, size))

            def create(unit: Unit, numbers: range = numbers) -> None:
                for number in numbers:
                    # Real contacts come one by one: a sort by createdAt must have something to sort.
                    unit.now = BEGINNING + timedelta(seconds=60 * number)
                    perform(unit, noun, verb, None, contact(number))

            opened.in_turn(caller, create, via="bench")  # an import may begin in any stage
        return time.perf_counter() - began
    finally:
        engine.close()


def _change(data: Path, tenant: str, size: int, changes: int) -> float:
    """Change every contact so many times, each time in another order; the seconds that it took."""
    engine = Engine(data)
    try:
        opened = engine.tenant(tenant)
        noun = opened.vocabulary.noun("Contact")
        verb = noun.verbs["update"]
        caller = Caller(tenant=tenant, actor="bench")
        ids = [id for (id,) in opened.file.rows(Sql(f'SELECT "$id" FROM {opened.file.table(noun)} ORDER BY "$number"'))]
        began = time.perf_counter()
        for turn in range(1, changes + 1):
            order = random.Random(turn).sample(range(size), size)
            for start in range(0, size, UNIT_CREATES):

                def update(
                    unit: Unit, turn: int = turn, numbers: list[int] = order[start : start + UNIT_CREATES]
                ) -> None:
                    for number in numbers:
                        unit.now = BEGINNING + timedelta(seconds=60 * (turn * size + number))
                        perform(unit, noun, verb, ids[number], _changed(number, turn))

                opened.in_turn(caller, update, via="bench")
        return time.perf_counter() - began
    finally:
        engine.close()


def _changed(number: int, turn: int) -> dict[str, Any]:
    """What is changed of a contact: its score always, its stage to that of another one."""
    other = contact(number + turn * 101)
    return {"leadScore": (contact(number)["leadScore"] + 7 * turn) % 100, "stage": other["stage"]}


def _index(data: Path, tenant: str) -> None:
    engine = Engine(data)
    try:
        deadline = time.monotonic() + INDEX_SECONDS_MAX
        while not _is_indexed(engine.tenant(tenant)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the text index of {tenant} took longer than {INDEX_SECONDS_MAX:g} s")
    finally:
        engine.close()


def _is_indexed(tenant: Tenant) -> bool:
    try:
        tenant.texts()  # waits for itself, some seconds at a time
    except Unavailable:
        return False
    return True


def _copy_bare(file: Path, bare: Path, ids: Path) -> None:
    """The same rows in a plain table without a key, as somebody would have it who only wants to query; and some ids."""
    bare.unlink(missing_ok=True)
    connection = duckdb.connect(str(bare))
    connection.execute(f"ATTACH '{file}' AS tenant (READ_ONLY)")
    names = [
        name
        for (name,) in connection.execute(
            "SELECT column_name FROM duckdb_columns() WHERE database_name = 'tenant' AND table_name = 'contact' "
            "ORDER BY column_index"
        ).fetchall()
    ]
    columns = ", ".join(f'"{name}" AS "{name.removeprefix("$")}"' for name in names)
    connection.execute(f'CREATE TABLE contact AS SELECT {columns} FROM tenant.contact ORDER BY "$number"')
    drawn = connection.execute(
        f"SELECT id FROM contact USING SAMPLE reservoir({SAMPLE} ROWS) REPEATABLE (1)"
    ).fetchall()
    ids.write_text(json.dumps([id for (id,) in drawn]))
    connection.execute("CREATE TABLE events AS SELECT * FROM tenant.events LIMIT 0")
    connection.execute("DETACH tenant")
    connection.close()


def _made_from() -> str:
    """What decides how a stored contact looks, as a hash: where any of it changes, the tenants are made anew."""
    noun = shipped().noun("Contact")
    deciding = [schema.FORMAT, schema.create_table("tenant", noun), [contact(number) for number in range(1_000)]]
    return hashlib.sha256(json.dumps(deciding).encode()).hexdigest()[:12]
