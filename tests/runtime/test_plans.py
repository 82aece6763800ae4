"""Dry run, plan, undo and idempotency: what makes it safe to hand over the keys."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from runtime.errors import Conflict, NotFound
from tests.runtime.door import Door

CODE = 'o = $.Organization.create(name="Acme")\n$.Deal.create(name="Big", value=10, organization=o.id)\no.id'


def test_a_dry_run_writes_nothing_and_shows_what_it_would(door: Door) -> None:
    planned = door("do", code=CODE, dryRun=True)
    assert door.head == 0
    assert [write["event"] for write in planned["plan"]["writes"]] == ["Organization.created", "Deal.created"]
    assert planned["plan"]["diff"].splitlines()[
        0
    ] == f'+ Organization "Acme" ({planned["result"]}) created: name Acme' + (
        ", status Active" if "status Active" in planned["plan"]["diff"] else ""
    )
    assert door("search", query="Acme")["results"] == []


def test_expect_commits_exactly_the_plan_also_after_a_restart(door: Door) -> None:
    planned = door("do", code=CODE, dryRun=True)
    door.reopen()
    done = door("do", expect=planned["plan"]["hash"])
    assert done["result"] == planned["result"]
    assert [event["event"] for event in done["events"]] == ["Organization.created", "Deal.created"]
    assert door("fetch", type="Organization", id=planned["result"])["name"] == "Acme"


def test_a_plan_is_committed_once(door: Door) -> None:
    hash = door("do", code=CODE, dryRun=True)["plan"]["hash"]
    door("do", expect=hash)
    before = door.head
    with pytest.raises(Conflict):
        door("do", expect=hash)
    assert door.head == before


def test_a_plan_whose_ground_has_moved_commits_nothing(door: Door) -> None:
    id = door("do", action="create", type="Deal", data={"name": "Moving", "value": 1})["result"]["$id"]
    plan = door("do", action="win", type="Deal", id=id, dryRun=True)["plan"]
    assert f'~ Deal "Moving" ({id}) won: ' in plan["diff"] and "stage Prospecting → Won" in plan["diff"]
    door("do", action="update", type="Deal", id=id, data={"value": 2})
    before = door.head
    with pytest.raises(Conflict) as failure:
        door("do", expect=plan["hash"])
    assert failure.value.details["current"] == 2
    assert door.head == before


def test_a_plan_of_another_call_or_past_its_hour_is_refused(door: Door) -> None:
    hash = door("do", code=CODE, dryRun=True)["plan"]["hash"]
    with pytest.raises(Conflict):
        door("do", code="1 + 1", expect=hash)
    door.clock.ahead = timedelta(minutes=61)
    with pytest.raises(NotFound):
        door("do", code=CODE, expect=hash)
    assert door.head == 0


def test_undo_takes_back_all_that_one_do_changed(door: Door) -> None:
    id = door("do", action="create", type="Deal", data={"name": "Kept", "value": 1})["result"]["$id"]
    gone = door("do", action="create", type="Contact", data={"name": "Gone", "email": "gone@example.com"})["result"][
        "$id"
    ]
    done = door(
        "do",
        code=f'c = $.Contact.create(name="New", email="new@example.com")\n'
        f'$.Deal.update("{id}", value=5, contact=c.id)\n$.Deal.win("{id}")\n$.Contact.delete("{gone}")\nc.id',
    )
    door("do", action="undo", id=done["run"])
    assert {key: door("fetch", type="Deal", id=id).get(key) for key in ("value", "stage", "contact")} == {
        "value": 1,
        "stage": "Prospecting",
        "contact": None,
    }
    assert door("fetch", type="Contact", id=gone)["email"] == "gone@example.com"
    with pytest.raises(NotFound):
        door("fetch", id=done["result"])
    # The way back can be taken back too.
    redone = door("do", code=f'$.events.list(entity="{id}", limit=1)[0].run')["result"]
    door("do", code=f'$.undo("{redone}")')
    assert door("fetch", type="Deal", id=id)["stage"] == "Won"


def test_undo_names_what_stands_in_the_way_and_changes_nothing(door: Door) -> None:
    done = door("do", action="create", type="Deal", data={"name": "Built on", "value": 1})
    id = done["result"]["$id"]
    door("do", action="update", type="Deal", id=id, data={"value": 2})
    before = door.head
    with pytest.raises(Conflict) as failure:
        door("do", action="undo", id=done["run"])
    assert failure.value.details["inTheWay"] == [{"id": id, "reason": "it is at version 2, and was left at 1"}]
    assert door.head == before
    door("do", action="undo", id=f"evt_{before}")
    assert door("fetch", type="Deal", id=id)["value"] == 1


def test_a_repeated_call_gets_the_first_answer_also_after_a_restart(door: Door) -> None:
    first = door("do", code=CODE, idempotencyKey="k1")
    assert door("do", code=CODE, idempotencyKey="k1") == first
    door.reopen()
    assert door("do", code=CODE, idempotencyKey="k1") == first
    assert door.head == 2
    with pytest.raises(Conflict):
        door("do", code="1 + 1", idempotencyKey="k1")
    door.clock.ahead = timedelta(hours=25)
    assert door("do", code=CODE, idempotencyKey="k1") != first


def test_of_many_with_one_key_one_runs(door: Door) -> None:
    data = {"name": "Once"}
    with ThreadPoolExecutor(8) as pool:
        calls = [
            pool.submit(door, "do", action="create", type="Contact", data=data, idempotencyKey="k") for _ in range(8)
        ]
    assert len({call.result()["result"]["$id"] for call in calls}) == 1
    assert door.head == 1


def test_a_failure_is_not_kept(door: Door) -> None:
    with pytest.raises(NotFound):
        door("do", action="win", type="Deal", id="deal_111111111", idempotencyKey="k")
    with pytest.raises(NotFound):
        door("do", action="win", type="Deal", id="deal_111111111", idempotencyKey="k")
    assert door("do", code="1 + 1", idempotencyKey="k")["result"] == 2
    assert door("do", code="1 + 1", idempotencyKey="k")["result"] == 2
