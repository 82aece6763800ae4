"""Schedules: stored code that runs by the clock, also after a pause, and never twice for one time."""

from datetime import timedelta
from typing import Any

import pytest

from runtime.errors import VerbenaError
from tests.runtime.door import Door
from tests.until import until

NIGHTLY = '@$.every("1h")\ndef report(tick, $):\n    $.Activity.create(subject=tick["at"], type="Note")'


def pass_time(door: Door, ahead: timedelta) -> list[dict[str, Any]]:
    """Put the clock forward, or back; what became due has run. All runs of schedules, the oldest first."""
    door.clock.ahead += ahead
    return settled(door)


def settled(door: Door) -> list[dict[str, Any]]:
    for _ in range(200):
        door.tenant.keep_up()
        runs = door("$", path=["runs", "list"], args=[], kwargs={"kind": "schedule", "sort": "createdAt", "limit": 100})
        waiting = [run["$id"] for run in runs if run["status"] == "Waiting"]
        if not waiting:
            return runs
        door.tenant.runs.stand(waiting, 5.0)
    raise AssertionError("runs are waiting still")


def statuses(runs: list[dict[str, Any]]) -> list[tuple[str, bool]]:
    return [(run["status"], run["input"]["missed"]) for run in runs]


def test_a_schedule_runs_at_its_times_and_not_before(door: Door) -> None:
    door.do(NIGHTLY)
    assert pass_time(door, timedelta(minutes=58)) == []
    assert statuses(pass_time(door, timedelta(minutes=3))) == [("Succeeded", False)]
    assert statuses(pass_time(door, timedelta(minutes=30))) == [("Succeeded", False)]
    runs = pass_time(door, timedelta(hours=1))
    assert statuses(runs) == [("Succeeded", False)] * 2
    made = door.do("$.Activity.find(sort='createdAt')")
    assert [each["subject"] for each in made] == [run["input"]["at"] for run in runs]
    assert [door("fetch", type="Run", id=run["$id"])["changes"] for run in runs] == [1, 1]


def test_what_was_missed_is_one_run_also_after_a_restart(door: Door) -> None:
    door.do(NIGHTLY)
    assert statuses(pass_time(door, timedelta(minutes=61))) == [("Succeeded", False)]
    door.clock.ahead += timedelta(days=3)
    door.reopen()
    assert statuses(settled(door)) == [("Succeeded", False), ("Succeeded", True)]
    door.reopen()
    assert len(settled(door)) == 2


def test_a_time_that_has_run_does_not_run_again_when_the_clock_is_put_back(door: Door) -> None:
    door.do(NIGHTLY)
    assert len(pass_time(door, timedelta(minutes=61))) == 1
    assert len(pass_time(door, timedelta(minutes=-5))) == 1
    door.reopen()
    assert len(pass_time(door, timedelta(minutes=5))) == 1
    assert len(pass_time(door, timedelta(days=60))) == 2
    # The clock was wrong: the schedule goes on by the one that is right, and not in two months.
    assert len(pass_time(door, timedelta(days=-60))) == 2
    assert len(pass_time(door, timedelta(minutes=61))) == 3


def test_once_is_once(door: Door) -> None:
    stored = door.do('$.at("in 2h", lambda: $.Contact.create(name="Ada"))')
    assert pass_time(door, timedelta(minutes=119)) == []
    assert [run["status"] for run in pass_time(door, timedelta(days=2))] == ["Succeeded"]
    door.reopen()
    assert len(pass_time(door, timedelta(days=-3))) == 1
    assert len(pass_time(door, timedelta(days=6))) == 1
    assert door.do("$.Contact.count()") == 1
    assert door("events", entity=stored["$id"], after=0)[-1]["event"] == "Handler.removed"


def test_a_schedule_that_is_disabled_rests_and_misses_nothing(door: Door) -> None:
    id = door.do(f"{NIGHTLY}\n$.handlers.list()[0].id")
    door.do(f"$.handlers.disable({id!r})")
    assert pass_time(door, timedelta(days=2)) == []
    door.do(f"$.handlers.enable({id!r})")
    assert settled(door) == []
    assert statuses(pass_time(door, timedelta(hours=1))) == [("Succeeded", False)]
    door.do(f"$.handlers.remove({id!r})")
    assert len(pass_time(door, timedelta(days=2))) == 1


def test_a_schedule_that_is_stored_again_keeps_its_rhythm(door: Door) -> None:
    first = door.do(f"{NIGHTLY}\n$.handlers.list()[0].id")
    pass_time(door, timedelta(minutes=40))
    assert door.do(f"{NIGHTLY}\n$.handlers.list()[0].id") == first
    assert len(pass_time(door, timedelta(minutes=21))) == 1


def test_a_run_that_fails_is_kept_and_the_next_time_comes_all_the_same(door: Door) -> None:
    door.do('$.every("1h", lambda tick: 1 / 0)')
    assert statuses(pass_time(door, timedelta(minutes=61))) == [("Failed", False)]
    assert statuses(pass_time(door, timedelta(hours=1))) == [("Failed", False)] * 2


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ('$.every("10s", lambda: 1)', "not between a minute"),
        ('$.every("0 25 * * *", lambda: 1)', "bad hour"),
        ('$.every("0 9 * * *", lambda: 1, zone="Europe/Berln")', "Europe/Berlin"),
        ('$.every("0 9 * * *", lambda: 1, tz="Europe/Berlin")', "takes no 'tz'"),
        ('$.at("1h ago", lambda: 1)', "is past"),
        ('$.every("1h")(3)', "a function"),
    ],
)
def test_what_is_wrong_is_told_when_it_is_stored(door: Door, code: str, told: str) -> None:
    with pytest.raises(VerbenaError) as refused:
        door.do(code)
    assert told in f"{refused.value.message} {refused.value.hint}"
    assert door("$", path=["handlers", "list"], args=[], kwargs={}) == []


def test_an_engine_opens_the_tenants_that_have_schedules_by_itself(door: Door) -> None:
    quiet = door.other("quiet")
    quiet.do('$.Contact.create(name="Ada")')
    assert not door.engine.awaits_runs()
    door.do(NIGHTLY)
    assert door.engine.awaits_runs()
    door.clock.ahead += timedelta(hours=5)
    door.reopen()
    # The engine looks around a second after it began.
    assert until(door.opened, lambda tenants: "default" in tenants) == {"default"}
    assert statuses(settled(door)) == [("Succeeded", True)]
    door.do("for each in $.handlers.list():\n    $.handlers.remove(each.id)")
    assert not door.engine.awaits_runs()
