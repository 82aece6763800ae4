"""A short run of every target, the same each time; `make fuzz` runs them for as long as it is told."""

from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

from tests.fuzz.targets import TARGETS, target
from tests.runtime.door import Door

SHORT = settings(
    max_examples=200,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large),
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Generator[Door]:
    door = Door(tmp_path_factory.mktemp("fuzz") / "data")
    yield door
    door.close()


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_breaks_what_reads_it(house: Door, name: str) -> None:
    SHORT(target(name, house))()
