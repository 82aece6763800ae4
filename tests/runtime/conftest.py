"""Engines on an empty data folder, and a calendar to lead one of them through."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.runtime.door import Door
from tests.runtime.measures.calendar import Calendar, opened
from tests.runtime.outside.service import Service


@pytest.fixture
def door(tmp_path: Path) -> Generator[Door]:
    door = Door(tmp_path / "data")
    yield door
    door.close()


@pytest.fixture
def open_door(tmp_path: Path, shop: Service) -> Generator[Door]:
    """An engine whose tenants may ask the shop, which honours keys."""
    door = Door(tmp_path / "data", hosts=f"{shop.address}=Idempotency-Key")
    yield door
    door.close()


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture
def business(tmp_path: Path, calendar: Calendar) -> Generator[Door]:
    """An empty tenant on the first of April 2026, at noon."""
    door = opened(tmp_path, calendar)
    yield door
    door.close()
