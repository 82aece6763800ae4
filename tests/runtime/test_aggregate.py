"""Aggregates: groups and measures, as JSON values."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from runtime import values
from runtime.aggregate import Aggregate, aggregate_sql, parse_aggregate, shaped
from runtime.declaration import declare
from runtime.errors import InvalidArguments, InvalidSort, VerbenaError
from runtime.noun import Noun
from runtime.sql import Sql
from runtime.store import schema
from runtime.vocabulary import Vocabulary

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)

VOCABULARY = Vocabulary.of(
    [
        declare("Company", {"industry": "string"}),
        declare(
            "Deal",
            {
                "stage": "Open | Won",
                "value": "number",
                "units": "int",
                "price": "decimal(10,2)",
                "closeAt": "datetime",
                "due": "date",
                "hot": "boolean",
                "tags": "string[]",
                "company": "-> Company.deals",
            },
        ),
    ]
)
DEAL = VOCABULARY.noun("Deal")

DEALS: tuple[Mapping[str, Any], ...] = (
    {
        "stage": "Won",
        "value": 0.1,
        "units": 1,
        "price": "1.50",
        "closeAt": "2026-11-21T10:00:00Z",
        "company": "company_1",
    },
    {"stage": "Won", "value": 0.2, "units": 2, "price": "2.25", "closeAt": "2026-11-01T00:00:00Z", "hot": True},
    {"stage": "Open", "value": 5, "due": "2026-01-02", "company": "company_1"},
    {"value": 7, "company": "company_2", "closeAt": "2025-12-31T23:59:59Z"},
)


class Tables:
    def __init__(self) -> None:
        self.connection = duckdb.connect(":memory:", config={"threads": 1})
        for noun in VOCABULARY.names:
            self.connection.execute(schema.create_table("memory", VOCABULARY.noun(noun)))
        self.put(VOCABULARY.noun("Company"), "company_1", {"industry": "Tools"})
        self.put(VOCABULARY.noun("Company"), "company_2", {"industry": "Food"}, deleted=True)
        for number, deal in enumerate(DEALS):
            self.put(DEAL, f"deal_{number}", deal)
        self.put(DEAL, "deal_9", {"stage": "Won", "value": 1_000}, deleted=True)

    def put(self, noun: Noun, id: str, entity: Mapping[str, Any], *, deleted: bool = False) -> None:
        at = NOW.replace(tzinfo=None)
        row = [id, 1, 1, 1, at, at, "user_1", at if deleted else None, "{}"]
        row += [values.to_sql(field, entity.get(field.name)) for field in noun.fields.values()]
        self.connection.execute(f"INSERT INTO memory.{noun.key} VALUES ({', '.join('?' * len(row))})", row)

    def table(self, noun: Noun, columns: frozenset[str]) -> Sql:
        names = ", ".join(f'"{name}"' for name in sorted(columns))
        return Sql(f"(SELECT {names} FROM {noun.key} WHERE ?)", (True,))

    def has_deleted(self, noun: Noun) -> bool:
        return True


@pytest.fixture(scope="module")
def tables() -> Iterator[Tables]:
    made = Tables()
    yield made
    made.connection.close()


def ask(arguments: Mapping[str, object]) -> Aggregate:
    return parse_aggregate(arguments, DEAL, VOCABULARY, now=NOW)


def answer(tables: Tables, arguments: Mapping[str, object]) -> list[dict[str, Any]]:
    aggregate = ask(arguments)
    sql = aggregate_sql(aggregate, tables)
    return shaped(aggregate, tables.connection.execute(sql.text, list(sql.parameters)).fetchall())


def test_without_arguments_it_counts(tables: Tables) -> None:
    assert answer(tables, {}) == [{"count": 4}]


def test_groups_are_counted_summed_and_averaged(tables: Tables) -> None:
    measures = {
        "deals": "count()",
        "total": "sum(value)",
        "mean": "avg(value)",
        "most": "max(price)",
        "sold": "sum(units)",
    }
    assert answer(tables, {"groupBy": "stage", "measures": measures}) == [
        {"stage": "Open", "deals": 1, "total": 5, "mean": 5, "most": None, "sold": 0},
        {
            "stage": "Won",
            "deals": 2,
            "total": 0.30000000000000004,
            "mean": 0.15000000000000002,
            "most": "2.25",
            "sold": 3,
        },
        {"stage": None, "deals": 1, "total": 7, "mean": 7, "most": None, "sold": 0},
    ]


def test_a_filter_keeps_what_is_measured(tables: Tables) -> None:
    arguments = {
        "measures": {"total": "sum(price)", "first": "min(closeAt)"},
        "filter": {"closeAt": {"$gt": "30d ago"}},
    }
    assert answer(tables, arguments) == [{"total": "3.75", "first": "2026-11-01T00:00:00Z"}]


def test_nothing_sums_to_nothing(tables: Tables) -> None:
    arguments = {"measures": {"n": "count()", "total": "sum(value)", "mean": "avg(value)"}, "filter": {"value": -1}}
    assert answer(tables, arguments) == [{"n": 0, "total": 0, "mean": None}]


def test_a_group_may_be_a_field_of_a_related_entity_and_a_deleted_one_has_none(tables: Tables) -> None:
    assert answer(tables, {"groupBy": "company.industry", "sort": "-count"}) == [
        {"company.industry": "Tools", "count": 2},
        {"company.industry": None, "count": 2},
    ]


@pytest.mark.parametrize(
    ("bucket", "expected"),
    [
        ("year", ["2025", "2026", None]),
        ("month", ["2025-12", "2026-11", None]),
        ("week", ["2025-12-29", "2026-10-26", "2026-11-16", None]),
        ("day", ["2025-12-31", "2026-11-01", "2026-11-21", None]),
    ],
)
def test_times_are_grouped_by_spans_of_utc(tables: Tables, bucket: str, expected: list[str | None]) -> None:
    rows = answer(tables, {"groupBy": [f"closeAt:{bucket}"]})
    assert [row["closeAt"] for row in rows] == expected


def test_groups_are_sorted_by_what_they_measure_and_cut_at_the_limit(tables: Tables) -> None:
    arguments = {"groupBy": "stage", "measures": {"total": "sum(value)"}, "sort": "-total", "limit": 2}
    assert answer(tables, arguments) == [{"stage": None, "total": 7}, {"stage": "Open", "total": 5}]


def test_the_different_values_are_counted_once(tables: Tables) -> None:
    arguments = {"measures": {"stages": "countDistinct(stage)", "staged": "count(stage)", "all": "count(*)"}}
    assert answer(tables, arguments) == [{"stages": 2, "staged": 3, "all": 4}]


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ({"measure": {}}, "unknown argument 'measure'", "did you mean 'measures'?"),
        ({"groupBy": "stgae"}, "Deal has no field 'stgae'", "did you mean 'stage'?"),
        ({"groupBy": 5}, "groupBy is a field or a list of fields, not 5", '"stage"'),
        ({"groupBy": "tags"}, "'tags' is of type string[], which makes no groups", None),
        ({"groupBy": "closeAt:months"}, "'months' is no span of time", "did you mean 'month'?"),
        ({"groupBy": "value:day"}, "'value' is of type number and has no days", None),
        ({"groupBy": ["stage", "stage"]}, "'stage' names two columns of the result", None),
        ({"measures": {"x": "sum(valeu)"}}, "Deal has no field 'valeu'", "did you mean 'value'?"),
        ({"measures": {"x": "summ(value)"}}, "unknown function 'summ' of a measure", "did you mean 'sum'?"),
        (
            {"measures": {"x": "sum(stage)"}},
            "sum(stage): stage is of type enum and not a number",
            "numbers of Deal: value, units, price",
        ),
        ({"measures": {"x": "sum()"}}, "sum takes a field", "like sum(value)"),
        ({"measures": {"x": "max(hot)"}}, "max(hot): values of type boolean are not compared", None),
        ({"measures": {"x y": "count()"}}, "'x y' cannot name a measure", None),
        ({"measures": {"x": "sum(value); DROP TABLE deal"}}, "'sum(value); DROP TABLE deal' is no measure", None),
        ({"measures": ["sum(value)"]}, "a list is no measure", '{"total": "sum(value)", "deals": "count()"}'),
        ({"measures": {"x": {"sum": "value"}}}, "a mapping is no measure", None),
        ({"measures": {}}, "0 measures; from 1 to 20 are allowed", None),
        (
            {"limit": 1_001},
            "limit is a whole number from 1 to 1000, not 1001",
            "a filter, or a groupBy of fewer values, makes fewer rows",
        ),
        ({"groupBy": "stage,value,units,price,due,hot"}, "6 fields in groupBy; at most 5 are allowed", None),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_refused(arguments: Mapping[str, object], message: str, hint: str | None) -> None:
    with pytest.raises(InvalidArguments) as caught:
        ask(arguments)
    assert caught.value.message == message
    assert hint is None or caught.value.hint == hint


def test_a_sort_goes_by_the_columns_of_the_result() -> None:
    with pytest.raises(InvalidSort) as caught:
        ask({"groupBy": "stage", "sort": "-conut"})
    assert (caught.value.message, caught.value.hint) == ("the result has no column 'conut'", "did you mean 'count'?")


def test_an_aggregate_names_the_nouns_that_decide_its_answer() -> None:
    assert ask({"groupBy": "company.industry"}).nouns == {"Deal", "Company"}
    with pytest.raises(VerbenaError):
        parse_aggregate({"groupBy": "deals.value"}, VOCABULARY.noun("Company"), VOCABULARY, now=NOW)
