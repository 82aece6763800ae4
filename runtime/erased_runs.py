"""The ledger after an erasure: which runs may hold what was erased, and what is left of them.

What a run printed, was given and was told as an error is text that anybody's data may stand in. It goes where the run had
to do with an erased entity, and where a value of that entity stands in it; who ran what, when and how it ended stays.
"""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import msgspec

from runtime import entity as entities
from runtime.canonical import canonical
from runtime.entity import Body, Entity
from runtime.ledger import TOUCHED_MAX
from runtime.noun import Noun
from runtime.own_nouns import RUN
from runtime.sql import Sql
from runtime.store import TenantFile
from runtime.values import STRING_TYPES
from runtime.vocabulary import Vocabulary

# Shorter ones stand in every second text.
VALUE_CHARS_MIN = 3
# With more values than this, or more events to read them from, the texts of all runs go.
VALUES_MAX = 1_000
EVENTS_MAX = 10_000
_ROWS_AT_ONCE = 1_000
_SECONDS_MAX = 600.0

ERASED = "what it said was erased"

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def runs_of_erased(file: TenantFile, vocabulary: Vocabulary) -> list[str]:
    """The ids of runs whose texts may hold what was erased, as long as the file still holds it."""
    table = file.table(RUN)
    if table is None:
        return []
    events = f"{file.catalog}.events"
    erased = f"(SELECT entity FROM {events} WHERE verb = 'erase')"
    sql = Sql(
        f"""SELECT "$id" FROM {table} WHERE entity IN {erased} OR len(touched) >= {TOUCHED_MAX}
            OR list_has_any(touched, (SELECT list(entity) FROM {erased}))
            OR "$id" IN (SELECT run FROM {events} WHERE entity IN {erased})"""
    )
    found = {id for (id,) in file.rows(sql, timeout_s=_SECONDS_MAX)}
    values = values_of_erased(file, vocabulary)
    if values is None:
        sql = Sql(f'SELECT "$id" FROM {table}')
    else:
        # As the text of an output has them, and as JSON has them.
        texts = [sorted(values), [canonical(value).decode()[1:-1] for value in sorted(values)]]
        sql = Sql(
            f"""SELECT DISTINCT "$id" FROM {table} JOIN (SELECT unnest(?) AS plain, unnest(?) AS quoted) AS value
                ON contains(output, plain) OR contains(error::VARCHAR, quoted) OR contains(input::VARCHAR, quoted)""",
            (*texts,),
        )
    found |= {id for (id,) in file.rows(sql, timeout_s=_SECONDS_MAX)}
    return sorted(found)


def values_of_erased(file: TenantFile, vocabulary: Vocabulary) -> set[str] | None:
    """The texts that erased entities held, in any of their versions; None where they are too many to look for."""
    events = f"{file.catalog}.events"
    held = Sql(
        f"verb <> 'erase' AND payload IS NOT NULL AND entity IN (SELECT entity FROM {events} WHERE verb = 'erase')"
    )
    found: set[str] = set()
    rows = file.events(held, limit=EVENTS_MAX + 1)
    for row in rows:
        noun = vocabulary.noun(row.type)
        found.update(_texts(noun, _decode(row.payload or "{}")))
        if len(found) > VALUES_MAX:
            return None
    return found if len(rows) <= EVENTS_MAX else None


def without_texts(file: TenantFile, ids: list[str]) -> Iterator[list[tuple[Any, ...]]]:
    """The rows of these runs without their texts, in pieces."""
    table = file.table(RUN)
    for begin in range(0, len(ids) if table else 0, _ROWS_AT_ONCE):
        piece = ids[begin : begin + _ROWS_AT_ONCE]
        sql = f'SELECT "$id", "$number", "$seq", "$body" FROM {table} WHERE "$id" IN (SELECT unnest(?))'
        rows: list[tuple[Any, ...]] = []
        for id, number, seq, text in file.rows(Sql(sql, (piece,))):
            before = entities.decoded(RUN, id, number, text)
            run = Entity(RUN.name, id, before.version, number, _left(before.body))
            rows.append(entities.row(RUN, run, seq, run.encoded()))
        yield rows


def _left(body: Mapping[str, Any]) -> Body:
    """A run without its texts; when it was due is told by its input, and no text of anybody."""
    gone = {"output", "error", *(() if body["kind"] == "schedule" else ("input",))}
    left = {key: value for key, value in body.items() if key not in gone}
    if "error" in body:
        left["error"] = {"code": body["error"]["code"], "message": ERASED}
    return left


def _texts(noun: Noun, payload: Mapping[str, Any]) -> Iterator[str]:
    for key, value in payload.get("after", {}).items():
        field = noun.fields.get(key)
        if not key.startswith("$") and (field is None or field.type in (*STRING_TYPES, "json")):
            yield from _texts_in(value)
    yield from _texts_in(payload.get("input"))


def _texts_in(value: object) -> Iterator[str]:
    """Every text in a JSON value; it is as deep as a stored value may be."""
    if isinstance(value, str):
        if len(value) >= VALUE_CHARS_MIN:
            yield value
    elif isinstance(value, dict):
        for each in cast("dict[str, object]", value).values():
            yield from _texts_in(each)
    elif isinstance(value, list):
        for each in cast("list[object]", value):
            yield from _texts_in(each)
