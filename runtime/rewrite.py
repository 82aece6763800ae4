"""A tenant's file written anew: from its log alone, to prove that the tables follow from it, or without what was erased."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from runtime import entity as entities
from runtime.canonical import canonical
from runtime.declaration import from_data
from runtime.entity import Entity
from runtime.noun import Noun
from runtime.perform import unique_keys
from runtime.sql import Sql, quoted
from runtime.store import Batch, Instance, TenantFile, key_text, schema
from runtime.vocabulary import Vocabulary

# Rows are written in pieces of this many, so that memory does not grow with the tenant.
ROWS_AT_ONCE = 5_000
_EVENTS_AT_ONCE = 100_000

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def rebuilt(instance: Instance, file: TenantFile, path: Path, catalogue: Vocabulary, special: list[Noun]) -> TenantFile:
    """A new file at `path` whose tables are folded from the log of `file` alone; the caller closes it.

    `special` are the nouns of the runtime itself: the noun of nouns, and those that stand in the log beside it.
    """
    made = TenantFile(instance, path, f"{file.name} rebuilt")
    try:
        _fold_tables(file, made, catalogue, special)
    except BaseException:
        made.close()
        raise
    return made


def _fold_tables(file: TenantFile, made: TenantFile, catalogue: Vocabulary, special: list[Noun]) -> None:
    _copy_log(file, made)
    vocabulary = catalogue
    for noun in special:
        if noun.name == "Noun":
            found = [from_data(entity.body["declaration"]) for _, _, entity in _folded(made, noun)]
            vocabulary = vocabulary.with_nouns(found)
    for noun in [*special, *(vocabulary.noun(name) for name in vocabulary.names)]:
        batch = Batch(nouns={noun.name: noun})
        for seq, text, entity in _folded(made, noun):
            rows = batch.new.setdefault(noun.name, [])
            rows.append(entities.row(noun, entity, seq, text))
            if not entity.deleted:
                batch.taken += [(key_text(key), entity.id) for key in unique_keys(noun, entity.body)]
            if len(rows) >= ROWS_AT_ONCE:
                made.commit(batch)
                batch = Batch(nouns={noun.name: noun})
        if batch.new:
            made.commit(batch)


def differing(file: TenantFile, other: TenantFile, nouns: list[Noun]) -> list[str]:
    """The tables whose rows are not the same in both files, a sentence each."""
    found: list[str] = []
    for noun in nouns:
        ours, theirs = file.table(noun), other.table(noun)
        if ours is None and theirs is None:
            continue
        if ours is None or theirs is None:
            found.append(f"{noun.name} has a table in one of the two only")
            continue
        found += _rows_that_differ(file, noun.name, ours, theirs, ", ".join(map(quoted, schema.columns(noun))))
    ours, theirs = f'{file.catalog}."unique"', f'{other.catalog}."unique"'
    return found + _rows_that_differ(file, "the unique values", ours, theirs, "key, id")


def without_erased(instance: Instance, file: TenantFile, path: Path) -> TenantFile:
    """A new file at `path` with everything that is to be kept, and nothing of the entities that were erased.

    Of their events the envelope stays, and in place of the salt the salted hash, so that every leaf can still be checked.
    Answers and plans are left out: they hold what entities were. The caller closes it.
    """
    made = TenantFile(instance, path, f"{file.name} rewritten")
    try:
        _copy_what_is_kept(instance, file, made)
    except BaseException:
        made.close()
        raise
    return made


def _copy_what_is_kept(instance: Instance, file: TenantFile, made: TenantFile) -> None:
    erased = f"(SELECT entity FROM {file.catalog}.events WHERE verb = 'erase')"
    gone = f"entity IN {erased} AND verb <> 'erase'"
    _copy_log(
        file,
        made,
        payload=f"CASE WHEN {gone} THEN NULL ELSE payload END",
        salt=f"CASE WHEN {gone} AND payload IS NOT NULL THEN unhex(sha256(salt || payload::BLOB)) ELSE salt END",
    )
    cursor = instance.cursor()
    kept = "SELECT table_name, sql FROM duckdb_tables() WHERE database_name = ?"
    for table, statement in cursor.execute(kept, [file.name]).fetchall():
        if table in ("events", "meta", "$answers", "$plans") or table.endswith("$past"):
            continue
        if table not in ("unique", "$tiles"):
            _, _, columns = statement.partition("(")
            cursor.execute(f"CREATE TABLE {made.catalog}.{quoted(table)}({columns}")
        cursor.execute(f"INSERT INTO {made.catalog}.{quoted(table)} SELECT * FROM {file.catalog}.{quoted(table)}")


def unfinished_erasures(file: TenantFile) -> int:
    """How many events of erased entities still have their payload: the file must be written anew."""
    events = f"{file.catalog}.events"
    if not file.rows(Sql(f"SELECT 1 FROM {events} WHERE verb = 'erase' LIMIT 1")):
        return 0
    sql = f"""SELECT count(*) FROM {events} WHERE payload IS NOT NULL AND verb <> 'erase'
        AND entity IN (SELECT entity FROM {events} WHERE verb = 'erase')"""
    return file.rows(Sql(sql))[0][0]


def _copy_log(file: TenantFile, made: TenantFile, *, payload: str = "payload", salt: str = "salt") -> None:
    columns = schema.EVENT_COLUMNS
    picked = ", ".join({"payload": payload, "salt": salt}.get(name, name) for name in columns.split(", "))
    head, _ = file.head()
    for after in range(0, head, _EVENTS_AT_ONCE):
        made.execute(
            f"INSERT INTO {made.catalog}.events ({columns}) SELECT {picked} FROM {file.catalog}.events "
            f"WHERE seq > {after} AND seq <= {after + _EVENTS_AT_ONCE} ORDER BY seq"
        )


def _folded(file: TenantFile, noun: Noun) -> Iterator[tuple[int, str, Entity]]:
    """Every entity of a noun as its latest event left it, with that event's position and words, in the order of creation."""
    events = f"{file.catalog}.events"
    latest = f"""SELECT entity, min(seq) AS number, max(seq) AS seq, arg_max(payload, seq) AS payload
        FROM {events} WHERE type = ? GROUP BY entity"""
    # Folded once, then read in pieces: a group over the whole log for every piece would be quadratic.
    folded = f'{file.catalog}."$folded"'
    file.execute(f"CREATE OR REPLACE TABLE {folded} AS SELECT * FROM ({latest}) ORDER BY number", (noun.name,))
    at = 0
    while True:
        sql = f"SELECT number, entity, seq, payload FROM {folded} WHERE number > ? ORDER BY number LIMIT {ROWS_AT_ONCE}"
        rows = file.rows(Sql(sql, (at,)))
        for number, id, seq, payload in rows:
            after = _decode(payload)["after"]
            text = canonical(after).decode()  # as it was written; only its columns have the present names
            body = entities.renamed(noun, after)
            yield seq, text, Entity(noun.name, id, body["$version"], number, body)
        if len(rows) < ROWS_AT_ONCE:
            break
        at = rows[-1][0]
    file.execute(f"DROP TABLE {folded}")


def _rows_that_differ(file: TenantFile, what: str, ours: str, theirs: str, columns: str) -> list[str]:
    sql = f"""SELECT (SELECT count(*) FROM (SELECT {columns} FROM {ours} EXCEPT ALL SELECT {columns} FROM {theirs})),
        (SELECT count(*) FROM (SELECT {columns} FROM {theirs} EXCEPT ALL SELECT {columns} FROM {ours}))"""
    more, less = file.rows(Sql(sql), timeout_s=600.0)[0]
    if not more and not less:
        return []
    return [f"{what}: {more} rows are not what the log gives, {less} that it gives are missing"]
