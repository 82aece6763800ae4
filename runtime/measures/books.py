"""The books of a business at one moment: the tables that a formula reads, and, beside them, those of the window's start."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar

from runtime.graph import Source, View
from runtime.noun import Noun
from runtime.past import History
from runtime.sql import Sql, quoted
from runtime.store import TenantFile
from runtime.vocabulary import Vocabulary

# Whatever is said "of late" is said of this long before the moment; a month's worth, the same in every month.
WINDOW = timedelta(days=30)
# Amounts from here on are left out: so their sums fit into a DECIMAL(38, 12), whatever the number of rows.
AMOUNT_BELOW = 10**13
# Below this, a double times a million is still exact to the unit, and DuckDB casts it a hundred times as fast as its text.
_EXACT_BELOW = 9 * 10**9

Answer = TypeVar("Answer")

_OWN = ("$id", "$number", "$createdAt", "$updatedAt")


@dataclass(frozen=True, kw_only=True)
class Books:
    """What was committed at `at`, which is naive and means UTC; of the present, with what the unit staged over it."""

    file: TenantFile
    history: History
    view: View
    vocabulary: Vocabulary
    at: datetime
    seq: int  # the position of the log that `view` shows
    _known: dict[str, Any] = field(default_factory=dict[str, Any])  # what several formulas ask alike

    @property
    def start(self) -> datetime:
        """The start of the window that ends at `at`."""
        return max(self.at, datetime.min + WINDOW) - WINDOW  # the calendar has a first day

    @property
    def first_day(self) -> date:
        """The first of the days that the window counts by, the present one being the last."""
        return self.start.date() + timedelta(days=1)

    def rows(self, sql: Sql) -> list[tuple[Any, ...]]:
        """Everything that a query gives."""
        return self.view.rows(sql)

    def once(self, name: str, body: Callable[[], Answer]) -> Answer:
        """What `body` gives, worked out the first time that somebody asks under this name."""
        if name not in self._known:
            self._known[name] = body()
        return self._known[name]

    def table(self, name: str, *keys: str) -> Sql:
        """What stands in a FROM clause for the live entities of a noun: `$id` and the like, and `keys`."""
        noun = self.vocabulary.noun(name)
        return _shaped(noun, keys, self._stored(noun, keys))

    def table_at_start(self, name: str, *keys: str) -> Sql:
        """The same as it was at the start of the window; what the log learned of later, as it was when it did: then
        `$then` is FALSE.

        So a business whose books were brought in last week has a month behind it. What is deleted by now is no part
        of either: to delete is to say that it never was.
        """
        noun = self.vocabulary.noun(name)
        then = self.history.first_known(noun, self._start_seq, self.seq)
        if then is None:
            return _shaped(noun, keys, self._stored(noun, keys), then="TRUE", where="FALSE")
        live = Sql('"$id" IN (SELECT "$id" FROM ') + self.table(name) + ")" if self.view.has_deleted(noun) else "TRUE"
        return _shaped(noun, keys, Sql(then), then=f'"$seq" <= {self._start_seq:d}', where=live)

    def _stored(self, noun: Noun, keys: Sequence[str]) -> Sql:
        columns = {*_OWN, *(_present(noun, key) for key in keys)}
        return Source(self.view).table(noun, frozenset(columns))

    @cached_property
    def _start_seq(self) -> int:
        sql = f'SELECT coalesce(max(seq), 0) FROM {self.file.catalog}.events WHERE "at" <= ? AND seq <= ?'
        return self.file.rows(Sql(sql, (self.start, self.seq)))[0][0]


def exact(held: str) -> str:
    """SQL of a number as DECIMAL(19, 6); NULL for what is missing or out of bounds."""
    return (
        f"CASE WHEN abs({held}) < {_EXACT_BELOW} THEN CAST({held} AS DECIMAL(19, 6))"
        f" WHEN abs({held}) < {AMOUNT_BELOW} THEN CAST(CAST({held} AS VARCHAR) AS DECIMAL(19, 6)) END"
    )


def currency(held: str) -> str:
    """SQL of a currency's code in capitals; NULL for what is none: a code has three letters."""
    return f"CASE WHEN length(trim({held})) = 3 THEN upper(trim({held})) END"


def _present(noun: Noun, key: str) -> str:
    """What a key is called by now: a tenant may have renamed it."""
    return noun.renamed.get(key, key)


def _shaped(noun: Noun, keys: Sequence[str], table: Sql, *, then: str = "", where: Sql | str = "TRUE") -> Sql:
    columns = [quoted(name) for name in _OWN]
    columns += [f"{quoted(_present(noun, key))} AS {quoted(key)}" for key in keys]
    columns += [f'{then} AS "$then"'] if then else []
    return Sql(f"(SELECT {', '.join(columns)} FROM ") + table + ' WHERE "$deletedAt" IS NULL AND ' + where + ")"
