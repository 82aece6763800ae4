"""A tenant's file written anew: from its log alone, to prove that the tables follow from it, or without what was erased.

What does not follow from the log is carried over: the ledger of runs, and answers that a repeated call gets again.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from runtime import entity as entities
from runtime.declaration import from_data
from runtime.entity import Entity
from runtime.erased_runs import runs_of_erased, without_texts
from runtime.noun import Noun
from runtime.own_nouns import RUN
from runtime.perform import unique_keys
from runtime.sql import Sql, quoted
from runtime.store import Batch, Instance, TenantFile, key_text, schema
from runtime.vocabulary import Vocabulary

# Rows are written in pieces of this many, so that memory does not grow with the tenant.
ROWS_AT_ONCE = 5_000
_EVENTS_AT_ONCE = 100_000
# And compared in pieces of about as many: a join holds those of one side, each as its key and a hash.
ROWS_COMPARED = 500_000
COMPARISON_SECONDS_MAX = 600.0


class _Payload(msgspec.Struct):
    """The part of an event's payload that is the entity, as it was written."""

    after: msgspec.Raw


_decode = msgspec.json.Decoder(_Payload).decode
_decode_body = msgspec.json.Decoder(dict[str, Any]).decode


def rebuilt(instance: Instance, file: TenantFile, path: Path, catalogue: Vocabulary, special: list[Noun]) -> TenantFile:
    """A new file at `path` whose tables are folded from the log of `file` alone; the caller closes it.

    The log, and what does not follow from it, is not in it before `complete`. `special` are the nouns of the runtime
    itself: the noun of nouns, and those that stand in the log beside it.
    """
    made = TenantFile(instance, path, f"{file.name} rebuilt", logged=False)
    try:
        _fold_tables(file, made, catalogue, special)
        made.checkpoint()  # what was only committed would stay in memory, and the comparison needs that
    except BaseException:
        made.close()
        raise
    return made


def _fold_tables(file: TenantFile, made: TenantFile, catalogue: Vocabulary, special: list[Noun]) -> None:
    vocabulary = catalogue
    for noun in special:
        if noun.name == "Noun":
            found = [from_data(entity.body["declaration"]) for _, _, entity in _folded(file, made, noun)]
            vocabulary = vocabulary.with_nouns(found)
    for noun in [*special, *(vocabulary.noun(name) for name in vocabulary.names)]:
        batch = Batch(nouns={noun.name: noun})
        for seq, text, entity in _folded(file, made, noun):
            rows = batch.new.setdefault(noun.name, [])
            rows.append(entities.row(noun, entity, seq, text))
            if not entity.deleted:
                batch.taken += [(key_text(key), entity.id) for key in unique_keys(noun, entity.body)]
            if len(rows) >= ROWS_AT_ONCE:
                made.commit(batch)
                batch = Batch(nouns={noun.name: noun})
        if batch.new:
            made.commit(batch)


def complete(file: TenantFile, made: TenantFile) -> None:
    """Give a file that was rebuilt its log, its ledger and its answers, so that it can stand in the other's place."""
    _copy_log(file, made)
    _copy_ledger(file, made, but=[])
    made.execute(f'INSERT INTO {made.catalog}."$answers" SELECT * FROM {file.catalog}."$answers"')
    made.checkpoint()


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
        found += _rows_that_differ(file, noun.name, ours, theirs, schema.columns(noun))
    ours, theirs = f'{file.catalog}."unique"', f'{other.catalog}."unique"'
    return found + _rows_that_differ(file, "the unique values", ours, theirs, ["key", "id"])


def without_erased(instance: Instance, file: TenantFile, path: Path, vocabulary: Vocabulary) -> TenantFile:
    """A new file at `path` with everything that is to be kept, and nothing of the entities that were erased.

    Of their events the envelope stays, and in place of the salt the salted hash, so that every leaf can still be checked.
    So it is with the events of runs whose texts may hold what was erased, see `runtime.erased_runs`. Answers and plans are
    left out: they hold what entities were. The caller closes it.
    """
    made = TenantFile(instance, path, f"{file.name} rewritten")
    try:
        _copy_what_is_kept(instance, file, made, runs_of_erased(file, vocabulary))
    except BaseException:
        made.close()
        raise
    return made


def _copy_what_is_kept(instance: Instance, file: TenantFile, made: TenantFile, runs: list[str]) -> None:
    forgotten = f'{made.catalog}."$forgotten"'
    made.execute(f"CREATE TABLE {forgotten} AS SELECT unnest(?::VARCHAR[]) AS entity", (runs,))
    made.execute(f"INSERT INTO {forgotten} SELECT DISTINCT entity FROM {file.catalog}.events WHERE verb = 'erase'")
    gone = f"entity IN (SELECT entity FROM {forgotten}) AND verb <> 'erase'"
    _copy_log(
        file,
        made,
        payload=f"CASE WHEN {gone} THEN NULL ELSE payload END",
        salt=f"CASE WHEN {gone} AND payload IS NOT NULL THEN unhex(sha256(salt || encode(payload))) ELSE salt END",
    )
    made.execute(f"DROP TABLE {forgotten}")
    _copy_ledger(file, made, but=runs)
    cursor = instance.cursor()
    kept = "SELECT table_name, sql FROM duckdb_tables() WHERE database_name = ?"
    for table, statement in cursor.execute(kept, [file.name]).fetchall():
        if table in ("events", "meta", "$answers", "$plans", RUN.key) or table.endswith("$past"):
            continue
        if table not in ("unique", "$tiles"):
            _, _, columns = statement.partition("(")
            cursor.execute(f"CREATE TABLE {made.catalog}.{quoted(table)}({columns}")
        cursor.execute(f"INSERT INTO {made.catalog}.{quoted(table)} SELECT * FROM {file.catalog}.{quoted(table)}")


def _copy_ledger(file: TenantFile, made: TenantFile, *, but: list[str]) -> None:
    """Copy every run, `but` these without their texts: what was in a new file for a moment would stay in its bytes."""
    table = file.table(RUN)
    if table is None:
        return
    made.commit(Batch(nouns={RUN.name: RUN}))  # makes its table
    others = f'SELECT * FROM {table} WHERE "$id" NOT IN (SELECT unnest(?::VARCHAR[])) ORDER BY "$number"'
    made.execute(f"INSERT INTO {made.table(RUN)} BY NAME {others}", (but,))
    for rows in without_texts(file, but):
        made.commit(Batch(nouns={RUN.name: RUN}, new={RUN.name: rows}))


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


def _folded(file: TenantFile, made: TenantFile, noun: Noun) -> Iterator[tuple[int, str, Entity]]:
    """Every entity of a noun as its latest event left it, with that event's position and words, in the order of those."""
    events, latest = f"{file.catalog}.events", f'{made.catalog}."$latest"'
    # Positions alone, for the payloads would not fit into memory; found once, then the log is read along in pieces.
    found = f"SELECT max(seq) AS seq, min(seq) AS number, entity FROM {events} WHERE type = ? GROUP BY entity"
    made.execute(f"CREATE OR REPLACE TABLE {latest} AS SELECT * FROM ({found}) ORDER BY seq", (noun.name,))
    at = 0
    while True:
        (last,) = made.rows(
            Sql(
                f"SELECT max(seq) FROM (SELECT seq FROM {latest} WHERE seq > ? ORDER BY seq LIMIT {ROWS_AT_ONCE})",
                (at,),
            )
        )[0]
        if last is None:
            break
        sql = f"""SELECT log.seq, number, log.entity, payload
            FROM (SELECT * FROM {latest} WHERE seq > ? AND seq <= ?) AS entity
            JOIN (SELECT seq, entity, payload FROM {events} WHERE seq > ? AND seq <= ?) AS log ON log.seq = entity.seq
            ORDER BY log.seq"""
        for seq, number, id, payload in file.rows(Sql(sql, (at, last, at, last))):
            after = _decode(payload).after
            body = entities.renamed(noun, _decode_body(after))  # only its columns have the present names
            yield seq, bytes(after).decode(), Entity(noun.name, id, body["$version"], number, body)
        at = last
    made.execute(f"DROP TABLE {latest}")


def _rows_that_differ(file: TenantFile, what: str, ours: str, theirs: str, columns: list[str]) -> list[str]:
    """`columns` begin with the key. Compared are hashes over the whole rows, since whole rows do not fit into memory; they
    are 64 bits and no proof: that nobody meant to deceive, `log verify` tells.
    """
    ((count,),) = file.rows(Sql(f"SELECT greatest((SELECT count(*) FROM {ours}), (SELECT count(*) FROM {theirs}))"))
    parts = 1 + count // ROWS_COMPARED
    key, rows = quoted(columns[0]), f"hash({', '.join(map(quoted, columns))})"
    more, less = 0, 0
    for part in range(parts):
        of_part = f"WHERE hash({key}) % {parts} = {part}"
        sql = f"""SELECT count(a.key), count(b.key)
            FROM (SELECT {key} AS key, {rows} AS row FROM {ours} {of_part}) AS a
            FULL JOIN (SELECT {key} AS key, {rows} AS row FROM {theirs} {of_part}) AS b ON a.key = b.key
            WHERE a.row IS DISTINCT FROM b.row"""
        ((of_ours, of_theirs),) = file.rows(Sql(sql), timeout_s=COMPARISON_SECONDS_MAX)
        more, less = more + of_ours, less + of_theirs
    if not more and not less:
        return []
    return [f"{what}: {more} rows are not what the log gives, {less} that it gives are missing"]
