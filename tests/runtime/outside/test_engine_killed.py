"""kill -9 of an engine in the middle of what its handlers ask outside: nothing is lost, and nothing is done twice."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.door import Door
from tests.runtime.outside.service import Heard, service
from tests.runtime.until_killed import until_killed
from tests.until import until

ASKER = Path(__file__).with_name("asks_until_killed.py")
STEPS = ("before intent", "after intent", "after call", "after outcome", "before commit")
ROUNDS = 10  # of each step; what one process left open, the next one tries again, and dies in it


@pytest.mark.timeout(300)
@pytest.mark.parametrize("step", STEPS)
def test_an_engine_that_is_killed_makes_every_write_of_its_handlers_once(tmp_path: Path, step: str) -> None:
    carried_out: dict[tuple[str, int], set[str]] = defaultdict(set)

    def reply(heard: Heard) -> tuple[int, dict[str, str], bytes]:
        """A service that honours keys: what counts is how many keys came for one thing."""
        name, number = json.loads(heard.body)
        key = heard.headers["idempotency-key"]
        carried_out[name, number].add(key)
        return 201, {"Content-Type": "application/json"}, json.dumps({"key": key}).encode()

    acknowledged: dict[str, str] = {}
    with service(reply) as shop:
        for number in range(ROUNDS):
            printed = until_killed(ASKER, tmp_path, shop.address, step, 1 + number % 4)
            acknowledged |= dict(line.split() for line in printed.splitlines())
        door = Door(tmp_path, hosts=f"{shop.address}=Idempotency-Key")
        runs = _settled(door)
        contacts = door.do("$.Contact.find(limit=100)")
    assert {each["status"] for each in runs} == {"Succeeded"}
    assert acknowledged.items() <= {each["$id"]: each["name"] for each in contacts}.items()
    for each in contacts:
        keys = [carried_out[each["name"], place] for place in (0, 1, 2)]
        assert [len(key) for key in keys] == [1, 1, 1]
        assert each["title"] == f"{min(keys[1])} {min(keys[2])}"
    # What a unit that was cut off had asked is in the log as well, and so is every call of every run.
    logged = {(row["after"]["run"], row["after"]["position"]) for row in _events(door)}
    told = {tuple(key.rsplit("-", 1)) for keys in carried_out.values() for key in keys}
    assert {(run, str(place)) for run, place in logged} >= told
    door.close()


def _settled(door: Door) -> list[dict[str, Any]]:
    """The runs of handlers, once none of them waits."""

    def runs() -> list[dict[str, Any]]:
        return door.do("$.runs.list(kind='after', limit=100)")

    return until(runs, lambda found: not any(each["status"] in ("Waiting", "Retrying") for each in found))


def _events(door: Door) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = 0
    while page := door.do(f"$.events.list(type='Effect', after={after}, limit=100)"):
        found += page
        after = page[-1]["seq"]
    return found
