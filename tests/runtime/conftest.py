"""An engine on an empty data folder."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.runtime.door import Door


@pytest.fixture
def door(tmp_path: Path) -> Generator[Door]:
    door = Door(tmp_path / "data")
    yield door
    door.close()
