"""The self-check: whatever is not what the log says is told, and nothing else is."""

from collections.abc import Generator
from pathlib import Path

import pytest

from runtime import body_sql, check
from runtime.sql import Sql
from tests.runtime.door import Door

NOUN = """$.define(name="Part", keys={
    "name": "string!", "number": "int##", "weight": "number##", "made": "date##", "seen": "datetime", "price": "decimal(10,2)",
    "spare": "boolean", "tags": "string[]", "times": "datetime[]", "sizes": "float[]", "facts": "json", "state": "New | Old = New",
    "next": "-> Part.former"})"""
FULL = """a = $.Part.create(name="Ünit \\"1\\"\\n", number=1, weight=1e-7, made="2026-01-31", seen="2026-01-31T10:00:00.000001Z",
    price="10.50", spare=False, tags=["a", "b'"], times=["2026-01-31T10:00:00Z"], sizes=[0.1, 1e21],
    facts={"a": [1, 2.5, 1e-9, None, "é"], "b": {}})
b = $.Part.create(name="Small", tags=[], next=a.id)
$.Part.update(a.id, weight=12345678.9, number=None)
$.Part.delete($.Part.create(name="Gone", number=5).id)
[a.id, b.id]"""


@pytest.fixture
def door(tmp_path: Path) -> Generator[Door]:
    door = Door(tmp_path / "data")
    yield door
    door.engine.close()


def found(door: Door) -> list[str]:
    return check.differences(door.tenant.file, [door.tenant.vocabulary.noun("Part")])


def changed(door: Door, sql: str) -> None:
    """Change a table behind the tenant's back."""
    with door.tenant.writer.pause():
        door.tenant.file.execute(sql.replace("CATALOG", door.tenant.file.catalog))


def test_values_of_every_type_are_what_their_body_says(door: Door) -> None:
    door.do(NOUN)
    door.do(FULL)
    keys = NOUN.replace('"name"', '"title"').replace("})", '}, renamed={"name": "title"})')
    door.do(keys)
    door.do('$.Part.create(title="New", facts=7)')
    assert found(door) == []


def test_a_body_is_written_from_its_columns_letter_by_letter(door: Door) -> None:
    """Else each row would be decoded and compared, which takes ten times as long."""
    door.do(NOUN)
    door.do(FULL.replace("weight=1e-7", "weight=0.5").replace("1e21", "5").replace("2.5, 1e-9", "2.5"))
    part = door.tenant.vocabulary.noun("Part")
    sql = f'SELECT "$body", {body_sql.written(part, part.fields)} FROM {door.tenant.file.table(part)}'
    rows = door.tenant.file.rows(Sql(sql))
    assert len(rows) == 3
    assert [again for _, again in rows] == [body for body, _ in rows]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("name", "'Other'"),
        ("weight", "0.5"),
        ("number", "7"),
        ("made", "NULL"),
        ("made", "DATE '2026-02-01'"),
        ("seen", "TIMESTAMP '2026-01-31 10:00:00'"),
        ("price", "10.51"),
        ("spare", "NULL"),
        ("tags", "['a']"),
        ("times", "NULL"),
        ("sizes", "[0.1, 1e20]"),
        ("facts", "'{}'"),
        ("next", "'part_1'"),
        ("$version", "9"),
        ("$createdAt", "TIMESTAMP '2020-01-01 00:00:00'"),
        ("$createdBy", "'mallory'"),
        ("$deletedAt", "TIMESTAMP '2020-01-01 00:00:00'"),
    ],
)
def test_a_column_that_is_not_what_the_body_says_is_told(door: Door, column: str, value: str) -> None:
    door.do(NOUN)
    id = door.do(FULL)[0]
    changed(door, f'UPDATE CATALOG.part SET "{column}" = {value} WHERE "$id" = \'{id}\'')
    assert f"the columns of {id} are not what its body says: {column}" in found(door)


def test_a_body_that_is_no_json_is_told(door: Door) -> None:
    door.do(NOUN)
    id = door.do(FULL)[0]
    changed(door, f"UPDATE CATALOG.part SET \"$body\" = '{{oops' WHERE \"$id\" = '{id}'")
    assert f"the row of {id} is not what the latest event of it left" in found(door)
    assert f"the body of {id} is no entity" in found(door)


def test_a_unique_value_that_is_missing_or_held_in_vain_is_told(door: Door) -> None:
    door.do(NOUN)
    first, second = door.do(FULL)
    changed(door, "DELETE FROM CATALOG.\"unique\" WHERE key = 'Part.weight=12345678.9'")
    changed(
        door, f"INSERT INTO CATALOG.\"unique\" VALUES ('Part.number=8', '{second}'), ('Part.weight=3', 'part_none')"
    )
    assert found(door) == [
        f"a unique value of Part.number is held for {second}, which does not have it",
        f"Part.weight of {first} is not among the unique values",
        "a unique value of Part.weight is held for part_none, which does not have it",
    ]
