"""A pool for the tests, and a tenant of one deal that answers `$`."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from runtime.errors import InvalidTransition, InvalidType, NotFound
from runtime.sandbox.limits import Limits, Outcome
from runtime.sandbox.pool import Answer, Pool

NOW = "2026-11-21T10:00:00Z"
DEAL = {
    "$id": "deal_fX9bL5nRdK",
    "$type": "Deal",
    "name": "Acme",
    "value": 1200,
    "createdAt": "2026-11-01T09:00:00Z",
    "items": ["a", "b"],
    "contact": {"$id": "contact_2bL5nRdKfX", "$type": "Contact", "name": "Ada"},
}
DESCRIPTION = {"fields": ["name", "value", "stage", "owner"], "verbs": ["close", "update"], "relations": ["contact"]}

Run = Callable[..., Outcome]


def tenant(path: list[str], arguments: list[Any], keywords: dict[str, Any]) -> Any:
    """Answers as the core would, for one deal; any other call is given back, so that a test sees what arrived."""
    match path:
        case ["Deal", "find"]:
            return [DEAL]
        case ["Deal", "get"] if arguments == [DEAL["$id"]]:
            return DEAL
        case ["Deal", "get"]:
            raise NotFound(f"no Deal {arguments[0]!r}", hint="look with $.Deal.find()", id=arguments[0])
        case ["Deal", "reopen"]:
            raise InvalidTransition("a won Deal cannot be reopened", hint="it allows: close", allowed=["close"])
        case ["$describe"]:
            return DESCRIPTION
        case ["Dael", *_]:
            raise InvalidType("there is no noun 'Dael'", hint="did you mean 'Deal'?")
        case ["broken"]:
            raise ZeroDivisionError("a secret of the server")
        case _:
            return {"path": path, "arguments": arguments, "keywords": keywords}


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    pool = Pool(size=2, workers_max=4)
    yield pool
    pool.close()


@pytest.fixture(scope="session")
def run(pool: Pool) -> Run:
    """Runs code for the tenant above; keywords are those of Limits."""

    def run(code: str, answer: Answer = tenant, **bounds: Any) -> Outcome:
        limits = dataclasses.replace(Limits(seconds=5.0), **bounds)
        return pool.run(code, answer, limits, now=NOW, seed=7)

    return run
