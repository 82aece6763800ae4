"""Filters: what may be asked of an entity, and every refusal with the word that would have been right."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from runtime.declaration import declare
from runtime.errors import InvalidFilter
from runtime.filters import matches, nouns_of, parse_filter
from runtime.vocabulary import Vocabulary

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)

VOCABULARY = Vocabulary.of(
    [
        declare("Organization", {"name": "string!", "industry": "string", "parent": "-> Organization.children"}),
        declare(
            "Contact",
            {
                "name": "string",
                "email": "email",
                "stage": "Lead | Qualified | Customer",
                "score": "number",
                "visits": "int",
                "price": "decimal(5,2)",
                "active": "boolean",
                "born": "date",
                "seenAt": "datetime",
                "tags": "string[]",
                "meta": "json",
                "organization": "-> Organization.contacts",
            },
        ),
        declare("Deal", {"value": "number", "stage": "Open | Won", "contact": "-> Contact.deals"}),
    ]
)
CONTACT = VOCABULARY.noun("Contact")

ENTITIES: Mapping[str, Mapping[str, Any]] = {
    "organization_1": {"$id": "organization_1", "name": "Acme", "industry": "Tools", "parent": "organization_2"},
    "organization_2": {"$id": "organization_2", "name": "Holding"},
    "contact_1": {
        "$id": "contact_1",
        "$version": 3,
        "$createdAt": "2026-11-20T23:00:00Z",
        "name": "Ada Lovelace",
        "stage": "Lead",
        "score": 5,
        "price": "12.50",
        "active": False,
        "born": "2026-11-21",
        "seenAt": "2026-11-21T00:00:00.000001Z",
        "tags": ["vip", "math"],
        "meta": {"plan": "pro", "seats": [1, 2]},
        "organization": "organization_1",
    },
    "deal_1": {"$id": "deal_1", "value": 1, "stage": "Won", "contact": "contact_1"},
    "deal_2": {"$id": "deal_2", "value": 9, "stage": "Open", "contact": "contact_1"},
}


class Graph:
    def get(self, noun_name: str, id: str) -> Mapping[str, Any] | None:
        return ENTITIES.get(id)

    def related(self, noun_name: str, key: str, id: str) -> Iterable[Mapping[str, Any]]:
        prefix = VOCABULARY.noun(noun_name).key + "_"
        return [entity for name, entity in ENTITIES.items() if name.startswith(prefix) and entity.get(key) == id]


def true_of_ada(given: object) -> bool:
    return matches(parse_filter(given, CONTACT, VOCABULARY, now=NOW), ENTITIES["contact_1"], Graph())


@pytest.mark.parametrize(
    "given",
    [
        None,
        {},
        {"name": "Ada Lovelace"},
        {"stage": {"$in": ["Customer", "Lead"]}},
        {"stage": {"$ne": "Customer"}, "score": {"$gte": 5, "$lt": 6}},
        {"email": None},
        {"email": {"$ne": "a@b.c"}},
        {"email": {"$nin": ["a@b.c"]}},
        {"email": {"$in": [None]}},
        {"email": {"$exists": False}},
        {"email": {"$not": {"$contains": "x"}}},
        {"email": {"$not": "a@b.c"}},
        {"$not": {"email": "a@b.c"}},
        {"score": {"$not": {"$gt": 5}}},
        {"active": False},
        {"visits": {"$not": {"$gt": 2.5}}},
        {"price": "12.5"},
        {"price": 12.5},
        {"price": {"$gt": "9.99"}},
        {"name": {"$contains": "Love"}},
        {"name": {"$startsWith": "Ada"}},
        {"name": {"$regex": "^A.*e$"}},
        {"name": {"$text": "LOVELACE ada"}},
        {"tags": "vip"},
        {"tags": {"$contains": "math"}},
        {"tags": {"$startsWith": "ma"}},
        {"meta": {"seats": [1, 2], "plan": "pro"}},
        {"meta": {"$contains": '"plan":"pro"'}},
        {"$id": "contact_1", "version": 3, "$type": "Contact"},
        {"id": {"$in": ["contact_1", "contact_2"]}},
        {"organization": "organization_1"},
        {"organization": {"$in": ["organization_1", None]}},
        {"organization.industry": "Tools"},
        {"organization.parent.name": "Holding"},
        {"organization.parent.parent.name": {"$ne": "Acme"}},
        {"organization.parent.parent": None},
        {"organization": {"name": "Acme", "industry": {"$contains": "oo"}}},
        {"organization": {"parent": {"industry": None}}},
        {"organization": {"parent.industry": {"$ne": "Tools"}}},
        {"deals.stage": "Won", "deals.value": {"$gt": 5}},
        {"deals": {"stage": "Open", "value": {"$gt": 5}}},
        {"deals": {"$exists": True}},
        {"deals": "deal_2"},
        {"deals.stage": {"$exists": True}},
        {"$or": [{"score": 6}, {"$and": [{"score": 5}, {"active": False}]}]},
        # Times: a day is compared whole, wherever in it the time is.
        {"seenAt": "today"},
        {"seenAt": "2026-11-21"},
        {"seenAt": {"$in": ["yesterday", "2026-11-21"]}},
        {"seenAt": {"$lte": "today"}},
        {"seenAt": {"$gt": "yesterday"}},
        {"seenAt": {"$gt": "10h ago"}},
        {"seenAt": {"$gt": "2026-11-21T01:00:00+01:00"}},
        {"born": "today"},
        {"born": {"$gt": "2w ago", "$lt": "in 1 month"}},
        {"createdAt": {"$lt": "today", "$gte": "yesterday"}},
    ],
)
def test_a_filter_is_true_of_ada(given: object) -> None:
    assert true_of_ada(given)


@pytest.mark.parametrize(
    "given",
    [
        {"email": {"$gt": ""}},
        {"email": {"$regex": ".*"}},
        {"score": {"$in": []}},
        {"score": {"$gt": 5}},
        {"tags": "vi"},
        {"$type": "Deal"},
        {"deals": {"stage": "Won", "value": {"$gt": 5}}},
        {"deals.stage": {"$ne": "Won"}},
        {"organization.parent.parent.name": "Holding"},
        {"organization": {"$ne": "organization_1"}},
        {"seenAt": {"$gt": "today"}},
        {"seenAt": {"$lt": "today"}},
        {"name": {"$contains": "love"}},
        {"name": {"$text": "love"}},
    ],
)
def test_a_filter_is_not_true_of_ada(given: object) -> None:
    assert not true_of_ada(given)


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"sage": "Lead"}, "Contact has no field 'sage'", "did you mean 'stage'?"),
        ({"organisation.name": "X"}, "Contact has no field 'organisation'", "did you mean 'organization'?"),
        ({"organization.nmae": "X"}, "Organization has no field 'nmae'", "did you mean 'name'?"),
        ({"organization": {"nmae": "X"}}, "Organization has no field 'nmae'", "did you mean 'name'?"),
        (
            {"score.x": 1},
            "Contact.score is of type number and leads to no other entity",
            "relations of Contact: deals, organization",
        ),
        ({"score": {"gt": 1}}, "unknown operator 'gt' on Contact.score", "did you mean '$gt'?"),
        ({"score": {"$greater": 1}}, "unknown operator '$greater' on Contact.score", None),
        ({"$nto": {}}, "unknown operator '$nto' in a filter of Contact", "did you mean '$not'?"),
        (
            {"stage": "Laed"},
            "Contact.stage must be one of Lead, Qualified, Customer, not 'Laed'",
            "did you mean 'Lead'?",
        ),
        (
            {"$type": "Contcat"},
            "Contact.$type must be one of Contact, Deal, Organization, not 'Contcat'",
            "did you mean 'Contact'?",
        ),
    ],
)  # fmt: skip
def test_an_unknown_word_is_refused_with_the_nearest_one(given: object, message: str, hint: str | None) -> None:
    with pytest.raises(InvalidFilter) as caught:
        true_of_ada(given)
    assert caught.value.message == message
    assert hint is None or caught.value.hint == hint


NONSENSE: list[Any] = [
    "name = Ada",
    [],
    5,
    cast(Any, {1: 2}),
    {"score": "5"},
    {"score": True},
    {"score": {}},
    {"score": [5]},
    {"score": {"$gt": None}},
    {"score": {"$gt": float("nan")}},
    {"score": {"$in": 5}},
    {"score": {"$in": [5, "5"]}},
    {"score": {"$exists": 1}},
    {"score": {"$contains": "5"}},
    {"score": 10**400},
    {"visits": 2.5},
    {"visits": 2**60},
    {"price": "1.234"},
    {"price": "12345"},
    {"price": "a lot"},
    {"active": "true"},
    {"active": {"$gt": False}},
    {"stage": {"$gt": "Lead"}},
    {"born": "soon"},
    {"born": "2026-02-30"},
    {"seenAt": "7 moons ago"},
    {"seenAt": "999999 years ago"},
    {"seenAt": 5},
    {"name": 5},
    {"name": {"$regex": "("}},
    {"name": {"$regex": "(?=a)"}},
    {"name": {"$regex": "((a{100}){100}){100}"}},
    {"name": {"$regex": "a" * 1_001}},
    {"name": {"$regex": 5}},
    {"name": {"$text": "?!"}},
    {"name": {"$text": "w " + " ".join(f"w{number}" for number in range(40))}},
    {"name": "\ud800"},
    {"name": {"$in": ["x"] * 1_001}},
    {"tags": ["vip"]},
    {"meta": {"a": float("inf")}},
    {"organization": "contact_1"},
    {"organization": 5},
    {"organization": {}},
    {"organization": {"$gt": "organization_1"}},
    {"organization.contacts.organization.contacts.name": "X"},
    {"organization": {"contacts": {"organization": {"contacts": {"name": "X"}}}}},
    {"organization.contacts": {"organization.contacts": {"$exists": True, "name": "X"}}},
    {"": 1},
    {".": 1},
    {"organization.": 1},
    {"$gt": 5},
    {"$and": {}},
    {"$and": []},
    {"$or": [5]},
    {"$not": [{}]},
    {"$and": [{"score": 1}] * 201},
    {f"x{number}": 1 for number in range(300)},
    {"$context": "x"},
    {"$deletedAt": None},
    {"$number": 1},
]


@pytest.mark.parametrize("given", NONSENSE)
def test_what_cannot_be_meant_is_refused_and_never_silently_no_match(given: object) -> None:
    with pytest.raises(InvalidFilter):
        true_of_ada(given)


def nested(shape: str, depth: int) -> object:
    inner: Any = {"score": 5} if shape in ("$and", "$not") else 5
    for _ in range(depth):
        match shape:
            case "$and":
                inner = {"$and": [inner]}
            case "$not" | "field":
                inner = {"$not": inner}
            case "list":
                inner = [inner]
            case _:
                inner = {"organization": inner}
    return {"score": inner} if shape in ("field", "list") else inner


@pytest.mark.parametrize("shape", ["$and", "$not", "field", "list", "path"])
def test_a_filter_a_thousand_deep_is_refused(shape: str) -> None:
    with pytest.raises(InvalidFilter):
        true_of_ada(nested(shape, 1_000))
    with pytest.raises(InvalidFilter):
        true_of_ada(nested(shape, 100_000))


def test_sixteen_levels_and_two_hundred_conditions_are_allowed() -> None:
    assert true_of_ada(nested("$and", 15))
    assert true_of_ada({"$or": [{"score": {"$in": list(range(1_000))}}] + [{"score": 9}] * 65})


def test_a_pattern_that_would_backtrack_for_years_answers_at_once() -> None:
    entity = {"$id": "contact_2", "name": "a" * 5_000 + "!"}
    filter = parse_filter({"name": {"$regex": "^(a+)+$"}}, CONTACT, VOCABULARY, now=NOW)
    assert not matches(filter, entity, Graph())


def test_a_link_to_what_is_gone_reads_as_empty() -> None:
    entity = {"$id": "contact_2", "organization": "organization_9"}
    for given in (
        {"organization": None},
        {"organization": {"$exists": False}},
        {"organization": {"$ne": "organization_9"}},
    ):
        assert matches(parse_filter(given, CONTACT, VOCABULARY, now=NOW), entity, Graph()), given


def test_a_filter_names_the_other_nouns_that_it_walks_over() -> None:
    given = {"$or": [{"organization.name": "X"}, {"deals": {"$exists": True}}], "score": 5}
    assert nouns_of(parse_filter(given, CONTACT, VOCABULARY, now=NOW)) == {"Organization", "Deal"}
