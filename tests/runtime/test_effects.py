"""What effects come to: times, steps, inputs, counts of what this unit sees, and values as written."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from runtime import effects
from runtime.declaration import declare
from runtime.entity import Entity
from runtime.errors import InvalidType, ValidationFailed
from runtime.graph import Key
from runtime.noun import Noun
from runtime.sql import Sql
from runtime.unit import Caller, Unit
from runtime.vocabulary import Vocabulary

NOW = datetime(2026, 11, 21, 10, 30, tzinfo=UTC)
THING = declare(
    "Thing",
    {
        "at": "datetime",
        "day": "date",
        "size": "number",
        "money": "decimal(10,2)",
        "words": "string[]",
        "name": "string",
        "rule": "json",
        "dynamic": "boolean",
    },
)


class Empty:
    """A graph of which nothing is stored yet: all that there is, a unit has staged."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def get(self, noun: Noun, id: str) -> Entity | None:
        return None

    def get_many(self, noun: Noun, ids: Iterable[str]) -> dict[str, Entity]:
        return {}

    def earlier(self, noun: Noun, id: str, version: int) -> dict[str, Any] | None:
        return None

    def owner(self, key: Key) -> str | None:
        return None

    def staged(self, noun: Noun) -> Mapping[str, Entity]:
        return {}

    def has_deleted(self, noun: Noun) -> bool:
        return False

    def table(self, noun: Noun) -> str | None:
        return None

    def rows(self, sql: Sql) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql.text, list(sql.parameters)).fetchall()


@pytest.fixture
def unit() -> Iterator[Unit]:
    with duckdb.connect() as connection:
        unit = Unit(caller=Caller(tenant="acme"), vocabulary=Vocabulary.of([THING]), view=Empty(connection), now=NOW)
        for number, name in enumerate(["a", "a", "b"]):
            id = f"thing_{number}"
            body: dict[str, Any] = {
                "$id": id,
                "$type": "Thing",
                "$version": 1,
                "$createdAt": "2026-11-21T10:30:00Z",
                "$updatedAt": "2026-11-21T10:30:00Z",
                "$createdBy": "local",
                "name": name,
            }
            unit.overlay.put(Entity("Thing", id, 1, 0, body))
        yield unit


@pytest.mark.parametrize(
    ("key", "effect", "after", "inputs", "value"),
    [
        ("at", "now()", {}, {}, "2026-11-21T10:30:00Z"),
        ("at", "today()", {}, {}, "2026-11-21T00:00:00Z"),
        ("day", "now()", {}, {}, "2026-11-21"),
        ("day", "today()", {}, {}, "2026-11-21"),
        ("at", "2026-01-01T00:00:00Z", {}, {}, "2026-01-01T00:00:00Z"),
        ("size", "+1", {}, {}, 1),
        ("size", "+1", {"size": 4}, {}, 5),
        ("size", "-0.5", {"size": 4}, {}, 3.5),
        ("size", "7", {"size": 4}, {}, 7),
        ("money", "+0.10", {"money": "0.20"}, {}, "0.30"),
        ("money", "-1", {}, {}, "-1.00"),
        ("money", "+0.05", {"money": "-0.10"}, {}, "-0.05"),
        ("words", '["x"]', {}, {}, ["x"]),
        ("name", '"now()"', {}, {}, "now()"),
        ("name", "input(word)", {}, {"word": "hi"}, "hi"),
        ("name", "input(word)", {"name": "kept"}, {}, None),
        ("size", "count(rule)", {"rule": {"type": "Thing"}}, {}, 3),
        ("size", "count(rule)", {"rule": {"type": "Thing", "filter": {"name": "a"}}}, {}, 2),
        ("size", "count(rule)", {}, {}, None),
        ("size", "+1 if dynamic", {"dynamic": True, "size": 1}, {}, 2),
        ("size", "+1 if dynamic", {"dynamic": False, "size": 1}, {}, None),
        ("size", "+1 if dynamic", {}, {}, None),
    ],
)
def test_an_effect_gives_a_stored_value_or_leaves_the_field_alone(
    unit: Unit, key: str, effect: str, after: dict[str, Any], inputs: dict[str, Any], value: object
) -> None:
    assert effects.value_of(unit, THING, THING.fields[key], effect, after, inputs) == value


@pytest.mark.parametrize("rule", ["Thing", [], {"filter": {}}, {"type": 5}])
def test_criteria_that_name_no_noun_are_refused_by_key(unit: Unit, rule: object) -> None:
    with pytest.raises(ValidationFailed, match=r"Thing\.rule must name the nouns it counts"):
        effects.value_of(unit, THING, THING.fields["size"], "count(rule)", {"rule": rule}, {})


def test_criteria_of_an_unknown_noun_are_answered_with_the_nearest(unit: Unit) -> None:
    with pytest.raises(InvalidType) as refused:
        effects.value_of(unit, THING, THING.fields["size"], "count(rule)", {"rule": {"type": "Thin"}}, {})
    assert refused.value.hint == "did you mean 'Thing'?"


def test_a_count_past_what_a_number_holds_is_refused(unit: Unit) -> None:
    with pytest.raises(ValidationFailed, match="lose digits"):
        effects.value_of(unit, THING, THING.fields["size"], "+1", {"size": 2**53 - 1}, {})
