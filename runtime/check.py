"""The self-check: the tables are what the log says they are, and nothing else."""

from collections.abc import Iterator, Sequence

import msgspec

from runtime import body_sql, values
from runtime import entity as entities
from runtime.entity import Body
from runtime.errors import VerbenaError
from runtime.noun import Field, Noun
from runtime.perform import unique_keys
from runtime.sql import Sql, quoted
from runtime.store import Key, TenantFile, key_text, schema

# A check compares so many rows, or events, at a time, so that its memory does not grow with the tenant.
ROWS_MAX = 5_000
EVENTS_MAX = 50_000
# Their payloads have at most so many bytes, and those of a vector, which each step of a query makes anew, so many.
BYTES_MAX = 32 << 20
VECTOR_BYTES_MAX = 4 << 20
VECTOR_ROWS = 2_048
FINDINGS_MAX = 100

Span = tuple[int, int]

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
    spans = list(_spans(file, events, high or 0))
    for noun in nouns:
        table = file.table(noun)
        if table is None:
            continue
        yield from _rows_that_differ(file, noun, table, events, spans)
        yield from _columns_that_differ(file, noun, table, spans)
        yield from _uniques_that_differ(file, noun, table)


def _spans(file: TenantFile, events: str, last: int) -> Iterator[Span]:
    """The log in pieces whose payloads have room in memory: after which position each begins, and with which it ends."""
    sizes = (
        f"SELECT sum(strlen(payload)) AS bytes FROM {events} WHERE seq > ? AND seq <= ? GROUP BY seq // {VECTOR_ROWS}"
    )
    begin, step = 0, EVENTS_MAX
    while begin < last:
        total, largest = file.rows(
            Sql(f"SELECT coalesce(sum(bytes), 0), coalesce(max(bytes), 0) FROM ({sizes})", (begin, begin + step))
        )[0]
        if step > 1 and (total > BYTES_MAX or largest > VECTOR_BYTES_MAX):
            step //= 2
            continue
        yield begin, begin + step
        begin, step = begin + step, min(2 * step, EVENTS_MAX)


def _rows_that_differ(file: TenantFile, noun: Noun, table: str, events: str, spans: Sequence[Span]) -> Iterator[str]:
    latest = f"SELECT entity, max(seq) AS seq, min(seq) AS number FROM {events} WHERE type = ? GROUP BY entity"
    sql = f"""SELECT coalesce(log.entity, t."$id")
        FROM ({latest}) AS log FULL JOIN (SELECT "$id", "$seq", "$number" FROM {table}) AS t ON log.entity = t."$id"
        WHERE log.entity IS NULL OR t."$id" IS NULL OR t."$seq" <> log.seq OR t."$number" <> log.number
        LIMIT {FINDINGS_MAX}"""
    for (id,) in file.rows(Sql(sql, (noun.name,))):
        yield f"the row of {id} is not that of the latest event of it"
    # Both are canonical JSON, so the stored entity stands in the payload letter by letter.
    for span in spans:
        sql = f"""SELECT t."$id" FROM (SELECT "$id", "$seq", "$body" FROM {table} WHERE "$seq" > ? AND "$seq" <= ?) AS t
            JOIN (SELECT seq, payload FROM {events} WHERE seq > ? AND seq <= ? AND type = ?) AS log ON log.seq = t."$seq"
            WHERE NOT starts_with(log.payload, '{{"after":' || t."$body" || ',"changed":') LIMIT {FINDINGS_MAX}"""
        for (id,) in file.rows(Sql(sql, (*span, *span, noun.name))):
            yield f"the row of {id} is not what the latest event of it left"


def _columns_that_differ(file: TenantFile, noun: Noun, table: str, spans: Sequence[Span]) -> Iterator[str]:
    # Reading JSON takes a few megabytes for each value and thread; writing it takes none, and most rows are right.
    again = body_sql.written(noun, [key for key in noun.fields if key in file.columns[noun.key]])
    for span in spans:
        sql = f'SELECT "$id" FROM {table} WHERE "$seq" > ? AND "$seq" <= ? AND "$body" IS DISTINCT FROM {again}'
        ids = file.rows(Sql(sql, span))
        for first in range(0, len(ids), ROWS_MAX):
            yield from _exactly_differing(file, noun, table, [id for (id,) in ids[first : first + ROWS_MAX]])


def _exactly_differing(file: TenantFile, noun: Noun, table: str, ids: list[str]) -> Iterator[str]:
    """Those of some rows whose columns are not what their body says; SQL writes some numbers and texts in other ways."""
    columns = schema.columns(noun)
    sql = f'SELECT {", ".join(map(quoted, columns))} FROM {table} WHERE "$id" IN (SELECT unnest(?))'
    for row in file.rows(Sql(sql, (ids,))):
        found = dict(zip(columns, row, strict=True))
        id, seq, number, text = (found[name] for name in ("$id", "$seq", "$number", "$body"))
        try:
            written = entities.row(noun, entities.decoded(noun, id, number, text), seq, text)
        except (msgspec.DecodeError, ValueError, KeyError, TypeError, AttributeError, VerbenaError):
            yield f"the body of {id} is no entity"
            continue
        wrong = [name for name, value in zip(columns, written, strict=True) if found[name] != value]
        if wrong:
            yield f"the columns of {id} are not what its body says: {', '.join(wrong)}"


def _uniques_that_differ(file: TenantFile, noun: Noun, table: str) -> Iterator[str]:
    for field in noun.fields.values():
        if field.unique:
            text = values.sql_type(field) == "VARCHAR"  # then the column holds what the unique value is made of
            yield from (_texts_that_differ if text else _others_that_differ)(file, noun, table, field)


def _texts_that_differ(file: TenantFile, noun: Noun, table: str, field: Field) -> Iterator[str]:
    begin = key_text((noun.name, field.name, ""))
    column = quoted(field.name)
    sql = f"""SELECT held.id, t."$id"
        FROM (SELECT key, id FROM {file.catalog}."unique" WHERE starts_with(key, ?)) AS held
        FULL JOIN (SELECT ? || {column} AS key, "$id" FROM {table}
            WHERE "$deletedAt" IS NULL AND {column} IS NOT NULL) AS t
        ON held.key = t.key AND held.id = t."$id" WHERE held.id IS NULL OR t."$id" IS NULL LIMIT {FINDINGS_MAX}"""
    for holder, id in file.rows(Sql(sql, (begin, begin))):
        yield _not_held(noun, field, id) if holder is None else _held_in_vain(noun, field, holder)


def _others_that_differ(file: TenantFile, noun: Noun, table: str, field: Field) -> Iterator[str]:
    begin = key_text((noun.name, field.name, ""))
    unique = f'{file.catalog}."unique"'
    at, counted = 0, 0
    while True:
        sql = f"""SELECT "$number", "$id", "$body" FROM {table} WHERE "$deletedAt" IS NULL AND "$number" > ?
            ORDER BY "$number" LIMIT {ROWS_MAX}"""
        rows = file.rows(Sql(sql, (at,)))
        keys = {key: id for _, id, text in rows for key in _keys(noun, field, text)}
        owners = file.owners(keys) if keys else {}
        counted += len(owners)
        for key, id in keys.items():
            if owners.get(key) != id:
                yield _not_held(noun, field, id)
        if len(rows) < ROWS_MAX:
            break
        at = rows[-1][0]
    if file.rows(Sql(f"SELECT count(*) FROM {unique} WHERE starts_with(key, ?)", (begin,)))[0][0] == counted:
        return
    last = ""
    while True:
        sql = f"SELECT key, id FROM {unique} WHERE starts_with(key, ?) AND key > ? ORDER BY key LIMIT {ROWS_MAX}"
        held = file.rows(Sql(sql, (begin, last)))
        bodies = file.bodies(noun, {id for _, id in held})
        for key, id in held:
            body = bodies[id][1] if id in bodies else "{}"
            if key not in map(key_text, _keys(noun, field, body)):
                yield _held_in_vain(noun, field, id)
        if len(held) < ROWS_MAX:
            break
        last = held[-1][0]


def _keys(noun: Noun, field: Field, text: str) -> list[Key]:
    """The value of a unique field that an entity has a right to, if any."""
    try:
        body = entities.renamed(noun, _decode(text))
    except msgspec.DecodeError:
        return []  # that is told of its row
    return [] if "$deletedAt" in body else [key for key in unique_keys(noun, body) if key[1] == field.name]


def _not_held(noun: Noun, field: Field, id: str) -> str:
    return f"{noun.name}.{field.name} of {id} is not among the unique values"


def _held_in_vain(noun: Noun, field: Field, id: str) -> str:
    return f"a unique value of {noun.name}.{field.name} is held for {id}, which does not have it"
