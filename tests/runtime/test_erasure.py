"""Erased is gone: from log, tables, index, answers, plans and the file's bytes; every leaf still stands."""

from pathlib import Path

import duckdb
import pytest

from runtime.calls.dollar import Dollar
from runtime.errors import NotFound, UniqueViolation
from runtime.sql import Sql, quoted
from runtime.unit import Caller
from tests.runtime.door import Door

SECRET = "Zebulon Quackenbush"
MAIL = "zebulon@quackenbush.example"


def leaves(door: Door) -> list[bytes]:
    file = door.tenant.file
    return [row[0] for row in file.rows(Sql(f"SELECT leaf FROM {file.catalog}.events ORDER BY seq"))]


def holding(door: Door, text: str) -> list[str]:
    """The files of the data folder in which a text stands."""
    files = [path for path in door.data.rglob("*") if path.is_file()]
    return sorted(str(path.relative_to(door.data)) for path in files if text.encode() in content(path))


def in_rows(door: Door, text: str) -> list[str]:
    """The tables of the tenant in which a text stands, whatever a file does to its bytes. The engine must have ended."""
    with duckdb.connect(str(door.data / "tenants" / f"{door.name}.duckdb"), read_only=True) as file:
        tables = [name for (name,) in file.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        return [
            table
            for table in tables
            if file.execute(f"SELECT 1 FROM {quoted(table)} AS r WHERE contains(r::VARCHAR, ?)", [text]).fetchone()
        ]


def content(path: Path) -> bytes:
    """What a file holds, nothing where it is no longer there: a rewrite has files for a while."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def test_what_was_erased_is_in_no_file_and_the_log_still_stands(door: Door) -> None:
    made = door("do", action="create", type="Contact", data={"name": SECRET, "email": MAIL}, idempotencyKey="k")
    id = made["result"]["$id"]
    door.do(f'$.Contact.update("{id}", title="{SECRET} the Great")')
    deal = door.do(f'$.Deal.create(name="Kept", value=1, contact="{id}").id')
    door("do", code=f'$.Contact.update("{id}", phone="{SECRET}")', dryRun=True)
    assert door("search", query="zebulon")["total"] == 1
    door("search", type="Contact", asOf=2)
    before = leaves(door)
    door.engine.close()  # so that every byte is on disk, the text index among them
    assert {"events", "contact"} <= set(in_rows(door, SECRET))
    assert holding(door, SECRET)
    door.reopen()

    erased = door.do(f'$.Contact.erase("{id}")')
    assert erased["heldBy"] == []
    assert leaves(door)[: len(before)] == before
    for _ in range(2):
        assert door("search", query="zebulon")["results"] == []
        with pytest.raises(NotFound):
            door("fetch", id=id)
        with pytest.raises(NotFound):
            door("fetch", id=id, asOf=2)
        assert "contact" not in door("fetch", type="Deal", id=deal)
        history = door("$", path=["Contact", "history"], args=[id])
        assert [event["event"] for event in history] == ["Contact.created", "Contact.updated", "Contact.erased"]
        assert SECRET not in str(history)
        door.reopen()
    door.engine.close()
    assert holding(door, SECRET) == []
    assert holding(door, MAIL) == []
    assert in_rows(door, SECRET) == in_rows(door, MAIL) == []
    door.reopen()
    assert door.do(f'$.Contact.create(name="Heir", email="{MAIL}").name') == "Heir"


def test_an_entity_is_erased_whatever_letters_json_writes_it_with(door: Door) -> None:
    id = door.do("""$.Contact.create(name='Ada "the first"\\nof \\\\x41 and \\u0007').id""")
    before = leaves(door)
    door.do(f"$.Contact.erase({id!r})")
    assert leaves(door)[: len(before)] == before
    assert door("verify")["faults"] == []


def test_an_erasure_that_was_cut_off_is_finished_before_anybody_is_answered(door: Door) -> None:
    id = door.do(f'$.Contact.create(name="{SECRET}").id')
    tenant = door.engine.tenant("default")
    tenant.in_turn(
        Caller(tenant="default"),
        lambda unit: Dollar(tenant, unit, door.engine.pool).call(["Contact", "erase"], [id], {}),
    )
    door.reopen()  # committed, and the process ended before the file was written anew
    door("nouns")
    door.engine.close()
    assert holding(door, SECRET) == []
    door.reopen()


def test_a_rebuild_gives_the_same_rows_and_mends_others(door: Door) -> None:
    door.do('$.define(name="Boat", keys={"name": "string!", "len": "number", "tags": "string[]"})')
    id = door.do('$.Boat.create(name="Argo", len=7, tags=["a", "b"]).id')
    door.do(
        '$.define(name="Boat", renamed={"len": "length"}, keys={"name": "string!", "length": "number", "tags": "string[]"})'
    )
    door.do('for n in range(30): $.Contact.create(name=f"C{n}", email=f"c{n}@example.com", leadScore=n)')
    door.do("for c in $.Contact.find(limit=10): $.Contact.update(c.id, leadScore=c.leadScore + 100)")
    door.do('$.Contact.delete($.Contact.findOne(name="C3").id)\n$.Contact.erase($.Contact.findOne(name="C4").id)')
    assert door("rebuild")["differences"] == []
    assert door("fetch", type="Boat", id=id)["length"] == 7

    file = door.engine.tenant("default").file
    file.execute(f"UPDATE {file.catalog}.contact SET \"leadScore\" = 0 WHERE name = 'C5'")
    found = door("rebuild")
    assert found["differences"] == ["Contact: 1 rows are not what the log gives, 1 that it gives are missing"]
    assert door("rebuild", replace=True)["replaced"] is True
    assert door("rebuild")["differences"] == []
    with pytest.raises(UniqueViolation):
        door.do('$.Contact.create(name="x", email="c6@example.com")')
