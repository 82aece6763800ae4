"""What must be true of a tenant's file at any moment, read from its tables and compared with the model."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import rfc8785

from runtime import check
from runtime.filters import matches, parse_filter
from runtime.own_nouns import NOUN
from runtime.sql import Sql
from runtime.store import EventRow
from runtime.tenant import Tenant
from tests.simulation.model import Body, Event, Model, stamp
from tests.simulation.shapes import Key

EVENTS_READ_MAX = 10_000


class Finding(Exception):
    """Something is not as it was promised."""


def expect_equal(what: str, found: Any, promised: Any) -> None:
    if found != promised:
        raise Finding(f"{what}\n    found    {found!r}\n    promised {promised!r}")


def events_after(tenant: Tenant, seq: int) -> list[EventRow]:
    """The log from a position on."""
    return tenant.file.events(Sql("seq > ?", (seq,)), limit=EVENTS_READ_MAX)


def compare_event(row: EventRow, event: Event) -> None:
    """A row of the log with what the model says of it; `run` and `at` are known only of what is in the log."""
    payload: Body = json.loads(row.payload or "{}")
    found = [row.type, row.verb, row.event, row.entity, row.version]
    promised = [event.type, event.verb, f"{event.type}.{event.past}", event.id, event.version]
    expect_equal(f"event {row.seq}", found, promised)
    expect_equal(
        f"what event {row.seq} ({row.event}) holds",
        payload,
        {"after": event.body, "changed": event.changed, "input": event.input},
    )
    _compare_leaf(row)


def _compare_leaf(row: EventRow) -> None:
    """The leaf commits to the envelope and, through the salt, to the payload."""
    assert row.salt is not None and row.payload is not None
    envelope: Body = {
        "actor": row.actor,
        "at": stamp(row.at.replace(tzinfo=UTC)),
        "entity": row.entity,
        "event": row.event,
        "payload": hashlib.sha256(row.salt + row.payload.encode()).hexdigest(),
        "seq": row.seq,
        "type": row.type,
        "verb": row.verb,
        "version": row.version,
    }
    envelope |= {name: value for name in ("cause", "run", "via") if (value := getattr(row, name)) is not None}
    expect_equal(f"the leaf of event {row.seq}", row.leaf, hashlib.sha256(b"\0" + rfc8785.dumps(envelope)).digest())


def inspect(tenant: Tenant, model: Model) -> None:
    """Compare everything that is stored with the model. Raises Finding."""
    rows = events_after(tenant, 0)
    expect_equal("the positions in the log", [row.seq for row in rows], list(range(1, len(model.log) + 1)))
    for row, event in zip(rows, model.log, strict=True):
        compare_event(row, event)
        expect_equal(f"run and time of event {row.seq}", (row.run, row.at.replace(tzinfo=UTC)), (event.run, event.at))
    for name in ("Noun", *model.shapes):
        _compare_table(tenant, model, name)
    uniques = {f"{noun}.{name}={value}": id for (noun, name, value), id in model.uniques().items()}
    expect_equal("the unique values", dict(_all(tenant, '"unique"')), uniques)


def inspect_itself(tenant: Tenant) -> None:
    """The runtime's own check of tables against log finds nothing. Raises Finding."""
    nouns = [tenant.vocabulary.noun(name) for name in tenant.vocabulary.names]
    expect_equal("the self-check", check.differences(tenant.file, [*nouns, NOUN]), [])


def _compare_table(tenant: Tenant, model: Model, name: str) -> None:
    noun = NOUN if name == NOUN.name else tenant.vocabulary.noun(name)
    if tenant.file.table(noun) is None:
        expect_equal(f"the entities of {name}, which has no table", model.of(name), {})
        return
    columns = tenant.file.columns[noun.key]
    found = {row[0]: dict(zip(columns, row, strict=True)) for row in _all(tenant, f'"{noun.key}"')}
    expect_equal(f"the ids in the table of {name}", sorted(found), sorted(model.of(name)))
    numbers = {event.id: place for place, event in reversed(list(enumerate(model.log, 1)))}
    latest = {event.id: place for place, event in enumerate(model.log, 1)}
    for id, row in found.items():
        body = model.body(id)
        assert body is not None
        stored = model.renamed(name, json.loads(row.pop("$body")))
        expect_equal(f"the body of {id}", stored, body)
        promised = {"$id": id, "$seq": latest[id], "$number": numbers[id], "$version": body["$version"]}
        promised |= {key: _naive(body.get(key)) for key in ("$createdAt", "$updatedAt", "$deletedAt")}
        promised["$createdBy"] = body["$createdBy"]
        keys: Mapping[str, Key] = model.shapes[name].keys if name in model.shapes else {}
        promised |= {key: _column(keys[key], body.get(key)) for key in keys}
        expect_equal(f"the row of {id}", {key: row[key] for key in promised}, promised)
        strays = {
            key: row[key] for key in row.keys() - promised.keys() if row[key] is not None and name in model.shapes
        }
        expect_equal(f"the other columns of {id}", strays, {})


def _all(tenant: Tenant, table: str) -> list[tuple[Any, ...]]:
    return tenant.file.rows(Sql(f"SELECT * FROM {tenant.file.catalog}.{table}"))


def _column(key: Key, value: Any) -> Any:
    if value is None:
        return None
    match key.kind:
        case "date":
            return date.fromisoformat(value)
        case "datetime":
            return _naive(value)
        case _:
            return value


def _naive(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=None)


def selected(tenant: Tenant, model: Model, type: str, filter: Mapping[str, Any], now: datetime) -> list[str]:
    """The ids that a filter selects, by the reader that needs no database."""
    noun = tenant.vocabulary.noun(type)
    read = parse_filter(filter, noun, tenant.vocabulary, now=now)
    graph = _Live(model)
    return sorted(id for id, body in model.live(type).items() if matches(read, body, graph))


class _Live:
    """The model's live entities, as the reader walks them."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def get(self, noun_name: str, id: str) -> Mapping[str, Any] | None:
        body = self._model.body(id)
        return None if body is None or "$deletedAt" in body else body

    def related(self, noun_name: str, key: str, id: str) -> Iterable[Mapping[str, Any]]:
        for body in self._model.live(noun_name).values():
            held: str | Sequence[str] | None = body.get(key)
            if held == id or (isinstance(held, list) and id in held):
                yield body
