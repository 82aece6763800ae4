"""Engines on an empty data folder."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.runtime.door import Door
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
