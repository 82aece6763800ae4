"""Calls about the tenant itself: its nouns, its log, and how it is doing."""

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import duckdb

from runtime import event_log
from runtime.calls import arguments
from runtime.calls.dollar import Dollar
from runtime.calls.fetch import fetch
from runtime.errors import InvalidArguments
from runtime.noun import READ_VERBS
from runtime.sandbox.limits import Limits
from runtime.sandbox.pool import Pool
from runtime.tenant import Tenant
from runtime.unit import Caller


def nouns(tenant: Tenant, caller: Caller, given: Mapping[str, Any]) -> Any:
    """Every noun in brief, or with `name` one of them as JSON Schema."""
    unit = tenant.unit(caller)
    if given.get("name") is not None:
        return fetch(tenant, unit, {"type": "Schema", "id": given["name"]})
    return Dollar(tenant, unit).call(["nouns"], [], {})


def events(tenant: Tenant, caller: Caller, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Events of the log, see `event_log.list_events`."""
    return event_log.list_events(tenant.file, given)


def dollar(tenant: Tenant, caller: Caller, given: Mapping[str, Any]) -> Any:
    """One call of `$` by a script: `{path, args, kwargs}`. A verb is a unit of its own, in the writer's turn."""
    path, args = arguments.listed(given.get("path")), arguments.listed(given.get("args", []))
    kwargs = arguments.mapping(given.get("kwargs", {}))
    if path is None or args is None or kwargs is None:
        raise InvalidArguments("a call of $ is {path, args, kwargs}")
    if not path or not all(isinstance(part, str) for part in path):
        raise InvalidArguments("the path of a call is a list of names")
    if path in (["define"], ["undo"]) or (
        len(path) == 2 and path[1] not in READ_VERBS and path[0] in tenant.vocabulary.names
    ):
        return tenant.in_turn(caller, lambda unit: Dollar(tenant, unit).call(path, args, kwargs)).value
    return Dollar(tenant, tenant.unit(caller)).call(path, args, kwargs)


def doctor(tenant: Tenant, pool: Pool, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
    """What an operator looks at first: versions, the size of the log and the file, and that the sandbox answers."""
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
    }
