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

# What the import wrote is read back and handed to the bare appender in pieces, so that neither side holds it whole.
ROWS_AT_ONCE = 50_000
TENANT = "imported"


async def rows(folder: Path, effort: Effort, say: Say) -> list[Row]:
    """One import of the large size into an empty tenant, through the engine that owns the folder; then the same rows,
    bare.
    """
    place = folder / "transfer"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    try:
        file = place / "contacts.csv"
        _write(file, effort.large)
        data = place / "data"
        asked = Import(file=file, type="Contact", format="csv", bad_rows=place / "bad.csv", by=None)
        say(f"importing {effort.large:,} rows")
        with Connection(data, tenant=TENANT) as connection:
            connection.ask("import-start", {"type": "Contact"})  # the engine is up, and the tenant is made
            began = time.perf_counter()
            done = import_file(connection, data, TENANT, asked, lambda so_far: None)
            ours = done.created / (time.perf_counter() - began)
            _end(connection)
        if done.created != effort.large:
            raise AssertionError(f"{done.bad} rows were refused")
        theirs = _append_all(data / "tenants" / f"{TENANT}.duckdb", place / "bare.duckdb")
    finally:
        shutil.rmtree(place, ignore_errors=True)
    name = f"import of {effort.large:,} rows in batches of {BATCH_ROWS:,}, vs bare appender"
    return [Pairs(ours=[ours], theirs=[theirs]).row(name, ">= 0.15", "rows/s")]


def _write(file: Path, count: int) -> None:
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, list(contact(0)))
        writer.writeheader()
        writer.writerows(contact(number) for number in range(count))


def _end(connection: Connection) -> None:
    """The engine lets go of its files when it ends; the next connection would start another one."""
    try:
        connection.ask("end", {})
    except VerbenaError:
        return


def _append_all(imported: Path, to: Path) -> float:
    """Rows a second of the appender alone: the same events and entities, a thousand a commit, each commit durable."""
    bare = duckdb.connect(str(to))
    bare.execute("SET threads=2")
    bare.execute("SET checkpoint_threshold='1GB'")
    source = _opened(imported)
    order = {"events": "seq", "contact": "$number"}
    for table in order:
        found = source.execute("SELECT sql FROM duckdb_tables() WHERE table_name = ?", [table]).fetchall()
        bare.execute(found[0][0])
    taken_s, count = 0.0, 0
    try:
        while True:
            pieces: dict[str, list[Any]] = {
                table: source.execute(
                    f"SELECT * FROM {table} WHERE {quoted(key)} > {count} ORDER BY {quoted(key)} LIMIT {ROWS_AT_ONCE}"
                ).fetchall()
                for table, key in order.items()
            }
            size = len(pieces["events"])
            if not size:
                return count / taken_s
            began = time.perf_counter()
            for start in range(0, size, BATCH_ROWS):
                bare.execute("BEGIN")
                for table, found in pieces.items():
                    appender = bare.appender(table)
                    appender.append_rows(found[start : start + BATCH_ROWS])
                    appender.flush()
                bare.execute("COMMIT")
            taken_s += time.perf_counter() - began
            count += size
    finally:
        bare.close()
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
