"""What an entity is, whoever changed it and whenever: versions, meta-fields, deletion, return, history, copies."""

import pytest

from runtime import Client, Noun
from runtime.errors import (
    Conflict,
    InvalidArguments,
    InvalidTransition,
    InvalidType,
    NotFound,
    UniqueViolation,
    ValidationFailed,
)


def test_every_change_makes_one_version_and_one_event(client: Client) -> None:
    deal = client.Deal.create(name="Engine", value=1815)
    client.Deal.update(deal.id, nextStep="Call Ada")
    won = client.Deal.win(deal.id, wonReason="It works")
    assert (deal["$version"], won["$version"]) == (1, 3)
    history = client.Deal.history(deal.id)
    assert {(event.event, event.version) for event in history} == {
        ("Deal.created", 1),
        ("Deal.updated", 2),
        ("Deal.won", 3),
    }
    (told,) = [event for event in history if event.event == "Deal.updated"]
    assert told.changed == {"nextStep": {"to": "Call Ada"}}


def test_an_update_that_changes_nothing_makes_no_event(client: Client) -> None:
    deal = client.Deal.create(name="Engine", value=1815)
    assert client.Deal.update(deal.id, value=1815)["$version"] == 1
    assert len(client.events.list(entity=deal.id)) == 1


def test_the_log_counts_on_without_gaps(client: Client) -> None:
    client.do("for number in range(5): $.Deal.create(name=f'Deal {number}', value=number)")
    with pytest.raises(ValidationFailed):
        client.do("$.Deal.create(name='half', value=1); $.Deal.create(name='no value')")
    client.Deal.create(name="after", value=1)
    assert [event.seq for event in client.events.list(after=0)] == [1, 2, 3, 4, 5, 6]


def test_an_event_tells_who_what_when_and_how_it_left_the_entity(client: Client) -> None:
    done = client.do(action="create", type="Deal", data={"name": "Engine", "value": 1815})
    event = client.fetch(done.events[0].id)
    assert event == {
        "id": "evt_1",
        "seq": 1,
        "at": event.at,
        "type": "Deal",
        "verb": "create",
        "event": "Deal.created",
        "entity": done.result.id,
        "version": 1,
        "actor": "local",
        "run": done.run,
        "after": {key: value for key, value in done.result.items() if key != "$context"},
        "leaf": event.leaf,
    }


def test_a_stale_version_is_a_conflict(client: Client) -> None:
    deal = client.Deal.create(name="Engine", value=1815)
    client.Deal.update(deal.id, {"$version": 1, "value": 2000})
    with pytest.raises(Conflict) as refused:
        client.Deal.update(deal.id, {"$version": 1, "value": 3000})
    assert refused.value.details == {"id": deal.id, "expected": 1, "current": 2}
    assert client.Deal.get(deal.id).value == 2000


@pytest.mark.parametrize("key", ["$id", "$type", "$context", "$createdAt", "$updatedAt", "$createdBy"])
def test_a_meta_field_cannot_be_written(client: Client, key: str) -> None:
    with pytest.raises(ValidationFailed, match="cannot be written"):
        client.Deal.create({"name": "Engine", "value": 1815, key: "mine"})
    assert client.events.list() == []


def test_what_was_deleted_is_gone_from_every_reading(client: Client) -> None:
    ada = client.Contact.create(name="Ada Lovelace", email="ada@example.com")
    deal = client.Deal.create(name="Engine", value=1815, contact=ada.id)
    client.Contact.delete(ada.id)
    with pytest.raises(NotFound, match="was deleted"):
        client.Contact.get(ada.id)
    assert client.Contact.count() == 0
    assert client.search("lovelace").results == []
    assert client.Deal.get(deal.id).contact is None
    assert client.Deal.find({"contact.name": "Ada Lovelace"}) == []


def test_what_a_required_relation_points_at_cannot_be_deleted(client: Client) -> None:
    client.define(Noun("Voyage", {"name": "string!", "captain": "-> Contact!"}))
    ada = client.Contact.create(name="Ada")
    voyage = client.Voyage.create(name="North", captain=ada.id)
    with pytest.raises(ValidationFailed, match=voyage.id):
        client.Contact.delete(ada.id)
    client.Voyage.delete(voyage.id)
    client.Contact.delete(ada.id)
    with pytest.raises(ValidationFailed):
        client.Voyage.restore(voyage.id)


def test_a_restored_entity_is_as_it_was(client: Client) -> None:
    ada = client.Contact.create(name="Ada", email="ada@example.com")
    client.Contact.delete(ada.id)
    client.Contact.restore(ada.id)
    back = client.Contact.get(ada.id)
    changing = ("$version", "$updatedAt")
    assert {key: value for key, value in back.items() if key not in changing} == {
        key: value for key, value in ada.items() if key not in changing
    }
    assert back["$version"] == 3
    assert client.search("ada").results[0].id == ada.id
    with pytest.raises(ValidationFailed, match="not deleted"):
        client.Contact.restore(ada.id)


def test_a_deletion_frees_unique_values_and_a_return_claims_them_again(client: Client) -> None:
    first = client.Contact.create(name="Ada", email="ada@example.com")
    client.Contact.delete(first.id)
    second = client.Contact.create(name="Ada the second", email="ada@example.com")
    with pytest.raises(UniqueViolation) as refused:
        client.Contact.restore(first.id)
    assert refused.value.details == {"field": "email", "id": second.id}


def test_a_rollback_writes_earlier_values_as_a_new_version(client: Client) -> None:
    deal = client.Deal.create(name="Engine", value=1815)
    client.Deal.update(deal.id, name="Loom", nextStep="Weave")
    client.Deal.win(deal.id)
    back = client.Deal.rollback(deal.id, 1)
    assert (back.name, back.value, back.stage, back.nextStep, back["$version"]) == (
        "Engine",
        1815,
        "Prospecting",
        None,
        4,
    )
    assert client.events.list(entity=deal.id, limit=1)[0].event == "Deal.rolledBack"
    with pytest.raises(InvalidArguments, match="no version 9"):
        client.Deal.rollback(deal.id, 9)


def test_who_did_it_is_told_newest_first(client: Client) -> None:
    deal = client.Deal.create(name="Engine", value=1815)
    client.do(f'$.Deal.close("{deal.id}"); $.Deal.reopen("{deal.id}"); $.Deal.close("{deal.id}")')
    told = client.Deal.closedBy(deal.id)
    assert [(entry.actor, entry.seq) for entry in told] == [("local", 4), ("local", 2)]
    assert client.Deal.wonBy(deal.id) == []


def test_the_ways_to_say_a_verb_mean_the_same(client: Client) -> None:
    done = client.do(
        """
deals = [$.Deal.create(name=f"Deal {number}", value=number) for number in range(4)]
$.Deal.close(deals[0].id, {"nextStep": "Invoice"})
$.Deal.close(deals[1].id, nextStep="Invoice")
$.Deal.close({"$id": deals[2].id, "nextStep": "Invoice"})
deals[3].close(nextStep="Invoice")
return [[deal.stage, deal.nextStep] for deal in $.Deal.find()]
"""
    )
    assert done.result == [["Closed", "Invoice"]] * 4


def test_an_upsert_updates_the_one_that_has_the_value_or_makes_it(client: Client) -> None:
    made = client.Contact.upsert({"email": "ada@example.com", "name": "Ada"}, by="email")
    changed = client.Contact.upsert({"email": "ada@example.com", "name": "Ada Lovelace"}, by="email")
    assert (changed.id, changed.name, changed["$version"]) == (made.id, "Ada Lovelace", 2)
    assert [event.event for event in client.events.list(after=0)] == ["Contact.created", "Contact.updated"]


def test_a_state_changes_by_its_verbs_only(client: Client) -> None:
    deal = client.Deal.create(name="Engine", value=1815)
    with pytest.raises(InvalidTransition) as refused:
        client.Deal.update(deal.id, stage="Won")
    assert refused.value.details["allowed"] == ["win"]
    client.Deal.win(deal.id)
    with pytest.raises(InvalidTransition) as refused:
        client.Deal.lose(deal.id)
    assert refused.value.details == {"field": "stage", "state": "Won", "allowed": ["reopen"]}


def test_what_a_reader_gets_is_a_copy(client: Client) -> None:
    deal = client.Deal.create(name="Engine", value=1815)
    mine = client.Deal.get(deal.id)
    mine["name"] = "Loom"
    assert client.Deal.get(deal.id).name == "Engine"
    done = client.do(f'mine = dict($.Deal.get("{deal.id}"))\nmine["name"] = "Loom"\n$.Deal.get("{deal.id}").name')
    assert done.result == "Engine"


def test_a_noun_that_gained_a_field_still_reads_its_old_events(client: Client) -> None:
    client.define(Noun("Voyage", {"name": "string!", "port": "string", "sail": "Sailed"}))
    voyage = client.Voyage.create(name="North", port="Bergen")
    client.define(
        Noun(
            "Voyage",
            {"name": "string!", "harbour": "string", "crew": "int", "sail": "Sailed"},
            renamed={"port": "harbour"},
        )
    )
    assert client.Voyage.get(voyage.id).harbour == "Bergen"
    client.Voyage.update(voyage.id, harbour="Oslo", crew=4)
    assert client.Voyage.find(crew=4)[0].harbour == "Oslo"
    back = client.Voyage.rollback(voyage.id, 1)
    assert (back.harbour, back.crew) == ("Bergen", None)


def test_both_spellings_of_a_verb_mean_it(client: Client) -> None:
    begun = client.Subscription.create(status="Active")
    client.Subscription.cancel(begun.id)
    assert client.Subscription.canceledBy(begun.id) == client.Subscription.cancelledBy(begun.id) != []


def test_what_only_grows_is_never_changed(client: Client) -> None:
    seen = client.Event.create(name="page_viewed")
    for forbidden in (client.Event.update, client.Event.delete, client.Event.upsert):
        with pytest.raises(InvalidType):
            forbidden(seen.id, name="other")
    assert client.Event.get(seen.id).type == "page"
