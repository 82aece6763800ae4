"""The language of nouns: what each rule reads, what it refuses and what it answers, and that a noun is data."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import values
from runtime.canonical import canonical
from runtime.declaration import declare, from_data
from runtime.errors import ValidationFailed
from runtime.noun import CRUD_VERBS, Field, Inverse, Transition

STATE = {"state": "Open | Paid | Void = Open", "pay": "Paid", "cancel": "Cancelled"}


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ("string", Field(name="k", type="string")),
        ("string?", Field(name="k", type="string")),
        ("string!##", Field(name="k", type="string", required=True, indexed=True, unique=True)),
        ("string ## !", Field(name="k", type="string", required=True, indexed=True, unique=True)),
        ("string#[]!", Field(name="k", type="string", required=True, indexed=True, many=True)),
        ("[]", None),
        ("int[] = 3", Field(name="k", type="int", many=True, default=[3])),
        ("int[] = [3, 4]", Field(name="k", type="int", many=True, default=[3, 4])),
        ("int=-20", Field(name="k", type="int", default=-20)),
        ("number = 2.50", Field(name="k", type="number", default=2.5)),
        ("boolean = false", Field(name="k", type="boolean", default=False)),
        ("string = a = b", Field(name="k", type="string", default="a = b")),
        ('string = " x "', Field(name="k", type="string", default=" x ")),
        ('string = ""', Field(name="k", type="string", default="")),
        ("string = Open", Field(name="k", type="string", default="Open")),
        ('json = {"a": [1]}', Field(name="k", type="json", default={"a": [1]})),
        ("date = 2026-11-21", Field(name="k", type="date", default="2026-11-21")),
        ("datetime! = now()", Field(name="k", type="datetime", required=True, default="now()")),
        ("decimal", Field(name="k", type="decimal")),
        ("decimal(10,2)! = 3.5", Field(name="k", type="decimal", required=True, precision=10, default="3.50")),
        ("decimal( 5 )", Field(name="k", type="decimal", precision=5, scale=0)),
        ("A | B", Field(name="k", type="enum", values=("A", "B"))),
        ("Open|In Review | 2nd # ! = 2nd", Field(name="k", type="enum", required=True, indexed=True, default="2nd",
                                                 values=("Open", "In Review", "2nd"))),
        ("A | B[]", Field(name="k", type="enum", values=("A", "B"), many=True)),
        ("enum(a,b) = a", Field(name="k", type="enum", values=("a", "b"), default="a")),
        ("enum('a', \"b\")!", Field(name="k", type="enum", values=("a", "b"), required=True)),
        ("-> Organization", Field(name="k", type="relation", target="Organization")),
        ("~>Organization", Field(name="k", type="relation", target="Organization")),
        ("-> Organization.contacts!#", Field(name="k", type="relation", target="Organization", inverse="contacts",
                                             required=True, indexed=True)),
        ("->Tag.posts![]", Field(name="k", type="relation", target="Tag", inverse="posts", required=True, many=True)),
        ("-> Tag = tag_1", Field(name="k", type="relation", target="Tag", default="tag_1")),
    ],
)  # fmt: skip
def test_a_value_says_what_its_key_stores(value: str, field: Field | None) -> None:
    if field is None:
        with pytest.raises(ValidationFailed):
            declare("Thing", {"k": value})
        return
    assert dict(declare("Thing", {"k": value}).fields) == {"k": field}


@pytest.mark.parametrize(
    ("value", "inverse"),
    [
        ("<- Lead.contact[]", Inverse(name="k", source="Lead", key="contact", many=True)),
        ("<~ Lead . contact", Inverse(name="k", source="Lead", key="contact", many=False)),
    ],
)
def test_a_backward_arrow_is_computed_and_stores_nothing(value: str, inverse: Inverse) -> None:
    noun = declare("Thing", {"k": value})
    assert (dict(noun.fields), dict(noun.inverses)) == ({}, {"k": inverse})


def test_a_pascal_case_word_is_a_verb_in_all_its_forms() -> None:
    verb = declare("Thing", {"rollout": "RolledOut"}).verbs["rollout"]
    assert (verb.event, verb.past, verb.gerund, verb.built_in) == ("RolledOut", "rolledOut", "rollingOut", False)


def test_a_gerund_can_be_given() -> None:
    assert declare("Thing", {"ok": "Okayed"}, gerunds={"ok": "okeying"}).verbs["ok"].gerund == "okeying"


@pytest.mark.parametrize(
    ("disabled", "gone"),
    [
        ((), set[str]()),
        (("create",), {"create", "upsert"}),
        (("update",), {"update", "upsert", "rollback"}),
        (("delete",), {"delete", "restore"}),
        (("update", "delete"), {"update", "upsert", "rollback", "delete", "restore"}),
    ],
)
def test_disabling_a_verb_takes_what_goes_with_it(disabled: tuple[str, ...], gone: set[str]) -> None:
    noun = declare("Thing", {"name": "string", **dict.fromkeys(disabled)})
    assert set(noun.verbs) == set(CRUD_VERBS) - gone


@pytest.mark.parametrize(
    ("keys", "message", "hint"),
    [
        ({"k": "strng!"}, "Thing.k: no type 'strng'", "did you mean 'string'?"),
        ({"k": "String"}, "Thing.k: types are written small", "did you mean 'string'?"),
        ({"k": ""}, "Thing.k: no type ''", None),
        ({"k": "string(3)"}, "Thing.k: no type 'string(3)'", "did you mean 'decimal(10,2)'?"),
        ({"k": "decimal(39,2)"}, "Thing.k: decimal(39,2) is not possible", None),
        ({"k": "decimal(2,3)"}, "Thing.k: decimal(2,3) is not possible", None),
        ({"k": "string!!"}, "Thing.k has '!' twice", None),
        ({"k": "string[][]"}, "Thing.k has '[]' twice", None),
        ({"k": "string###"}, "Thing.k has '#' and '##'", None),
        ({"k": "string#!#"}, "Thing.k has '#' twice", None),
        ({"k": "string!?"}, "Thing.k is both required (!) and optional (?)", "keep one of them"),
        ({"k": "string$"}, "Thing.k: '$' is no modifier", None),
        ({"k": "string!x"}, "Thing.k: 'x' is no modifier", None),
        ({"k": "int = x"}, "Thing.k, default must be a whole number, not 'x'", None),
        ({"k": 'int = "3"'}, "Thing.k, default must be a whole number, not '3'", None),
        ({"k": "int ="}, "Thing.k has '=' and nothing after it", None),
        ({"k": "email = nobody"}, "Thing.k, default must be an email address", None),
        ({"k": "json = {"}, "Thing.k, default must be JSON", None),
        ({"k": "string = first(name)"}, "Thing.k: 'name' is no other text field", None),
        ({"k": "string = first(k)"}, "Thing.k: 'k' is no other text field", None),
        ({"nam": "string", "k": "string = first(name)"}, "Thing.k: 'name' is no other", "did you mean 'nam'?"),
        ({"k": "Open | Paid = Payed"}, "Thing.k, default must be one of Open, Paid, not 'Payed'", "mean 'Paid'?"),
        ({"k": "Open | Open"}, "Thing.k: 'Open' stands twice", None),
        ({"k": "Open | "}, "Thing.k: '' is no word of an enum", None),
        ({"k": "enum()"}, "Thing.k: '' is no word of an enum", None),
        ({"k": "enum(a,b"}, "Thing.k: 'enum(a,b' is no word of an enum", None),
        ({"k": " | ".join(f"A{i}" for i in range(201))}, "Thing.k has 201 words; at most 200", None),
        ({"k": "-> "}, "Thing.k: a relation leads to a noun", None),
        ({"k": "-> organization"}, "'organization' is no name of one", "PascalCase"),
        ({"k": "-> Org.Contacts"}, "Thing.k: 'Contacts' is no key", "camelCase"),
        ({"k": "the owner -> Contact"}, "is no relation", "-> Organization"),
        ({"k": "-> A -> B"}, "is no relation", None),
        ({"k": "-> Contact!?"}, "Thing.k is both required", None),
        ({"k": "-> Contact = deal_1"}, "Thing.k, default must be the id of a Contact", None),
        ({"k": "<- Lead"}, "Thing.k: '<-' needs the key that leads here", "write '<- Lead.thing[]'"),
        ({"k": "<- Lead.thing!"}, "Thing.k: '<-' is computed", None),
        ({"k": None}, "Thing.k is null, and only create, update, delete can be disabled", None),
        ({"updat": None}, "Thing.updat is null", "did you mean 'update'?"),
        ({"$id": "string"}, "Thing.$id: keys that begin with '$'", "'id'"),
        ({"$version": "int"}, "Thing.$version: keys that begin with '$'", None),
        ({"Name": "string"}, "Thing: 'Name' is no key", "camelCase"),
        ({"first_name": "string"}, "Thing: 'first_name' is no key", "camelCase"),
        ({"naïve": "string"}, "is no key", "camelCase"),
        ({"k" * 65: "string"}, "is no key", "at most 64"),
        ({"update": "string"}, "Thing.update would hide the update that every noun has", None),
        ({"restore": "Restored"}, "Thing.restore would hide the restore", None),
        ({"findone": "string"}, "Thing.findone would hide the findOne", None),
        ({"count": "int"}, "Thing.count would hide the count", None),
        ({"taxId": "string", "taxID": "string"}, "Thing.taxID and Thing.taxId differ only in case", None),
        ({"close": "Closed", "closed": "boolean"}, "Thing.close: its form 'closed' is also the key closed", None),
        ({"close": "Closed", "closing": "date"}, "its form 'closing' is also the key closing", None),
        ({"cancel": "Cancelled", "canceled": "boolean"}, "'cancelled' is also the key canceled", None),
        ({"close": "Closed", "shut": "Closed"}, "Thing.shut: its form 'closed' is also the verb close", None),
        ({"make": "Created"}, "Thing.make: its form 'created' is also the verb create", None),
        ({"k": "A" * 65}, "Thing.k: an event has at most 64", None),
        ({f"k{i}": "string" for i in range(201)}, "Thing has 201 keys; at most 200", None),
        ({"k": "string" + " " * 20_000 + "!"}, "Thing.k is longer than 20000", None),
    ],
)
def test_a_wrong_key_is_named_with_what_would_be_right(
    keys: dict[str, str | None], message: str, hint: str | None
) -> None:
    with pytest.raises(ValidationFailed) as refused:
        declare("Thing", keys)
    assert message in refused.value.message
    assert hint is None or hint in (refused.value.hint or "")


@pytest.mark.parametrize("name", ["thing", "Thing_1", "T" * 65, "", "Ding Dong", "Übung", "Thing\n"])
def test_a_noun_is_named_in_pascal_case(name: str) -> None:
    with pytest.raises(ValidationFailed, match="is no name of a noun"):
        declare(name, {})


def test_a_field_may_be_called_as_a_built_in_event() -> None:
    assert set(declare("Thing", {"created": "datetime", "deleted": "boolean"}).fields) == {"created", "deleted"}


def test_past_and_verb_may_be_one_word() -> None:
    verb = declare("Thing", {"read": "Read"}).verbs["read"]
    assert (verb.name, verb.past) == ("read", "read")


def moves(state: str, transitions: str | list[str], **verbs: str) -> list[tuple[str, set[str] | None, str]]:
    noun = declare("Thing", {"state": state, **verbs}, transitions={"state": transitions})
    return [(move.verb, None if move.sources is None else set(move.sources), move.target) for move in noun.transitions]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("create -> A | B", [("create", None, "A"), ("create", None, "B")]),
        ("A -> B", [("update", {"A"}, "B")]),
        ("A -> B | C", [("update", {"A"}, "B"), ("update", {"A"}, "C")]),
        ("A <-> B", [("update", {"A"}, "B"), ("update", {"B"}, "A")]),
        ("A | B -go-> C", [("go", {"A", "B"}, "C")]),
        ("A -go-> B; C -go-> B", [("go", {"A", "C"}, "B")]),
        ("A-go->B -go-> C -> A", [("go", {"A"}, "B"), ("go", {"B"}, "C"), ("update", {"C"}, "A")]),
        ("* -go-> A", [("go", None, "A")]),
        ("* -> A; B -> A", [("update", None, "A")]),
        (["A -> B", "B -go-> B"], [("update", {"A"}, "B"), ("go", {"B"}, "B")]),
    ],
)
def test_transitions_are_read_as_they_are_drawn(
    written: str | list[str], read: list[tuple[str, set[str] | None, str]]
) -> None:
    assert moves("A | B | C", written, go="Gone") == read


def test_a_new_entity_starts_in_the_default_unless_create_leads_elsewhere() -> None:
    assert moves("A | B = A", "A -> B") == [("create", None, "A"), ("update", {"A"}, "B")]


@pytest.mark.parametrize(
    ("transitions", "message", "hint"),
    [
        ({"stat": "A -> B"}, "Thing.transitions: no enum 'stat'", "did you mean 'state'?"),
        ({"name": "A -> B"}, "Thing.transitions: no enum 'name'", None),
        ({"words": "A -> B"}, "Thing.transitions: no enum 'words'", None),
        ({"state": "Open - Paid"}, "has no arrow", "Open -> Paid"),
        ({"state": "Open -> Payed"}, "no state 'Payed'", "did you mean 'Paid'?"),
        ({"state": "Opn -> Paid"}, "no state 'Opn'", "did you mean 'Open'?"),
        ({"state": "Open -pya-> Paid"}, "no verb 'pya'", "did you mean 'pay'?"),
        ({"state": "Open -delete-> Void"}, "no verb 'delete'", None),
        ({"state": "Open -create-> Void"}, "create leads from no state", None),
        ({"state": "create -pay-> Paid"}, "after create stands '->'", None),
        ({"state": "Open -pay-> Paid | Void"}, "'pay' can lead to one state only", None),
        ({"state": ["Open -pay-> Paid", "Open -pay-> Void"]}, "leads from Open to Paid and to Void", None),
        ({"state": ["* -pay-> Paid", "Open -pay-> Void"]}, "leads from Open to Paid and to Void", None),
        ({"state": ["Open -pay-> Void", "* -pay-> Paid"]}, "leads from any state to Void and to Paid", None),
        ({"state": "Open -> *"}, "'*' stands only first", None),
        ({"state": "* <-> Open"}, "'*' stands only before '->'", None),
        ({"state": "Open -> "}, "no state ''", None),
        ({"state": "create -> Paid"}, "starts in Open by default, and create leads only to ['Paid']", None),
        ({"state": ["Open -> Paid"] * 501}, "has 501 transitions; at most 500", None),
        ({"state": "Open" + " -> Open" * 400}, "longer than 2000", None),
    ],
)
def test_a_wrong_transition_is_named_with_what_would_be_right(
    transitions: dict[str, str | list[str]], message: str, hint: str | None
) -> None:
    with pytest.raises(ValidationFailed) as refused:
        declare("Thing", {**STATE, "name": "string", "words": "A | B[]"}, transitions=transitions)
    assert message in refused.value.message
    assert hint is None or hint in (refused.value.hint or "")


def test_a_verb_whose_event_is_in_one_enum_sets_it_from_any_state() -> None:
    assert declare("Thing", {**STATE, "ping": "Pinged"}).transitions == (
        Transition(field="state", verb="pay", sources=None, target="Paid"),
        # Update still leads to where no verb does.
        Transition(field="state", verb="update", sources=None, target="Open"),
        Transition(field="state", verb="update", sources=None, target="Void"),
    )


def test_a_verb_whose_event_is_in_two_enums_changes_no_state() -> None:
    assert declare("Thing", {"a": "X | Y", "b": "X | Z", "cross": "X"}).transitions == ()


def test_an_enum_without_verbs_has_no_transitions_and_moves_freely() -> None:
    assert declare("Thing", {"kind": "A | B = A", "ping": "Pinged"}).transitions == ()


EFFECTS_ON = {
    "at": "datetime",
    "day": "date",
    "count1": "number",
    "money": "decimal",
    "name": "string",
    "rule": "json",
    "dynamic": "boolean",
    "go": "Gone",
}


@pytest.mark.parametrize(
    "effects",
    [
        {"at": "now()", "day": "today()", "count1": "+1", "money": "-0.5", "name": "input(word)"},
        {"count1": "count(rule) if dynamic", "name": "went", "dynamic": "true"},
        {"name": '"now()"', "count1": "7"},
    ],
)
def test_effects_are_kept_as_written(effects: dict[str, str]) -> None:
    noun = declare("Thing", EFFECTS_ON, inputs={"go": {"word": "string"}}, effects={"go": effects})
    assert noun.verbs["go"].effects == effects


@pytest.mark.parametrize(
    ("parts", "message", "hint"),
    [
        ({"effects": {"goo": {"at": "now()"}}}, "Thing.effects: 'goo' is no verb", "did you mean 'go'?"),
        ({"effects": {"update": {"at": "now()"}}}, "Thing.effects: 'update' is no verb that is declared here", None),
        ({"effects": {"go": {"atx": "now()"}}}, "Thing.go sets 'atx', which is no field", "did you mean 'at'?"),
        ({"effects": {"go": {"name": "now()"}}}, "now() gives a time, and name is string", None),
        ({"effects": {"go": {"at": "later()"}}}, "no effect later()", "now()"),
        ({"effects": {"go": {"at": "soon"}}}, "must be a date and time", None),
        ({"effects": {"go": {"count1": "count(name)"}}}, "count(key) reads criteria from a json key", None),
        ({"effects": {"go": {"count1": "count(rle)"}}}, "no field 'rle'", "did you mean 'rule'?"),
        ({"effects": {"go": {"at": "now() if dynamics"}}}, "no field 'dynamics'", "did you mean 'dynamic'?"),
        ({"effects": {"go": {"name": "input(wrd)"}}}, "the verb has no input 'wrd'", "did you mean 'word'?"),
        ({"effects": {"go": {"count1": "input(word)"}}}, "input word is string, and count1 is number", None),
        ({"inputs": {"goo": {"x": "int"}}}, "Thing.inputs: 'goo' is no verb", "did you mean 'go'?"),
        ({"inputs": {"go": {"x": "nit"}}}, "Thing.go(x): no type 'nit'", "did you mean 'int'?"),
        ({"inputs": {"go": {"name": "string"}}}, "'name' is a key of Thing, which its verbs take anyway", None),
        ({"inputs": {"go": {"x": "-> Contact"}}}, "an input is a field or an enum", None),
        ({"inputs": {"go": {"X": "int"}}}, "Thing.go: 'X' is no key", "camelCase"),
        ({"inputs": {"go": {f"x{i}": "int" for i in range(51)}}}, "Thing.go has 51 inputs; at most 50", None),
        ({"gerunds": {"goo": "gooing"}}, "Thing.gerunds: 'goo' is no verb", None),
        ({"gerunds": {"go": "not one"}}, "'not one' is no camelCase word", None),
        ({"gerunds": {"go": "name"}}, "its form 'name' is also the key name", None),
        ({"renamed": {"title": "nam"}}, "'title' leads to 'nam', which is no field", "did you mean 'name'?"),
        ({"renamed": {"name": "at"}}, "'name' is still a key of Thing", None),
        ({"renamed": {"Old": "name"}}, "'Old' is no key", None),
    ],
)
def test_wrong_parts_are_named_with_what_would_be_right(parts: dict[str, Any], message: str, hint: str | None) -> None:
    given = {"name": "Thing", "keys": EFFECTS_ON, "inputs": {"go": {"word": "string"}}, **parts}
    with pytest.raises(ValidationFailed) as refused:
        from_data(given)
    assert message in refused.value.message
    assert hint is None or hint in (refused.value.hint or "")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "the name of a noun must be text, not null"),
        ({"name": "Thing"}, "Thing.keys must be a mapping, not null"),
        ({"name": "Thing", "keys": {"k": 5}}, "Thing.keys.k must be text or null"),
        ({"name": "Thing", "keys": {5: "int"}}, "Thing.keys: keys are text, not 5"),
        ({"name": "Thing", "keys": {}, "transition": {}}, "a noun has no part 'transition'"),
        ({"name": "Thing", "keys": {}, "transitions": []}, "Thing.transitions must be a mapping, not a list"),
        ({"name": "Thing", "keys": {}, "transitions": {"a": 5}}, "Thing.transitions.a must be text or a list of texts"),
        ({"name": "Thing", "keys": {}, "transitions": {"a": [5]}}, "must be text or a list of texts"),
        ({"name": "Thing", "keys": {}, "effects": {"go": "now()"}}, "Thing.effects.go must be a mapping"),
        ({"name": "Thing", "keys": {}, "renamed": {"a": None}}, "Thing.renamed.a must be text"),
        ({"name": "Thing", "keys": {}, "order": "a"}, "Thing.order must be a list of keys"),
    ],
)
def test_data_of_the_wrong_shape_is_no_noun(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        from_data(data)
    assert message in refused.value.message


KEYS = st.from_regex(r"[a-z][a-z]{2,8}[0-9]", fullmatch=True)
WORDS = st.lists(st.from_regex(r"[A-Z][a-z]{1,6}", fullmatch=True), min_size=2, max_size=4, unique=True)
MODIFIERS = st.permutations(["!", "#", "[]"]).flatmap(
    lambda order: st.integers(0, 3).map(lambda count: "".join(order[:count]))
)
VALUES = st.one_of(
    st.builds("{}{}".format, st.sampled_from(values.SCALAR_TYPES), MODIFIERS),
    WORDS.map(lambda words: f"{' | '.join(words)} = {words[0]}"),
    st.builds("-> Other.k{}{}".format, st.integers(0, 9), MODIFIERS),
    st.just("<- Other.thing[]"),
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=8))
def test_a_noun_comes_back_from_its_declaration_through_json(keys: dict[str, str | None]) -> None:
    noun = declare("Thing", {**keys, "zip": "Zipped"}, inputs={"zip": {"level": "int = 3"}}, renamed={})
    assert from_data(noun.declaration) == noun
    stored = from_data(msgspec.json.decode(canonical(noun.declaration)))
    assert stored == noun
    assert [*stored.fields, *stored.inverses] == [*noun.fields, *noun.inverses]


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="abAB|=!?#[]()<>-~. ,'\"\n1$é", max_size=30))
def test_any_text_is_read_or_refused_by_name(value: str) -> None:
    try:
        noun = declare("Thing", {"key1": value})
    except ValidationFailed as refused:
        assert "Thing" in refused.message
    else:
        assert from_data(noun.declaration) == noun
