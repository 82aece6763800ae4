"""The two readers of a filter, SQL and plain Python, select the same entities of any graph."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from runtime import values
from runtime.canonical import canonical
from runtime.declaration import declare
from runtime.filters import matches, parse_filter, to_sql
from runtime.noun import Field, Noun
from runtime.sql import Sql
from runtime.store import schema
from runtime.vocabulary import Vocabulary

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)

VOCABULARY = Vocabulary.of(
    [
        declare(
            "Company",
            {
                "name": "string",
                "kind": "Prospect | Customer | Partner",
                "tags": "string[]",
                "size": "int",
                "revenue": "number",
                "price": "decimal(10,2)",
                "listed": "boolean",
                "founded": "date",
                "seenAt": "datetime",
                "meta": "json",
                "rates": "number[]",
                "prices": "decimal(10,2)[]",
                "visits": "datetime[]",
                "holidays": "date[]",
                "facts": "json[]",
                "uid": "uuid",
                "parent": "-> Company.children",
            },
        ),
        declare(
            "Person",
            {
                "name": "string",
                "bio": "text",
                "born": "date",
                "company": "-> Company.people",
                "teams": "-> Team.members[]",
                "friends": "-> Person[]",
            },
        ),
        declare("Team", {"name": "string", "level": "int", "boss": "-> Person.team", "members": "<- Person.teams[]"}),
    ]
)
NOUNS = tuple(VOCABULARY.noun(name) for name in VOCABULARY.names)

TEXTS = (
    "",
    "a",
    "Ada",
    "ada lovelace",
    "Élan",
    "straße",
    "a\x00b",
    "a_b",
    "50%",
    "a.b\nc",
    "😀",
    "Σίσυφος",
    "Prospect",
)
NUMBERS = (0, 1, -1, 2.5, 1e300, -0.1, 7, 2**53 - 1)
INTEGERS = (0, 1, -1, 7, 2**53 - 1)
DECIMALS = ("0.00", "1.50", "-1.50", "99999999.99")
DATES = ("2026-11-21", "2026-11-20", "2026-11-14", "2026-11-22", "0001-01-01", "9999-12-31", "2024-02-29")
TIMES = (
    *("2026-11-21T10:00:00Z", "2026-11-21T10:00:00.000001Z", "2026-11-21T00:00:00Z", "2026-11-20T23:59:59.999999Z"),
    *("2026-11-14T10:00:00Z", "2026-10-21T10:00:00Z", "2026-11-22T00:00:00Z", "2025-11-21T10:00:00Z"),
)
SAID = (
    "today",
    "yesterday",
    "tomorrow",
    "now",
    "7d ago",
    "in 1d",
    "1mo ago",
    "1 year ago",
    "2w ago",
    "30m ago",
    "in 14h",
)
JSONS: tuple[Any, ...] = ({"a": 1}, {"a": [1, "Ada"]}, [], ["Ada", 1], "Ada", 5, True, {"é": None})
UUIDS = ("123e4567-e89b-12d3-a456-426614174000", "00000000-0000-0000-0000-000000000001")
PATTERNS = ("^a", "a.b", "(?i)ADA", "[ée]", "^$", r"\d", "a|b", "(a+)+$", "^Ada$", r"\x00", "^Élan", "da l.*e")
WORDS = ("ada", "ADA lovelace", "elan", "straße", "b", "a b", "prospect", "σισυφοσ", "lovelace ada")
IDS = {noun.name: [f"{noun.key}_{number}" for number in range(4)] for noun in NOUNS}


def stored_values(field: Field) -> st.SearchStrategy[Any]:
    """What an entity may hold in one element of a field."""
    pools: dict[str, tuple[Any, ...]] = {
        **dict.fromkeys(("string", "text"), TEXTS),
        "enum": field.values,
        "int": INTEGERS,
        "number": NUMBERS,
        "decimal": DECIMALS,
        "boolean": (True, False),
        "date": DATES,
        "datetime": TIMES,
        "json": JSONS,
        "uuid": UUIDS,
        "relation": tuple(IDS.get(field.target or "", ())),
    }
    return st.sampled_from(pools[field.type])


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[dict[str, Any]]]:
    """A few entities of each noun, some of them deleted, linked at random, to deleted ones too."""
    graph: dict[str, list[dict[str, Any]]] = {}
    for noun in NOUNS:
        graph[noun.name] = []
        gone = draw(st.sets(st.sampled_from(IDS[noun.name]))) if draw(st.booleans()) else ()
        for id in IDS[noun.name]:
            entity: dict[str, Any] = {
                "$id": id,
                "$type": noun.name,
                "$version": draw(st.integers(1, 3)),
                "$createdAt": draw(st.sampled_from(TIMES)),
                "$updatedAt": draw(st.sampled_from(TIMES)),
                "$createdBy": "user_1",
            }
            for field in noun.fields.values():
                one = stored_values(field)
                held = draw(st.none() | (st.lists(one, max_size=3) if field.many else one))
                if held is not None:
                    entity[field.name] = held
            if id in gone:
                entity["$deletedAt"] = TIMES[0]
            graph[noun.name].append(entity)
    return graph


def asked_values(field: Field) -> st.SearchStrategy[Any]:
    """What a filter may compare one element of a field with."""
    if field.type in ("date", "datetime"):
        return st.sampled_from((*DATES, *SAID, *(TIMES if field.type == "datetime" else ())))
    return stored_values(field)


@st.composite
def conditions(draw: st.DrawFn, field: Field) -> Any:
    """What a filter may say of a field."""
    value = asked_values(field)
    operators = ["$eq", "$ne", "$in", "$nin", "$exists", "$not", "value"]
    if field.type not in ("boolean", "json", "enum", "relation"):
        operators += ["$gt", "$gte", "$lt", "$lte"] * 2
    if field.type in ("string", "text", "enum", "uuid"):
        operators += ["$startsWith", "$regex", "$text"]
    if field.many or field.type in ("string", "text", "json", "enum", "uuid"):
        operators.append("$contains")
    match draw(st.sampled_from(operators)):
        case "value":
            return draw(value) if field.type != "json" else {"$eq": draw(value)}
        case "$eq" | "$ne" as operator:
            return {operator: draw(st.none() | value)}
        case "$in" | "$nin" as operator:
            return {operator: draw(st.lists(st.none() | value, max_size=3))}
        case "$exists":
            return {"$exists": draw(st.booleans())}
        case "$not":
            return {"$not": draw(conditions(field))}
        case "$contains" if not field.many:
            return {"$contains": draw(st.sampled_from((*TEXTS, *WORDS)))}
        case "$startsWith":
            return {"$startsWith": draw(st.sampled_from(TEXTS))}
        case "$regex":
            return {"$regex": draw(st.sampled_from(PATTERNS))}
        case "$text":
            return {"$text": draw(st.sampled_from(WORDS))}
        case "$gt" | "$gte" as operator if draw(st.booleans()):
            return {operator: draw(value), "$lt": draw(value)}
        case operator:
            return {operator: draw(value)}


@st.composite
def filters(draw: st.DrawFn, noun: Noun, *, depth: int = 0, steps: int = 0) -> dict[str, Any]:
    """Any filter of a noun, over paths, nested mappings and joins."""
    shape = draw(st.integers(0, 9))
    if depth < 3 and shape == 0:
        parts = draw(st.lists(filters(noun, depth=depth + 1, steps=steps), min_size=1, max_size=3))
        return {draw(st.sampled_from(("$and", "$or"))): parts}
    if depth < 3 and shape == 1:
        return {"$not": draw(filters(noun, depth=depth + 1, steps=steps))}
    relations = {field.name: field.target for field in noun.fields.values() if field.target}
    relations |= {inverse.name: inverse.source for inverse in VOCABULARY.noun(noun.name).inverses.values()}
    if steps < 3 and shape <= 5 and depth < 6:
        name = draw(st.sampled_from(sorted(relations)))
        below = draw(filters(VOCABULARY.noun(relations[name] or ""), depth=depth + 1, steps=steps + 1))
        key, value = next(iter(below.items()))
        # A dotted name where that can be said, a nested mapping else.
        return {f"{name}.{key}": value} if not key.startswith("$") and draw(st.booleans()) else {name: below}
    if shape == 6:
        name = draw(st.sampled_from(sorted(relations)))
        link = Field(name=name, type="relation", target=relations[name])
        return {name: draw(conditions(link))}
    if shape == 7:
        return draw(
            st.sampled_from(
                (
                    {"$version": {"$gte": 2}},
                    {"version": 1},
                    {"createdAt": {"$lt": "today"}},
                    {"$updatedAt": {"$gt": "7d ago"}},
                    {"id": IDS[noun.name][0]},
                    {"$type": noun.name},
                    {"$type": {"$ne": "Team"}},
                    {"createdBy": "user_1"},
                )
            )
        )
    fields = [field for field in noun.fields.values() if field.type != "relation"]
    chosen = draw(st.lists(st.sampled_from(fields), min_size=1, max_size=2, unique_by=lambda field: field.name))
    return {field.name: draw(conditions(field)) for field in chosen}


class Graph:
    """Entities by noun, as the Python reader walks them: the deleted ones are not there."""

    def __init__(self, entities: Mapping[str, list[dict[str, Any]]]) -> None:
        self._live = {
            name: {entity["$id"]: entity for entity in some if "$deletedAt" not in entity}
            for name, some in entities.items()
        }

    def all(self, noun: Noun) -> Iterable[Mapping[str, Any]]:
        return self._live[noun.name].values()

    def get(self, noun_name: str, id: str) -> Mapping[str, Any] | None:
        return self._live[noun_name].get(id)

    def related(self, noun_name: str, key: str, id: str) -> Iterable[Mapping[str, Any]]:
        for entity in self._live[noun_name].values():
            held = entity.get(key)
            if held == id or (isinstance(held, list) and id in held):
                yield entity


class Tables:
    """The same entities as rows, in tables as the store makes them."""

    def __init__(self) -> None:
        self._connection = duckdb.connect(":memory:", config={"threads": 1})
        self._deleted: set[str] = set()
        for noun in NOUNS:
            self._connection.execute(schema.create_table("memory", noun))

    def close(self) -> None:
        self._connection.close()

    def fill(self, entities: Mapping[str, list[dict[str, Any]]]) -> None:
        self._deleted = {name for name, some in entities.items() if any("$deletedAt" in entity for entity in some)}
        for noun in NOUNS:
            self._connection.execute(f"TRUNCATE memory.{noun.key}")
            for number, entity in enumerate(entities[noun.name]):
                row = [entity["$id"], number, number, entity["$version"]]
                row += [_time(entity.get(key)) for key in ("$createdAt", "$updatedAt")]
                row += [entity["$createdBy"], _time(entity.get("$deletedAt")), canonical(entity).decode()]
                row += [values.to_sql(field, entity.get(field.name)) for field in noun.fields.values()]
                marks = ", ".join("?" * len(row))
                self._connection.execute(f"INSERT INTO memory.{noun.key} VALUES ({marks})", row)

    def select(self, noun: Noun, condition: Sql) -> set[str]:
        text = f'SELECT "$id" FROM {noun.key} AS t WHERE t."$deletedAt" IS NULL AND {condition.text}'
        return {id for (id,) in self._connection.execute(text, list(condition.parameters)).fetchall()}

    def table(self, noun: Noun, columns: frozenset[str]) -> Sql:
        # As a unit with staged rows gives it: a query with parameters, and no column that was not asked for.
        names = ", ".join(f'"{name}"' for name in sorted(columns))
        return Sql(f"(SELECT {names} FROM {noun.key} WHERE ?)", (True,))

    def has_deleted(self, noun: Noun) -> bool:
        return noun.name in self._deleted


def _time(stored: str | None) -> datetime | None:
    return None if stored is None else values.parse_datetime(stored).replace(tzinfo=None)


@pytest.fixture(scope="module")
def tables() -> Iterator[Tables]:
    made = Tables()
    yield made
    made.close()


asked = st.sampled_from(VOCABULARY.names).flatmap(lambda name: st.tuples(st.just(name), filters(VOCABULARY.noun(name))))


# Shrinking so large an example takes minutes and ends in the timeout; the question that failed is small as it is.
@settings(
    max_examples=60,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(graphs(), st.lists(asked, min_size=8, max_size=12))
def test_sql_and_python_select_the_same_entities(
    tables: Tables, entities: dict[str, list[dict[str, Any]]], questions: list[tuple[str, dict[str, Any]]]
) -> None:
    tables.fill(entities)
    graph = Graph(entities)
    for name, question in questions:
        noun = VOCABULARY.noun(name)
        filter = parse_filter(question, noun, VOCABULARY, now=NOW)
        by_python = {entity["$id"] for entity in graph.all(noun) if matches(filter, entity, graph)}
        by_sql = tables.select(noun, to_sql(filter, alias="t", source=tables))
        assert by_sql == by_python, question
        opposite = parse_filter({"$not": question}, noun, VOCABULARY, now=NOW)
        by_sql = tables.select(noun, to_sql(opposite, alias="t", source=tables))
        assert by_sql == {entity["$id"] for entity in graph.all(noun)} - by_python, question
