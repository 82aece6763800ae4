"""BEFORE handlers: they see the entity as it would become, amend it, or reject the verb and all that it staged."""

import threading
from typing import Any

import pytest

from runtime.errors import Rejected, VerbenaError
from tests.runtime.door import Door


def store(door: Door, code: str) -> Any:
    return door.do(code)


def events(door: Door) -> list[str]:
    """What happened to the graph, the oldest first; not that handlers were stored or ran."""
    rows = door("events", after=0, limit=1000)
    return [row["event"] for row in rows if row["type"] not in ("Handler", "Run")]


def error_of(door: Door, code: str) -> dict[str, Any]:
    with pytest.raises(VerbenaError) as caught:
        door.do(code)
    return {"code": caught.value.code, "message": caught.value.message}


def test_a_handler_that_raises_rejects_the_verb_with_its_message(door: Door) -> None:
    store(
        door,
        """
@$.Deal.closing
def paid(deal, $):
    if deal.value <= 0:
        raise ValueError("Cannot close a deal without a positive value")
""",
    )
    id = door.do('$.Deal.create(name="Big", value=0).id')
    with pytest.raises(Rejected) as caught:
        door("do", action="close", type="Deal", id=id)
    assert (caught.value.message, caught.value.details["handler"]) == (
        "Cannot close a deal without a positive value",
        "paid",
    )
    assert events(door) == ["Deal.created"]
    door.do(f'$.Deal.update("{id}", value=5)')
    assert door.do(f'$.Deal.close("{id}").stage') == "Closed"


def test_what_handlers_return_is_merged_one_after_another(door: Door) -> None:
    store(
        door,
        """
$.Contact.creating(lambda contact, $: {"email": contact.email.lower()})
$.Contact.creating(lambda contact: {"name": contact.name + " of " + contact.email})
""",
    )
    made = door("do", action="create", type="Contact", data={"name": "Ada", "email": "ADA@X.ORG"})["result"]
    assert (made["name"], made["email"]) == ("Ada of ada@x.org", "ada@x.org")


def test_a_whole_entity_that_is_returned_changes_what_it_says_and_no_meta_field(door: Door) -> None:
    store(door, "$.Contact.creating(lambda contact, $: {**contact, 'stage': 'Lead'})")
    made = door.do('$.Contact.create(name="Ada")')
    assert (made["name"], made["$version"], made["$createdBy"]) == ("Ada", 1, "local")


def test_a_handler_sees_the_entity_as_the_verb_would_leave_it(door: Door) -> None:
    store(
        door,
        """
@$.Deal.closing
def look(deal, $):
    was = $.Deal.get(deal.id)
    raise ValueError(f"{was.stage} becomes {deal.stage}, {deal.name}")
""",
    )
    assert error_of(door, 'd = $.Deal.create(name="Big", value=1)\n$.Deal.close(d.id)') == {
        "code": "rejected",
        "message": "Prospecting becomes Closed, Big",
    }


@pytest.mark.parametrize(
    ("form", "call", "state", "told"),
    [
        ("creating", "1", "Won", "a new Deal cannot begin with stage Won"),
        ("updating", "$.Deal.update(id, value=2)", "Won", "update cannot lead Deal.stage from Prospecting to Won"),
        ("closing", "$.Deal.close(id)", "Won", "Deal.close sets stage to Closed, not to Won"),
        ("deleting", "$.Deal.delete(id)", "Won", "Deal.delete does not set stage"),
        ("restoring", "$.Deal.delete(id)\n$.Deal.restore(id)", "Won", "Deal.restore does not set stage"),
    ],
)
def test_a_handler_leads_to_no_state_that_its_verb_does_not(
    door: Door, form: str, call: str, state: str, told: str
) -> None:
    store(door, f"@$.Deal.{form}\ndef smuggle(deal, $):\n    return {{'stage': '{state}'}}")
    assert error_of(door, f"id = $.Deal.create(name='Big', value=1).id\n{call}") == {
        "code": "invalid_transition",
        "message": f"the handler smuggle returned what does not fit: {told}",
    }
    assert events(door) == []


def test_a_handler_may_say_the_state_that_its_verb_leads_to(door: Door) -> None:
    store(
        door,
        "$.Deal.closing(lambda deal: {**deal, 'nextStep': 'Bill it'})\n$.Deal.closing(lambda deal: {'stage': 'Closed'})",
    )
    deal = door.do("$.Deal.close($.Deal.create(name='Big', value=1).id)")
    assert (deal["stage"], deal["nextStep"]) == ("Closed", "Bill it")


def test_who_returns_an_unknown_field_is_named(door: Door) -> None:
    store(door, "@$.Contact.creating\ndef doctor(contact):\n    return {'titel': 'Dr'}")
    with pytest.raises(VerbenaError) as caught:
        door("do", action="create", type="Contact", data={"name": "Ada"})
    error = caught.value
    assert (error.code, error.message, error.hint) == (
        "validation_failed",
        "the handler doctor returned what does not fit: Contact has no field 'titel'",
        "did you mean 'title'?",
    )
    assert error.details["handler"] == "doctor"


@pytest.mark.parametrize(
    "line", ["contact.title = 'Dr'", "contact['title'] = 'Dr'", "$.Contact.update(contact.id, title='Dr')"]
)
def test_a_handler_that_writes_into_its_entity_is_told_to_return_the_values(door: Door, line: str) -> None:
    store(door, f"@$.Contact.creating\ndef doctor(contact, $):\n    {line}")
    with pytest.raises(Rejected) as caught:
        door.do("$.Contact.create(name='Ada')")
    assert caught.value.hint is not None and caught.value.hint.startswith("return {'field': value}")


def test_what_a_rejected_verb_staged_is_dropped_and_the_code_may_go_on(door: Door) -> None:
    store(
        door,
        """
@$.Contact.creating
def audit(contact, $):
    $.Activity.create(subject="seen", type="Note")
    if contact.name == "Bad":
        raise ValueError("not him")
""",
    )
    code = """
$.Contact.create(name="Good")
try:
    $.Contact.create(name="Bad")
except Exception as error:
    print(error)
$.Contact.create(name="Fine")
$.Activity.count()
"""
    answer = door("do", code=code)
    assert (answer["result"], answer["output"]) == (2, "not him\n")
    assert events(door) == ["Activity.created", "Contact.created"] * 2


def test_a_handler_that_changes_its_own_entity_is_told_to_return_the_values(door: Door) -> None:
    store(door, "@$.Contact.updating\ndef own(contact, $):\n    $.Contact.delete(contact.id)")
    refused = error_of(door, 'c = $.Contact.create(name="Ada")\n$.Contact.update(c.id, name="Bob")')
    assert refused["code"] == "validation_failed" and "changed contact_" in refused["message"]


@pytest.mark.parametrize(
    ("verb", "call"),
    [
        ("deleting", "$.Contact.delete(id)"),
        ("restoring", "$.Contact.delete(id)\n$.Contact.restore(id)"),
        ("rollingBack", "$.Contact.update(id, name='Bob')\n$.Contact.rollback(id, 1)"),
        ("updating", "$.Contact.update(id, name='Bob')"),
        ("qualifying", "$.Contact.qualify(id)"),
    ],
)
def test_every_verb_asks_its_handlers(door: Door, verb: str, call: str) -> None:
    store(door, f"@$.Contact.{verb}\ndef no(contact, $):\n    raise ValueError('no {verb}')")
    assert error_of(door, f"id = $.Contact.create(name='Ada').id\n{call}") == {
        "code": "rejected",
        "message": f"no {verb}",
    }


def test_handlers_ask_handlers_of_other_nouns_and_no_further_than_the_bound(door: Door) -> None:
    store(door, "@$.Contact.creating\ndef more(contact, $):\n    $.Contact.create(name=contact.name + '!')")
    refused = error_of(door, "$.Contact.create(name='Ada')")
    assert refused == {"code": "rejected", "message": "handlers set each other off 16 times in a row"}
    assert events(door) == []


def test_a_handler_takes_effect_when_its_unit_commits(door: Door) -> None:
    answer = door.do("$.Contact.creating(lambda contact, $: {'name': 'Changed'})\n$.Contact.create(name='Ada').name")
    assert [answer, door.do("$.Contact.create(name='Bob').name")] == ["Ada", "Changed"]


def test_a_handler_that_loops_is_stopped_and_the_verb_is_not_carried_out(door: Door) -> None:
    low = door.tenant.handlers
    store(door, "@$.Contact.creating\ndef hang(contact, $):\n    raise MemoryError('none')")
    assert error_of(door, "$.Contact.create(name='Ada')")["code"] == "rejected"
    assert events(door) == [] and low is not door.tenant.handlers


def test_an_import_asks_the_handlers_too(door: Door) -> None:
    store(
        door,
        "@$.Contact.creating\ndef adults(contact, $):\n    if contact.name == 'Kid': raise ValueError('too young')",
    )
    batch = {
        "type": "Contact",
        "import": "imp",
        "first": 1,
        "file": "a.csv",
        "rows": [[1, {"name": "Ada"}], [2, {"name": "Kid"}]],
    }
    told = door("import", **batch)
    assert (told["created"], [error["message"] for error in told["errors"]]) == (1, ["too young"])


def test_what_a_handler_queried_must_hold_at_commit(door: Door) -> None:
    """Two at once that may both be let in only while there is none: one of them is."""
    store(
        door,
        """
@$.Contact.creating
def only_one(contact, $):
    if $.Contact.count() > 0:
        raise ValueError("there is one already")
""",
    )
    refused: list[str] = []

    def create(name: str) -> None:
        try:
            door("do", action="create", type="Contact", data={"name": name})
        except VerbenaError as error:
            refused.append(error.message)

    threads = [threading.Thread(target=create, args=(f"C{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (door.do("$.Contact.count()"), refused) == (1, ["there is one already"] * 5)
