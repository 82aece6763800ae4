"""kill -9 in the middle of a crossing: it is neither lost nor told twice."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.runtime.door import Door
from tests.runtime.handlers.crossings_until_killed import settle
from tests.runtime.until_killed import until_killed

CROSSER = Path(__file__).with_name("crossings_until_killed.py")
STEPS = ("before commit", "in commit", "after commit")
# A crossing takes three commits: the value, the crossing with its run, the run's end. So each of them is hit in each step.
OCCURRENCES = (4, 5, 6)


@pytest.mark.timeout(300)
def test_a_killed_process_neither_loses_nor_repeats_a_crossing(tmp_path: Path) -> None:
    hour = 0
    for step in STEPS:
        for occurrence in OCCURRENCES:
            hour += 1
            until_killed(CROSSER, tmp_path, step, occurrence, hour)
    door = Door(tmp_path)
    door.clock.ahead = timedelta(hours=hour + 1)
    settle(door)
    recorded = [event["after"]["value"] for event in door("events", type="Metric", after=0, limit=1_000)][1:]
    notes = door("search", type="Activity", sort="createdAt", limit=100, fields=["subject"])["results"]
    crossed = [event for event in door("events", type="Handler", after=0) if event["event"] == "Handler.crossed"]
    runs = [event["after"]["state"]["run"] for event in crossed]
    assert len(recorded) > len(STEPS) * len(OCCURRENCES)
    assert [note["entity"]["subject"] for note in notes] == [str(value) for value in recorded]
    assert len(set(runs)) == len(runs) == len(recorded)
    door.close()
