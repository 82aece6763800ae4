"""`do`: code with `$`, or one structured action; one unit, all of it or nothing."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from runtime import plans, values
from runtime.calls.dollar import Dollar, units_of
from runtime.entity import Entity
from runtime.errors import Conflict, InvalidArguments, VerbenaError, did_you_mean, from_dict
from runtime.handlers.handler import hash_of
from runtime.handlers.units import Units
from runtime.idempotency import kept_row
from runtime.ids import event_id
from runtime.ledger import run_entity, told
from runtime.own_nouns import EFFECT, RUN
from runtime.sandbox.limits import BY_LEVEL
from runtime.sandbox.pool import Outcome, Pool
from runtime.store import EventRow
from runtime.tenant import Tenant
from runtime.unit import Caller, Unit
from runtime.writer import Committed, Keep

ARGUMENTS = ("code", "action", "type", "id", "data", "dryRun", "expect", "idempotencyKey")
# An answer names at most this many of its events; the log has them all.
EVENTS_SHOWN_MAX = 100
# An answer waits so long for the handlers that it set off, and names at most so many.
HANDLERS_SECONDS_MAX = 2.0
HANDLERS_SHOWN_MAX = 100


def do(tenant: Tenant, pool: Pool, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
    """`{result, output?, events?, handlers?, hint?, plan?, run}`. What it changed is committed together before this returns.

    Raises what the code or the verb ended in, with what was printed in `details.output`; then nothing was changed.
    """
    asked = _read(given)
    doing = _Doing(tenant=tenant, pool=pool, caller=caller, asked=asked, run=tenant.new_id(RUN.key), kept=None)
    key = asked.idempotency_key
    if key is None:
        return doing.carry_out()
    with tenant.answers.first(key, asked.fingerprint) as known:
        if known is not None:
            return msgspec.json.decode(known)

        def kept(answer: dict[str, Any]) -> tuple[Any, ...]:
            text = msgspec.json.encode(answer).decode()
            return kept_row(key, asked.fingerprint, tenant.clock(), text)

        return replace(doing, kept=kept).carry_out()


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Doing:
    """One `do`, on its way."""

    tenant: Tenant
    pool: Pool
    caller: Caller
    asked: _Asked
    run: str
    kept: Kept | None

    def carry_out(self) -> dict[str, Any]:
        """Its answer."""
        if self.asked.expect is not None:
            return self._commit_plan(self.asked.expect)
        if self.asked.dry_run:
            return self._plan()
        if self.asked.code is not None:
            return self._run_code(self.asked.code)
        return self._act()

    def _act(self) -> dict[str, Any]:
        """A structured action needs no sandbox: it runs in the writer's own turn, unless a handler is asked before it."""
        tenant, id = self.tenant, self.asked.id
        tenant.reservations.wait_for(self, [id] if isinstance(id, str) else [])
        committed = self._units.in_turn(self.caller, self._acted, run=self.run, keep=self._keep(_plain))
        return self._answer(committed.value, "", committed)

    def _acted(self, unit: Unit) -> Any:
        dollar, asked = Dollar(self.tenant, unit, self.pool), self.asked
        if asked.action == "batch":
            return dollar.batch(asked.data)
        if asked.action == "undo":
            return dollar.undo(asked.id)
        return dollar.act(asked.action, asked.type, asked.id, asked.data)

    def _run_code(self, code: str) -> dict[str, Any]:
        last: _Ran | None = None

        def work(unit: Unit) -> Outcome:
            nonlocal last
            last = _Ran(unit, self._ran(unit, code))
            return _whole(last.outcome)

        try:
            committed = self._units.with_code(
                lambda: self.tenant.unit(self.caller, run=self.run), work, keep=self._keep(_of_code), nested=True
            )
        except VerbenaError as error:
            if last is not None:
                self.tenant.ledger.note(self._run_of(last, code, error))
            raise
        assert last is not None
        self.tenant.ledger.note(self._run_of(last, code))
        outcome = last.outcome
        return self._answer(outcome.result, outcome.output, committed, outcome.hint)

    def _ran(self, unit: Unit, code: str) -> Outcome:
        """Run code on a unit."""
        return self.pool.run(
            code,
            answer=self._units.answer_for(unit),
            limits=BY_LEVEL[unit.caller.level],
            now=values.format_datetime(unit.now),
            tenant=unit.caller.tenant,
        )

    def _run_of(self, ran: "_Ran", code: str, error: VerbenaError | None = None) -> Entity:
        """The run as the ledger has it."""
        unit, changed = ran.unit, [change.entity.id for change in ran.unit.changes if change.noun not in (RUN, EFFECT)]
        return run_entity(
            self.run,
            unit.now,
            unit.caller.actor,
            {
                "kind": "do",
                "status": "Succeeded" if error is None else "Failed",
                "code": hash_of(code),
                "actor": unit.caller.actor,
                "attempts": 1,
                "startedAt": values.format_datetime(unit.now),
                "changes": 0 if error is not None else len(changed),
                **told(ran.outcome, error, level=unit.caller.level, touched={*unit.reads, *changed}),
            },
        )

    def _plan(self) -> dict[str, Any]:
        """Run it and keep nothing but the plan of what it would have written."""
        tenant, unit = self.tenant, self.tenant.unit(self.caller, run=self.run)
        tenant.outside.prepare(unit, dry=True)
        with self._units.before(unit, nested=self.asked.code is not None) as before:
            if self.asked.code is not None:
                outcome = _whole(self._ran(unit, self.asked.code))
                result, output = outcome.result, outcome.output
            else:
                result, output = self._acted(unit), ""
            ran = before.stand
        plan = plans.planned(
            unit,
            result,
            output,
            call=self.asked.call,
            handlers=tenant.handlers.fingerprint,
            outside=tenant.outside.planned(unit),
        )
        with tenant.writer.pause():
            hash = tenant.plans.keep(plan)
        shape = _shape(result, output, (), self.run)
        shown = plans.shown(plan, hash, unit.vocabulary)
        return {**shape, **({"handlers": ran} if ran else {}), "plan": shown}

    def _commit_plan(self, expected: str) -> dict[str, Any]:
        """Commit exactly what a dry run planned, without running anything; Conflict where what it rests on has changed."""
        plan = self.tenant.plans.find(expected)
        if (self.asked.code is not None or self.asked.action is not None) and plan.call != self.asked.call:
            raise Conflict("that plan is of another call", hint="give the same code or action as for dryRun, or none")
        doing = replace(self, run=plan.run)
        unit = self.tenant.unit(self.caller, run=plan.run)
        plans.staged_again(plan, unit, handlers=self.tenant.handlers.fingerprint)
        committed = self.tenant.commit(unit, keep=doing._keep(lambda _: (plan.result, plan.output, None)))
        return doing._answer(plan.result, plan.output, committed)

    @property
    def _units(self) -> Units:
        return units_of(self.tenant, self.pool)

    def _keep(self, read: Callable[[Any], "_Said"]) -> Keep | None:
        """Keeps the answer with the unit's own commit, where the call has a key."""
        kept = self.kept
        if kept is None:
            return None

        def keep(value: Any, rows: Sequence[EventRow]) -> tuple[Any, ...]:
            result, output, hint = read(value)
            return kept(_shape(result, output, rows, self.run, hint))

        return keep

    def _answer(self, result: Any, output: str, committed: Committed, hint: str | None = None) -> dict[str, Any]:
        """The answer, with how the handlers stand: those that ran before, and those that this set off."""
        shape = _shape(result, output, committed.events, self.run, hint)
        stand = [
            {"run": run.id, "handler": run.body["name"], "status": run.body["status"]}
            for run in committed.ran[:HANDLERS_SHOWN_MAX]
        ]
        if committed.runs:
            first = [run.id for run in committed.runs[: HANDLERS_SHOWN_MAX - len(stand)]]
            stand += self.tenant.runs.stand(first, HANDLERS_SECONDS_MAX)
        if stand:
            shape["handlers"] = stand
        return shape


_Said = tuple[Any, str, str | None]  # result, output, hint


def _plain(value: Any) -> _Said:
    return value, "", None


def _of_code(outcome: Outcome) -> _Said:
    return outcome.result, outcome.output, outcome.hint


def _whole(outcome: Outcome) -> Outcome:
    """An outcome that is no error; raises one that is, with what was printed until then."""
    if outcome.error is None:
        return outcome
    error = from_dict(outcome.error)
    if outcome.output:
        error.details["output"] = outcome.output
    raise error


@dataclass(frozen=True, slots=True)
class _Ran:
    """Code that ran, and the unit that it staged its changes in."""

    unit: Unit
    outcome: Outcome


def _shape(result: Any, output: str, rows: Sequence[EventRow], run: str, hint: str | None = None) -> dict[str, Any]:
    shape: dict[str, Any] = {"result": result}
    if output:
        shape["output"] = output
    rows = [row for row in rows if row.type != RUN.name]
    if rows:
        shown = rows[:EVENTS_SHOWN_MAX]
        shape["events"] = [{"id": event_id(row.seq), "event": row.event, "entity": row.entity} for row in shown]
        if len(rows) > EVENTS_SHOWN_MAX:
            shape["eventsTotal"] = len(rows)
    elif hint:  # it changed nothing, gave nothing and printed nothing
        shape["hint"] = hint
    shape["run"] = run
    return shape
