"""The graph as it was: the same queries over typed rows of what every event left, each valid from one position to another.

These rows are folded from the log when somebody first asks for the past of a noun, and kept up from then on. They are a
cache: dropped and folded anew whenever the noun changes.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

import msgspec

from runtime import body_sql, moments, values
from runtime.declaration import from_data
from runtime.entity import Entity, renamed
from runtime.errors import InvalidArguments
from runtime.ids import event_seq
from runtime.noun import Noun
from runtime.own_nouns import NOUN
from runtime.sql import Sql, quoted
from runtime.store import Key, TenantFile, schema
from runtime.vocabulary import Vocabulary

# Folded in one transaction: large enough to be quick, small enough that it fits into memory, and that no writer waits long
# behind it.
EVENTS_AT_ONCE = 20_000

# DuckDB reads the JSON of so many rows at once, and needs many times their size for it; the instance may use 192 MB.
VECTOR_ROWS = 2_048
VECTOR_BYTES_MAX = 4 << 20

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class History:
    """The rows of one tenant's past. `pause` holds the writer off, since a checkpoint fails beside another transaction;
    `fold_in` makes one where it is due.
    """

    def __init__(
        self, file: TenantFile, pause: Callable[[], AbstractContextManager[Any]], fold_in: Callable[[], None]
    ) -> None:
        self._file = file
        self._pause = pause
        self._fold_in = fold_in
        self._lock = threading.Lock()
        self._generation = 0  # another one after every change of a noun: what was folded before no longer counts
        self._folded: dict[str, tuple[int, int]] = {}  # noun → generation, position up to which its events are folded
        self._deleted: dict[str, tuple[int, int | None]] = {}  # noun → looked up to, position of its first deletion

    def table(self, noun: Noun, seq: int) -> str | None:
        """What stands in a FROM clause for a noun's rows as they were at a position; None where there were none."""
        if self._file.table(noun) is None:
            return None
        self._fold(noun, seq)
        return (
            f'(SELECT * FROM {self._name(noun)} WHERE "$seq" <= {seq:d} AND ("$until" IS NULL OR "$until" > {seq:d}))'
        )

    def first_known(self, noun: Noun, then: int, seq: int) -> str | None:
        """The same as `table` at `then`, with what the log heard of only later, up to `seq`, as it first heard of it."""
        if self._file.table(noun) is None:
            return None
        self._fold(noun, seq)
        return (
            f'(SELECT * FROM {self._name(noun)} WHERE ("$seq" <= {then:d} AND ("$until" IS NULL OR "$until" > {then:d}))'
            f' OR ("$number" > {then:d} AND "$seq" = "$number" AND "$seq" <= {seq:d}))'
        )

    def has_deleted(self, noun: Noun, seq: int) -> bool:
        """Whether an entity of a noun had been deleted by then, also one that was restored since."""
        looked, first = self._deleted.get(noun.name, (0, None))
        if first is None and looked < seq:
            sql = f"SELECT min(seq) FROM {self._file.catalog}.events WHERE type = ? AND verb IN ('delete', 'erase') AND seq > ?"
            first = self._file.rows(Sql(sql + " AND seq <= ?", (noun.name, looked, seq)))[0][0]
            self._deleted[noun.name] = (seq, first)
        return first is not None and first <= seq

    def keep_up(self, seq: int, noun_of: Callable[[str], Noun]) -> None:
        """Fold what came since for the nouns that somebody asked about."""
        for name in list(self._folded):
            self._fold(noun_of(name), seq)

    def outdated(self) -> None:
        """Nouns have changed: what is folded no longer fits. Takes no lock, so the writer may call it in its turn."""
        self._generation += 1

    def _fold(self, noun: Noun, seq: int) -> None:
        generation = self._generation
        known = self._folded.get(noun.name)
        if known is not None and known[0] == generation and known[1] >= seq:
            return
        with self._lock:
            known = self._folded.get(noun.name)
            folded = known[1] if known is not None and known[0] == generation else self._begin(noun)
            self._folded[noun.name] = (generation, folded)
            step = EVENTS_AT_ONCE
            while folded < seq:
                until = min(seq, folded + step)
                if step > 1 and not self._fits(noun, folded, until):
                    step //= 2
                    continue
                with self._pause():
                    self._fold_between(noun, folded, until)
                folded, step = until, min(2 * step, EVENTS_AT_ONCE)
                self._folded[noun.name] = (generation, folded)
                self._fold_in()  # else all of a long past would lie in the WAL, and in memory, until the tenant rests

    def _fits(self, noun: Noun, after: int, until: int) -> bool:
        """Whether the JSON of what happened to a noun between two positions has room in memory."""
        sizes = f"""SELECT strlen(payload) AS bytes, row_number() OVER (ORDER BY seq) // {VECTOR_ROWS} AS vector
            FROM {self._file.catalog}.events WHERE type = ? AND seq > ? AND seq <= ?"""
        sql = f"SELECT max(bytes) FROM (SELECT sum(bytes) AS bytes FROM ({sizes}) GROUP BY vector)"
        (largest,) = self._file.rows(Sql(sql, (noun.name, after, until)))[0]
        return largest is None or largest <= VECTOR_BYTES_MAX

    def _begin(self, noun: Noun) -> int:
        """The position up to which a noun is folded already; where nothing fits it, its table is made anew."""
        key = noun.key + "$past"
        if key in self._file.columns and set(self._file.columns[key]) == {*schema.columns(noun), "$until"}:
            return self._file.rows(Sql(f'SELECT coalesce(max("$seq"), 0) FROM {self._name(noun)}'))[0][0]
        with self._pause():
            self._file.execute(f"DROP TABLE IF EXISTS {self._name(noun)}")
            kinds = [(name, kind.removesuffix(" PRIMARY KEY")) for name, kind in schema.OWN_COLUMNS]
            kinds += [(field.name, values.sql_type(field)) for field in noun.fields.values()]
            columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in [*kinds, ("$until", "BIGINT")])
            self._file.execute(f"CREATE TABLE {self._name(noun)} ({columns})")
            self._file.columns = {**self._file.columns, key: [*schema.columns(noun), "$until"]}
        return 0

    def _fold_between(self, noun: Noun, after: int, until: int) -> None:
        name, events = self._name(noun), f"{self._file.catalog}.events"
        bounds = (noun.name, after, until)
        # The rows that were the last of their entity end where the entity's next event begins.
        close = f"""UPDATE {name} SET "$until" = coming.seq FROM (
                SELECT entity, min(seq) AS seq FROM {events} WHERE type = ? AND seq > ? AND seq <= ? GROUP BY entity
            ) AS coming WHERE "$until" IS NULL AND "$id" = coming.entity"""
        # Ends and numbers are worked out for the positions alone: a window holds all that goes through it, and the payloads
        # of a piece would not fit into memory.
        numbers = f"""SELECT "$id" AS entity, "$number" AS number FROM {name} WHERE "$seq" = "$number\""""
        spans = f"""SELECT seq, lead(seq) OVER (PARTITION BY entity ORDER BY seq) AS until,
                coalesce(known.number, min(seq) OVER (PARTITION BY entity)) AS number
            FROM (SELECT seq, entity FROM {events} WHERE type = ? AND seq > ? AND seq <= ? AND payload IS NOT NULL)
            LEFT JOIN ({numbers}) AS known USING (entity)"""
        body = body_sql.Pieces("payload", "after")
        columns = [_own(body, column) for column, _ in schema.OWN_COLUMNS]
        columns += [body.value(noun, field) for field in noun.fields.values()]
        fold = f"""INSERT INTO {name} SELECT {", ".join(columns)}, until
            FROM (
                SELECT seq, entity, version, number, until, {body.read()}
                FROM (SELECT * FROM {events} WHERE type = ? AND seq > ? AND seq <= ?) JOIN ({spans}) USING (seq)
            )"""
        self._file.execute("BEGIN")
        try:
            self._file.execute(close, bounds)
            self._file.execute(fold, bounds + bounds)
            self._file.execute("COMMIT")
        except BaseException:
            self._file.execute("ROLLBACK")
            raise

    def _name(self, noun: Noun) -> str:
        return f"{self._file.catalog}.{quoted(noun.key + '$past')}"


class Past:
    """The view of what was committed at a position of the log."""

    def __init__(self, file: TenantFile, history: History, seq: int) -> None:
        self._file = file
        self._history = history
        self.seq = seq

    def get(self, noun: Noun, id: str) -> Entity | None:
        return self.get_many(noun, [id]).get(id)

    def get_many(self, noun: Noun, ids: Iterable[str]) -> dict[str, Entity]:
        events = f"{self._file.catalog}.events"
        sql = f"""SELECT entity, min(seq), arg_max(payload, seq) FROM {events}
            WHERE entity IN (SELECT unnest(?)) AND type = ? AND seq <= ? GROUP BY entity"""
        rows = self._file.rows(Sql(sql, (list(ids), noun.name, self.seq)))
        return {
            id: Entity(noun.name, id, body["$version"], number, renamed(noun, body))
            for id, number, payload in rows
            if payload is not None
            for body in (_decode(payload)["after"],)
        }

    def earlier(self, noun: Noun, id: str, version: int) -> dict[str, Any] | None:
        raise InvalidArguments("the past cannot be written", hint="leave out asOf")

    def owner(self, key: Key) -> str | None:
        raise InvalidArguments("the past cannot be written", hint="leave out asOf")

    def staged(self, noun: Noun) -> Mapping[str, Entity]:
        return {}

    def has_deleted(self, noun: Noun) -> bool:
        return self._history.has_deleted(noun, self.seq)

    def table(self, noun: Noun) -> str | None:
        return self._history.table(noun, self.seq)

    def rows(self, sql: Sql) -> list[tuple[Any, ...]]:
        return self._file.rows(sql)


def vocabulary(file: TenantFile, catalogue: Vocabulary, seq: int) -> Vocabulary:
    """The shipped nouns as they are, and those of the tenant as they were at a position of the log."""
    events = f"{file.catalog}.events"
    sql = f"SELECT arg_max(payload, seq) FROM {events} WHERE type = ? AND seq <= ? GROUP BY entity ORDER BY min(seq)"
    rows = file.rows(Sql(sql, (NOUN.name, seq)))
    return catalogue.with_nouns(from_data(_decode(payload)["after"]["declaration"]) for (payload,) in rows)


def position(file: TenantFile, given: Any, *, now: datetime, head: int, what: str = "asOf") -> int:
    """The position of the log that `asOf` names: itself, an event's id, or what was committed at or before a time."""
    seq = event_seq(given)
    if seq is None and type(given) is int and given >= 0:
        seq = given
    if seq is not None:
        if seq > head:
            raise InvalidArguments(
                f"the log ends at {head}, {what} names {seq}", hint="take an earlier position, or a time"
            )
        return seq
    span = moments.read(given, now=now) if isinstance(given, str) else None
    if span is None:
        raise InvalidArguments(
            f"{what} is a time or a position of the log, not {given!r:.80}",
            hint='such as "2026-11-21T10:00:00Z", "7d ago" or 42',
        )
    # A day means its end: "as of the 21st" includes what happened on it.
    rows = file.rows(
        Sql(
            f'SELECT coalesce(max(seq), 0) FROM {file.catalog}.events WHERE "at" <= ?',
            (span.start if not span.day else span.end - timedelta(microseconds=1),),
        )
    )
    return rows[0][0]


def _own(body: body_sql.Pieces, column: str) -> str:
    """How a column that every noun has is read."""
    match column:
        case "$id":
            return "entity"
        case "$seq":
            return "seq"
        case "$number":
            return "number"
        case "$version":
            return "version"
        case "$body":
            return f"CAST({body.piece()} AS VARCHAR)"
        case "$createdBy":
            return body.text(column)
        case _:
            return body.time(column)
