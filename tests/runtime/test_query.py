"""Queries: what may be asked, and that pages, totals and includes hold what they promise."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime import values
from runtime.canonical import canonical
from runtime.declaration import declare
from runtime.errors import InvalidArguments, InvalidCursor, InvalidFields, InvalidInclude, InvalidSort, VerbenaError
from runtime.include import related_sql
from runtime.noun import Noun
from runtime.paths import step
from runtime.query import among_sql, chosen, count_sql, next_cursor, page_sql, parse_query
from runtime.sql import Sql
from runtime.store import schema
from runtime.vocabulary import Vocabulary

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)

VOCABULARY = Vocabulary.of(
    [
        declare("Company", {"name": "string", "size": "int", "owner": "-> Person"}),
        declare(
            "Person",
            {
                "name": "string",
                "score": "number",
                "price": "decimal(10,2)",
                "born": "date",
                "seenAt": "datetime",
                "active": "boolean",
                "stage": "Lead | Customer",
                "tags": "string[]",
                "meta": "json",
                "company": "-> Company.people",
                "friends": "-> Person.friendOf[]",
            },
        ),
    ]
)
PERSON = VOCABULARY.noun("Person")
COMPANY = VOCABULARY.noun("Company")


class Tables:
    """Rows of the two nouns, in tables as the store makes them."""

    def __init__(self) -> None:
        self._connection = duckdb.connect(":memory:", config={"threads": 1})
        for noun in (COMPANY, PERSON):
            self._connection.execute(schema.create_table("memory", noun))
        self.number = 0

    def close(self) -> None:
        self._connection.close()

    def empty(self) -> None:
        self._connection.execute("TRUNCATE memory.person")
        self._connection.execute("TRUNCATE memory.company")

    def put(self, noun: Noun, id: str, entity: Mapping[str, Any], *, deleted: bool = False) -> None:
        self.number += 1
        at = (NOW + timedelta(minutes=self.number)).replace(tzinfo=None)
        row = [id, self.number, self.number, 1, at, at, "user_1", at if deleted else None]
        row.append(canonical({"$id": id, "$type": noun.name, **entity}).decode())
        row += [values.to_sql(field, entity.get(field.name)) for field in noun.fields.values()]
        self._connection.execute(f"INSERT INTO memory.{noun.key} VALUES ({', '.join('?' * len(row))})", row)

    def set(self, id: str, column: str, value: Any) -> None:
        self._connection.execute(f'UPDATE memory.person SET "{column}" = ? WHERE "$id" = ?', [value, id])

    def rows(self, sql: Sql) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql.text, list(sql.parameters)).fetchall()

    def table(self, noun: Noun, columns: frozenset[str]) -> Sql:
        names = ", ".join(f'"{name}"' for name in sorted(columns))
        return Sql(f"(SELECT {names} FROM {noun.key})")

    def has_deleted(self, noun: Noun) -> bool:
        return True

    def names(self, arguments: Mapping[str, object], *, page: int = 100) -> list[str]:
        """The names on all pages, one after another."""
        found: list[str] = []
        cursor = None
        while True:
            query = parse_query({**arguments, "limit": page, "cursor": cursor}, PERSON, VOCABULARY, now=NOW)
            rows = self.rows(page_sql(query, self))
            found += [str(row[0]).partition('"$id":"')[2].partition('"')[0] for row in rows[:page]]
            if len(rows) <= page:
                return found
            cursor = next_cursor(query, rows[page - 1])


@pytest.fixture(scope="module")
def shared() -> Iterator[Tables]:
    made = Tables()
    yield made
    made.close()


@pytest.fixture
def tables(shared: Tables) -> Tables:
    shared.empty()
    return shared


def ask(arguments: Mapping[str, object], noun: Noun = PERSON) -> Any:
    return parse_query(arguments, noun, VOCABULARY, now=NOW)


def order(given: object) -> list[tuple[str, bool]]:
    return [(key.path.field.name, key.descending) for key in ask({"sort": given}).sort]


def test_a_query_of_nothing_asks_for_the_ten_newest(tables: Tables) -> None:
    for number in range(12):
        tables.put(PERSON, f"person_{number}", {})
    query = ask({})
    rows = tables.rows(page_sql(query, tables))
    assert (query.limit, query.total, query.fields, query.include) == (10, True, None, ())
    assert [row[0] for row in rows[:2]] == [
        '{"$id":"person_11","$type":"Person"}',
        '{"$id":"person_10","$type":"Person"}',
    ]
    assert len(rows) == 11


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, []),
        ("name", [("name", False)]),
        ("-createdAt", [("$createdAt", True)]),
        ("name,-score", [("name", False), ("score", True)]),
        ("createdAt:desc", [("$createdAt", True)]),
        ("name:ASC, score:desc", [("name", False), ("score", True)]),
        (["-name", "score"], [("name", True), ("score", False)]),
        ([{"name": -1}, "+score"], [("name", True), ("score", False)]),
        ({"name": 1, "score": "desc"}, [("name", False), ("score", True)]),
        ("company.name", [("name", False)]),
    ],
)
def test_a_sort_is_read_in_every_way_that_people_write_it(given: object, expected: list[tuple[str, bool]]) -> None:
    assert order(given) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nmae", "Person has no field 'nmae'"),
        ("tags", "'tags' is of type string[], which has no order"),
        ("meta", "'meta' is of type json, which has no order"),
        ("friends.name", "'friends.name' walks Person.friends, which may lead to several entities"),
        ("friendOf", "Person has no field 'friendOf'"),
        ("name:up", "'up' is no direction of a sort"),
        ({"name": True}, "true is no sort"),
        ({"name": 2}, "2 is no direction of a sort"),
        ("name,-name", "the same key is sorted by twice"),
        ("name,score,price,born,seenAt,stage", "6 sort keys; at most 5 are allowed"),
        ("", "'' is no sort"),
        (5, "5 is no sort"),
        ([["name"]], "a list is no sort"),
        ("$type", "$type is the same for all of them, so it sorts nothing"),
    ],
)
def test_what_cannot_be_sorted_by_is_refused(given: object, message: str) -> None:
    with pytest.raises(InvalidSort) as caught:
        ask({"sort": given})
    assert caught.value.message == message


def test_a_misspelled_sort_names_the_nearest_field() -> None:
    with pytest.raises(InvalidSort) as caught:
        ask({"sort": "-scroe"})
    assert caught.value.hint == "did you mean 'score'?"


@pytest.mark.parametrize("limit", [0, -1, 101, True, "10", 1.5])
def test_a_limit_is_a_whole_number_from_1_to_100(limit: object) -> None:
    with pytest.raises(InvalidArguments, match="limit is a whole number from 1 to 100"):
        ask({"limit": limit})


def test_an_unknown_argument_is_refused() -> None:
    with pytest.raises(InvalidArguments) as caught:
        ask({"filters": {}})
    assert (caught.value.message, caught.value.hint) == ("unknown argument 'filters'", "did you mean 'filter'?")


# Pages


KEYS: Mapping[str, Sequence[Any]] = {
    "name": ("", "a", "b", "B", "é", "x" * 300, "x" * 299 + "y"),
    "score": (0, 1, -1.5, 1e300, 2**53 - 1),
    "price": (Decimal("0.00"), Decimal("-1.50"), Decimal("12345678.90")),
    "born": (date(2026, 1, 1), date(1, 1, 1), date(9999, 12, 31)),
    "seenAt": (datetime(2026, 1, 1), datetime(2026, 1, 1, 0, 0, 0, 1), datetime(1, 1, 1)),
    "active": (True, False),
    "stage": ("Lead", "Customer"),
    "company.name": ("a", "b"),
}


def stored(key: str, value: Any) -> Any:
    match value:
        case datetime():
            return values.format_datetime(value)
        case date():
            return value.isoformat()
        case Decimal():
            return str(value)
        case _:
            return value


rows_of_keys = st.lists(
    st.fixed_dictionaries({}, optional={key: st.sampled_from(some) for key, some in KEYS.items()}), max_size=8
)
sorts = st.lists(st.tuples(st.sampled_from(sorted(KEYS)), st.booleans()), max_size=3, unique_by=lambda key: key[0])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows_of_keys, sorts, st.integers(1, 3))
def test_pages_hold_every_entity_once_and_in_order(
    tables: Tables, rows: list[dict[str, Any]], sort: list[tuple[str, bool]], page: int
) -> None:
    tables.empty()
    for number, name in enumerate(("a", "b")):
        tables.put(COMPANY, f"company_{number}", {"name": name})
    for number, row in enumerate(rows):
        entity = {key: stored(key, value) for key, value in row.items() if key != "company.name"}
        if "company.name" in row:
            entity["company"] = "company_0" if row["company.name"] == "a" else "company_1"
        tables.put(PERSON, f"person_{number}", entity)

    # Stable sorts from the last key to the first; what is missing comes last in both directions.
    expected = list(range(len(rows)))
    if not sort or sort[0][1]:
        expected.reverse()
    for key, down in reversed(sort):
        present = [number for number in expected if key in rows[number]]
        shortened = {number: _beginning(rows[number][key]) for number in present}
        # `reverse` keeps equals in their order, as ORDER BY … DESC does not promise but the tie-break has settled.
        present.sort(key=shortened.__getitem__, reverse=down)
        expected = present + [number for number in expected if key not in rows[number]]

    written = [f"{'-' if down else ''}{key}" for key, down in sort]
    assert tables.names({"sort": written}, page=page) == [f"person_{number}" for number in expected]


def _beginning(value: Any) -> Any:
    return value[:200] if isinstance(value, str) else value


def test_what_comes_and_goes_between_pages_moves_nobody_else(tables: Tables) -> None:
    for number in range(6):
        tables.put(PERSON, f"person_{number}", {"name": f"n{number}", "score": number // 2})
    query = ask({"sort": "-score", "limit": 2})
    rows = tables.rows(page_sql(query, tables))
    assert [row[1] for row in rows[:2]] == [2.0, 2.0]
    # A newcomer before the cursor, and one of those already seen moving behind it.
    tables.put(PERSON, "person_6", {"score": 9})
    tables.set("person_5", "score", 0.5)
    cursor = next_cursor(query, rows[1])
    rest = parse_query({"sort": "-score", "cursor": cursor}, PERSON, VOCABULARY, now=NOW)
    found = [row[0].split('"')[3] for row in tables.rows(page_sql(rest, tables))]
    assert found == ["person_3", "person_2", "person_5", "person_1", "person_0"]


def test_a_deleted_entity_is_on_no_page_and_in_no_total(tables: Tables) -> None:
    tables.put(PERSON, "person_0", {}, deleted=True)
    tables.put(PERSON, "person_1", {})
    assert tables.names({}) == ["person_1"]
    assert tables.rows(count_sql(ask({}), tables)) == [(1,)]
    assert tables.rows(among_sql(ask({}), ["person_0", "person_1", "person_9"], tables)) == [
        ("person_1", '{"$id":"person_1","$type":"Person"}')
    ]


def test_an_entity_whose_company_is_deleted_sorts_as_one_without(tables: Tables) -> None:
    tables.put(COMPANY, "company_0", {"name": "a"}, deleted=True)
    tables.put(COMPANY, "company_1", {"name": "b"})
    tables.put(PERSON, "person_0", {"company": "company_0"})
    tables.put(PERSON, "person_1", {"company": "company_1"})
    assert tables.names({"sort": "company.name"}) == ["person_1", "person_0"]


# Cursors


def cursor_of(arguments: Mapping[str, object]) -> str:
    query = ask(arguments)
    return next_cursor(query, ("{}", *(None for _ in query.sort), 7))


@pytest.mark.parametrize(
    "other",
    [
        {"sort": "-name"},
        {"sort": "name", "filter": {"score": 1}},
        {"sort": ["name", "score"]},
        {},
    ],
)
def test_a_cursor_of_another_query_is_refused(other: Mapping[str, object]) -> None:
    with pytest.raises(InvalidCursor, match="of another query"):
        ask({**other, "cursor": cursor_of({"sort": "name"})})


def test_a_cursor_of_another_noun_or_position_is_refused() -> None:
    with pytest.raises(InvalidCursor):
        ask({"cursor": cursor_of({})}, COMPANY)
    with pytest.raises(InvalidCursor):
        parse_query({"cursor": cursor_of({})}, PERSON, VOCABULARY, now=NOW, as_of=3)


def test_a_cursor_does_not_mind_how_the_same_query_is_spelled() -> None:
    cursor = cursor_of({"sort": "name,-score", "filter": {"stage": "Lead"}})
    spelled = {"sort": {"name": "asc", "score": -1}, "filter": {"stage": {"$eq": "Lead"}}, "limit": 3}
    assert ask({**spelled, "cursor": cursor}).after == (None, None, 7)


@pytest.mark.parametrize("word", ["", "x", "!!", "A" * 30_000, 5, {}, "AAAAAAAAAAAA", "é"])
def test_garbage_is_no_cursor(word: object) -> None:
    with pytest.raises(InvalidCursor, match="no cursor of ours"):
        ask({"cursor": word})


@given(st.data())
def test_a_cursor_with_one_character_changed_is_refused(data: st.DataObject) -> None:
    cursor = cursor_of({"sort": "name"})
    at = data.draw(st.integers(0, len(cursor) - 2))
    other = data.draw(st.sampled_from("ABCabc019-_").filter(lambda letter: letter != cursor[at]))
    with pytest.raises(InvalidCursor):
        ask({"sort": "name", "cursor": cursor[:at] + other + cursor[at + 1 :]})


def test_relative_times_count_from_the_first_page() -> None:
    first = ask({"filter": {"seenAt": {"$gt": "7d ago"}}})
    cursor = next_cursor(first, ("{}", 7))
    later = parse_query(
        {"filter": {"seenAt": {"$gt": "7d ago"}}, "cursor": cursor}, PERSON, VOCABULARY, now=NOW + timedelta(days=3)
    )
    assert (later.filter, later.now) == (first.filter, NOW)


def test_the_position_in_the_log_stays_that_of_the_first_page() -> None:
    first = parse_query({}, PERSON, VOCABULARY, now=NOW, as_of=12)
    cursor = next_cursor(first, ("{}", 7))
    assert ask({"cursor": cursor}).as_of == 12
    assert parse_query({"cursor": cursor}, PERSON, VOCABULARY, now=NOW, as_of=12).as_of == 12
    with pytest.raises(InvalidCursor):
        parse_query({"cursor": cursor}, PERSON, VOCABULARY, now=NOW, as_of=13)


# Fields and includes


def test_fields_keep_what_tells_an_entity_from_another() -> None:
    entity = {"$id": "person_1", "$type": "Person", "$version": 3, "name": "Ada", "score": 5}
    assert ask({"fields": ["name", "version"]}).fields == ("name", "$version")
    assert chosen(entity, ask({"fields": "name"}).fields) == {"$id": "person_1", "$type": "Person", "name": "Ada"}
    assert chosen(entity, None) == entity


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (["nmae"], "did you mean 'name'?"),
        (["company.name"], "name it in include"),
        (["friendOf"], "name it in include"),
        ([5], None),
        (5, '["name", "stage"]'),
    ],
)
def test_a_field_that_is_not_there_is_refused(given: object, hint: str | None) -> None:
    with pytest.raises(InvalidFields) as caught:
        ask({"fields": given})
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, {}),
        ("company", {"company": {}}),
        ("company.owner, friends", {"company": {"owner": {}}, "friends": {}}),
        (["company", "company.owner"], {"company": {"owner": {}}}),
        ({"company": {"owner": True}, "friends": True}, {"company": {"owner": {}}, "friends": {}}),
        ({"company": ["owner", "people"], "friendOf": False}, {"company": {"owner": {}, "people": {}}}),
    ],
)
def test_an_include_is_read_in_every_way_that_people_write_it(given: object, expected: object) -> None:
    def tree(includes: Any) -> dict[str, Any]:
        return {include.step.name: tree(include.parts) for include in includes}

    assert tree(ask({"include": given}).include) == expected


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("compny", "did you mean 'company'?"),
        ("name", "there is: company, friendOf, friends"),
        ("company.owner.company.owner", None),
        ({"company": {"owner": {"company": {"owner": True}}}}, None),
        ("company." * 2_000, None),
        (5, '"company.owner", ["company", "people"] or {"company": true}'),
        ([["company"]], None),
    ],
)
def test_what_is_no_relation_is_not_included(given: object, hint: str | None) -> None:
    with pytest.raises(InvalidInclude) as caught:
        ask({"include": given})
    if hint is not None and not isinstance(given, int):
        assert caught.value.hint == hint


def test_more_than_ten_includes_are_refused() -> None:
    paths = [f"{first}.{second}" for first in ("company", "friends", "friendOf") for second in ("owner", "people")]
    paths = [path for path in paths if path.startswith("company")]
    deep = [f"{one}.{two}.{three}" for one in ("friends", "friendOf") for two in ("friends", "friendOf", "company") for three in ("owner", "people", "friends", "friendOf") if (two == "company") == (three in ("owner", "people"))]  # fmt: skip # noqa: E501
    with pytest.raises(InvalidInclude, match="at most 10 are allowed"):
        ask({"include": paths + deep})


def test_related_entities_come_newest_first_and_a_hundred_at_most(tables: Tables) -> None:
    tables.put(COMPANY, "company_0", {"name": "a"})
    for number in range(103):
        tables.put(PERSON, f"person_{number}", {"company": "company_0"}, deleted=number == 102)
    people = step("people", COMPANY, VOCABULARY)
    assert people is not None
    rows = tables.rows(related_sql(people, ["company_0", "company_1"], tables))
    assert len(rows) == 101
    assert rows[0][0] == "company_0" and '"person_101"' in rows[0][1]


def test_who_names_us_in_a_list_is_related(tables: Tables) -> None:
    tables.put(PERSON, "person_0", {})
    tables.put(PERSON, "person_1", {"friends": ["person_0", "person_1"]})
    friend_of = step("friendOf", PERSON, VOCABULARY)
    assert friend_of is not None
    rows = tables.rows(related_sql(friend_of, ["person_0"], tables))
    assert [row[0] for row in rows] == ["person_0"] and '"person_1"' in rows[0][1]


def test_a_total_is_counted_over_all_pages(tables: Tables) -> None:
    for number in range(5):
        tables.put(PERSON, f"person_{number}", {"score": number})
    query = ask({"filter": {"score": {"$gte": 2}}, "limit": 1})
    further = ask({"filter": {"score": {"$gte": 2}}, "cursor": next_cursor(query, ("{}", 4))})
    assert tables.rows(count_sql(query, tables)) == tables.rows(count_sql(further, tables)) == [(3,)]


def test_a_query_names_the_nouns_that_decide_its_answer() -> None:
    assert ask({"filter": {"company.owner.name": "Ada"}}).nouns == {"Person", "Company"}
    assert ask({"sort": "company.name"}).nouns == {"Person", "Company"}
    assert ask({"filter": {"name": "Ada"}}).nouns == {"Person"}


def test_every_refusal_is_one_of_ours() -> None:
    wrong: list[dict[str, object]] = [
        {"filter": "x"},
        {"sort": {1: 1}},
        {"include": {1: 1}},
        {"fields": {}},
        {"total": "yes"},
    ]
    for arguments in wrong:
        with pytest.raises(VerbenaError):
            ask(arguments)
