"""Who goes next where many want the same entities: after two conflicts a unit takes its ids, and the others wait for it."""

import threading
import time
from collections.abc import Collection, Generator
from contextlib import contextmanager

# Nobody waits longer than this for somebody else's unit; then the version check at commit decides alone.
WAIT_SECONDS_MAX = 30.0


class Reservations:
    """Ids that belong to one unit until it has committed. All of a unit's ids are taken at once, so nobody can deadlock."""

    def __init__(self) -> None:
        self._owner: dict[str, object] = {}
        self._changed = threading.Condition()

    @contextmanager
    def held(self, ids: Collection[str]) -> Generator[object]:
        """Take these ids as soon as they are free; the token tells `wait_for` whose they are."""
        token = object()
        with self._changed:
            self._wait(token, ids)
            for id in ids:
                self._owner[id] = token
        try:
            yield token
        finally:
            with self._changed:
                for id in ids:
                    if self._owner.get(id) is token:
                        del self._owner[id]
                self._changed.notify_all()

    def wait_for(self, token: object, ids: Collection[str]) -> None:
        """Return when nobody else holds any of these ids."""
        if self._owner:
            with self._changed:
                self._wait(token, ids)

    def _wait(self, token: object, ids: Collection[str]) -> None:
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while any(self._owner.get(id, token) is not token for id in ids):
            left = deadline - time.monotonic()
            if left <= 0 or not self._changed.wait(left):
                return
