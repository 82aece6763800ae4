"""An agent shows what it would do, does exactly that, takes it back, and is safe to ask twice."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, Protocol

import pytest

from runtime import connect


class Door(Protocol):
    """What these stories need of the fixture `door`."""

    def __call__(self, tool: str, **arguments: Any) -> dict[str, Any]: ...

    def head(self) -> int: ...


class Shell(Protocol):
    """What these stories need of the fixture `module_verbena`."""

    def __call__(self, *words: str, given: str = "") -> CompletedProcess[str]: ...


def _deal(door: Door, name: str) -> str:
    return door("do", action="create", type="Deal", data={"name": name, "value": 10})["result"]["$id"]


# -- dry run, expect -----------------------------------------------------------------------------------------------


def test_a_plan_is_read_and_then_committed_to_the_letter(door: Door) -> None:
    deal = _deal(door, "Engine")
    head = door.head()
    planned = door(
        "do",
        code=f"""
made = $.Activity.create(subject="Kick-off", deal="{deal}")
$.Deal.update("{deal}", value=20)
$.Deal.win("{deal}", wonReason="It works")
print("that would be all")
return [made.id, $.Deal.get("{deal}").stage]
""",
        dryRun=True,
    )
    plan = planned["plan"]
    activity = planned["result"][0]
    today = door("do", code="str($.now())[:10]")["result"]
    assert (planned["result"][1], planned["output"], "events" in planned) == ("Won", "that would be all\n", False)
    assert [(write["event"], write["entity"], write["version"]) for write in plan["writes"]] == [
        ("Activity.created", activity, 1),
        ("Deal.updated", deal, 2),
        ("Deal.won", deal, 3),
    ]
    assert plan["restsOn"][deal] == 1
    lines = plan["diff"].splitlines()
    assert lines[0].startswith(f'+ Activity "Kick-off" ({activity}) created: subject Kick-off')
    assert lines[1] == f'~ Deal "Engine" ({deal}) updated: value 10 → 20'
    assert lines[2].startswith(f'~ Deal "Engine" ({deal}) won: ')
    assert "stage Prospecting → Won" in lines[2] and f"actualCloseDate nothing → {today}" in lines[2]
    assert door.head() == head
    assert door("fetch", type="Deal", id=deal)["stage"] == "Prospecting"
    assert door("fetch", type="Activity", id=activity)["error"]["code"] == "not_found"

    done = door("do", expect=plan["hash"])
    assert (done["result"], done["output"], done["run"]) == (planned["result"], planned["output"], planned["run"])
    assert [(event["event"], event["entity"]) for event in done["events"]] == [
        (write["event"], write["entity"]) for write in plan["writes"]
    ]
    assert door.head() == head + 3
    assert door("fetch", type="Deal", id=deal)["stage"] == "Won"


def test_a_plan_whose_ground_was_moved_by_somebody_else_commits_nothing(door: Door, module_verbena: Shell) -> None:
    deal = _deal(door, "Loom")
    plan = door("do", action="win", type="Deal", id=deal, dryRun=True)["plan"]
    between = module_verbena("do", "--action", "update", "--type", "Deal", "--id", deal, "--data", '{"value": 11}')
    assert between.returncode == 0, between.stderr
    head = door.head()
    error = door("do", expect=plan["hash"])["error"]
    assert (error["code"], error["details"]) == ("conflict", {"id": deal, "expected": 1, "current": 2})
    assert error["hint"]
    assert door.head() == head
    assert door("fetch", type="Deal", id=deal, fields=["stage"])["stage"] == "Prospecting"


def test_a_plan_is_committed_once_and_only_for_its_own_call(door: Door) -> None:
    code = '$.Contact.create(name="Once")'
    hash = door("do", code=code, dryRun=True)["plan"]["hash"]
    head = door.head()
    assert door("do", code='$.Contact.create(name="Twice")', expect=hash)["error"]["code"] == "conflict"
    assert door("do", code=code, expect="0" * 64)["error"]["code"] == "not_found"
    assert door("do", code=code, expect=hash, dryRun=True)["error"]["code"] == "invalid_arguments"
    assert door.head() == head
    assert "error" not in door("do", code=code, expect=hash)
    assert door("do", code=code, expect=hash)["error"]["code"] == "conflict"
    assert door.head() == head + 1


def test_what_a_plan_would_be_refused_for_is_told_at_once(door: Door) -> None:
    head = door.head()
    error = door("do", code='$.Deal.create(name="x", value="much")', dryRun=True)["error"]
    assert (error["code"], error["details"]["line"]) == ("validation_failed", 1)
    assert door.head() == head


def test_the_shell_shows_a_plan_and_commits_it(door: Door, module_verbena: Shell) -> None:
    head = door.head()
    code = '$.Contact.create(name="Shell")'
    shown = module_verbena("do", "--dry-run", code)
    *_, change, told = shown.stdout.splitlines()
    assert change.startswith('+ Contact "Shell" (contact_') and "created: name Shell" in change
    assert told.startswith("plan ") and "nothing was changed" in told
    assert door.head() == head
    done = module_verbena("do", "--expect", told.split()[1].rstrip(":"), "--json")
    assert done.returncode == 0, done.stderr
    assert [event["event"] for event in json.loads(done.stdout)["events"]] == ["Contact.created"]
    assert door.head() == head + 1


# -- undo ----------------------------------------------------------------------------------------------------------


def _by_action(door: Door, shell: Shell, run: str) -> None:
    assert "error" not in door("do", action="undo", id=run)


def _by_code(door: Door, shell: Shell, run: str) -> None:
    assert "error" not in door("do", code=f'$.undo("{run}")')


def _by_shell(door: Door, shell: Shell, run: str) -> None:
    done = shell("do", "--action", "undo", "--id", run)
    assert done.returncode == 0, done.stderr


def _by_plan(door: Door, shell: Shell, run: str) -> None:
    plan = door("do", action="undo", id=run, dryRun=True)["plan"]
    assert "error" not in door("do", expect=plan["hash"])


@pytest.mark.parametrize("undo", [_by_action, _by_code, _by_shell, _by_plan])
def test_all_that_one_do_changed_is_taken_back_together(
    door: Door, module_verbena: Shell, undo: Callable[[Door, Shell, str], None]
) -> None:
    name = undo.__name__
    deal = _deal(door, name)
    gone = door("do", action="create", type="Contact", data={"name": name, "email": f"{name}@example.com"})
    contact = gone["result"]["$id"]
    before = {id: door("fetch", id=id)["entity"] for id in (deal, contact)}
    done = door(
        "do",
        code=f"""
new = $.Contact.create(name="New", email="new{name}@example.com")
$.Deal.update("{deal}", value=5, contact=new.id)
$.Deal.win("{deal}")
$.Contact.delete("{contact}")
return new.id
""",
    )
    head = door.head()
    undo(door, module_verbena, done["run"])

    after = {id: door("fetch", id=id)["entity"] for id in (deal, contact)}
    changing = ("$version", "$updatedAt")
    assert [{key: value for key, value in each.items() if key not in changing} for each in after.values()] == [
        {key: value for key, value in each.items() if key not in changing} for each in before.values()
    ]
    assert door("fetch", id=done["result"])["error"]["code"] == "not_found"
    undone = door("do", code=f"$.events.list(after={head})")["result"]
    assert sorted(event["event"] for event in undone) == ["Contact.deleted", "Contact.restored", "Deal.rolledBack"]
    assert len({event["run"] for event in undone}) == 1  # a run like any other: it can be undone as well


def test_what_was_built_on_it_stands_in_the_way_until_it_is_undone_first(door: Door) -> None:
    deal, other = _deal(door, "Built on"), _deal(door, "Left alone")
    first = door("do", code=f'[$.Deal.update(id, value=30) for id in ("{deal}", "{other}")]')["run"]
    later = door("do", action="update", type="Deal", id=deal, data={"value": 40})
    head = door.head()
    error = door("do", action="undo", id=first)["error"]
    assert error["code"] == "conflict"
    assert error["details"]["inTheWay"] == [{"id": deal, "reason": "it is at version 3, and was left at 2"}]
    assert door.head() == head
    assert door("fetch", type="Deal", id=other)["value"] == 30

    assert "error" not in door("do", action="undo", id=later["events"][0]["id"])
    assert door("fetch", type="Deal", id=deal)["value"] == 30


@pytest.mark.parametrize(
    ("what", "code"),
    [("run_222222222", "not_found"), ("evt_999999", "not_found"), ("deal_fX9bL5nRdK", "invalid_arguments")],
)
def test_what_nobody_did_cannot_be_undone(door: Door, what: str, code: str) -> None:
    error = door("do", action="undo", id=what)["error"]
    assert error["code"] == code and error["hint"]


# -- idempotency ---------------------------------------------------------------------------------------------------


def test_a_repeated_call_gets_the_first_answer_whatever_door_it_comes_through(
    door: Door, module_verbena: Shell, module_data: Path
) -> None:
    code = '$.Contact.create(name="Only one").id'
    first = door("do", code=code, idempotencyKey="order-1")
    head = door.head()
    assert door("do", code=code, idempotencyKey="order-1") == first
    again = module_verbena("do", "--idempotency-key", "order-1", "--json", code)
    assert json.loads(again.stdout) == first
    with connect(module_data) as client:
        assert client.do(code, idempotencyKey="order-1") == first
    assert door.head() == head


def test_a_key_is_for_one_thing(door: Door) -> None:
    door("do", code='$.Contact.create(name="First")', idempotencyKey="order-2")
    head = door.head()
    error = door("do", code='$.Contact.create(name="Second")', idempotencyKey="order-2")["error"]
    assert error["code"] == "conflict" and "new key" in error["hint"]
    assert door("do", code="1", idempotencyKey="k" * 256)["error"]["code"] == "invalid_arguments"
    assert door.head() == head


def test_a_failure_is_not_kept(door: Door) -> None:
    deal = _deal(door, "In time")
    assert door("do", action="reopen", type="Deal", id=deal, idempotencyKey="order-3")["error"]["code"] == (
        "invalid_transition"
    )
    door("do", action="win", type="Deal", id=deal)
    assert door("do", action="reopen", type="Deal", id=deal, idempotencyKey="order-3")["result"]["stage"] != "Won"


def test_of_many_at_once_with_one_key_one_runs(door: Door, module_data: Path) -> None:
    head = door.head()

    def ask(_: int) -> str:
        with connect(module_data) as client:
            return client.do('$.Contact.create(name="Crowd").id', idempotencyKey="order-4").result

    with ThreadPoolExecutor(6) as pool:
        made = set(pool.map(ask, range(6)))
    assert len(made) == 1
    assert door.head() == head + 1


def test_an_answer_outlives_the_engine(verbena: Shell) -> None:
    words = ("do", "--idempotency-key", "order-5", "--json", '$.Contact.create(name="Kept").id')
    first = verbena(*words)
    assert verbena("stop").returncode == 0
    assert (verbena(*words).stdout, first.returncode) == (first.stdout, 0)
    assert len(json.loads(verbena("log", "--json").stdout)) == 1
