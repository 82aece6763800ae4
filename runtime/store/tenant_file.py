"""One tenant's file: what is appended to it in a transaction, and the few ways in which it is read."""

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal, NamedTuple

import duckdb

from runtime.errors import Unavailable
from runtime.noun import Noun
from runtime.sql import Sql, quoted
from runtime.store import schema
from runtime.store.instance import QUERY_SECONDS_MAX, Instance
from runtime.store.keys import Key, key_text

# Past this much WAL a checkpoint is due at once: replaying 8 MB takes 0.4 s. A large file may have an eighth of its size,
# since every checkpoint writes its whole primary keys again: at a million rows that was four fifths of a bulk load.
WAL_BYTES_MAX = 32 << 20
WAL_BYTES_MOST = 256 << 20

# A checkpoint waits so long for queries that began before the latest change; whoever writes waits with it.
CHECKPOINT_PATIENCE_SECONDS = 2.0
CHECKPOINT_PAUSE_SECONDS = 0.01

IN_PARAMETERS_MAX = 50

# So many changed rows of a noun are written by a statement each, of the columns that changed; more by an appender, whole.
STATEMENTS_MAX = 3

# Appenders are kept, for making one costs as much as a statement; each has a chunk of its table in memory.
APPENDERS_MAX = 32

Row = tuple[Any, ...]


class EventRow(NamedTuple):
    """A row of `events`, in the order of its columns; a tuple, so that it can be appended as it is."""

    seq: int
    at: Any
    type: str
    verb: str
    event: str
    entity: str
    version: int
    actor: str
    cause: str | None
    run: str | None
    via: str | None
    payload: str | None
    salt: bytes | None
    leaf: bytes


@dataclass(slots=True)
class Batch:
    """Everything that one transaction writes."""

    events: list[EventRow] = field(default_factory=list[EventRow])
    new: dict[str, list[Row]] = field(default_factory=dict[str, list[Row]])  # noun → rows
    changed: dict[str, list[Row]] = field(default_factory=dict[str, list[Row]])
    before: dict[str, Row] = field(default_factory=dict[str, Row])  # id → the row that is changed, where it is known
    nouns: dict[str, Noun] = field(default_factory=dict[str, Noun])  # every noun named above
    redefined: dict[str, Noun] = field(default_factory=dict[str, Noun])  # their tables follow, where they have any
    taken: list[Row] = field(default_factory=list[Row])  # unique values: their text and their owner
    freed: list[Row] = field(default_factory=list[Row])  # their text
    answers: list[Row] = field(default_factory=list[Row])


class TenantFile:
    """A tenant's DuckDB file, attached to the instance."""

    def __init__(self, instance: Instance, path: Path, name: str, *, logged: bool = True) -> None:
        """Without `logged`, what is committed is durable only once it is checkpointed; for a file that is being made."""
        self.path = path
        self.name = name
        self.instance = instance
        self.catalog = instance.attach(path, name, logged=logged)
        # Only ever used by whoever holds the writer's lock, one thread at a time.
        self._writing = instance.cursor_apart()
        self._appenders: dict[tuple[str, str, tuple[str, ...] | None], Any] = {}  # the oldest first
        try:
            self._check_format()
            self.columns = self._read_columns()
        except duckdb.Error as error:
            instance.detach(self.catalog)
            raise Unavailable(
                f"{path.name} is damaged and was left as it is: {str(error).splitlines()[0][:200]}",
                hint="put a backup in its place",
            ) from error
        except Unavailable:
            instance.detach(self.catalog)
            raise

    # -- reading ---------------------------------------------------------------------------------------------------

    def rows(self, sql: Sql, *, timeout_s: float = QUERY_SECONDS_MAX) -> list[Row]:
        """Everything that a query gives, as tuples."""
        return self.instance.rows(sql, timeout_s=timeout_s)

    def table(self, noun: Noun) -> str | None:
        """The noun's table as it stands in SQL; None as long as nothing was written to it."""
        return f"{self.catalog}.{quoted(noun.key)}" if noun.key in self.columns else None

    def body(self, noun: Noun, id: str) -> tuple[int, str] | None:
        """`($number, $body)` of one entity, deleted or not."""
        table = self.table(noun)
        if table is None:
            return None
        found = self.rows(Sql(f'SELECT "$number", "$body" FROM {table} WHERE "$id" = ?', (id,)))
        return found[0] if found else None

    def bodies(self, noun: Noun, ids: Iterable[str]) -> dict[str, tuple[int, str]]:
        """`{id: ($number, $body)}` of several entities of one noun, in one query."""
        table = self.table(noun)
        if table is None:
            return {}
        wanted = list(ids)
        few = len(wanted) <= IN_PARAMETERS_MAX  # planned as look-ups by the key, a fifth quicker than a join
        among = ", ".join("?" * len(wanted)) if few else "SELECT unnest(?)"
        sql = f'SELECT "$id", "$number", "$body" FROM {table} WHERE "$id" IN ({among})'
        parameters = tuple(wanted) if few else (wanted,)
        return {id: (number, body) for id, number, body in self.rows(Sql(sql, parameters))}

    def owners(self, keys: Iterable[Key]) -> dict[Key, str]:
        """`{(noun, field, value): id}` for the unique values among these that somebody has."""
        texts = {key_text(key): key for key in keys}
        if len(texts) == 1:
            sql = Sql(f'SELECT key, id FROM {self.catalog}."unique" WHERE key = ?', tuple(texts))
        else:
            sql = Sql(f'SELECT key, id FROM {self.catalog}."unique" WHERE key IN (SELECT unnest(?))', (list(texts),))
        return {texts[text]: id for text, id in self.rows(sql)}

    def events(self, where: Sql, *, limit: int, newest_first: bool = False) -> list[EventRow]:
        """Rows of the log that fulfil a condition over its columns, in the order of `seq`."""
        order = "DESC" if newest_first else "ASC"
        sql = (
            f"SELECT {schema.EVENT_COLUMNS} FROM {self.catalog}.events WHERE "
            + where
            + f" ORDER BY seq {order} LIMIT {limit}"
        )
        return [EventRow(*row) for row in self.rows(sql)]

    def head(self) -> tuple[int, Any]:
        """`(seq, at)` of the latest event; `(0, None)` of an empty log."""
        found = self.rows(Sql(f'SELECT seq, "at" FROM {self.catalog}.events ORDER BY seq DESC LIMIT 1'))
        return (found[0][0], found[0][1]) if found else (0, None)

    # -- writing ---------------------------------------------------------------------------------------------------

    def commit(self, batch: Batch, *, step: Callable[[str], None] = lambda name: None) -> None:
        """Write a batch, all of it or nothing, durable when this returns; `step` hears when COMMIT is next."""
        cursor = self._writing
        made = dict(self.columns)
        cursor.execute("BEGIN")
        try:
            for noun in batch.redefined.values():
                if noun.key in made:
                    self._ensure_table(cursor, noun, made)
            for noun in batch.nouns.values():
                self._ensure_table(cursor, noun, made)
            self._append(cursor, f"{self.catalog}.events", batch.events)
            for name, rows in batch.new.items():
                noun = batch.nouns[name]
                self._append(cursor, f"{self.catalog}.{quoted(noun.key)}", rows, schema.columns(noun))
            for name, rows in batch.changed.items():
                self._change(cursor, batch.nouns[name], rows, batch.before)
            self._append(cursor, f'{self.catalog}."unique"', batch.freed, action="delete", key=["key"])
            self._append(cursor, f'{self.catalog}."unique"', batch.taken)
            self._append(cursor, f'{self.catalog}."$answers"', batch.answers)
            step("in commit")
            cursor.execute("COMMIT")
        except BaseException:
            self._appenders.clear()
            _rollback(cursor)
            raise
        if made != self.columns:
            self._appenders.clear()  # they know the tables as they were
        self.columns = made

    def migrate(self, nouns: Mapping[str, Noun]) -> None:
        """Bring the tables of nouns that changed since they were made up to date, in one transaction."""
        made = dict(self.columns)
        cursor = self.instance.cursor()
        cursor.execute("BEGIN")
        try:
            for noun in nouns.values():
                if noun.key in made:
                    self._ensure_table(cursor, noun, made)
            cursor.execute("COMMIT")
        except BaseException:
            _rollback(cursor)
            raise
        self.columns = made

    def execute(self, sql: str, parameters: tuple[Any, ...] = ()) -> None:
        """Change what is no part of the log or its tables. The caller holds the writer's lock."""
        self.instance.cursor().execute(sql, list(parameters))

    def wal_bytes(self) -> int:
        """The size of what a checkpoint would fold into the file."""
        try:
            return self.path.with_name(self.path.name + ".wal").stat().st_size
        except FileNotFoundError:
            return 0

    def wal_fullness(self) -> float:
        """The size of the WAL as a share of what it may have; from 1 on it is to be folded in even while others write."""
        return self.wal_bytes() / min(max(WAL_BYTES_MAX, self.path.stat().st_size // 8), WAL_BYTES_MOST)

    def checkpoint(
        self, *, patience_s: float = CHECKPOINT_PATIENCE_SECONDS, wait: Callable[[float], None] = time.sleep
    ) -> None:
        """Fold the WAL into the file. The caller holds the writer's lock.

        DuckDB keeps a committed change of rows or tables, and refuses to checkpoint, for as long as a query reads that
        began before it. Nobody writes meanwhile, so queries that begin now do not count, and the others are waited for,
        in pauses of so many seconds by `wait`. Raises Unavailable where one still reads after `patience_s`.
        """
        for _ in range(int(patience_s / CHECKPOINT_PAUSE_SECONDS)):
            try:
                return self._checkpoint()
            except duckdb.TransactionException:
                wait(CHECKPOINT_PAUSE_SECONDS)
        try:
            self._checkpoint()
        except duckdb.TransactionException as error:
            raise Unavailable(f"{self.path.name} is being read", hint="try again in a moment") from error

    def _checkpoint(self) -> None:
        self.instance.cursor().execute(f"CHECKPOINT {self.catalog}")

    def close(self) -> None:
        """Detach the file; DuckDB checkpoints it."""
        self._appenders.clear()
        self._writing.close()
        self.instance.detach(self.catalog)

    def _change(
        self, cursor: duckdb.DuckDBPyConnection, noun: Noun, rows: list[Row], before: Mapping[str, Row]
    ) -> None:
        """Write rows in the place of those with their ids."""
        table, columns = f"{self.catalog}.{quoted(noun.key)}", schema.columns(noun)
        if len(rows) > STATEMENTS_MAX or any(row[0] not in before for row in rows):
            self._append(cursor, table, rows, columns, action="update", key=["$id"])
            return
        for id, *values in rows:
            # What is the same stays: each column that is written costs, and most changes leave nearly all of them alone.
            changed = {
                name: value
                for name, was, value in zip(columns[1:], before[id][1:], values, strict=True)
                if name == "$seq" or was != value
            }
            places = ", ".join(f"{quoted(name)} = ?" for name in changed)
            cursor.execute(f'UPDATE {table} SET {places} WHERE "$id" = ?', [*changed.values(), id])

    def _append(
        self,
        cursor: duckdb.DuckDBPyConnection,
        table: str,
        rows: list[Any],
        columns: list[str] | None = None,
        *,
        action: Literal["insert", "update", "delete"] = "insert",
        key: list[str] | None = None,
    ) -> None:
        if action == "insert" and columns is not None and rows:
            rows, columns = _without_nulls(rows, columns)
        if len(rows) == 1 and action == "insert":
            # A statement of its own costs a lone row half of what an appender does.
            places = ", ".join("?" * len(rows[0]))
            names = "" if columns is None else f" ({', '.join(quoted(name) for name in columns)})"
            cursor.execute(f"INSERT INTO {table}{names} VALUES ({places})", list(rows[0]))
        elif rows:
            name = (table, action, None if columns is None else tuple(columns))
            appender = self._appenders.get(name)
            if appender is None:
                appender = self._appenders[name] = cursor.appender(table, columns=columns, action=action, key=key)
                if len(self._appenders) > APPENDERS_MAX:
                    del self._appenders[next(iter(self._appenders))]
            appender.append_rows(rows)
            appender.flush()

    def _ensure_table(self, cursor: duckdb.DuckDBPyConnection, noun: Noun, made: dict[str, list[str]]) -> None:
        columns = made.get(noun.key)
        if columns is None:
            cursor.execute(schema.create_table(self.catalog, noun))
            made[noun.key] = schema.columns(noun)
            return
        known = set(columns)
        if known.issuperset(noun.fields):
            return
        columns = list(columns)
        for former, present in noun.renamed.items():
            if former in known and present in noun.fields and present not in known:
                cursor.execute(schema.rename_column(self.catalog, noun, former, present))
                self._rename_uniques(cursor, noun, former, present)
                columns[columns.index(former)] = present
        for name in noun.fields.keys() - set(columns):
            cursor.execute(schema.add_column(self.catalog, noun, noun.fields[name]))
            columns.append(name)
        made[noun.key] = columns

    def _rename_uniques(self, cursor: duckdb.DuckDBPyConnection, noun: Noun, former: str, present: str) -> None:
        """The values of a unique key under its present name; inserted and deleted, since a key is never updated."""
        unique, began = f'{self.catalog}."unique"', key_text((noun.name, former, ""))
        begins = key_text((noun.name, present, ""))
        renamed = f"SELECT ? || substr(key, {len(began) + 1}), id FROM {unique} WHERE starts_with(key, ?)"
        cursor.execute(f"INSERT INTO {unique} {renamed}", [begins, began])
        cursor.execute(f"DELETE FROM {unique} WHERE starts_with(key, ?)", [began])

    def _check_format(self) -> None:
        cursor = self.instance.cursor()
        tables = {
            row[0]
            for row in cursor.execute(
                "SELECT table_name FROM duckdb_tables() WHERE database_name = ?", [_unquoted(self.catalog)]
            ).fetchall()
        }
        if tables and "meta" not in tables:
            raise Unavailable(
                f"{self.path.name} is a DuckDB file, but not a tenant of Verbena; it was left as it is",
                hint="move it out of the data folder",
            )
        if tables:
            found = cursor.execute(f"SELECT value FROM {self.catalog}.meta WHERE key = 'format'").fetchall()
            if not found or int(found[0][0]) > schema.FORMAT:
                raise Unavailable(
                    f"{self.path.name} was written by a newer version and was left as it is",
                    hint="update verbena, then open it again",
                )
        cursor.execute("BEGIN")
        for statement in schema.TABLES:
            cursor.execute(statement.format(catalog=self.catalog))
        if not tables:
            cursor.execute(f"INSERT INTO {self.catalog}.meta VALUES ('format', '{schema.FORMAT}')")
        cursor.execute("COMMIT")

    def _read_columns(self) -> dict[str, list[str]]:
        columns: dict[str, list[str]] = {}
        for table, column in self.rows(
            Sql(
                "SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = ? ORDER BY column_index",
                (_unquoted(self.catalog),),
            )
        ):
            columns.setdefault(table, []).append(column)
        return {table: names for table, names in columns.items() if "$id" in names}


def _without_nulls(rows: list[Row], columns: list[str]) -> tuple[list[Row], list[str]]:
    """The rows without the columns that none of them has a value in; that is what these have by themselves."""
    used = [place for place, column in enumerate(zip(*rows, strict=True)) if column.count(None) < len(rows)]
    take = itemgetter(*used)  # an entity's row has several at least
    return [take(row) for row in rows], [columns[place] for place in used]


def _rollback(cursor: duckdb.DuckDBPyConnection) -> None:
    with contextlib.suppress(duckdb.Error):  # a failed COMMIT has already ended the transaction
        cursor.execute("ROLLBACK")


def _unquoted(catalog: str) -> str:
    return catalog[1:-1].replace('""', '"')
