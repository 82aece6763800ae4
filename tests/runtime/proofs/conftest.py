"""A data folder with an engine, for each test its own."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.runtime.proofs.door import Door


@pytest.fixture
def door(tmp_path: Path) -> Generator[Door]:
    door = Door(tmp_path / "data")
    yield door
    door.close()
