"""Calls about the tenant itself: its nouns, its log, and how it is doing."""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import duckdb

from runtime import event_log
from runtime.calls import arguments
from runtime.calls.dollar import Dollar, units_of
from runtime.calls.fetch import fetch
from runtime.errors import InvalidArguments
from runtime.handlers.storing import is_function
from runtime.noun import READ_VERBS
from runtime.sandbox.limits import Limits
from runtime.sandbox.nursery import NoWorker
from runtime.sandbox.pool import Pool
from runtime.tenant import Tenant
from runtime.unit import Caller, Unit


def nouns(tenant: Tenant, pool: Pool, caller: Caller, given: Mapping[str, Any]) -> Any:
    """Every noun in brief, or with `name` one of them as JSON Schema."""
    unit = tenant.unit(caller)
    if given.get("name") is not None:
        return fetch(tenant, unit, {"type": "Schema", "id": given["name"]})
    return Dollar(tenant, unit, pool).call(["nouns"], [], {})


def events(tenant: Tenant, caller: Caller, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Events of the log, see `event_log.list_events`."""
    tenant.write_noted()
    return event_log.list_events(tenant.file, tenant.vocabulary, given)


def dollar(tenant: Tenant, pool: Pool, caller: Caller, given: Mapping[str, Any]) -> Any:
    """One call of `$` by a script: `{path, args, kwargs}`. What changes something is a unit of its own."""
    path, args = arguments.listed(given.get("path")), arguments.listed(given.get("args", []))
    kwargs = arguments.mapping(given.get("kwargs", {}))
    if path is None or args is None or kwargs is None:
        raise InvalidArguments("a call of $ is {path, args, kwargs}")
    if not path or not all(isinstance(part, str) for part in path):
        raise InvalidArguments("the path of a call is a list of names")
    units = units_of(tenant, pool)

    def call(unit: Unit) -> Any:
        return units.answer_for(unit)(path, args, kwargs)

    if any(map(is_function, args)):  # it is compiled first, which must not hold up the writer
        return units.with_code(lambda: tenant.unit(caller), call).value
    if _changes_something(tenant, path):
        return units.in_turn(caller, call).value
    return call(tenant.unit(caller))


def _changes_something(tenant: Tenant, path: Sequence[str]) -> bool:
    match path:
        case ["define"] | ["undo"]:
            return True
        case ["handlers", word]:
            return word not in ("list", "get")
        case ["runs", word]:
            return word not in ("list", "get")
        case [noun, word]:
            return word not in READ_VERBS and noun in tenant.vocabulary.names
        case _:
            return False


def doctor(tenant: Tenant, pool: Pool, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
    """What an operator looks at first: versions, sizes, that the sandbox answers, and which of its walls stand.

    `faults` are walls that should hold and do not: with any of them no call but this is answered.
    """
    walls = _walls(pool)
    outcome = pool.run(
        "1 + 1",
        answer=lambda path, args, kwargs: None,
        limits=Limits(seconds=5),
        now="2026-01-01T00:00:00Z",
        tenant=tenant.name,
    )
    return {
        "verbena": version("verbena"),
        "python": platform.python_version(),
        "duckdb": duckdb.__version__,
        "tenant": tenant.name,
        "file": str(tenant.file.path),
        "fileBytes": tenant.file.path.stat().st_size,
        "walBytes": tenant.file.wal_bytes(),
        "events": tenant.writer.seq,
        "nouns": len(tenant.vocabulary.names),
        "sandbox": "answers" if outcome.result == 2 else f"does not answer: {outcome.error}",
        **walls,
    }


def _walls(pool: Pool) -> dict[str, Any]:
    try:
        found = pool.inspection()
    except NoWorker as error:
        return {"walls": {}, "probes": {}, "faults": [str(error)]}
    return {"walls": dict(found.walls), "probes": dict(found.probes), "faults": list(found.faults)}
