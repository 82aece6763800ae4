"""Idempotency keys: the first answer is kept with the unit that it tells of, and given again to whoever repeats the call."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timedelta

from runtime.clock import Clock
from runtime.errors import Conflict, InvalidArguments, Timeout
from runtime.sql import Sql
from runtime.store import TenantFile

KEPT = timedelta(hours=24)
KEY_CHARS_MAX = 255
# A repeated call waits this long for the first one; that is longer than any `do` may take.
WAIT_SECONDS_MAX = 250.0


class Answers:
    """The answers of one tenant's calls that came with a key."""

    def __init__(self, file: TenantFile, clock: Clock) -> None:
        self._file = file
        self._clock = clock
        self._running: set[str] = set()
        self._ended = threading.Condition()

    @contextmanager
    def first(self, key: str, body: str) -> Generator[str | None]:
        """The answer that the first call with this key got, as JSON text; None for whoever is the first.

        `body` stands for what is asked: with another one the key is refused as a conflict. While the first call runs, the
        others wait; one that failed leaves no answer, and the next one runs.
        """
        if not 1 <= len(key) <= KEY_CHARS_MAX:
            raise InvalidArguments(f"idempotencyKey is a text of 1 to {KEY_CHARS_MAX} characters")
        with self._ended:
            if not self._ended.wait_for(lambda: key not in self._running, WAIT_SECONDS_MAX):
                raise Timeout("the first call with this idempotencyKey has not ended", hint="ask again later")
            self._running.add(key)
        try:
            yield self._kept(key, body)
        finally:
            with self._ended:
                self._running.discard(key)
                self._ended.notify_all()

    def forget_old(self) -> None:
        """Drop what nobody can ask for any more. The caller holds the writer's lock."""
        since = (self._clock() - KEPT).replace(tzinfo=None)
        self._file.execute(f'DELETE FROM {self._file.catalog}."$answers" WHERE "at" < ?', (since,))

    def _kept(self, key: str, body: str) -> str | None:
        since = (self._clock() - KEPT).replace(tzinfo=None)
        sql = f'SELECT body, answer FROM {self._file.catalog}."$answers" WHERE key = ? AND "at" > ? ORDER BY "at" DESC LIMIT 1'
        rows = self._file.rows(Sql(sql, (key, since)))
        if not rows:
            return None
        asked, answer = rows[0]
        if asked != body:
            raise Conflict(
                "this idempotencyKey was used for something else",
                hint="take a new key for every thing that is to be done",
            )
        return answer


def kept_row(key: str, body: str, at: datetime, answer: str) -> tuple[str, str, datetime, str]:
    """The row that keeps an answer."""
    return (key, body, at.replace(tzinfo=None), answer)
