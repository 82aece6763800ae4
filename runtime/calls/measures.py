"""`Measure` and `Status`: what `fetch` and `$.status()` tell of the business, now or as of any moment."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from runtime import find, moments
from runtime.calls import arguments
from runtime.entity import missing
from runtime.errors import InvalidArguments, InvalidFields, InvalidId, NotFound, did_you_mean
from runtime.handlers.watches import Seen, is_metric
from runtime.measures import MEASURES, named
from runtime.measures.books import Books
from runtime.measures.history import history
from runtime.measures.status import status as status_of
from runtime.past import Past, position
from runtime.sql import Sql
from runtime.tenant import Tenant
from runtime.unit import Unit
from runtime.values import format_datetime
from runtime.watch import EXAMPLE

FIELDS = ("name", "value", "unit", "at", "formula", "history", "byCurrency", "why", "note")


def measure(tenant: Tenant, unit: Unit, given: Mapping[str, Any]) -> dict[str, Any]:
    """`{name, value, unit, at, formula, history}` of the measure `id`; without an id, all of them without `history`.

    `given` may hold `id`, `asOf` and `fields`. Where there is no one value, it is None and `why` says so; where there
    are several currencies, `byCurrency` has each, as has `id="mrr:EUR"`. Raises NotFound with the nearest name.
    """
    fields = _only(given, ("id", "asOf", "fields"))
    books = _books(tenant, unit, given.get("asOf"))
    id = given.get("id")
    if id is None:
        unit.query(*(noun for each in MEASURES.values() for noun in each.nouns))
        shown = [
            {"name": each.name, **each.shown(each.formula(books)), "formula": each.said} for each in MEASURES.values()
        ]
        kept = [{key: value for key, value in one.items() if fields is None or key in fields} for one in shown]
        return {"at": format_datetime(books.at), "measures": kept}
    if not isinstance(id, str):
        raise InvalidId(f"a measure is named by a text, not {id!r:.80}", hint='id="mrr"')
    asked, currency = named(id)
    unit.query(*asked.nouns)
    shape: dict[str, Any] = {"name": id, **asked.shown(asked.formula(books), currency)}
    shape |= {"at": format_datetime(books.at), "formula": asked.said}
    if fields is None or "history" in fields:
        shape["history"] = history(
            asked,
            currency,
            books.at,
            _first(tenant, books.at),
            lambda moment: _books_at(tenant, unit, moment, books.seq),
        )
    return {key: value for key, value in shape.items() if fields is None or key in fields}


def status(tenant: Tenant, unit: Unit, given: Mapping[str, Any]) -> dict[str, Any]:
    """`{at, revenue, pipeline, support, product, alerts, …}`, see `runtime.measures.status`; `given` may hold `asOf`."""
    _only(given, ("asOf",))
    unit.query("*")
    return status_of(_books(tenant, unit, given.get("asOf")))


def watched(tenant: Tenant, unit: Unit, name: str, *, from_log: bool = False) -> Seen:
    """The value of a measure, or of the Metric with that id, as the unit sees it; `from_log`: as it was last committed."""
    if is_metric(name):
        found = unit.overlay.get(unit.vocabulary.noun("Metric"), name)
        body = found.body if found is not None and not found.deleted and not found.erased else {}
        version = found.version if found is not None else 0
        return Seen(title=body.get("name", name), value=body.get("value"), unit=body.get("unit"), version=version)
    asked, currency = named(name)
    at = unit.now.astimezone(UTC).replace(tzinfo=None)
    books = _books_of_past(tenant, unit, at, tenant.writer.seq) if from_log else _books(tenant, unit, None)
    shown = asked.shown(asked.formula(books), currency)
    return Seen(title=name, value=shown["value"], unit=shown["unit"], currencies=len(shown.get("byCurrency", ())))


def watchable(unit: Unit, given: Any) -> str:
    """The one name of what is to be watched: `mrr`, `mrr:EUR`, or the id of a Metric. Raises NotFound with the nearest."""
    metric = unit.vocabulary.noun("Metric")
    name = arguments.id_of(metric, given)
    if not isinstance(name, str):
        raise InvalidArguments("what is to be watched?", hint=EXAMPLE)
    if is_metric(name):
        found = unit.read(metric, name)
        if found is None or found.deleted:
            raise missing(metric, name)
        return name
    try:
        asked, currency = named(name)
    except NotFound as error:
        called = find.page(unit, "", metric, {"filter": {"name": name}, "limit": 1, "total": False}).shown
        if not called:
            raise
        told = f"the Metric of that name is {called[0]['$id']}"
        raise NotFound(error.message, hint=told) from error
    return asked.name if currency is None else f"{asked.name}:{currency}"


def _only(given: Mapping[str, Any], known: Sequence[str]) -> list[str] | None:
    """The fields that are asked for, of arguments that are known."""
    unknown = next((name for name in given if name not in known), None)
    if unknown is not None:
        raise InvalidArguments(f"that takes no {unknown[:80]!r} here", hint=did_you_mean(unknown, known))
    fields = given.get("fields")
    if fields is None:
        return None
    if not isinstance(fields, str | list):
        raise InvalidFields(f"fields is a list of names, not {fields!r:.80}", hint='["value", "unit"]')
    listed = fields.split(",") if isinstance(fields, str) else cast("list[Any]", fields)
    names = [str(name).strip() for name in listed]
    for name in names:
        if name not in FIELDS:
            raise InvalidFields(f"a measure has no {name[:80]!r}", hint=did_you_mean(name, FIELDS))
    return names


def _books(tenant: Tenant, unit: Unit, as_of: Any) -> Books:
    """The books of the present, with what the unit staged, or those of the moment that `asOf` names."""
    now = unit.now.astimezone(UTC).replace(tzinfo=None)
    if as_of is None:
        return Books(
            file=tenant.file,
            history=tenant.history,
            view=unit.overlay,
            vocabulary=unit.vocabulary,
            at=now,
            seq=tenant.writer.seq,
        )
    seq = position(tenant.file, as_of, now=unit.now, head=tenant.writer.seq)
    span = moments.read(as_of, now=unit.now) if isinstance(as_of, str) else None
    if span is not None:
        at = min(span.start if not span.day else span.end - timedelta(microseconds=1), now)
    else:  # a position of the log means the time of its event
        rows = tenant.file.rows(Sql(f'SELECT "at" FROM {tenant.file.catalog}.events WHERE seq = ?', (seq,)))
        at = rows[0][0] if rows else now
    return _books_of_past(tenant, unit, at, seq)


def _books_at(tenant: Tenant, unit: Unit, at: datetime, head: int) -> Books:
    seq = position(tenant.file, format_datetime(at), now=unit.now, head=head)
    return _books_of_past(tenant, unit, at, min(seq, head))


def _books_of_past(tenant: Tenant, unit: Unit, at: datetime, seq: int) -> Books:
    view = Past(tenant.file, tenant.history, seq)
    return Books(file=tenant.file, history=tenant.history, view=view, vocabulary=unit.vocabulary, at=at, seq=seq)


def _first(tenant: Tenant, at: datetime) -> datetime:
    """The time of the first event; `at` where there is none, so that nothing lies behind it."""
    rows = tenant.file.rows(Sql(f'SELECT "at" FROM {tenant.file.catalog}.events ORDER BY seq LIMIT 1'))
    return rows[0][0] if rows else at
