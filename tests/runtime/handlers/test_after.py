"""AFTER handlers: run after the commit, in order within an entity, each run kept with how it ended."""

from datetime import timedelta
from typing import Any

import pytest

from runtime.errors import VerbenaError
from tests.runtime.door import Door
from tests.until import until


def settle(door: Door) -> None:
    """Wait until nothing waits to be run."""
    for _ in range(200):
        waiting = [run["$id"] for run in runs(door, status="Waiting")]
        if not waiting:
            return
        door.tenant.runs.stand(waiting, 5.0)
    raise AssertionError("runs are waiting still")


def runs(door: Door, **filter: Any) -> list[dict[str, Any]]:
    return door("$", path=["runs", "list"], args=[], kwargs={"kind": {"$ne": "do"}, **filter, "limit": 100})


def test_a_do_says_how_the_handlers_that_it_set_off_stand(door: Door) -> None:
    door.do("@$.Contact.created\ndef welcome(contact, $):\n    print('hello', contact.name)")
    answer = door("do", code="$.Contact.create(name='Ada').name")
    (stand,) = answer["handlers"]
    assert {key: stand[key] for key in ("handler", "status", "cause")} == {
        "handler": "welcome",
        "status": "Succeeded",
        "cause": answer["events"][0]["id"],
    }
    run = door("fetch", type="Run", id=stand["run"])
    assert (run["output"], run["attempts"], run["kind"], run["changes"]) == ("hello Ada\n", 1, "after", 0)


def test_handlers_run_in_the_order_of_registration_and_one_that_raises_stops_none(door: Door) -> None:
    door.do(
        """
@$.Contact.created
def first(contact, $):
    $.Activity.create(subject="first", type="Note")

@$.Contact.created
def second(contact, $):
    raise ValueError("broken")

@$.Contact.created
def third(contact, $):
    $.Activity.create(subject="third", type="Note")
"""
    )
    answer = door("do", action="create", type="Contact", data={"name": "Ada"})
    assert [(each["handler"], each["status"]) for each in answer["handlers"]] == [
        ("first", "Succeeded"),
        ("second", "Failed"),
        ("third", "Succeeded"),
    ]
    assert [each["subject"] for each in door.do("$.Activity.find(sort='createdAt')")] == ["first", "third"]


def test_a_handler_gets_the_entity_as_the_event_left_it(door: Door) -> None:
    door.do("@$.on('Contact.*')\ndef note(contact, $):\n    $.Activity.create(subject=contact.name, type='Note')")
    door.do("c = $.Contact.create(name='A')\n$.Contact.update(c.id, name='B')\n$.Contact.update(c.id, name='C')")
    settle(door)
    assert [each["subject"] for each in door.do("$.Activity.find(sort='createdAt')")] == ["A", "B", "C"]


def test_what_a_run_changes_names_the_run_and_the_event_that_set_it_off(door: Door) -> None:
    door.do("@$.Contact.created\ndef note(contact, $):\n    $.Activity.create(subject='x', type='Note')")
    answer = door("do", action="create", type="Contact", data={"name": "Ada"})
    (event,) = door("events", event="Activity.created")
    assert (event["run"], event["cause"]) == (answer["handlers"][0]["run"], answer["events"][0]["id"])
    (ended,) = door("events", event="Run.succeeded")
    assert (ended["entity"], ended["cause"]) == (event["run"], event["cause"])


def test_a_failed_run_is_kept_and_can_be_tried_again_without_the_verb(door: Door) -> None:
    door.do("@$.Contact.created\ndef needs(contact, $):\n    $.Organization.findOne(name='Acme').id")
    answer = door("do", action="create", type="Contact", data={"name": "Ada"})
    (stand,) = answer["handlers"]
    assert stand["status"] == "Failed"
    door.do("$.Organization.create(name='Acme')")
    door.do(f"$.runs.retry('{stand['run']}')")
    settle(door)
    run = door.do(f"$.runs.get('{stand['run']}')")
    assert (run["status"], run["attempts"]) == ("Succeeded", 2)
    assert len(door("events", event="Contact.created")) == 1


def test_a_retried_run_sees_the_same_time_and_the_same_chance(door: Door) -> None:
    door.do(
        "@$.Contact.created\ndef chance(contact, $):\n    import random\n"
        "    print($.now(), random.random())\n    raise ValueError('again')"
    )
    (stand,) = door("do", action="create", type="Contact", data={"name": "Ada"})["handlers"]
    first = door.do(f"$.runs.get('{stand['run']}').output")
    door.do(f"$.runs.retry('{stand['run']}')")
    settle(door)
    assert door.do(f"$.runs.get('{stand['run']}').output") == first


def test_an_error_of_a_passing_kind_is_tried_again_by_itself_and_then_dead(door: Door) -> None:
    door.do("@$.Contact.created\ndef busy(contact, $):\n    $.Contact.update(contact.id, {'$version': 7, 'name': 'x'})")
    (stand,) = door("do", action="create", type="Contact", data={"name": "Ada"})["handlers"]
    states = [stand["status"]]
    for _ in range(6):
        door.clock.ahead += timedelta(hours=1)
        door.tenant.keep_up()
        door.tenant.runs.stand([stand["run"]], 5.0)
        states.append(door.do(f"$.runs.get('{stand['run']}').status"))
    assert states == ["Retrying"] * 5 + ["Dead"] * 2


def test_a_run_that_awaits_its_next_try_keeps_the_engine_awake_and_the_next_one_finds_it(door: Door) -> None:
    door.do("$.Contact.create(name='Eve')")
    busy = door.other("busy")
    busy.do("@$.Contact.created\ndef busy(contact, $):\n    $.Contact.update(contact.id, {'$version': 7, 'name': 'x'})")
    assert not door.engine.awaits_runs()
    (stand,) = busy("do", action="create", type="Contact", data={"name": "Ada"})["handlers"]
    assert (stand["status"], door.engine.awaits_runs()) == ("Retrying", True)
    door.clock.ahead += timedelta(hours=1)
    door.reopen()
    # The engine looks around a second after it began.
    assert until(door.opened, lambda tenants: "busy" in tenants) == {"busy"}
    until(lambda: door.other("busy").do(f"$.runs.get('{stand['run']}').attempts"), lambda tries: tries == 2)


def test_a_handler_that_fails_too_often_in_a_row_is_disabled_with_an_event(door: Door) -> None:
    door.do("@$.Contact.created\ndef broken(contact, $):\n    raise ValueError('never')")
    door.do("for n in range(40):\n    $.Contact.create(name=str(n))")
    settle_or_held(door)
    (event,) = door("events", event="Handler.disabled")
    assert event["after"]["reason"].startswith("it failed 20 times in a row, last in run_")
    waiting = runs(door, status="Waiting")
    assert waiting and len(runs(door, status="Failed")) == 40 - len(waiting)
    assert door.do(f"$.runs.get('{waiting[0]['$id']}').why").startswith("its handler is disabled")
    door.do(f"$.runs.release('{waiting[0]['$id']}')")
    assert len(runs(door, status="Waiting")) == len(waiting) - 1


def settle_or_held(door: Door) -> None:
    ids = [run["$id"] for run in runs(door)]
    door.tenant.runs.stand(ids, 30.0)


def test_runs_that_wait_are_run_when_the_tenant_is_opened_again(door: Door) -> None:
    door.do("$.Contact.created(lambda contact, $: $.Activity.create(subject=contact.name, type='Note'))")
    door.do("for n in range(30):\n    $.Contact.create(name=f'C{n}')")
    door.reopen()
    settle(door)
    assert door.do("$.Activity.count()") == 30


def test_a_handler_that_sets_itself_off_comes_to_an_end(door: Door) -> None:
    door.do("@$.Contact.created\ndef more(contact, $):\n    $.Contact.create(name=contact.name)")
    door.do("$.Contact.create(name='Ada')")
    settle(door)
    (dead,) = runs(door, status="Dead")
    assert (door.do("$.Contact.count()"), dead["error"]["code"], dead["depth"]) == (17, "limit_exceeded", 17)


def test_a_filter_says_which_events_are_meant(door: Door) -> None:
    door.do("$.events.subscribe('Contact.created', lambda c, $: print(c.name), filter={'name': {'$startsWith': 'B'}})")
    answer = door("do", code="for name in ('Ada', 'Bob'):\n    $.Contact.create(name=name)")
    (stand,) = answer["handlers"]
    assert door.do(f"$.runs.get('{stand['run']}').output") == "Bob\n"


def test_what_a_run_does_that_is_released_in_the_middle_is_dropped(door: Door) -> None:
    door.do(
        """
@$.Contact.created
def waits(contact, $):
    $.Activity.create(subject="dropped", type="Note")
    while not $.Organization.findOne(name="Go"):
        pass
"""
    )
    door("$", path=["Contact", "create"], args=[], kwargs={"name": "Ada"})
    (run,) = runs(door)
    while door.do(f"$.runs.get({run['$id']!r}).why") != "it is running":
        pass
    door.do(f"$.runs.release({run['$id']!r})")
    door.do("$.Organization.create(name='Go')")
    door.tenant.runs.stand([run["$id"]], 30.0)
    assert [each["status"] for each in runs(door)] == ["Released"]
    assert (door.do("$.Activity.count()"), len(door("events", event="Run.succeeded"))) == (0, 0)


def test_a_run_neither_releases_nor_retries_itself(door: Door) -> None:
    door.do(
        """
@$.Contact.created
def leaves(contact, $):
    for run in $.runs.list(kind="after"):
        $.runs.release(run["$id"])
"""
    )
    (stand,) = door("do", action="create", type="Contact", data={"name": "Ada"})["handlers"]
    assert stand["status"] == "Failed"
    assert stand["error"] == f"{stand['run']} is running, and cannot be released by itself"


def test_a_handler_that_is_enabled_again_may_fail_as_often_again(door: Door) -> None:
    door.do("@$.Contact.created\ndef broken(contact, $):\n    raise ValueError('never')")
    handler = door.do("$.handlers.list()")[0]["$id"]

    def status_after(failures: int) -> str:
        door.do(f"for n in range({failures}):\n    $.Contact.create(name=str(n))")
        settle(door)
        return door.do(f"$.handlers.get({handler!r}).status")

    assert status_after(20) == "Disabled"
    door.do(f"$.handlers.enable({handler!r})")
    assert status_after(10) == "Active"
    door.reopen()
    assert status_after(9) == "Active"
    assert status_after(1) == "Disabled"


def test_a_run_about_what_was_erased_is_released(door: Door) -> None:
    door.do("$.Contact.created(lambda contact, $: $.Organization.findOne(name='Acme').id)")
    answer = door("do", code="$.Contact.create(name='Ada').id")
    door.do(f"$.Contact.erase('{answer['result']}')")
    door.do(f"$.runs.retry('{answer['handlers'][0]['run']}')")
    settle(door)
    run = door.do(f"$.runs.get('{answer['handlers'][0]['run']}')")
    assert (run["status"], run["error"]["message"]) == ("Released", "what it is about was erased")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("$.Deal.closed(1)", "$.Deal.closed registers a handler, and takes a function"),
        ("x = 1\n$.Deal.closed(lambda d, $: x)", "the function leans on 'x', which it does not carry"),
        ("$.Deal.closed(lambda a, b, c: a)", "<lambda> takes 3 arguments, and a handler is given two"),
        (
            "$.Deal.closed(lambda d, *, wonAmount: d)",
            "<lambda> wants 'wonAmount' by its name, and a handler is given what it takes by its place",
        ),
        ("$.on('Deal.exploded', lambda d, $: d)", "Deal has no verb 'exploded'"),
        ("$.before('Deal', lambda d, $: d)", "'Deal' names no verb of a noun"),
        ("$.before('Deal.upsert', lambda d, $: d)", "nothing runs before Deal.upsert"),
    ],
)
def test_a_mistake_is_told_when_the_handler_is_stored(door: Door, code: str, message: str) -> None:
    with pytest.raises(VerbenaError) as caught:
        door.do(code)
    assert caught.value.message == message
    assert door.do("$.handlers.list()") == []


def test_storing_a_handler_again_replaces_it_in_its_place(door: Door) -> None:
    door.do("@$.Contact.created\ndef one(c, $):\n    print(1)\n\n@$.Contact.created\ndef two(c, $):\n    print(2)\n")
    door.do("@$.Contact.created\ndef one(c, $):\n    print('one')\n")
    handlers = door.do("$.handlers.list()")
    assert [(each["name"], each["$version"], each["position"]) for each in handlers] == [("one", 2, 1), ("two", 1, 2)]
    door.do(f"$.handlers.move('{handlers[1]['$id']}', 1)")
    assert [each["name"] for each in door.do("$.handlers.list()")] == ["two", "one"]


def test_what_a_run_or_a_handler_has_no_value_for_reads_as_none(door: Door) -> None:
    door.do("$.Contact.created(lambda c, $: 1)")
    door.do("$.Contact.create(name='Ada')")
    read = "(run.kind, run.cause, run.output, run.error, run.dueAt)"
    rows = door.do(f"[{read} for run in $.runs.list()]")
    assert sorted(rows) == [["after", "evt_2", None, None, None], *[["do", None, None, None, None]] * 2]
    assert door.do("[(each.kind, each.reason, each.state) for each in $.handlers.list()]") == [["after", None, None]]


def test_undoing_a_do_takes_its_handlers_back(door: Door) -> None:
    answer = door("do", code="$.Contact.created(lambda c, $: print(c.name))\n$.Contact.create(name='Ada')")
    door("do", action="undo", id=answer["run"])
    assert door.do("$.handlers.list()") == []
    assert "handlers" not in door("do", code="$.Contact.create(name='Bob')")


def test_the_ledger_of_a_tenant_without_events_is_kept_up(door: Door) -> None:
    door.do("1 + 1")
    door.clock.ahead += timedelta(days=2)
    door.tenant.keep_up()
    assert len(door.do("$.runs.list(kind='do')")) == 1


def test_each_of_many_changes_sets_off_its_handlers(door: Door) -> None:
    """What one cause sets off is bounded; a bulk is as many causes as it has events."""
    door.do("$.Contact.created(lambda contact, $: None)")
    door.do("for n in range(1_100):\n    $.Contact.create(name=str(n))")
    counted = door("$", path=["search"], args=[], kwargs={"type": "Run", "filter": {"kind": "after"}, "limit": 1})
    assert (counted["total"], runs(door, status="Dead")) == (1_001, [])
