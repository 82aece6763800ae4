"""A process that leads a Metric over a watched threshold, there and back, until it kills itself in a named step.

`python crossings_until_killed.py DATA STEP OCCURRENCE HOUR`: the step is counted from when everything before was looked at.
"""

import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from runtime.handlers.runner import Runner
from tests.runtime.door import Door

CROSSINGS_MAX = 100
WATCH = """id = $.Metric.create(name="M", value=-1).id
@$.Metric.watch(id, {"threshold": 0, "direction": "cross"})
def tell(metric, $):
    $.Activity.create(subject=str(metric.value), type="Note")"""


def main() -> None:
    data, step, occurrence, hour = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    seen, counts = 0, False

    def die(name: str) -> None:
        nonlocal seen
        if counts and name == step:
            seen += 1
            if seen == occurrence:
                os.kill(os.getpid(), signal.SIGKILL)

    door = Door(data, step=die)
    door.clock.ahead = timedelta(hours=hour)
    if door.do("$.Metric.count()") == 0:
        door.do(WATCH)
    settle(door)
    counts = True
    for _ in range(CROSSINGS_MAX):
        door.clock.ahead += timedelta(seconds=2)  # past the cool-down
        found = door.do("$.Metric.findOne()")
        value = abs(found["value"]) + 1
        door.do(f"$.Metric.record({found['$id']!r}, value={-value if found['value'] > 0 else value})")
        settle(door)


def settle(door: Door) -> None:
    """Wait until everything was looked at, and what that set off has run."""
    runs = door.tenant.runs
    assert isinstance(runs, Runner)
    runs.keep_up()
    assert runs.watches.wait_until_looked(30.0)
    found = door("$", path=["runs", "list"], args=[], kwargs={"kind": "watch", "status": "Waiting", "limit": 100})
    runs.stand([run["$id"] for run in found], 30.0)


if __name__ == "__main__":
    main()
