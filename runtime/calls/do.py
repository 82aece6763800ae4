"""`do`: code with `$`, or one structured action; one unit, all of it or nothing."""

import contextlib
from collections.abc import Collection, Mapping
from typing import Any

from runtime import values
from runtime.calls.dollar import Dollar
from runtime.errors import Conflict, InvalidArguments, VerbenaError, did_you_mean, from_dict
from runtime.ids import event_id, new_id
from runtime.sandbox.pool import Limits, Outcome, Pool
from runtime.tenant import TRIES_MAX, Tenant
from runtime.unit import Caller, Unit
from runtime.writer import Committed

ARGUMENTS = ("code", "action", "type", "id", "data")
# An answer names at most this many of its events; the log has them all.
EVENTS_SHOWN_MAX = 100
# After this many conflicts a unit takes the entities that it rests on, and whoever else wants them waits.
CONFLICTS_BEFORE_RESERVING = 2

# What one `do` may use, by the level of the key: seconds, memory and calls of `$`.
LIMITS: tuple[Limits, ...] = (
    Limits(seconds=10, memory_bytes=64 << 20, calls=50),
    Limits(seconds=30, memory_bytes=128 << 20, calls=100),
    Limits(seconds=60, memory_bytes=256 << 20, calls=1_000),
    Limits(seconds=120, memory_bytes=512 << 20, calls=10_000),
)


def do(tenant: Tenant, pool: Pool, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
    """`{result, output?, events?, run}`. Everything that it changed is committed together before this returns.

    Raises what the code or the verb ended in, with what was printed in `details.output`; then nothing was changed.
    """
    unknown = next((name for name in given if name not in ARGUMENTS), None)
    if unknown is not None:
        raise InvalidArguments(f"do takes no {unknown[:80]!r}", hint=did_you_mean(unknown, ARGUMENTS))
    arguments = {name: value for name, value in given.items() if value not in (None, "")}
    code, action = arguments.get("code"), arguments.get("action")
    run = new_id("run")
    if code is not None:
        others = [name for name in arguments if name != "code"]
        if others or not isinstance(code, str):
            raise InvalidArguments(
                "do takes either code, a text, or action with type, id and data", hint='code="$.now()"'
            )
        return _run_code(tenant, pool, caller, code, run)
    if action is None:
        raise InvalidArguments("do needs code or action", hint='code="$.Deal.count()", or action="close", type, id')
    return _act(tenant, caller, arguments, run)


def _act(tenant: Tenant, caller: Caller, arguments: Mapping[str, Any], run: str) -> dict[str, Any]:
    """A structured action needs no sandbox: it runs in the writer's own turn and never meets a conflict."""

    def body(unit: Unit) -> Any:
        dollar = Dollar(tenant, unit)
        if arguments["action"] == "batch":
            return dollar.batch(arguments.get("data"))
        return dollar.act(arguments["action"], arguments.get("type"), arguments.get("id"), arguments.get("data"))

    tenant.reservations.wait_for(run, [id] if isinstance(id := arguments.get("id"), str) else [])
    committed = tenant.in_turn(caller, body, run=run)
    return _answer(committed.value, "", committed, run)


def _run_code(tenant: Tenant, pool: Pool, caller: Caller, code: str, run: str) -> dict[str, Any]:
    rests_on: Collection[str] = ()
    last = Conflict("it was never tried")
    for tried in range(TRIES_MAX):
        held = (
            tenant.reservations.held(rests_on) if tried >= CONFLICTS_BEFORE_RESERVING else contextlib.nullcontext(run)
        )
        with held as token:
            unit = tenant.unit(caller, run=run)
            outcome = pool.run(
                code,
                answer=Dollar(tenant, unit).call,
                limits=LIMITS[caller.level],
                now=values.format_datetime(unit.now),
                tenant=caller.tenant,
            )
            if outcome.error is not None:
                raise _failed(outcome)
            rests_on = {*unit.reads, *unit.overlay.entities}
            tenant.reservations.wait_for(token, rests_on)
            try:
                return _answer(outcome.result, outcome.output, tenant.commit(unit), run)
            except Conflict as conflict:
                last = conflict
    raise Conflict(
        f"{last.message}, {TRIES_MAX} times over",
        hint="it was run again by itself each time; try later",
        **last.details,
    )


def _failed(outcome: Outcome) -> VerbenaError:
    error = from_dict(outcome.error or {})
    if outcome.output:
        error.details["output"] = outcome.output
    return error


def _answer(result: Any, output: str, committed: Committed, run: str) -> dict[str, Any]:
    shape: dict[str, Any] = {"result": result}
    if output:
        shape["output"] = output
    if committed.events:
        shown = committed.events[:EVENTS_SHOWN_MAX]
        shape["events"] = [{"id": event_id(row.seq), "event": row.event, "entity": row.entity} for row in shown]
        if len(committed.events) > EVENTS_SHOWN_MAX:
            shape["eventsTotal"] = len(committed.events)
    shape["run"] = run
    return shape
