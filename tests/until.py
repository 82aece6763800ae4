"""Waiting for what another thread or process does and tells nobody of."""

import threading
from collections.abc import Callable
from time import monotonic
from typing import TypeVar

SECONDS_MAX = 60.0  # longer than anything takes here, and shorter than a test may
LOOK_EVERY_S = 0.01  # often enough not to be felt, and the waiting leaves the processor to what it waits for

Seen = TypeVar("Seen")


def until(look: Callable[[], Seen], is_so: Callable[[Seen], bool] = bool) -> Seen:
    """What a look shows as soon as it is so; where it never becomes so, the test fails with what it shows instead."""
    end = monotonic() + SECONDS_MAX
    while not is_so(seen := look()):
        assert monotonic() < end, f"after {SECONDS_MAX:.0f} s it is still {seen}"
        threading.Event().wait(LOOK_EVERY_S)
    return seen
