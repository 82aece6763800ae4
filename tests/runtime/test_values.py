"""What each type takes, what it stores, and what it refuses."""

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import values
from runtime.canonical import INT_MAX
from runtime.errors import ValidationFailed
from runtime.noun import CONVERTED_TYPES, Field

NOW = datetime(2026, 11, 21, 10, 30, 0, 123456, tzinfo=UTC)
ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
STAGE = Field(name="stage", type="enum", values=("Lead", "Qualified", "Customer"))
CONTACT = Field(name="contact", type="relation", target="Contact")


def field(type_name: str, **more: Any) -> Field:
    return Field(name="f", type=type_name, **more)


MONEY = field("decimal", precision=10, scale=2)


@pytest.mark.parametrize(
    ("of", "value", "stored"),
    [
        (field("string"), "", ""),
        (field("text"), "two\nlines 😀", "two\nlines 😀"),
        (field("url"), "https://example.com/a?b=c#d", "https://example.com/a?b=c#d"),
        (field("email"), "Ann+tag@example.com", "Ann+tag@example.com"),
        (field("id"), "cus_123:abc", "cus_123:abc"),
        (field("uuid"), "123E4567-E89B-12D3-A456-426614174000", "123e4567-e89b-12d3-a456-426614174000"),
        (field("uuid"), UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (field("string"), UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (field("ulid"), ULID.lower(), ULID),
        (field("number"), 5.0, 5),
        (field("number"), -0.0, 0),
        (field("number"), 1.5, 1.5),
        (field("number"), 1e300, 1e300),
        (field("number"), Decimal("2.50"), 2.5),
        (field("float"), INT_MAX, INT_MAX),
        (field("int"), 7, 7),
        (field("int"), 7.0, 7),
        (MONEY, 12, "12.00"),
        (MONEY, 12.3, "12.30"),
        (MONEY, "-0.00", "0.00"),
        (MONEY, "-.5", "-0.50"),
        (MONEY, "99999999.99", "99999999.99"),
        (MONEY, Decimal("1E+3"), "1000.00"),
        (field("decimal", precision=38, scale=38), "0." + "1" * 38, "0." + "1" * 38),
        (field("decimal", precision=38, scale=0), "9" * 38, "9" * 38),
        (field("boolean"), True, True),
        (field("date"), "2026-02-28", "2026-02-28"),
        (field("date"), "2026-02-28T00:00:00.000Z", "2026-02-28"),
        (field("date"), date(2026, 2, 28), "2026-02-28"),
        (field("date"), datetime(2026, 2, 28, 23, tzinfo=timezone(timedelta(hours=-5))), "2026-03-01"),
        (field("datetime"), "2026-11-21T10:00:00Z", "2026-11-21T10:00:00Z"),
        (field("datetime"), "2026-11-21 12:00+02:00", "2026-11-21T10:00:00Z"),
        (field("datetime"), "2026-11-21", "2026-11-21T00:00:00Z"),
        (field("datetime"), "2026-11-21T10:00:00.5", "2026-11-21T10:00:00.500000Z"),
        (field("timestamp"), "2026-11-21T10:00:00.123456789z", "2026-11-21T10:00:00.123456Z"),
        (field("datetime"), datetime(2026, 11, 21, 10), "2026-11-21T10:00:00Z"),
        (field("datetime"), date(2026, 11, 21), "2026-11-21T00:00:00Z"),
        (field("json"), {"a": [1, None, "x"]}, {"a": [1, None, "x"]}),
        (field("json"), "text", "text"),
        (STAGE, "Lead", "Lead"),
        (CONTACT, "contact_fX9bL5nRdK", "contact_fX9bL5nRdK"),
        (CONTACT, {"$id": "contact_fX9bL5nRdK", "name": "Ann"}, "contact_fX9bL5nRdK"),
        (field("int", many=True), [3, 4.0], [3, 4]),
        (field("string", many=True), (), []),
    ],
)
def test_a_value_is_stored_in_the_one_form_of_its_type(of: Field, value: object, stored: object) -> None:
    found = values.parse(of, value, where="Deal.f")
    assert (found, type(found)) == (stored, type(stored))


@pytest.mark.parametrize(
    ("of", "value", "named"),
    [
        (field("string"), 5, "text, not 5"),
        (field("string"), None, "not null"),
        (field("string"), "\ud800", "half a character"),
        (field("string"), "x" * 1_000_001, "at most 1000000"),
        (field("url"), "example.com", "with its scheme"),
        (field("url"), "https://a b", "with its scheme"),
        (field("email"), "ann", "name@example.com"),
        (field("email"), "a@" + "b" * 320, "name@example.com"),
        (field("id"), "two words", "without spaces"),
        (field("uuid"), "123", "a UUID"),
        (field("ulid"), "81ARZ3NDEKTSV4RRFFQ69G5FAV", "a ULID"),
        (field("number"), "5", "a number, not '5'"),
        (field("number"), True, "a number, not true"),
        (field("number"), math.nan, "finite"),
        (field("number"), math.inf, "finite"),
        (field("number"), 2**53, "lose digits"),
        (field("number"), 1e17, "lose digits"),
        pytest.param(field("number"), 10**5000, "lose digits", id="huge"),
        (field("int"), 1.5, "a whole number"),
        (field("int"), -(2**53), "lose digits"),
        (field("int"), False, "a whole number"),
        (MONEY, "12.345", "2 after it"),
        (MONEY, 123456789, "8 digits before"),
        (MONEY, "1e3", "a decimal"),
        (MONEY, math.nan, "a decimal"),
        (MONEY, Decimal("1E+999999"), "a decimal"),
        (MONEY, True, "a decimal"),
        (field("boolean"), 1, "true or false"),
        (field("boolean"), "true", "true or false"),
        (field("date"), "2026-02-30", "a date"),
        (field("date"), "2026-02-28T23:30:00Z", "a date"),
        (field("date"), 20260228, "a date"),
        (field("datetime"), "2026-13-01T00:00:00Z", "ISO 8601"),
        (field("datetime"), "yesterday", "ISO 8601"),
        (field("datetime"), "0001-01-01T00:00:00+14:00", "ISO 8601"),
        (field("datetime"), 1700000000, "ISO 8601"),
        (field("json"), None, "a JSON value"),
        (field("json"), {"a": {1}}, "set"),
        (field("json"), "x" * 1_000_001, "1000000 bytes"),
        (CONTACT, "deal_fX9bL5nRdK", "the id of a Contact"),
        (CONTACT, "contact_", "the id of a Contact"),
        (CONTACT, {"name": "Ann"}, "the id of a Contact"),
        (field("int", many=True), 3, "a list of a whole number"),
        (field("int", many=True), [1, "2"], r"Deal\.f\[1\] must be a whole number"),
        (field("int", many=True), [None], "not null"),
        (field("int", many=True), [0] * 10_001, "at most 10000"),
    ],
)
def test_a_refused_value_is_named_with_what_would_be_right(of: Field, value: object, named: str) -> None:
    with pytest.raises(ValidationFailed, match=named) as refused:
        values.parse(of, value, where="Deal.f")
    assert refused.value.message.startswith("Deal.f")


def test_a_wrong_enum_word_is_answered_with_the_nearest() -> None:
    with pytest.raises(ValidationFailed) as refused:
        values.parse(STAGE, "qualifed", where="Contact.stage")
    assert refused.value.as_dict() == {
        "code": "validation_failed",
        "message": "Contact.stage must be one of Lead, Qualified, Customer, not 'qualifed'",
        "hint": "did you mean 'Qualified'?",
        "details": {"field": "Contact.stage", "allowed": ["Lead", "Qualified", "Customer"]},
    }


@settings(max_examples=200, deadline=None)
@given(st.datetimes(timezones=st.just(UTC)))
def test_a_datetime_comes_back_from_its_stored_form(at: datetime) -> None:
    stored = values.format_datetime(at)
    assert values.parse_datetime(stored) == at
    assert values.parse(field("datetime"), stored, where="x") == stored
    assert len(stored) in (20, 27)


@settings(max_examples=200, deadline=None)
@given(st.decimals(-(10**8) + 1, 10**8 - 1, places=2))
def test_a_decimal_keeps_its_value_and_has_one_form(number: Decimal) -> None:
    stored = values.parse(MONEY, number, where="x")
    assert Decimal(stored) == number
    assert values.parse(MONEY, stored, where="x") == stored


EVERY_TYPE: list[tuple[Field, Any]] = [
    (field("string"), "a"),
    (field("number"), 1),
    (field("float"), 1.5),
    (field("int"), INT_MAX),
    (MONEY, "12.30"),
    (field("boolean"), True),
    (field("date"), "2026-11-21"),
    (field("datetime"), "2026-11-21T10:00:00.000001Z"),
    (field("json"), {"a": [1]}),
    (STAGE, "Lead"),
    (CONTACT, "contact_fX9bL5nRdK"),
    (field("string", many=True), ["a", "b"]),
    (field("date", many=True), ["2026-11-21"]),
    (field("decimal", precision=10, scale=2, many=True), ["12.30"]),
    (field("int", many=True), []),
]


@pytest.mark.parametrize(("of", "stored"), EVERY_TYPE)
def test_duckdb_takes_every_stored_value_in_its_column(of: Field, stored: Any) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE t (f {values.sql_type(of)})")
        connection.execute("INSERT INTO t VALUES (?)", [values.to_sql(of, stored)])
        found = connection.execute("SELECT f FROM t").fetchone()
    assert found == ({"json": '{"a":[1]}'}.get(of.type, values.to_sql(of, stored)),)


def test_only_types_that_are_said_to_be_converted_are_another_thing_in_a_column() -> None:
    converted = {of.type for of, stored in EVERY_TYPE if values.to_sql(of, stored) is not stored}
    assert converted <= set(CONVERTED_TYPES)


def test_the_column_types_are_these() -> None:
    assert [values.sql_type(of) for of, _ in EVERY_TYPE] == [
        "VARCHAR",
        "DOUBLE",
        "DOUBLE",
        "BIGINT",
        "DECIMAL(10,2)",
        "BOOLEAN",
        "DATE",
        "TIMESTAMP",
        "JSON",
        "VARCHAR",
        "VARCHAR",
        "VARCHAR[]",
        "DATE[]",
        "DECIMAL(10,2)[]",
        "BIGINT[]",
    ]


@pytest.mark.parametrize(
    ("of", "so_far", "value"),
    [
        (field("string", default="x"), {}, "x"),
        (field("string"), {}, None),
        (field("datetime", default="now()"), {}, "2026-11-21T10:30:00.123456Z"),
        (field("datetime", default="today()"), {}, "2026-11-21T00:00:00Z"),
        (field("date", default="now()"), {}, "2026-11-21"),
        (field("date", default="today()"), {}, "2026-11-21"),
        (field("string", default="first(name)"), {"name": "deal_closed"}, "deal"),
        (field("string", default="first(name)"), {"name": "Contact.qualified"}, "Contact"),
        (field("string", default="first(name)"), {"name": "signup"}, "signup"),
        (field("string", default="first(name)"), {"name": "…"}, "…"),
        (field("string", default="first(name)"), {}, None),
    ],
)
def test_a_default_is_the_value_or_what_its_function_gives(of: Field, so_far: dict[str, Any], value: object) -> None:
    assert values.default_of(of, so_far, NOW) == value


def test_changing_a_default_that_was_given_changes_no_declaration() -> None:
    of = field("json", default={"a": []})
    values.default_of(of, {}, NOW)["a"].append(1)
    assert of.default == {"a": []}
