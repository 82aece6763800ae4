"""One attempt at a run: the handler's code on what set it off, committed with how it ended, or recorded as failed."""

import contextlib
import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from runtime import entity as entities
from runtime.entity import Body, Entity
from runtime.errors import VerbenaError, from_dict
from runtime.handlers.handler import Handler
from runtime.handlers.units import Units
from runtime.ids import event_id, event_seq
from runtime.ledger import run_entity, told
from runtime.noun import Noun
from runtime.outside.failures import Diverged, OutcomeUnknown
from runtime.own_nouns import HANDLER, RUN
from runtime.sandbox.limits import Outcome
from runtime.sandbox.pool import Session
from runtime.sql import Sql
from runtime.store import EventRow
from runtime.unit import Caller, Change, Unit
from runtime.values import format_datetime, naive_datetime

# Errors that pass by themselves. A run that ended in one is tried again after each of these, then it is dead.
PASSING = frozenset({"unavailable", "rate_limited", "conflict"})
BACKOFF: tuple[int, ...] = (1, 5, 30, 120, 600)  # seconds
# How a run stands that is to be carried out, now or when it is due.
WAITING = ("Waiting", "Retrying")
# So many causes of runs are kept in memory, none of more characters than this.
REMEMBERED_MAX = 1_000
REMEMBERED_CHARS_MAX = 16_000
# A handler that failed so often in a row is disabled.
FAILURES_MAX = 20

# Stages what belongs to a run, by its id, into the unit that writes it.
Also = Callable[[Unit, str], None]

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Settled(Exception):
    """Somebody else has ended the run meanwhile: it is not carried out, or what it did is dropped."""


class NotStarted(Exception):
    """No worker took it, or it was cut off with the tenant: it waits as before."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a run is given: the code's `entity`, and the time that `$.now()` says, the same at every attempt."""

    entity: Mapping[str, Any]
    now: str


class Attempt:
    """Carries out runs of one tenant, one attempt at a time; several threads may."""

    def __init__(self, units: Units) -> None:
        self._units = units
        self._tenant = units.tenant
        self._failures: dict[str, int] = {}  # handler → how often it failed in a row
        self._counting = threading.Lock()  # of these: its runs about different entities end at the same time
        self._causes: dict[str, tuple[Noun, Body]] = {}  # event → what it left; the latest only

    def carry_out(self, run: Entity, handler: Handler, given: Given, session: Session) -> Entity:
        """The run as the attempt left it. Raises NotStarted and Settled; what the code ends in is recorded, not raised."""
        tenant, body = self._tenant, run.body
        ended: list[Outcome] = []

        def unit() -> Unit:
            made = tenant.unit(handler.caller(tenant.name), run=run.id)
            made.cause, made.depth, made.root = body.get("cause"), body.get("depth", 1), body.get("root")
            tenant.outside.prepare(made, again=True, tried=body.get("attempts", 0) > 0)
            return made

        def work(unit: Unit) -> Entity:
            # Read before it begins, so that one that is released meanwhile meets a conflict, and comes here again.
            if not _waits(unit.read(RUN, run.id)):
                raise Settled
            tenant.step("in retry" if body.get("attempts", 0) else "before AFTER")
            outcome = session.run(
                handler.program,
                self._units.answer_for(unit),
                now=given.now,
                names={"entity": given.entity},
                filename="<handler>",
                seed=seed_of(run.id),
            )
            ended[:] = [outcome]
            tenant.step("after AFTER")
            if not outcome.started or session.is_cut_off:
                raise NotStarted
            if outcome.error is not None:
                raise from_dict(outcome.error)
            if "at" in handler.options:  # it was for this once
                unit.stage_own(HANDLER, "remove", handler.id, {"status": "Removed"})
            known = {*unit.reads, *unit.overlay.entities}
            values = self._told(run, handler, outcome, None, known) | {"changes": len(unit.changes)}
            return unit.stage_own(RUN, "succeed", run.id, {**values, "status": "Succeeded"})

        try:
            committed = self._units.with_code(unit, work, nested=True)
        except VerbenaError as error:
            if session.is_cut_off:
                raise NotStarted from error
            outcome = ended[0] if ended else Outcome()
            return self._fail(run, handler, error, outcome)
        self._failures[handler.id] = 0
        return committed.value

    def begin(
        self, handler: Handler, input: Mapping[str, Any], *, about: str | None = None, also: Also | None = None
    ) -> Entity:
        """A run that no event set off, committed and waiting; `input` is what its code is given.

        `about` is the entity whose values these are, where it is one's. What `also` stages is committed with the run; where
        it raises, there is no run.
        """
        tenant = self._tenant
        id = tenant.new_id(RUN.key)
        values = {
            "kind": handler.kind,
            "status": "Waiting",
            "handler": handler.id,
            "name": handler.name,
            "code": handler.hash,
            "entity": about,
            "root": id,
            "depth": 1,
            "actor": handler.actor,
            "level": handler.level,
            "attempts": 0,
            "input": dict(input),
        }

        def record(unit: Unit) -> None:
            if also is not None:
                also(unit, id)
            unit.ledger.append(run_entity(id, unit.now, handler.actor, values))

        tenant.in_turn(handler.caller(tenant.name), record)
        committed = tenant.graph.get(RUN, id)
        assert committed is not None
        return committed

    def remember(self, runs: Sequence[Entity], logged: Sequence[tuple[Change, EventRow]]) -> None:
        """Keep what set off these runs, so that it need not be read again a moment later."""
        causes = {run.body.get("cause") for run in runs}
        for change, row in logged:
            if event_id(row.seq) in causes and len(row.payload or "") <= REMEMBERED_CHARS_MAX:
                self._causes[event_id(row.seq)] = (change.noun, change.entity.body)
        while len(self._causes) > REMEMBERED_MAX:
            with contextlib.suppress(KeyError):
                del self._causes[next(iter(self._causes))]

    def given(self, run: Entity) -> Given | None:
        """What the run is given; None where that was erased."""
        body = run.body
        if "input" in body:
            return Given(body["input"], body["$createdAt"])
        known = self._causes.get(body.get("cause", ""))
        if known is not None:
            return Given(entities.shown(known[0], known[1], self._tenant.context), body["$createdAt"])
        seq = event_seq(body.get("cause"))
        rows = self._tenant.file.events(Sql("seq = ?", (seq or 0,)), limit=1)
        if not rows or rows[0].payload is None:
            return None
        noun = self._tenant.vocabulary.noun(rows[0].type)
        after = entities.renamed(noun, _decode(rows[0].payload)["after"])
        return Given(entities.shown(noun, after, self._tenant.context), body["$createdAt"])

    def end(self, run: Entity, verb: str, **changed: Any) -> None:
        """Commit what becomes of a run that is not carried out. Raises Settled."""

        def record(unit: Unit) -> None:
            if not _waits(unit.read(RUN, run.id)):
                raise Settled
            unit.stage_own(RUN, verb, run.id, changed)

        self._tenant.in_turn(Caller(tenant=self._tenant.name, actor="verbena"), record)

    def trusted_again(self, handler: str) -> None:
        """Somebody enabled a handler or stored it anew: how often it failed before does not count."""
        self._failures[handler] = 0

    def _fail(self, run: Entity, handler: Handler, error: VerbenaError, outcome: Outcome) -> Entity:
        attempts: int = run.body.get("attempts", 0) + 1
        stuck = isinstance(error, OutcomeUnknown | Diverged)
        passing = error.code in PASSING and not stuck
        due: datetime | None = None
        if passing and attempts <= len(BACKOFF):
            due = self._tenant.clock() + timedelta(seconds=BACKOFF[attempts - 1])
        failures = self._failed_once_more(handler)
        values = self._told(run, handler, outcome, error, {run.body.get("entity", run.id)})
        values |= {
            "status": "Stuck" if stuck else "Retrying" if due is not None else "Dead" if passing else "Failed",
            "dueAt": None if due is None else format_datetime(due),
        }

        def record(unit: Unit) -> Entity:
            if not _waits(unit.read(RUN, run.id)):
                raise Settled
            unit.cause = run.body.get("cause")
            if (
                failures >= FAILURES_MAX
                and (stored := unit.read(HANDLER, handler.id))
                and stored.body["status"] == "Active"
            ):
                # Not how: an error is text that anybody's data may stand in, and this event is never erased.
                reason = f"it failed {failures} times in a row, last in {run.id}"
                unit.stage_own(HANDLER, "disable", handler.id, {"status": "Disabled", "reason": reason})
            verb = {"Dead": "bury", "Stuck": "stick"}.get(values["status"], "fail")
            return unit.stage_own(RUN, verb, run.id, values)

        self._tenant.step("before failure")
        caller = Caller(tenant=self._tenant.name, actor="verbena")
        return self._tenant.in_turn(caller, record, run=run.id).value

    def _told(
        self, run: Entity, handler: Handler, outcome: Outcome, error: VerbenaError | None, touched: set[str]
    ) -> dict[str, Any]:
        return {
            "attempts": run.body.get("attempts", 0) + 1,
            "code": handler.hash,
            "startedAt": format_datetime(self._tenant.clock() - timedelta(seconds=outcome.seconds)),
            "dueAt": None,
            **told(outcome, error, level=handler.level, touched=touched),
        }

    def _failed_once_more(self, handler: Handler) -> int:
        with self._counting:
            self._failures[handler.id] = failures = self._failures_of(handler) + 1
            return failures

    def _failures_of(self, handler: Handler) -> int:
        """How often the handler failed in a row; after a restart, as the ledger has it."""
        known = self._failures.get(handler.id)
        table = self._tenant.file.table(RUN)
        stored = self._tenant.graph.get(HANDLER, handler.id)
        if known is not None or table is None or stored is None:
            return known or 0
        since = naive_datetime(stored.body["$updatedAt"])
        sql = f"""SELECT status FROM {table} WHERE handler = ? AND attempts > 0 AND "$updatedAt" >= ?
            ORDER BY "$updatedAt" DESC, "$number" DESC LIMIT {FAILURES_MAX}"""
        states = [state for (state,) in self._tenant.file.rows(Sql(sql, (handler.id, since)))]
        return next((place for place, state in enumerate(states) if state == "Succeeded"), len(states))


def _waits(run: Entity | None) -> bool:
    return run is not None and run.body["status"] in WAITING


def seed_of(run: str) -> int:
    """What fixes chance for a run, at every attempt."""
    return int.from_bytes(hashlib.sha256(run.encode()).digest()[:8])
