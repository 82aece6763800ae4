"""An engine whose calendar stands still until a test turns it."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tests.runtime.door import Clock, Door


class Calendar(Clock):
    """A clock that shows noon of one day: first the 1st of April 2026."""

    def __init__(self) -> None:
        super().__init__()
        self.turn("2026-04-01")

    def __call__(self) -> datetime:
        return self.at

    def turn(self, day: str) -> None:
        """Go on to noon of a day."""
        self.at = datetime.fromisoformat(day).replace(hour=12, tzinfo=UTC)


def opened(folder: Path, calendar: Calendar) -> Door:
    """An empty tenant that goes by this calendar."""
    door = Door(folder / "data")
    door.clock, door.options = calendar, replace(door.options, clock=calendar)
    door.reopen()
    return door
