"""A noun as JSON Schema: a schema that validators take, and beside it what only Verbena knows."""

from typing import Any

from runtime.catalogue import shipped
from runtime.declaration import declare
from runtime.schema import json_schema
from runtime.vocabulary import Vocabulary

NOUN = declare(
    "Order",
    {
        "number": "string!##",
        "price": "decimal(10,2) = 0",
        "at": "datetime = now()",
        "words": "string[]",
        "extra": "json",
        "state": "Open | Paid = Open",
        "buyer": "-> Buyer.orders#",
        "lines": "<- Line.order[]",
        "pay": "Paid",
        "ping": "Pinged",
    },
    transitions={"state": ["create -> Open", "Open -pay-> Paid -> Open"]},
    inputs={"pay": {"by": "Card | Cash = Cash"}},
    effects={"pay": {"at": "now()"}},
)
VOCABULARY = Vocabulary.of([NOUN, declare("Buyer", {}), declare("Line", {"order": "-> Order"})])


def test_a_schema_says_fields_verbs_transitions_and_relations() -> None:
    found = json_schema(NOUN, VOCABULARY)
    properties = {key: shape for key, shape in found["properties"].items() if not key.startswith("$")}
    verbs = {verb["name"]: verb for verb in found["x-verbs"]}
    assert {**found, "properties": properties, "x-verbs": [verbs["create"], verbs["pay"], verbs["ping"]]} == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Order",
        "type": "object",
        "properties": {
            "number": {"type": "string", "x-unique": True},
            "price": {"type": "string", "pattern": "^-?\\d{1,8}\\.\\d{2}$", "x-type": "decimal", "default": "0.00"},
            "at": {"type": "string", "format": "date-time", "x-type": "datetime", "x-default": "now()"},
            "words": {"type": "array", "items": {"type": "string"}, "maxItems": 10_000},
            "extra": {},
            "state": {"enum": ["Open", "Paid"], "default": "Open"},
            "buyer": {"type": "string", "x-noun": "Buyer", "x-indexed": True},
        },
        "required": ["$id", "$type", "$version", "number"],
        "additionalProperties": False,
        "x-verbs": [
            {"name": "create", "event": "Order.created", "before": "creating", "after": "created"},
            {
                "name": "pay",
                "event": "Order.paid",
                "before": "paying",
                "after": "paid",
                "inputs": {"by": {"enum": ["Card", "Cash"], "default": "Cash"}},
                "sets": {"at": "now()"},
                "transitions": ["Open -> Paid"],
            },
            {"name": "ping", "event": "Order.pinged", "before": "pinging", "after": "pinged"},
        ],
        "x-transitions": {"state": {"initial": ["Open"], "moves": ["Open -pay-> Paid", "Paid -update-> Open"]}},
        "x-relations": {
            "buyer": {"to": "Buyer", "many": False, "inverse": "orders"},
            "lines": {"from": "Line.order", "many": True},
        },
    }


def test_a_way_back_that_others_give_is_among_the_relations() -> None:
    assert json_schema(VOCABULARY.noun("Buyer"), VOCABULARY)["x-relations"] == {
        "orders": {"from": "Order.buyer", "many": True}
    }


def test_every_shipped_noun_has_a_schema_whose_required_keys_exist() -> None:
    vocabulary = shipped()
    for name in vocabulary.names:
        found: dict[str, Any] = json_schema(vocabulary.noun(name), vocabulary)
        assert set(found["required"]) <= set(found["properties"]), name
