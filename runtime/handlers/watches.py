"""The watches of one tenant: looked at when something was committed that their value is made of, and by the clock.

Never in the writer's turn: a value of a large business costs a third of a second. One thread looks, and only while there is
something to look at. What it finds is committed as one with the run that it sets off, so a crossing is told once, whatever
becomes of the process; one that happened while nobody looked is found at the next look.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from runtime.entity import Entity
from runtime.errors import VerbenaError
from runtime.handlers.attempt import Attempt
from runtime.handlers.handler import Handler
from runtime.ids import prefix_of
from runtime.measures import MEASURES, named
from runtime.own_nouns import HANDLER, NOUN
from runtime.store import EventRow
from runtime.tenant import Tenant
from runtime.unit import Caller, Change, Unit
from runtime.values import format_datetime
from runtime.watch import Crossing, State, Watch, crossing, from_data, state_data, state_from

# After each look the thread rests four times as long as that took, and so takes a fifth of one core at the most. What was
# committed meanwhile is looked at once.
RESTS_TIMES = 4
REST_SECONDS_MIN = 0.02
# A value that changes with the time alone is looked at as often.
BY_TIME = timedelta(minutes=1)
# One that could not be looked at is looked at again after this.
FAULT_SECONDS = 30.0
# A value that was worked out from several queries is not believed where something was committed between them. So often it
# is worked out anew, the last time from the log, which does not change under it.
TRIES_MAX = 3

METRIC_KEY = "metric"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a look gave: the value, None where there is none, and its unit; `title` is what people call it."""

    title: str
    value: float | None
    unit: str | None
    version: int | None = None  # of the Metric
    currencies: int = 0  # where there are several amounts, which are no value


# Looks at a measure or a Metric as a unit sees it, or, where that is asked for, as of the last position of the log.
Look = Callable[[Unit, str, bool], Seen]


class Overtaken(Exception):
    """What the value was worked out from, or the watch itself, has changed: it is to be looked at anew."""


@dataclass(slots=True)
class _Subject:
    """Something that is watched, by however many."""

    name: str
    touched_by: frozenset[str]  # nouns, or the one entity
    moves: bool  # with the time alone
    watches: list[tuple[Handler, Watch]] = field(default_factory=list[tuple[Handler, Watch]])
    changes: int = 0  # how often it may have changed since it is watched
    looked_at: datetime | None = None
    due: datetime | None = None  # a crossing counts then, if it is still one
    rests_until: float = 0.0  # on the monotonic clock, after a fault


class Watches:
    """Looks at what a tenant watches. `begun` hears of each run that stands in the ledger by then."""

    def __init__(self, tenant: Tenant, attempt: Attempt, look: Look, begun: Callable[[Entity], None]) -> None:
        self._tenant = tenant
        self._attempt = attempt
        self._look_at = look
        self._begun = begun
        self._changed = threading.Condition()  # of everything below
        self._handlers: object = None  # the set that was read
        self._subjects: dict[str, _Subject] = {}
        self._by_touch: dict[str, list[_Subject]] = {}
        self._open: dict[str, None] = {}  # names that are to be looked at, the first first
        self._before: dict[str, float | None] = {}  # handler → the value at the last look
        self._looking: str | None = None
        self._has_thread = False
        self._rests_until = 0.0
        self._closed = False

    def touched(self, logged: Sequence[tuple[Change, EventRow]]) -> None:
        """Hear of events that were committed; in the writer's turn, so only take note."""
        with self._changed:
            self._read()
            if not self._subjects:
                return
            met: set[str] = set()
            for change, _ in logged:
                met |= {change.noun.name, change.entity.id}
            for word in met & self._by_touch.keys():
                for subject in self._by_touch[word]:
                    subject.changes += 1
                    self._open[subject.name] = None
            self._start_thread()

    def keep_up(self, now: datetime) -> None:
        """Look at what is due by the clock."""
        with self._changed:
            self._read()
            for subject in self._subjects.values():
                known = subject.looked_at
                moved = subject.moves and known is not None and abs(now - known) >= BY_TIME
                if moved or (subject.due is not None and subject.due <= now):
                    self._open[subject.name] = None
            self._start_thread()

    def wait_until_looked(self, seconds: float) -> bool:
        """Wait until nothing is to be looked at any more, at most as long; whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._open and self._looking is None, seconds)

    def close(self) -> None:
        """Look at nothing more; return when the last look has ended."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._has_thread)

    # -- what is watched -------------------------------------------------------------------------------------------

    def _read(self) -> None:
        """Follow the tenant's handlers. The lock is held."""
        handlers = self._tenant.handlers
        if handlers is self._handlers:
            return
        self._handlers = handlers
        former, self._subjects, self._by_touch = self._subjects, {}, {}
        known = {handler.id: handler for subject in former.values() for handler, _ in subject.watches}
        for handler in handlers.all.values():
            if handler.kind != "watch" or not handler.active:
                continue
            try:
                watch = from_data(handler.options)
                subject = self._subjects.get(watch.name) or self._subject(watch.name, former.get(watch.name))
            except (KeyError, VerbenaError):  # of a version with other measures: the others must run
                log.exception("a watch cannot be read", handler=handler.id, pattern=handler.pattern)
                continue
            subject.watches.append((handler, watch))
            before = known.get(handler.id)
            if before is None or before.options != handler.options:
                self._before.pop(handler.id, None)
                self._open[watch.name] = None
        self._open = {name: None for name in self._open if name in self._subjects}
        self._before = {id: value for id, value in self._before.items() if id in handlers.all}

    def _subject(self, name: str, former: _Subject | None) -> _Subject:
        """A subject that nobody watches yet, with what was known of it before."""
        if former is not None:
            made = replace(former, watches=[])
        elif is_metric(name):
            made = _Subject(name, frozenset([name]), False)
        else:
            measure, _ = named(name)
            # A noun that is changed may change every formula that reads it.
            made = _Subject(name, frozenset([*measure.nouns, NOUN.name]), measure.moves)
        self._subjects[name] = made
        for word in made.touched_by:
            self._by_touch.setdefault(word, []).append(made)
        return made

    # -- looking ---------------------------------------------------------------------------------------------------

    def _start_thread(self) -> None:
        """A thread, where there is something to look at and none looks. The lock is held."""
        if self._open and not self._has_thread and not self._closed:
            self._has_thread = True
            threading.Thread(target=self._work, name="verbena-watches", daemon=True).start()
        elif self._open:
            self._changed.notify_all()

    def _work(self) -> None:
        while (name := self._next()) is not None:
            began = time.monotonic()
            try:
                self._look(name)
            except Exception:
                if not self._closed:
                    log.exception("a watch could not be looked at", tenant=self._tenant.name, watched=name)
                    self._set_aside(name)
            finally:
                ended = time.monotonic()
                with self._changed:
                    self._rests_until = ended + max(REST_SECONDS_MIN, RESTS_TIMES * (ended - began))
                    self._looking = None
                    self._changed.notify_all()

    def _next(self) -> str | None:
        """What to look at; waits as long as it must rest. None where there is nothing: then the thread ends."""
        with self._changed:
            while not self._closed and self._open:
                now = time.monotonic()
                times = {name: max(self._rests_until, self._subjects[name].rests_until) for name in self._open}
                name = min(times, key=lambda each: (times[each] > now, times[each] if times[each] > now else 0))
                if times[name] <= now:
                    del self._open[name]
                    self._looking = name
                    return name
                self._changed.wait(times[name] - now)
            self._has_thread = False
            self._changed.notify_all()
            return None

    def _set_aside(self, name: str) -> None:
        with self._changed:
            subject = self._subjects.get(name)
            if subject is not None:
                subject.rests_until = time.monotonic() + FAULT_SECONDS
                self._open[name] = None

    def _look(self, name: str) -> None:
        """Look at one value, for all who watch it."""
        for tried in range(1, TRIES_MAX + 1):
            with self._changed:
                self._read()
                subject = self._subjects.get(name)
                if subject is None:
                    return
                watches, changes, subject.due = list(subject.watches), subject.changes, None
            unit = self._tenant.unit(Caller(tenant=self._tenant.name, actor="verbena"))
            from_log = tried == TRIES_MAX
            seen = self._look_at(unit, name, from_log)
            with self._changed:
                subject.looked_at = self._tenant.clock()
            try:
                for handler, watch in watches:
                    self._judge(subject, handler, watch, seen, unit.now, None if from_log else changes)
                return
            except Overtaken:
                pass
        with self._changed:
            self._open[name] = None
            self._read()  # which forgets it where nobody watches it any more

    def _judge(
        self, subject: _Subject, handler: Handler, watch: Watch, seen: Seen, now: datetime, changes: int | None
    ) -> None:
        """What a value means to one watch, committed. `changes`: how often it had changed when it was looked at.

        Raises Overtaken where it has been since, or the watch was.
        """
        stored = self._tenant.graph.get(HANDLER, handler.id)
        if stored is None or stored.body["status"] != "Active" or stored.body.get("options") != handler.options:
            raise Overtaken
        state = state_from(stored.body.get("state"))
        found = crossing(watch, state, seen.value, now)
        if found is not None and found.rests_until is not None:
            with self._changed:
                subject.due = min(filter(None, (subject.due, found.rests_until)))
        elif found is not None:
            self._commit(subject, handler, watch, stored, state, found, seen, now, changes)
        with self._changed:
            self._before[handler.id] = seen.value

    def _commit(
        self,
        subject: _Subject,
        handler: Handler,
        watch: Watch,
        stored: Entity,
        state: State,
        found: Crossing,
        seen: Seen,
        now: datetime,
        changes: int | None,
    ) -> None:
        """Write down the side that the value is on now, in one commit with the run that this sets off."""
        before = self._value_before(handler, watch, state)
        state = written(replace(state, side=found.side, at=now), seen)

        def record(unit: Unit, run: str | None) -> None:
            present = unit.read(HANDLER, handler.id)
            with self._changed:
                since = changes is not None and subject.changes != changes
            if since or present is None or present.version != stored.version:
                raise Overtaken
            told = state if run is None else replace(state, ran_at=now, run=run)
            unit.stage_own(HANDLER, "cross", handler.id, {"state": state_data(told)})

        if not found.runs:
            self._tenant.in_turn(handler.caller(self._tenant.name), lambda unit: record(unit, None))
            return
        about = watch.name if is_metric(watch.name) else None
        given: dict[str, Any] = {
            "name": seen.title,
            **({} if about is None else {"metric": about}),
            "value": seen.value,
            "unit": seen.unit,
            "threshold": watch.threshold,
            "direction": watch.direction,
            "before": before,
            "at": format_datetime(now),
        }
        self._begun(self._attempt.begin(handler, given, about=about, also=record))

    def _value_before(self, handler: Handler, watch: Watch, state: State) -> float | None:
        """The value at the last look; where that was in another process, as it was written down last."""
        with self._changed:
            if handler.id in self._before:
                return self._before[handler.id]
        if state.version is None:
            return state.value
        noun = self._tenant.vocabulary.noun("Metric")
        then = self._tenant.graph.earlier(noun, watch.name, state.version)
        return None if then is None else then.get("value")


def written(state: State, seen: Seen) -> State:
    """A state with what was seen; of a Metric only which version that was, since an event is never erased."""
    of_metric = seen.version is not None
    return replace(state, value=None if of_metric else seen.value, version=seen.version)


def is_metric(name: str) -> bool:
    """Whether a name is the id of a stored Metric, and not that of a measure."""
    return prefix_of(name) == METRIC_KEY


def moves_by_time(handler: Handler) -> bool:
    """Whether a handler is a watch of something that changes with the time alone."""
    name = str(handler.options.get("measure")).partition(":")[0] if handler.kind == "watch" else ""
    return handler.active and name in MEASURES and MEASURES[name].moves
