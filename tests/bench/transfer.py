"""Rows a second that an import takes in, from a CSV file to the log of a tenant, against DuckDB's bare appender."""

import csv
import shutil
import time
from pathlib import Path
from typing import Any

import duckdb

from runtime.client import Connection
from runtime.errors import VerbenaError
from runtime.sql import quoted
from runtime.transfer.importing import BATCH_ROWS, Import, import_file
from tests.bench.contacts import contact
from tests.bench.row import Effort, Pairs, Row, Say

# Where the time goes: it stands in the table beside the figure.
SHARES = "Half is Python under the GIL, and flat: checks, canonical JSON, hashes; a third DuckDB's appends, the rest checkpoints"
# The rows come in so many files, one after another into the same tenant, and what each of them became is handed to the bare
# appender before the next one: whatever else the machine does meanwhile falls on both alike.
FILES = 10
# What the import wrote is read back and handed to the bare appender in pieces, so that neither side holds it whole.
ROWS_AT_ONCE = 50_000
TENANT = "imported"


async def rows(folder: Path, effort: Effort, say: Say) -> list[Row]:
    """An import of the large size into an empty tenant, through the engine that owns the folder; and the same rows, bare."""
    place = folder / "transfer"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    pairs = Pairs(ours=[], theirs=[])
    data, bare = place / "data", duckdb.connect(str(place / "bare.duckdb"))
    bare.execute("SET threads=2")
    bare.execute("SET checkpoint_threshold='1GB'")
    try:
        size = effort.large // FILES
        for first in range(0, FILES * size, size):
            pairs.ours.append(_import(place, data, range(first, first + size)))
            pairs.theirs.append(_append_all(data / "tenants" / f"{TENANT}.duckdb", bare, after=first))
            say(f"{first + size:,} rows: {pairs.ours[-1]:,.0f} rows/s, bare {pairs.theirs[-1]:,.0f}")
    finally:
        bare.close()
        shutil.rmtree(place, ignore_errors=True)
    name = f"import of {effort.large:,} rows in batches of {BATCH_ROWS:,}, vs bare appender"
    note = f"{FILES} files; the first {pairs.ours[0]:,.0f} rows/s, the last {pairs.ours[-1]:,.0f}. {SHARES}"
    return [pairs.row(name, ">= 0.15", "rows/s", note)]


def _import(place: Path, data: Path, numbers: range) -> float:
    """Rows a second of one file."""
    file = place / f"contacts-{numbers.start}.csv"
    _write(file, numbers)
    asked = Import(file=file, type="Contact", format="csv", bad_rows=place / "bad.csv", by=None)
    with Connection(data, tenant=TENANT) as connection:
        connection.ask("import-start", {"type": "Contact"})  # the engine is up, and the tenant is open
        began = time.perf_counter()
        done = import_file(connection, data, TENANT, asked, lambda so_far: None)
        taken_s = time.perf_counter() - began
        _end(connection)
    if done.created != len(numbers):
        raise AssertionError(f"{done.bad} rows were refused")
    file.unlink()
    return done.created / taken_s


def _write(file: Path, numbers: range) -> None:
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, list(contact(0)))
        writer.writeheader()
        writer.writerows(contact(number) for number in numbers)


def _end(connection: Connection) -> None:
    """The engine lets go of its files when it ends; the next connection starts another one."""
    try:
        connection.ask("end", {})
    except VerbenaError:
        return


def _append_all(imported: Path, bare: duckdb.DuckDBPyConnection, *, after: int) -> float:
    """Rows a second of the appender alone: the events and entities behind a position, a thousand a commit, each durable."""
    source = _opened(imported)
    order = {"events": "seq", "contact": "$number"}
    for table in order:
        found = source.execute("SELECT sql FROM duckdb_tables() WHERE table_name = ?", [table]).fetchall()
        bare.execute(found[0][0].replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1))
    taken_s, at = 0.0, after
    try:
        while True:
            pieces: dict[str, list[Any]] = {
                table: source.execute(
                    f"SELECT * FROM {table} WHERE {quoted(key)} > {at} ORDER BY {quoted(key)} LIMIT {ROWS_AT_ONCE}"
                ).fetchall()
                for table, key in order.items()
            }
            size = len(pieces["events"])
            if not size:
                return (at - after) / taken_s
            began = time.perf_counter()
            for start in range(0, size, BATCH_ROWS):
                bare.execute("BEGIN")
                for table, found in pieces.items():
                    appender = bare.appender(table)
                    appender.append_rows(found[start : start + BATCH_ROWS])
                    appender.flush()
                bare.execute("COMMIT")
            taken_s += time.perf_counter() - began
            at += size
    finally:
        source.close()


def _opened(file: Path) -> duckdb.DuckDBPyConnection:
    """The imported file, once the engine that is ending has let go of it."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return duckdb.connect(str(file), read_only=True)
        except duckdb.IOException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
