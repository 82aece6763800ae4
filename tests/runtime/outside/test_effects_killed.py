"""kill -9 between an intent, its call and its outcome: no write is lost, and none is carried out twice."""

import json
from collections import Counter
from pathlib import Path

import pytest

from runtime.outside.journal import Journal
from tests.runtime.outside.calls_until_killed import WRITES
from tests.runtime.outside.service import Heard, service
from tests.runtime.until_killed import until_ended, until_killed

CALLER = Path(__file__).with_name("calls_until_killed.py")
STEPS = ("before intent", "after intent", "after call", "after outcome")
ROUNDS = 12  # of each step


@pytest.mark.timeout(300)
@pytest.mark.parametrize("step", STEPS)
def test_a_killed_run_that_is_tried_again_makes_every_write_once(tmp_path: Path, step: str) -> None:
    path = tmp_path / "acme.effects"
    arrived: Counter[str] = Counter()

    def reply(heard: Heard) -> tuple[int, dict[str, str], bytes]:
        key = heard.headers["idempotency-key"]
        arrived[key] += 1
        # What it answers would differ between two times, if it did not keep its first answer.
        shown = firsts.setdefault(key, {"key": key, "times": arrived[key]})
        return 201, {"Content-Type": "application/json"}, json.dumps(shown).encode()

    firsts: dict[str, dict[str, object]] = {}
    with service(reply) as shop:
        for number in range(ROUNDS):
            run, occurrence = f"run_{number}", 1 + number % WRITES
            killed = until_killed(CALLER, path, shop.address, run, step, occurrence)
            ended = until_ended(CALLER, path, shop.address, run, "never", 1)
            assert ended.returncode == 0, ended.stderr
            told = ended.stdout.splitlines()
            assert told == [f"{each} {run}-{each + 1} 1" for each in range(WRITES)]
            assert told[: len(killed.splitlines())] == killed.splitlines()
    repeated = sum(arrived.values()) - ROUNDS * WRITES
    assert (len(arrived), repeated) == (ROUNDS * WRITES, ROUNDS if step == "after call" else 0)
    journal = Journal(path, "acme")
    assert (len(journal.unfolded()), journal.open_runs()) == (ROUNDS, {})
    journal.close()
