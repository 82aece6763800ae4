"""How code comes to be stored: compiled first, so that a mistake is told at once, then an event like every other."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from runtime.entity import Entity
from runtime.errors import (
    ExecutionError,
    InvalidArguments,
    LimitExceeded,
    NotFound,
    PermissionDenied,
    Unavailable,
    from_dict,
)
from runtime.handlers.handler import HANDLERS_MAX, NAME_CHARS_MAX, SOURCE_BYTES_MAX, Handler, Kind, hash_of, identity
from runtime.own_nouns import HANDLER
from runtime.sandbox.limits import Limits
from runtime.sandbox.pool import Pool
from runtime.tenant import Tenant
from runtime.unit import Unit

# Compiling takes a millisecond; what a `def` computes while it is made, such as a default, has this long.
COMPILE_LIMITS = Limits(seconds=2, calls=2)
PARAMETERS_MAX = 2

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z", re.ASCII)


def is_function(value: Any) -> bool:
    """Whether an argument is code, as it arrives from a program."""
    return isinstance(value, dict) and "$function" in value


def store(
    tenant: Tenant,
    pool: Pool,
    unit: Unit,
    *,
    kind: Kind,
    pattern: str,
    function: Any,
    options: Mapping[str, Any] | None = None,
    state: Callable[[Entity | None], Mapping[str, Any]] | None = None,
) -> Handler:
    """Store code, in the place of what was stored as the same handler. It takes effect when the unit commits.

    `state` gives what it begins with, where its kind has any, out of what stands in its place as yet.
    """
    if unit.rights.level < 1:
        raise PermissionDenied("this key may only read", hint="use a key of level L1 or more")
    shape = compiled(tenant, pool, function)
    name, source, hash = shape["name"], shape["source"], hash_of(shape["source"])
    id = identity(kind, pattern, name, hash)
    living = _living(tenant, unit)
    before = next((handler for handler in living if handler.id == id), None)
    if before is None and len(living) >= HANDLERS_MAX:
        raise LimitExceeded(f"a tenant has at most {HANDLERS_MAX:,} handlers", hint="$.handlers.remove(id) makes room")
    position = before.position if before is not None else max((each.position for each in living), default=0) + 1
    stored = unit.stage_own(
        HANDLER,
        "store",
        id,
        {
            "name": name,
            "kind": kind,
            "pattern": pattern,
            "status": "Active",
            "source": source,
            "hash": hash,
            "parameters": shape.get("parameters"),
            "position": position,
            "actor": unit.rights.actor,
            "level": unit.rights.level,
            "options": dict(options) if options else None,
            "reason": None,
            **({} if state is None else {"state": dict(state(unit.read(HANDLER, id) if before else None))}),
        },
    )
    return Handler.of(stored)


def change(tenant: Tenant, unit: Unit, verb: str, id: Any, **values: Any) -> Handler:
    """Disable, enable, move or remove a handler."""
    if unit.rights.level < 1:
        raise PermissionDenied("this key may only read", hint="use a key of level L1 or more")
    found = known(tenant, unit, id)
    if verb == "move":
        return _move(tenant, unit, found, values["to"])
    return Handler.of(unit.stage_own(HANDLER, verb, found.id, values))


def known(tenant: Tenant, unit: Unit, id: Any) -> Handler:
    """The handler with this id. Raises NotFound, which tells the id where a handler's name was given."""
    found = unit.read(HANDLER, id) if isinstance(id, str) else None
    if found is None or found.body["status"] == "Removed":
        named = [each.id for each in _living(tenant, unit) if each.name == id]
        told = f"the one of that name is {named[0]}" if len(named) == 1 else "$.handlers.list() gives ids that exist"
        raise NotFound(f"no handler with the id {str(id)[:80]!r}", hint=told)
    return Handler.of(found)


def _living(tenant: Tenant, unit: Unit) -> list[Handler]:
    """The handlers that are there, with what the unit staged, in the order in which they were found."""
    staged = {each.id: Handler.of(each) for each in unit.overlay.staged(HANDLER).values()}
    return [each for each in {**tenant.handlers.all, **staged}.values() if each.status != "Removed"]


def _move(tenant: Tenant, unit: Unit, handler: Handler, to: Any) -> Handler:
    """Let a handler run at another place among all, counted from 1; the others keep their order."""
    if type(to) is not int or to < 1:
        raise InvalidArguments("to which place?", hint="$.handlers.move(id, 1) lets it run first")
    order = sorted(_living(tenant, unit), key=lambda each: each.position)
    rest = [each for each in order if each.id != handler.id]
    rest.insert(to - 1, handler)
    moved = handler
    for position, each in enumerate(rest, start=1):
        if each.position != position:
            entity = unit.stage_own(HANDLER, "move", each.id, {"position": position})
            moved = Handler.of(entity) if each.id == handler.id else moved
    return moved


def compiled(tenant: Tenant, pool: Pool, function: Any) -> Mapping[str, Any]:
    """`{name, source, parameters}` of a function, as a worker has compiled it on its own.

    Raises what is wrong with it: a spelling, a name that it does not carry, more parameters than it is given.
    """
    given: Any = cast("dict[str, Any]", function).get("$function") if is_function(function) else None
    source = cast("dict[str, Any]", given).get("source") if isinstance(given, dict) else None
    name = cast("dict[str, Any]", given).get("name") if isinstance(given, dict) else None
    if not isinstance(source, str) or not isinstance(name, str):
        raise InvalidArguments("a handler is a function", hint="lambda deal, $: …, or the name of a def, without ()")
    if len(source.encode("utf-8", "replace")) > SOURCE_BYTES_MAX or len(name) > NAME_CHARS_MAX:
        raise LimitExceeded(f"a handler has at most {SOURCE_BYTES_MAX >> 10} KB", hint="read data through `$` instead")
    is_lambda = name == "<lambda>"
    if not is_lambda and not _NAME.match(name):
        raise InvalidArguments(f"{name[:80]!r} is no name of a function")
    told: list[Mapping[str, Any]] = []

    def answer(path: Sequence[str], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if list(path) == ["stored"] and len(args) == 1 and is_function(args[0]):
            told.append(args[0]["$function"])
            return None
        raise PermissionDenied("while it is stored, a handler may not call `$`", hint="move the call into the function")

    outcome = pool.run(
        f"$.stored({source})" if is_lambda else f"{source}\n$.stored({name})",
        answer,
        COMPILE_LIMITS,
        now="2026-01-01T00:00:00Z",
        tenant=tenant.name,
        filename="<handler>",
        nested=True,
    )
    if not outcome.started:
        raise Unavailable("the handler could not be compiled now", hint="nothing was changed; try again")
    if outcome.error is not None:
        raise from_dict(outcome.error)
    if len(told) != 1 or told[0].get("name") != name:
        raise ExecutionError("only one function can be stored at a time", hint="define it alone, then hand in its name")
    shape = told[0]
    parameters = shape.get("parameters")
    if isinstance(parameters, int) and parameters > PARAMETERS_MAX:
        raise InvalidArguments(
            f"{name} takes {parameters} arguments, and a handler is given two", hint="def handler(entity, $): …"
        )
    return shape
