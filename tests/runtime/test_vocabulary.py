"""Nouns side by side: relations that agree, words that find their verb, and changes that lose nothing."""

from typing import Any

import pytest

from runtime.catalogue import shipped
from runtime.declaration import declare, from_data
from runtime.errors import InvalidType, LimitExceeded, ValidationFailed
from runtime.noun import Inverse, Noun
from runtime.vocabulary import Vocabulary

ORDER_KEYS: dict[str, str | None] = {
    "number": "string!##",
    "note": "string",
    "price": "decimal(10,2)!",
    "state": "Open | Paid = Open",
    "buyer": "-> Buyer.orders",
    "lines": "<- Line.order[]",
    "pay": "Paid",
}
ORDER = declare("Order", ORDER_KEYS, inputs={"pay": {"by": "Card | Cash"}})
BUYER = declare("Buyer", {"name": "string!"})
LINE = declare("Line", {"order": "-> Order!", "count1": "int"})
SHOP = Vocabulary.of([ORDER, BUYER, LINE])


def test_a_relation_gives_its_target_the_way_back() -> None:
    assert dict(SHOP.inverses("Buyer")) == {"orders": Inverse(name="orders", source="Order", key="buyer")}
    assert dict(BUYER.inverses) == {}


def test_a_unique_relation_has_one_way_back() -> None:
    nouns = [BUYER, declare("Card", {"holder": "-> Buyer.card##"})]
    assert dict(Vocabulary.of(nouns).inverses("Buyer")) == {
        "card": Inverse(name="card", source="Card", key="holder", many=False)
    }


def test_a_way_back_declared_on_both_sides_is_one() -> None:
    both = [declare("Buyer", {"orders": "<- Order.buyer[]"}), ORDER, LINE]
    assert dict(Vocabulary.of(both).inverses("Buyer")) == dict(SHOP.inverses("Buyer"))


DISAGREEING: list[tuple[list[tuple[str, dict[str, str | None]]], str, str | None]] = [
    ([("A", {"b": "-> Byer"}), ("Buyer", {})], "A.b leads to 'Byer', which is no noun", "did you mean 'Buyer'?"),
    ([("A", {"b": "<- Lin.a[]"}), ("Line", {})], "A.b leads to 'Lin', which is no noun", "did you mean 'Line'?"),
    (
        [("A", {"bs": "<- B.aa[]"}), ("B", {"aaa": "-> A"})],
        "A.bs: B.aa is no relation to A",
        "did you mean 'aaa'?",
    ),
    ([("A", {"bs": "<- B.a[]"}), ("B", {"a": "string"})], "A.bs: B.a is no relation to A", None),
    ([("A", {"bs": "<- B.a[]"}), ("B", {"a": "-> A.others"})], "which leads to A.others", "the same name"),
    (
        [("A", {"bs": "<- B.x[]"}), ("B", {"x": "-> A", "a": "-> A.bs"})],
        "B.a leads to A.bs, which is '<- B.x'",
        "write '<- B.a[]' there",
    ),
    ([("A", {"bs": "string"}), ("B", {"a": "-> A.bs"})], "and it has a key 'bs'", None),
    ([("A", {"bs": "string"}), ("B", {"a": "-> A.bS"})], "and it has a key 'bs'", None),
    ([("A", {}), ("B", {"a": "-> A.find"})], "and it has a key 'find'", None),
    ([("A", {}), ("B", {"a": "-> A.bs", "c": "-> A.bs"})], "B.c and B.a both lead to A.bs", "its own way back"),
    ([("A", {}), ("A", {})], "there are two nouns A and A", None),
    ([("Ab", {}), ("AB", {})], "there are two nouns AB and Ab", None),
]


@pytest.mark.parametrize(("nouns", "message", "hint"), DISAGREEING)
def test_nouns_that_disagree_are_refused(
    nouns: list[tuple[str, dict[str, str | None]]], message: str, hint: str | None
) -> None:
    with pytest.raises(ValidationFailed) as refused:
        Vocabulary.of(declare(name, keys) for name, keys in nouns)
    assert message in refused.value.message
    assert hint is None or hint in (refused.value.hint or "")


def test_there_are_at_most_five_hundred_nouns() -> None:
    with pytest.raises(LimitExceeded, match="at most 500"):
        Vocabulary.of(declare(f"N{number}", {}) for number in range(501))


def test_a_noun_is_found_by_its_exact_name_alone() -> None:
    assert SHOP.noun("Order").name == "Order"
    with pytest.raises(InvalidType) as refused:
        SHOP.noun("order")
    assert refused.value.as_dict() == {
        "code": "invalid_type",
        "message": "no noun 'order'",
        "hint": "did you mean 'Order'?",
    }


@pytest.mark.parametrize(
    ("noun", "word", "found"),
    [
        ("Contact", "qualify", ("qualify", "verb")),
        ("Contact", "qualifying", ("qualify", "gerund")),
        ("Contact", "qualified", ("qualify", "past")),
        ("Contact", "qualifiedBy", ("qualify", "by")),
        ("Contact", "rolledBackBy", ("rollback", "by")),
        ("Contact", "creating", ("create", "gerund")),
        ("Subscription", "canceling", ("cancel", "gerund")),
        ("Subscription", "cancelling", ("cancel", "gerund")),
        ("Subscription", "canceled", ("cancel", "past")),
        ("Subscription", "canceledBy", ("cancel", "by")),
        ("Funnel", "analyse", ("analyze", "verb")),
        ("Message", "read", ("read", "verb")),
        ("Message", "reading", ("read", "gerund")),
        ("Message", "readBy", ("read", "by")),
        ("Message", "sent", ("send", "past")),
        ("FeatureFlag", "rollingOut", ("rollout", "gerund")),
        ("Deal", "upsert", ("upsert", "verb")),
    ],
)
def test_every_form_and_spelling_finds_its_verb(noun: str, word: str, found: tuple[str, str]) -> None:
    verb, form = shipped().verb(noun, word)
    assert (verb.name, form) == found


@pytest.mark.parametrize(
    ("noun", "word", "hint"),
    [
        ("Deal", "clsoe", "did you mean 'close'?"),
        ("Deal", "closedBye", "did you mean 'closed'?"),
        ("Event", "updating", None),
        ("Deal", "findone", "did you mean 'findOne'?"),
        ("Deal", "", None),
        ("Deal", "By", None),
    ],
)
def test_an_unknown_word_is_answered_with_the_nearest(noun: str, word: str, hint: str | None) -> None:
    with pytest.raises(InvalidType, match=f"{noun} has no verb") as refused:
        shipped().verb(noun, word)
    assert hint is None or refused.value.hint == hint


def test_events_are_named_type_and_past() -> None:
    assert SHOP.events("Order") == (
        "Order.created",
        "Order.updated",
        "Order.deleted",
        "Order.restored",
        "Order.rolledBack",
        "Order.erased",
        "Order.paid",
    )


@pytest.mark.parametrize(
    "name", ["Schema", "LogEvent", "Handler", "Run", "Measure", "Search", "Events", "Status", "Stripe", "Github", "Log"]
)
def test_reserved_names_are_refused_in_any_case(name: str) -> None:
    with pytest.raises(ValidationFailed, match="is reserved for"):
        SHOP.with_noun(declare(name, {}))


def test_a_noun_is_added_and_the_old_vocabulary_stays() -> None:
    more = SHOP.with_noun(declare("Note", {"order": "-> Order.notes"}))
    assert more.names == ("Buyer", "Line", "Note", "Order")
    assert SHOP.names == ("Buyer", "Line", "Order")
    assert "notes" in more.inverses("Order")
    assert "notes" not in SHOP.inverses("Order")


def test_nouns_that_lead_to_each_other_are_added_together() -> None:
    one, other = declare("One", {"other": "-> Other.ones"}), declare("Other", {"ones": "<- One.other[]"})
    with pytest.raises(ValidationFailed, match="leads to 'Other', which is no noun"):
        SHOP.with_noun(one)
    assert {"One", "Other"} < set(SHOP.with_nouns([one, other]).names)


def changed_order(keys: dict[str, str | None] | None = None, *, without: tuple[str, ...] = (), **parts: Any) -> Noun:
    kept = {key: value for key, value in ORDER_KEYS.items() if key not in without}
    return from_data({**ORDER.declaration, "keys": {**kept, **(keys or {})}, **parts})


@pytest.mark.parametrize(
    "after",
    [
        changed_order({"extra": "string"}),
        changed_order({"extra": "string! = x"}),
        changed_order({"price": "decimal(10,2)"}),
        changed_order({"state": "New | Open | Paid | Void = New"}),
        changed_order({"note": "string# = none"}),
        changed_order({"remark": "string"}, without=("note",), renamed={"note": "remark"}),
        changed_order({"void": "Voided", "shop": "-> Buyer.sales"}),
        changed_order(inputs={"pay": {"by": "Card | Cash | Cheque", "ref": "string"}}),
        changed_order(transitions={"state": "Open -pay-> Paid"}),
    ],
)
def test_a_change_that_adds_or_loosens_is_taken(after: Noun) -> None:
    assert SHOP.with_noun(after).noun("Order") == after


@pytest.mark.parametrize(
    ("after", "message"),
    [
        (changed_order(without=("note",)), "Order.note is stored and cannot be removed"),
        (changed_order({"note": "int"}), "Order.note is string and cannot become int"),
        (changed_order({"note": "string[]"}), "Order.note is string and cannot become string[]"),
        (changed_order({"price": "decimal(12,2)!"}), "Order.price is decimal(10,2) and cannot become decimal(12,2)"),
        (changed_order({"note": "string!"}), "Order.note is optional, and entities without it exist"),
        (changed_order({"note": "string##"}), "Order.note cannot become unique"),
        (changed_order({"number": "string!"}), "Order.number cannot stop being unique"),
        (changed_order({"extra": "string!"}), "Order.extra is new and required"),
        (changed_order({"extra": "string! = first(note)"}), "Order.extra is new and required"),
        (changed_order({"state": "Open | Void = Open"}), "Order.state cannot lose Paid"),
        (changed_order({"buyer": "-> Line.orders"}), "Order.buyer leads to Buyer and cannot lead to Line"),
        (changed_order({"buyer": "-> Buyer.sales"}), "Order.buyer cannot change its way back 'orders'"),
        (changed_order(without=("lines",)), "Order.lines cannot be removed or lead elsewhere"),
        (changed_order(without=("pay",), inputs={}), "Order.pay has made events and cannot be removed"),
        (changed_order({"pay": "Settled"}), "Order.pay has made events and cannot be removed or make others"),
        (changed_order({"update": None}), "Order.update has made events"),
        (changed_order(inputs={}), "Order.pay(by) stands in events and cannot be removed"),
        (changed_order(inputs={"pay": {"by": "string"}}), "Order.pay(by) is enum and cannot become string"),
        (
            changed_order(without=("note",), renamed={"note": "number"}),
            "Order.note would become 'number', which another key already is",
        ),
    ],
)
def test_a_change_that_would_lose_something_is_refused_by_key(after: Noun, message: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        SHOP.with_noun(after)
    assert message in refused.value.message


def test_a_required_key_keeps_a_default() -> None:
    """Entities from before the key are changed on it, today and later."""
    more = SHOP.with_noun(changed_order({"extra": "string! = x"}))
    with pytest.raises(ValidationFailed, match=r"Order\.extra is required, and entities from before it was there"):
        more.with_noun(changed_order({"extra": "string!"}))
    assert more.with_noun(changed_order({"extra": "string! = y"})).noun("Order").fields["extra"].default == "y"
    assert not more.with_noun(changed_order({"extra": "string"})).noun("Order").fields["extra"].required


def test_renamings_are_remembered_through_later_changes() -> None:
    once = SHOP.with_noun(changed_order({"remark": "string"}, without=("note",), renamed={"note": "remark"}))
    twice = once.with_noun(changed_order({"comment": "string"}, without=("note",), renamed={"remark": "comment"}))
    later = twice.with_noun(changed_order({"comment": "string", "extra": "int"}, without=("note",)))
    assert dict(later.noun("Order").renamed) == {"note": "comment", "remark": "comment"}


def test_a_shipped_noun_grows_as_a_strangers_does() -> None:
    contact = shipped().noun("Contact")
    keys = {**contact.declaration["keys"], "shoeSize": "number"}
    grown = shipped().with_noun(from_data({**contact.declaration, "keys": keys})).noun("Contact")
    assert set(grown.fields) - set(contact.fields) == {"shoeSize"}
    assert grown.inverses == contact.inverses
