"""The ledger keeps what waits, and of what ended the latest."""

from datetime import timedelta
from pathlib import Path

from tests.runtime.door import Door
from tests.runtime.handlers.told import settle
from tests.runtime.until_killed import until_ended


def test_runs_that_ended_long_ago_are_dropped_and_those_that_wait_stay(door: Door) -> None:
    door.do("@$.Contact.created\ndef greets(contact, $):\n    print(contact.name)")
    door.do("@$.every('30d')\ndef monthly(entity, $):\n    print('a month')")
    handlers = {each["name"]: each["$id"] for each in door.do("$.handlers.list()")}
    door.do(f"$.Contact.create(name='Ada')\n$.handlers.disable({handlers['greets']!r})")
    for _ in range(2):
        door.clock.ahead += timedelta(days=31)
        door.tenant.keep_up()
        assert settle(door.tenant) == []
    assert statuses(door, kind="after") == ["Waiting"]
    assert statuses(door, kind="schedule") == ["Succeeded", "Succeeded"]
    assert len(statuses(door, kind="do")) > 3
    # Only what the log has heard of is the time.
    door.do(f"$.handlers.disable({handlers['monthly']!r})")
    door.clock.ahead += timedelta(days=91)
    door.tenant.keep_up()
    assert len(statuses(door, kind="schedule")) == 2
    before = door.do("$.Contact.findOne().$id")
    door.do("$.Contact.create(name='Bob')")
    door.tenant.keep_up()
    assert statuses(door, kind="after") == ["Waiting"]
    assert statuses(door, kind="schedule") == ["Succeeded"]
    door.do(f"$.handlers.enable({handlers['greets']!r})")
    assert settle(door.tenant) == []
    assert [each["entity"] for each in door.do("$.runs.list(kind='after', status='Succeeded')")] == [before]
    door.reopen()
    assert statuses(door, kind="after") == ["Succeeded"]


def test_only_so_many_runs_are_kept(door: Door) -> None:
    door.do("$.Contact.created(lambda contact, $: print(contact.name))")
    door.do("for n in range(30):\n    $.Contact.create(name=str(n))")
    assert settle(door.tenant) == []
    kept = [each["entity"] for each in door.do("$.runs.list(kind='after', limit=100, sort='createdAt')")]
    door.tenant.write_noted()
    with door.tenant.writer.pause():
        dropped = door.tenant.ledger.drop_old(door.tenant.writer.at, runs_max=10)
        door.tenant.graph.dropped(dropped)
    assert len(dropped) >= 20
    left = [each["entity"] for each in door.do("$.runs.list(kind='after', limit=100, sort='createdAt')")]
    assert set(left) < set(kept)
    assert len(door("events", event="Run.succeeded", limit=100)) == 30


# Stores a handler, creates, and ends in the middle of the second in which the rows of the ledger wait to be written.
ENDS = """
import os, sys
from pathlib import Path
from tests.runtime.door import Door

door = Door(Path(sys.argv[1]))
door.do("@$.Contact.creating\\ndef looked(contact, $):\\n    print('seen', contact.name)")
answer = door("do", action="create", type="Contact", data={"name": "Ada"})
print(*[each["run"] for each in answer["handlers"]], flush=True)
os._exit(0)
"""


def test_the_run_of_a_handler_that_ran_before_is_in_the_ledger_though_the_process_ended_at_once(tmp_path: Path) -> None:
    program = tmp_path / "ends.py"
    program.write_text(ENDS)
    run = until_ended(program, tmp_path / "data").stdout.split()
    door = Door(tmp_path / "data")
    found = door.do("$.runs.list(kind='before')")
    assert [(each["$id"], each["status"], each["output"]) for each in found] == [(run[0], "Succeeded", "seen Ada\n")]
    door.reopen()
    assert statuses(door, kind="before") == ["Succeeded"]
    door.close()


def test_many_runs_before_one_commit_are_all_in_the_ledger(door: Door) -> None:
    door.do("@$.Contact.creating\ndef looked(contact, $):\n    pass")
    door.do("for n in range(60):\n    $.Contact.create(name=str(n))")
    assert statuses(door, kind="before") == ["Succeeded"] * 60


def test_a_run_before_is_proven_as_soon_as_it_is_answered(door: Door) -> None:
    door.do("@$.Contact.creating\ndef looked(contact, $):\n    pass")
    (stand,) = door("do", action="create", type="Contact", data={"name": "Ada"})["handlers"]
    assert "proof" in door("fetch", type="Run", id=stand["run"], proof=True)


def statuses(door: Door, kind: str) -> list[str]:
    return [each["status"] for each in door.do(f"$.runs.list(kind={kind!r}, limit=100)")]
