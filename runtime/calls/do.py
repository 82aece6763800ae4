"""`do`: code with `$`, or one structured action; one unit, all of it or nothing."""

import contextlib
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from runtime import plans, values
from runtime.calls.dollar import Dollar
from runtime.errors import Conflict, InvalidArguments, VerbenaError, did_you_mean, from_dict
from runtime.idempotency import kept_row
from runtime.ids import event_id
from runtime.sandbox.pool import Limits, Outcome, Pool
from runtime.store import EventRow
from runtime.tenant import TRIES_MAX, Tenant
from runtime.unit import Caller, Unit

ARGUMENTS = ("code", "action", "type", "id", "data", "dryRun", "expect", "idempotencyKey")
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
    """`{result, output?, events?, plan?, run}`. Everything that it changed is committed together before this returns.

    Raises what the code or the verb ended in, with what was printed in `details.output`; then nothing was changed.
    """
    asked = _read(given)
    key = asked.idempotency_key
    if key is None:
        return _carry_out(tenant, pool, caller, asked, None)
    with tenant.answers.first(key, asked.fingerprint) as known:
        if known is not None:
            return msgspec.json.decode(known)

        def kept(answer: dict[str, Any]) -> tuple[Any, ...]:
            text = msgspec.json.encode(answer).decode()
            return kept_row(key, asked.fingerprint, tenant.clock(), text)

        return _carry_out(tenant, pool, caller, asked, kept)


# Makes the row that keeps an answer.
Kept = Callable[[dict[str, Any]], tuple[Any, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The arguments of a `do`, read."""

    code: str | None
    action: str | None
    type: Any
    id: Any
    data: Any
    dry_run: bool
    expect: str | None
    idempotency_key: str | None

    @property
    def call(self) -> str:
        """Stands for what is to be done, so that a plan is not taken for that of another call."""
        what = [self.code, self.action, self.type, self.id, self.data]
        return hashlib.sha256(msgspec.json.encode(what, order="sorted")).hexdigest()

    @property
    def fingerprint(self) -> str:
        return f"{self.call} {self.dry_run} {self.expect}"


def _read(given: Mapping[str, Any]) -> _Asked:
    unknown = next((name for name in given if name not in ARGUMENTS), None)
    if unknown is not None:
        raise InvalidArguments(f"do takes no {unknown[:80]!r}", hint=did_you_mean(unknown, ARGUMENTS))
    arguments = {name: value for name, value in given.items() if value not in (None, "")}
    for name in ("code", "action", "expect", "idempotencyKey"):
        if name in arguments and not isinstance(arguments[name], str):
            raise InvalidArguments(f"{name} is a text, not {arguments[name]!r:.80}")
    asked = _Asked(
        code=arguments.get("code"),
        action=arguments.get("action"),
        type=arguments.get("type"),
        id=arguments.get("id"),
        data=arguments.get("data"),
        dry_run=arguments.get("dryRun", False) is True,
        expect=arguments.get("expect"),
        idempotency_key=arguments.get("idempotencyKey"),
    )
    if arguments.get("dryRun", False) not in (True, False):
        raise InvalidArguments("dryRun is true or false")
    if asked.dry_run and asked.expect is not None:
        raise InvalidArguments("a call plans or commits a plan, not both", hint="leave out dryRun, or expect")
    if asked.code is not None and any(name in arguments for name in ("action", "type", "id", "data")):
        raise InvalidArguments("do takes either code, or action with type, id and data", hint='code="$.now()"')
    if asked.code is None and asked.action is None and asked.expect is None:
        raise InvalidArguments(
            "do needs code or action", hint='code="$.Deal.count()", or action="close" with type and id'
        )
    return asked


def _carry_out(tenant: Tenant, pool: Pool, caller: Caller, asked: _Asked, kept: Kept | None) -> dict[str, Any]:
    run = tenant.new_id("run")
    if asked.expect is not None:
        return _commit_plan(tenant, caller, asked, kept)
    if asked.dry_run:
        return _plan(tenant, pool, caller, asked, run)
    if asked.code is not None:
        return _run_code(tenant, pool, caller, asked.code, run, kept)
    return _act(tenant, caller, asked, run, kept)


def _act(tenant: Tenant, caller: Caller, asked: _Asked, run: str, kept: Kept | None) -> dict[str, Any]:
    """A structured action needs no sandbox: it runs in the writer's own turn and never meets a conflict."""

    def keep(value: Any, rows: Sequence[EventRow]) -> tuple[Any, ...]:
        assert kept is not None
        return kept(_answer(value, "", rows, run))

    tenant.reservations.wait_for(run, [asked.id] if isinstance(asked.id, str) else [])
    committed = tenant.in_turn(
        caller, lambda unit: _acted(tenant, unit, asked), run=run, keep=None if kept is None else keep
    )
    return _answer(committed.value, "", committed.events, run)


def _acted(tenant: Tenant, unit: Unit, asked: _Asked) -> Any:
    dollar = Dollar(tenant, unit)
    if asked.action == "batch":
        return dollar.batch(asked.data)
    if asked.action == "undo":
        return dollar.undo(asked.id)
    return dollar.act(asked.action, asked.type, asked.id, asked.data)


def _run_code(tenant: Tenant, pool: Pool, caller: Caller, code: str, run: str, kept: Kept | None) -> dict[str, Any]:
    rests_on: Collection[str] = ()
    last = Conflict("it was never tried")
    for tried in range(TRIES_MAX):
        reserving = tried >= CONFLICTS_BEFORE_RESERVING
        held = tenant.reservations.held(rests_on) if reserving else contextlib.nullcontext(run)
        with held as token:
            unit = tenant.unit(caller, run=run)
            outcome = _outcome(tenant, pool, unit, code)
            rests_on = {*unit.reads, *unit.overlay.entities}
            tenant.reservations.wait_for(token, rests_on)

            def keep(value: Any, rows: Sequence[EventRow], outcome: Outcome = outcome) -> tuple[Any, ...]:
                assert kept is not None
                return kept(_answer(outcome.result, outcome.output, rows, run))

            try:
                committed = tenant.commit(unit, keep=None if kept is None else keep)
                return _answer(outcome.result, outcome.output, committed.events, run)
            except Conflict as conflict:
                last = conflict
    raise Conflict(
        f"{last.message}, {TRIES_MAX} times over",
        hint="it was run again by itself each time; try later",
        **last.details,
    )


def _outcome(tenant: Tenant, pool: Pool, unit: Unit, code: str) -> Outcome:
    """Run code on a unit; raises what it ended in."""
    outcome = pool.run(
        code,
        answer=Dollar(tenant, unit).call,
        limits=LIMITS[unit.caller.level],
        now=values.format_datetime(unit.now),
        tenant=unit.caller.tenant,
    )
    if outcome.error is not None:
        raise _failed(outcome)
    return outcome


def _plan(tenant: Tenant, pool: Pool, caller: Caller, asked: _Asked, run: str) -> dict[str, Any]:
    """Run it and keep nothing but the plan of what it would have written."""
    unit = tenant.unit(caller, run=run)
    if asked.code is not None:
        outcome = _outcome(tenant, pool, unit, asked.code)
        result, output = outcome.result, outcome.output
    else:
        result, output = _acted(tenant, unit, asked), ""
    plan = plans.planned(unit, result, output, call=asked.call)
    with tenant.writer.pause():
        hash = tenant.plans.keep(plan)
    shape = _answer(result, output, (), run)
    return {**shape, "plan": plans.shown(plan, hash, unit.vocabulary)}


def _commit_plan(tenant: Tenant, caller: Caller, asked: _Asked, kept: Kept | None) -> dict[str, Any]:
    """Commit exactly what a dry run planned, without running anything; Conflict where what it rests on has changed."""
    plan = tenant.plans.find(asked.expect or "")
    if (asked.code is not None or asked.action is not None) and plan.call != asked.call:
        raise Conflict("that plan is of another call", hint="give the same code or action as for dryRun, or none")
    unit = tenant.unit(caller, run=plan.run)
    plans.staged_again(plan, unit)

    def keep(value: Any, rows: Sequence[EventRow]) -> tuple[Any, ...]:
        assert kept is not None
        return kept(_answer(plan.result, plan.output, rows, plan.run))

    committed = tenant.commit(unit, keep=None if kept is None else keep)
    return _answer(plan.result, plan.output, committed.events, plan.run)


def _failed(outcome: Outcome) -> VerbenaError:
    error = from_dict(outcome.error or {})
    if outcome.output:
        error.details["output"] = outcome.output
    return error


def _answer(result: Any, output: str, rows: Sequence[EventRow], run: str) -> dict[str, Any]:
    shape: dict[str, Any] = {"result": result}
    if output:
        shape["output"] = output
    if rows:
        shown = rows[:EVENTS_SHOWN_MAX]
        shape["events"] = [{"id": event_id(row.seq), "event": row.event, "entity": row.entity} for row in shown]
        if len(rows) > EVENTS_SHOWN_MAX:
            shape["eventsTotal"] = len(rows)
    shape["run"] = run
    return shape
