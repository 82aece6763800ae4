"""kill -9 at any step loses nothing that was acknowledged and leaves nothing half written."""

from pathlib import Path

import pytest

from runtime.check import differences
from runtime.engine import Engine
from runtime.noun import Noun
from runtime.tenant import Tenant
from tests.runtime.until_killed import until_killed

WRITER = Path(__file__).with_name("writes_until_killed.py")
STEPS = ("staging", "before commit", "in commit", "after commit")
ROUNDS = 50


@pytest.mark.timeout(300)
def test_a_killed_writer_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    acknowledged: dict[str, int] = {}
    for number in range(ROUNDS):
        step, occurrence = STEPS[number % len(STEPS)], 3 + number % 7
        for line in until_killed(WRITER, tmp_path, step, occurrence).splitlines():
            id, version = line.split()
            acknowledged[id] = max(int(version), acknowledged.get(id, 0))
        if number % 5 == 4:
            _assert_whole(tmp_path, acknowledged)
    assert len(acknowledged) > ROUNDS


def _assert_whole(data: Path, acknowledged: dict[str, int]) -> None:
    engine = Engine(data)
    try:
        tenant = engine.tenant("default")
        contact = tenant.vocabulary.noun("Contact")
        assert differences(tenant.file, _nouns(tenant)) == []
        for id, version in acknowledged.items():
            found = tenant.graph.get(contact, id)
            assert found is not None and found.version >= version
    finally:
        engine.close()


def _nouns(tenant: Tenant) -> list[Noun]:
    return [tenant.vocabulary.noun(name) for name in tenant.vocabulary.names]
