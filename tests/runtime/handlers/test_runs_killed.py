"""kill -9 at any step of handlers: nothing acknowledged is lost, what waited is run, and nothing is done twice."""

import json
from collections import defaultdict
from pathlib import Path

import pytest

from runtime.sql import Sql
from tests.runtime.door import Door
from tests.runtime.handlers.told import Told, settle
from tests.runtime.outside.service import Heard, service
from tests.runtime.until_killed import until_killed

RUNNER = Path(__file__).with_name("runs_until_killed.py")
STEPS = ("before BEFORE", "after BEFORE", "in commit", "before AFTER", "after AFTER", "before failure", "in retry")
ROUNDS = 10  # of each step; what one process left open, the next one tries again, and may die in it


@pytest.mark.timeout(300)
@pytest.mark.parametrize("step", STEPS)
def test_a_killed_engine_runs_every_handler_once_in_effect(tmp_path: Path, step: str) -> None:
    keys: dict[str, set[str]] = defaultdict(set)

    def reply(heard: Heard) -> tuple[int, dict[str, str], bytes]:
        """A service that honours keys: what counts is how many keys came for one contact."""
        key = heard.headers["idempotency-key"]
        keys[json.loads(heard.body)].add(key)
        return 201, {"Content-Type": "application/json"}, json.dumps({"key": key}).encode()

    acknowledged: dict[str, str] = {}
    with service(reply) as shop:
        for number in range(ROUNDS):
            printed = until_killed(RUNNER, tmp_path, shop.address, step, 2 + number)
            acknowledged |= dict(line.split() for line in printed.splitlines())
        door = Door(tmp_path, hosts=f"{shop.address}=Idempotency-Key")
        try:
            _retry_all(door)
            with door.tenant.writer.pause():
                told = Told(door.tenant)
                findings = told.findings({})
            contacts = _rows(door, 'SELECT "$id", name, title FROM {}.contact')
            notes = _rows(door, "SELECT subject, description FROM {}.activity")
        finally:
            door.engine.close()
    assert findings == []
    assert {body["status"] for _, body in told.runs.values() if body["kind"] == "after"} == {"Succeeded"}
    assert acknowledged.items() <= {id: name for id, name, _ in contacts}.items()
    assert {title for _, _, title in contacts} == {"seen"}
    assert {name: len(of) for name, of in keys.items()} == {name: 1 for _, name, _ in contacts}
    done = [(name, said) for _, name, _ in contacts for said in ("before", "needs", min(keys[name]))]
    assert sorted(notes) == sorted(done)


def _retry_all(door: Door) -> None:
    """Give what failed what it fails without, until nothing fails or waits."""
    assert settle(door.tenant) == []
    while failed := door.do("$.runs.list(kind='after', status='Failed', limit=50)"):
        for run in failed:
            name = door.do(f"$.Contact.get({run['entity']!r}).name")
            door.do(
                f"$.Organization.findOne(name={name!r}) or $.Organization.create(name={name!r})\n"
                f"$.runs.retry({run['$id']!r})"
            )
        assert settle(door.tenant) == []


def _rows(door: Door, sql: str) -> list[tuple[str, ...]]:
    return door.tenant.file.rows(Sql(sql.format(door.tenant.file.catalog)))
