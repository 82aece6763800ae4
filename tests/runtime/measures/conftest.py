"""An empty business, and a calendar to lead it through."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.runtime.door import Door
from tests.runtime.measures.calendar import Calendar, opened


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture
def business(tmp_path: Path, calendar: Calendar) -> Generator[Door]:
    """An empty tenant on the first of April 2026, at noon."""
    door = opened(tmp_path, calendar)
    yield door
    door.close()
