"""AFTER handlers: run when their cause is committed, out of the ledger, so that none is lost and nobody waits for one."""

import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import structlog

from runtime.entity import Entity, decoded
from runtime.handlers.attempt import WAITING, Attempt, NotStarted, Settled
from runtime.handlers.queue import Place, Queue, place_of
from runtime.handlers.timetable import Timetable, given
from runtime.handlers.units import Units
from runtime.handlers.watches import Look, Watches
from runtime.own_nouns import HANDLER, RUN
from runtime.sandbox.limits import BY_LEVEL
from runtime.sandbox.pool import Pool, Session
from runtime.sql import Sql
from runtime.store import EventRow
from runtime.unit import Change
from runtime.values import parse_datetime

# Runs of one tenant at once.
RUNS_AT_ONCE = 6
# A worker is shared no longer than this: others wait for its place.
SHARED_SECONDS_MAX = 0.25
# A run that no worker took is tried again after this.
PAUSE_SECONDS = 0.5

# One that could not even be recorded as failed waits as long.
FAULT_PAUSE = timedelta(seconds=30)

log = structlog.get_logger()


class Runner:
    """Runs what waits in one tenant's ledger. Threads come when something waits, and go when nothing does."""

    def __init__(self, units: Units, look: Look) -> None:
        self._tenant = tenant = units.tenant
        self._pool = units.pool
        self._attempt = Attempt(units)
        self._changed = threading.Condition()  # of everything below
        self._queue = Queue(self._waiting)
        self._held: dict[str, list[Place]] = {}  # by the disabled handler that they wait for
        self._running: dict[str, Session] = {}
        self._threads = 0
        self._closed = False
        self._timetable = Timetable(tenant)
        self._by_schedule: dict[str, str] = {}  # the latest run of each
        self._looking = threading.Lock()  # at the timetable
        self.watches = Watches(tenant, self._attempt, look, lambda run: self._add([run]))
        for at, place in self._retrying():
            self._queue.later(place, at)

    def start(self) -> None:
        with self._changed:
            self._start_threads()

    def committed(self, logged: Sequence[tuple[Change, EventRow]], runs: Sequence[Entity]) -> None:
        if runs:
            self._attempt.remember(runs, logged)
            self._add(runs)
        self.watches.touched(logged)
        for change, _ in logged:
            if change.noun is RUN and change.verb.name == "retry":
                self._again(change.entity)
            elif change.noun is HANDLER and _lets_go(change):
                self._settled(change.entity.id)

    def _add(self, runs: Sequence[Entity]) -> None:
        """Runs that stand in the ledger and wait."""
        places = [place_of(run) for run in runs if run.body["status"] == "Waiting"]
        with self._changed:
            self._queue.add([place for place in places if place.id not in self._queue])
            self._start_threads()

    def _settled(self, handler: str) -> None:
        """A handler may run again, or never will: what was held for it goes on."""
        self._attempt.trusted_again(handler)
        with self._changed:
            for place in self._held.pop(handler, ()):
                self._queue.again(place)
            self._start_threads()

    def _again(self, run: Entity) -> None:
        with self._changed:
            self._queue.again(place_of(run))
            self._start_threads()

    def stand(self, ids: Sequence[str], seconds: float) -> list[dict[str, Any]]:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not any(id in self._queue for id in ids), seconds)
        found = self._tenant.graph.get_many(RUN, ids)
        return [_stand(found[id]) for id in ids if id in found]

    def why(self, run: Entity) -> str | None:
        """What a run that has not ended waits for."""
        body = run.body
        if body["status"] == "Retrying":
            return f"it failed with: {body['error']['message']}; it is tried again at {body['dueAt']}"
        if body["status"] != "Waiting":
            return None
        with self._changed:
            if run.id in self._running:
                return "it is running"
            ahead = self._queue.ahead_of(place_of(run))
        handler = self._tenant.handlers.all.get(body["handler"])
        if handler is not None and not handler.active:
            return f"its handler is disabled: {handler.reason or 'by hand'}"
        return f"it waits behind {ahead}" if ahead else "it waits for a worker"

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs, waits or is tried again; what was set aside for a disabled handler is not counted."""
        with self._changed:
            return self._queue.is_empty

    def keep_up(self) -> None:
        with self._changed:
            self._queue.wake(self._tenant.clock())
            self._start_threads()
        self.watches.keep_up(self._tenant.clock())
        if self._looking.acquire(blocking=False):
            try:
                self._run_schedules()
            finally:
                self._looking.release()

    def _run_schedules(self) -> None:
        """Put what is due into the ledger, from where it is run like everything else."""
        for handler, found in self._timetable.due(self._tenant.clock()):
            with self._changed:
                if self._closed:
                    return
                if self._by_schedule.get(handler.id) in self._queue:
                    continue  # the run before it has not ended; what comes due meanwhile is one run after it
            run = self._attempt.begin(handler, given(found))
            self._timetable.ran(handler, found.at)
            self._by_schedule[handler.id] = run.id
            self._add([run])

    def close(self) -> None:
        self.watches.close()
        with self._changed:
            self._closed = True
            for session in self._running.values():
                session.cut_off()
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._threads == 0)

    def _start_threads(self) -> None:
        """One more thread for what is ready, up to the bound. The lock is held."""
        if self._closed or not self._queue.has_ready or self._threads >= RUNS_AT_ONCE:
            return
        self._threads += 1
        threading.Thread(target=self._work, name="verbena-handlers", daemon=True).start()

    def _work(self) -> None:
        worker = _Worker(self._pool, self._tenant.name)
        try:
            while (place := self._next()) is not None:
                try:
                    self._run_one(place, worker)
                finally:
                    with self._changed:
                        self._running.pop(place.id, None)
                        self._queue.done(place)
                        self._changed.notify_all()
        finally:
            worker.close()
            with self._changed:
                self._threads -= 1
                self._start_threads()  # something may have come since nothing was found
                self._changed.notify_all()

    def _next(self) -> Place | None:
        with self._changed:
            place = None if self._closed else self._queue.take()
            if place is not None:
                self._start_threads()
            return place

    def _run_one(self, place: Place, worker: "_Worker") -> None:
        run = self._tenant.graph.get(RUN, place.id)
        session = worker.session(run)
        with self._changed:
            self._running[place.id] = session
            if self._closed:
                return
        try:
            self._run(place, run, session)
        except Settled:
            pass  # it was released, or tried by another
        except Exception:
            if not self._closed:  # it stands in the ledger as before
                log.exception("a run could not be carried out", run=place.id)
                with self._changed:
                    self._queue.later(place, self._tenant.clock() + FAULT_PAUSE)

    def _run(self, place: Place, run: Entity | None, session: Session) -> None:
        """One attempt at one run, or what becomes of it without one."""
        if run is None or run.body["status"] not in WAITING:
            return  # it was released meanwhile
        handler = self._tenant.handlers.all.get(run.body["handler"])
        if handler is None or handler.status == "Removed":
            self._attempt.end(run, "release", status="Released", error=_told("not_found", "its handler was removed"))
            return
        if not handler.active:
            self._hold(place, handler.id)
            return
        given = self._attempt.given(run)
        if given is None:
            self._attempt.end(
                run, "release", status="Released", error=_told("not_found", "what it is about was erased")
            )
            return
        while True:
            try:
                run = self._attempt.carry_out(run, handler, given, session)
                break
            except NotStarted:
                if self._closed:
                    return
                time.sleep(PAUSE_SECONDS)
        if run.body["status"] == "Retrying":
            with self._changed:
                self._queue.later(place, parse_datetime(run.body["dueAt"]))

    def _hold(self, place: Place, handler: str) -> None:
        """Set a run aside until its handler is enabled, which may have happened just now."""
        with self._changed:
            present = self._tenant.handlers.all.get(handler)
            if present is None or present.status != "Disabled":
                self._queue.again(place)
            else:
                self._held.setdefault(handler, []).append(place)

    def _waiting(self, after: int, limit: int) -> list[Place]:
        table = self._tenant.file.table(RUN)
        if table is None:
            return []
        sql = f"""SELECT "$number", "$id", coalesce(entity, handler) FROM {table}
            WHERE status = 'Waiting' AND "$number" > ? ORDER BY "$number" LIMIT ?"""
        return [Place(*row) for row in self._tenant.file.rows(Sql(sql, (after, limit)))]

    def _retrying(self) -> list[tuple[Any, Place]]:
        table = self._tenant.file.table(RUN)
        if table is None:
            return []
        sql = f"""SELECT "$number", "$id", coalesce(entity, handler), "$body" FROM {table} WHERE status = 'Retrying'"""
        return [
            (parse_datetime(run.body["dueAt"]), Place(number, id, key))
            for number, id, key, body in self._tenant.file.rows(Sql(sql))
            if (run := decoded(RUN, id, number, body))
        ]


class _Worker:
    """The worker of one thread. Runs of the same code with the same rights, one right after another, may share it."""

    def __init__(self, pool: Pool, tenant: str) -> None:
        self._pool = pool
        self._tenant = tenant
        self._session: Session | None = None
        self._of: tuple[Any, ...] = ()
        self._until = 0.0

    def session(self, run: Entity | None) -> Session:
        """A session for a run: the present one, or a fresh one."""
        body = run.body if run is not None else {}
        level: int = body.get("level", 0)
        of = (body.get("handler"), body.get("code"), body.get("actor"), level)
        if self._session is None or of != self._of or time.monotonic() > self._until:
            self.close()
            self._session = self._pool.session(BY_LEVEL[level], tenant=self._tenant)
            self._of, self._until = of, time.monotonic() + SHARED_SECONDS_MAX
        return self._session

    def close(self) -> None:
        """End it, and give its place to whoever waits."""
        if self._session is not None:
            self._session.close()
            self._session = None


def _lets_go(change: Change) -> bool:
    """Whether runs that were held for a disabled handler are so no longer; an undo may store one as it was."""
    return change.verb.name in ("store", "enable", "remove") and change.entity.body["status"] != "Disabled"


def _stand(run: Entity) -> dict[str, Any]:
    """How a run stands, in brief."""
    body = run.body
    shape = {"run": run.id, "handler": body.get("name"), "cause": body.get("cause"), "status": body["status"]}
    if "error" in body:
        shape["error"] = body["error"]["message"]
    return shape


def _told(code: str, message: str) -> dict[str, Any]:
    return {"code": code, "message": message}
