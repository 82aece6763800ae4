"""The self-check: the tables are what the log says they are, and nothing else."""

from collections.abc import Iterator

import msgspec

from runtime.entity import Body
from runtime.noun import Noun
from runtime.perform import unique_keys
from runtime.sql import Sql
from runtime.store import TenantFile, key_of

# A check reads the log and the tables in pieces of this many rows, so that its memory does not grow with the tenant.
ROWS_MAX = 5_000
FINDINGS_MAX = 100

_decode = msgspec.json.Decoder(Body).decode


def differences(file: TenantFile, nouns: list[Noun]) -> list[str]:
    """What does not agree, a sentence each; empty where all is well. At most a hundred are told."""
    found: list[str] = []
    for finding in _findings(file, nouns):
        found.append(finding)
        if len(found) >= FINDINGS_MAX:
            break
    return found


def _findings(file: TenantFile, nouns: list[Noun]) -> Iterator[str]:
    events = f"{file.catalog}.events"
    count, low, high = file.rows(Sql(f"SELECT count(*), min(seq), max(seq) FROM {events}"))[0]
    if count and (low, high) != (1, count):
        yield f"the log has {count} events, numbered from {low} to {high}"
    for (entity,) in file.rows(
        Sql(
            f"SELECT entity FROM {events} GROUP BY entity HAVING max(version) <> count(*) OR min(version) <> 1 LIMIT 100"
        )
    ):
        yield f"the versions of {entity} are not 1, 2, 3, … without a gap"
    for noun in nouns:
        table = file.table(noun)
        if table is None:
            continue
        yield from _rows_that_differ(file, noun, table, events)
        yield from _uniques_that_differ(file, noun, table)


def _rows_that_differ(file: TenantFile, noun: Noun, table: str, events: str) -> Iterator[str]:
    latest = f"""SELECT entity, arg_max(payload, seq) AS payload, max(seq) AS seq, min(seq) AS number
        FROM {events} WHERE type = ? GROUP BY entity"""
    sql = f"""SELECT coalesce(log.entity, t."$id") FROM ({latest}) AS log FULL JOIN {table} AS t ON log.entity = t."$id"
        WHERE log.entity IS NULL OR t."$id" IS NULL OR t."$seq" <> log.seq OR t."$number" <> log.number
        OR (log.payload IS NOT NULL AND json_extract(log.payload, '$.after') <> t."$body"::JSON) LIMIT {FINDINGS_MAX}"""
    for (id,) in file.rows(Sql(sql, (noun.name,))):
        yield f"the row of {id} is not what the latest event of it left"


def _uniques_that_differ(file: TenantFile, noun: Noun, table: str) -> Iterator[str]:
    held = {
        key_of(text)[1:]: id
        for text, id in file.rows(
            Sql(f'SELECT key, id FROM {file.catalog}."unique" WHERE starts_with(key, ?)', (f"{noun.name}.",))
        )
    }
    if not any(field.unique for field in noun.fields.values()):
        return
    at = 0
    while True:
        rows = file.rows(
            Sql(
                f"""SELECT "$number", "$id", "$body" FROM {table} WHERE "$deletedAt" IS NULL AND "$number" > ?
                ORDER BY "$number" LIMIT {ROWS_MAX}""",
                (at,),
            )
        )
        for _, id, text in rows:
            for _, field, value in unique_keys(noun, _decode(text)):
                if held.pop((field, value), None) != id:
                    yield f"{noun.name}.{field} of {id} is not among the unique values"
        if len(rows) < ROWS_MAX:
            break
        at = rows[-1][0]
    for (field, _), id in held.items():
        yield f"a unique value of {noun.name}.{field} is held for {id}, which does not have it"
