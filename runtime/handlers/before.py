"""BEFORE handlers: they run in the middle of a verb, on the unit that it is staged in, and may amend it or say no."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from runtime import entity as entities
from runtime import values
from runtime.errors import LimitExceeded, Rejected, Unavailable, VerbenaError, from_dict
from runtime.handlers.handler import Handler
from runtime.ledger import DEPTH_MAX, run_entity, told
from runtime.noun import Noun, Verb
from runtime.own_nouns import RUN
from runtime.sandbox.limits import BY_LEVEL, Outcome
from runtime.sandbox.pool import Answer, Pool, Session
from runtime.tenant import Tenant
from runtime.unit import BeforeHandler, Unit

# `$` for a unit: how the code that runs on it is answered.
AnswerFor = Callable[[Unit], Answer]


class Before:
    """The BEFORE handlers of one unit. They share a worker; one that another sets off gets the next."""

    def __init__(self, tenant: Tenant, pool: Pool, answer_for: AnswerFor, unit: Unit, *, nested: bool) -> None:
        """`nested` says that the unit runs code already, which has a place of its own."""
        self._tenant = tenant
        self._pool = pool
        self._answer_for = answer_for
        self._unit = unit
        self._nested = nested
        self._handlers = tenant.handlers
        self._sessions: dict[tuple[int, int], Session] = {}  # by depth and level
        self._depth = 0
        self._ended: list[dict[str, Any]] = []
        unit.before = self._of
        unit.handlers = self._handlers

    @property
    def stand(self) -> list[dict[str, Any]]:
        """The handlers that ran, in their order."""
        return [{"run": run["$id"], "handler": run["name"], "status": run["status"]} for run in self._ended]

    def _note(self, runs: Iterable[Mapping[str, Any]]) -> None:
        """What the unit does not commit is in the ledger alone."""
        for run in runs:
            values = {key: value for key, value in run.items() if not key.startswith("$")}
            self._tenant.ledger.note(run_entity(run["$id"], self._unit.now, run["actor"], values))

    def close(self) -> None:
        """End the workers."""
        for session in self._sessions.values():
            session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        staged = self._unit.overlay.entities if kind is None else {}
        self._note(run for run in self._ended if run["$id"] not in staged)
        self.close()

    def _of(self, noun: Noun, verb: Verb) -> Sequence[BeforeHandler]:
        return [_Asked(handler, self._run) for handler in self._handlers.before(noun, verb)]

    def _run(self, handler: Handler, noun: Noun, entity: Mapping[str, Any], unit: Unit) -> Mapping[str, Any] | None:
        """What the handler returns, to be merged. Raises Rejected with what it raised."""
        if self._depth >= DEPTH_MAX:
            raise LimitExceeded(
                f"handlers set each other off {DEPTH_MAX} times in a row", hint="let one of them look before it writes"
            )
        known = {*unit.reads, *unit.overlay.entities}
        self._depth += 1
        try:
            with unit.acting(handler.caller(self._tenant.name)):
                self._tenant.step("before BEFORE")
                outcome = self._session(handler).run(
                    handler.program,
                    self._answer_for(unit),
                    now=values.format_datetime(unit.now),
                    names={"entity": entities.shown(noun, {"$version": 0, **entity}, self._tenant.context)},
                    filename="<handler>",
                )
        finally:
            self._depth -= 1
        self._tenant.step("after BEFORE")
        refusal = _refusal(handler, outcome, entity["$id"])
        touched = {*unit.reads, *unit.overlay.entities} - known
        self._record(handler, unit, outcome, refusal, {entity["$id"], *touched})
        if refusal is not None:
            raise refusal
        return outcome.result

    def _session(self, handler: Handler) -> Session:
        key = (self._depth, handler.level)
        session = self._sessions.get(key)
        if session is None:
            # Only the first waits for a place: whoever waited for a second one while it holds the first could wait forever.
            nested = self._nested or bool(self._sessions)
            session = self._pool.session(BY_LEVEL[handler.level], tenant=self._tenant.name, nested=nested)
            self._sessions[key] = session
        return session

    def _record(
        self, handler: Handler, unit: Unit, outcome: Outcome, refusal: VerbenaError | None, touched: set[str]
    ) -> None:
        run: dict[str, Any] = {
            "kind": "before",
            "status": "Succeeded" if refusal is None else "Rejected",
            "handler": handler.id,
            "name": handler.name,
            "code": handler.hash,
            "cause": unit.cause,
            "parent": unit.run,
            "root": unit.root,
            "depth": unit.depth + self._depth,
            "actor": handler.actor,
            "attempts": 1,
            "startedAt": values.format_datetime(unit.now),
            **told(outcome, refusal, level=handler.level, touched=touched),
        }
        run = {key: value for key, value in run.items() if value is not None}
        id = self._tenant.new_id(RUN.key)
        self._ended.append({"$id": id, **run})
        if refusal is None:
            with unit.acting(handler.caller(self._tenant.name)):
                unit.stage_own(RUN, "succeed", id, run, fresh=True)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A handler, to be asked on whatever unit its verb is staged in."""

    handler: Handler
    run: Callable[[Handler, Noun, Mapping[str, Any], Unit], Mapping[str, Any] | None]

    @property
    def name(self) -> str:
        return self.handler.name

    def __call__(self, noun: Noun, entity: Mapping[str, Any], unit: Unit) -> Mapping[str, Any] | None:
        return self.run(self.handler, noun, entity, unit)


def _refusal(handler: Handler, outcome: Outcome, entity: str) -> VerbenaError | None:
    """Why the verb is not carried out; None where the handler has nothing against it."""
    if outcome.error is None:
        if outcome.result is None or isinstance(outcome.result, dict):
            return None
        return Rejected(
            f"{handler.name} returned {str(outcome.result)[:80]!r}, and a BEFORE handler returns values to merge, or nothing",
            hint="raise ValueError('why not') rejects the verb; return {'field': value} amends it",
            handler=handler.name,
        )
    if not outcome.started:
        return Unavailable(
            f"{handler.name} could not be run: {outcome.error['message']}", hint="nothing was changed; try again"
        )
    error = from_dict(outcome.error)
    details = {key: value for key, value in error.details.items() if key in ("line", "column", "source", "type")}
    # What it was handed is a copy of what is not there yet: writing into either is the same mistake.
    own = details.get("type") == "ReadOnly" or (error.code == "not_found" and entity in error.message)
    hint = (
        "return {'field': value}: it is merged into the entity, which is there when the verb is done"
        if own
        else error.hint
    )
    refusal = Rejected(error.message, hint=hint, handler=handler.name, pattern=handler.pattern, **details)
    if error.code != "execution_error":
        refusal.details["cause"] = error.code
    return refusal
