"""The tenant's single writer: takes whatever is queued, commits it in one transaction, and answers when it is durable.

There is no thread of its own. Whoever submits work while nobody is committing commits it, together with everything that
queued up in the meantime: alone that costs no hand-over, and under load many units share one fsync.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import duckdb

from runtime import entity as entities
from runtime.clock import Clock
from runtime.entity import Entity
from runtime.errors import Conflict, Unavailable, VerbenaError
from runtime.event_log import NewSalt, new_salt, recorded
from runtime.find import holders
from runtime.graph import Graph, Overlay, View
from runtime.handlers.handler_set import HandlerSet
from runtime.ledger import NOTED_AT_ONCE, Ledger
from runtime.links import refuse_if_pointed_at
from runtime.noun import Noun
from runtime.own_nouns import HANDLER, RUN
from runtime.store import STATEMENTS_MAX, Batch, EventRow, Key, TenantFile, key_text
from runtime.unit import Change, Unit
from runtime.values import format_datetime
from runtime.vocabulary import Vocabulary

# One transaction takes at most this many units, or this many events, so that nobody waits long behind a flood.
UNITS_MAX = 1_000
EVENTS_MAX = 5_000
# Whoever waits longer than this for their turn is told so.
WAIT_SECONDS_MAX = 60.0

# Where the last batch held several units, the next one waits for company while it comes: another commit costs more.
GATHER_SECONDS = 0.0005
GATHER_TIMES_MAX = 6

# Steps at which a process can die; a test names one, and the process ends there.
Step = Callable[[str], None]


def no_step(name: str) -> None:
    """Goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """What became of a unit: what its body returned, and its events as they stand in the log."""

    value: Any
    events: tuple[EventRow, ...]
    runs: tuple[Entity, ...] = ()  # of handlers, set off by these events
    ran: tuple[Entity, ...] = ()  # those of BEFORE handlers


# Makes the row that keeps the answer of a call with an idempotency key, out of what its body returned and its events.
Keep = Callable[[Any, Sequence[EventRow]], tuple[Any, ...]]


def _held_lock() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(slots=True, kw_only=True)
class _Work:
    unit: Unit | None  # staged outside; None: `body` stages one in the writer's turn
    make_unit: Callable[[View], Unit]
    body: Callable[[Unit], Any]
    keep: Keep | None = None
    value: Any = None
    rows: list[EventRow] = field(default_factory=list[EventRow])
    runs: list[Entity] = field(default_factory=list[Entity])
    ran: tuple[Entity, ...] = ()
    error: BaseException | None = None
    done: bool = False
    leads: bool = False  # its caller commits the next batch
    woken: threading.Lock = field(default_factory=_held_lock)


class Writer:
    """Turns units into events, one batch after another."""

    def __init__(
        self,
        file: TenantFile,
        graph: Graph,
        *,
        clock: Clock,
        salt: NewSalt = new_salt,
        vocabulary: Callable[[], Vocabulary],
        handlers: Callable[[], HandlerSet],
        ledger: Ledger,
        on_commit: Callable[[list[tuple[Change, EventRow]], list[Entity]], None],
        step: Step = no_step,
    ) -> None:
        self._file = file
        self._graph = graph
        self._clock = clock
        self._salt = salt
        self._vocabulary = vocabulary
        self._handlers = handlers
        self._ledger = ledger
        self._on_commit = on_commit
        self._touched: dict[str, int] = {}  # noun → the position of its latest change
        self._step = step
        self._turn = threading.Lock()  # held while a batch is committed
        self._mutex = threading.Lock()  # of the queue, and of who leads
        self._led = False
        self._queue: deque[_Work] = deque()
        self._crowded = False
        self._closed = False
        self.seq, at = file.head()
        self._opened_at = self.seq  # what was changed before, nobody knows by noun
        # The time of the latest event: times in the log never fall, whatever the clock does.
        self.at: datetime = at.replace(tzinfo=UTC) if at is not None else datetime.min.replace(tzinfo=UTC)
        self.last_commit_at = self.last_event_at = clock()

    def commit(self, unit: Unit, *, keep: Keep | None = None) -> Committed:
        """Commit a unit that was staged outside. Raises Conflict where something that it rests on has changed."""
        if not unit.changes and not unit.ledger and keep is None:
            self._check_reads(unit, self._graph)
            return Committed(value=None, events=())
        return self._submit(_Work(unit=unit, make_unit=lambda view: unit, body=lambda unit: None, keep=keep))

    def in_turn(
        self, make_unit: Callable[[View], Unit], body: Callable[[Unit], Any], *, keep: Keep | None = None
    ) -> Committed:
        """Run `body` on a fresh unit in the writer's own turn, where nothing can change under it, and commit it."""
        return self._submit(_Work(unit=None, make_unit=make_unit, body=body, keep=keep))

    @property
    def queued(self) -> int:
        """How many units wait for their turn."""
        return len(self._queue)

    def pause(self) -> threading.Lock:
        """The lock that is held while a batch is committed; whoever holds it stops the writer."""
        return self._turn

    def close(self) -> None:
        """Refuse everything from now on; for whoever holds the pause. Another file may be in this one's place soon."""
        self._closed = True

    def _submit(self, work: _Work) -> Committed:
        with self._mutex:
            self._queue.append(work)
            leads = not self._led
            self._led = True
        if not leads:
            leads = self._wait(work)
        if leads:
            self._lead()
        if work.error is not None:
            raise work.error
        return Committed(value=work.value, events=tuple(work.rows), runs=tuple(work.runs), ran=work.ran)

    def _wait(self, work: _Work) -> bool:
        """Return when the work is done, False, or when its caller is to commit the next batch, True."""
        if not work.woken.acquire(timeout=WAIT_SECONDS_MAX):
            with self._mutex:
                try:
                    self._queue.remove(work)
                except ValueError:
                    pass  # it is being committed: its outcome is near, and only that outcome may be told
                else:
                    if not work.leads:
                        raise Unavailable(
                            f"the writer was busy for {WAIT_SECONDS_MAX:g} s", hint="nothing was changed; try again"
                        )
                    self._queue.appendleft(work)
            work.woken.acquire()
        return work.leads

    def _lead(self) -> None:
        """Commit what is queued, the own work first among it, and hand over to whoever queued up meanwhile."""
        if self._crowded:
            self._gather()
        works: list[_Work] = []
        try:
            with self._turn:
                with self._mutex:
                    works = self._take()
                self._crowded = len(works) > 1
                self._commit_batch(works)
        except BaseException as error:
            for work in works:
                if not work.done:
                    work.rows, work.error, work.done = [], error, True
            # Each is told of its own unit: whoever led may have been committed before another one failed.
            if not works or not isinstance(error, Exception):
                raise
        finally:
            with self._mutex:
                if self._queue:
                    self._queue[0].leads = True
                    self._queue[0].woken.release()
                else:
                    self._led = False
            for work in works[1:]:
                work.woken.release()

    def _gather(self) -> None:
        """Wait as long as company keeps coming, a few times at most."""
        for _ in range(GATHER_TIMES_MAX):
            queued = len(self._queue)
            time.sleep(GATHER_SECONDS)
            if len(self._queue) == queued:
                return

    def _take(self) -> list[_Work]:
        taken: list[_Work] = []
        events = 0
        while self._queue and len(taken) < UNITS_MAX and events < EVENTS_MAX:
            work = self._queue.popleft()
            taken.append(work)
            events += len(work.unit.changes) if work.unit else 1
        return taken

    def _commit_batch(self, works: list[_Work]) -> None:
        """Commit what can be; a batch that the store refuses as a whole is tried again one unit at a time."""
        self._step("staging")
        overlay = Overlay(self._graph)
        accepted: list[tuple[_Work, Unit]] = []
        rest: list[_Work] = []
        for place, work in enumerate(works):
            try:
                unit = work.unit
                if unit is None:
                    unit = work.make_unit(overlay)
                    work.value = work.body(unit)
                else:
                    self._recheck(unit, overlay)
            except BaseException as error:
                work.error, work.done = error, True
                continue
            if place + 1 < len(works):  # else nobody looks at it any more
                overlay.absorb(unit.overlay)
            accepted.append((work, unit))
            if unit.vocabulary is not unit.began_with or any(change.noun is HANDLER for change in unit.changes):
                rest = works[place + 1 :]  # they must see the nouns and the handlers as this unit leaves them
                break
        try:
            self._write(accepted)
        except duckdb.Error as error:
            self._graph.forget()
            if len(accepted) > 1:
                for work, _ in accepted:
                    work.rows, work.runs = [], []
                for work, _ in accepted:
                    self._commit_batch([work])
            else:
                for work, _ in accepted:
                    work.error = _refused(error)
        # Reached only where nothing else was raised: what is not done when the leader fails is told as failed.
        for work, _ in accepted:
            work.done = True
        if rest:
            self._commit_batch(rest)

    def _write(self, accepted: list[tuple[_Work, Unit]]) -> None:
        now = self._clock()
        # Not before what the units took for the present, since that stands in the entities.
        seq, at = self.seq, max([now, self.at, *(unit.now for _, unit in accepted)])
        shown_at = format_datetime(at)
        batch = Batch()
        latest: dict[str, tuple[Change, Entity, int, str]] = {}
        taken: dict[Key, str] = {}
        freed: set[Key] = set()
        logged: list[tuple[Change, EventRow]] = []
        stored: set[str] = set()
        noted = self._ledger.take()
        runs = list(noted)
        asked: list[Entity] = []  # runs of BEFORE handlers
        handlers = self._handlers()
        for work, unit in accepted:
            batch.redefined |= _redefined(unit)
            own = unit.origin
            for change in unit.changes:
                seq += 1
                origin = change.origin or own
                text = change.entity.encoded()
                row = recorded(
                    change,
                    text,
                    seq=seq,
                    at=at,
                    shown_at=shown_at,
                    actor=change.actor or unit.caller.actor,
                    cause=origin.cause,
                    run=origin.run,
                    via=unit.via,
                    salt=self._salt(),
                )
                work.rows.append(row)
                logged.append((change, row))
                set_off = self._ledger.set_off(origin, unit.now, change, row, handlers, self._graph)
                work.runs += set_off
                entity = change.entity
                if change.noun is RUN and not entity.number:
                    asked.append(entity)
                    continue
                number = latest[entity.id][1].number if entity.id in latest else entity.number
                if number and entity.id not in latest:
                    stored.add(entity.id)
                entity = Entity(entity.noun, entity.id, entity.version, number or seq, entity.body)
                latest[entity.id] = (change, entity, seq, text)
                for key in change.freed:
                    if taken.get(key) == entity.id:
                        del taken[key]
                    else:
                        freed.add(key)
                for key in change.taken:
                    taken[key] = entity.id
            work.ran = tuple(
                change.entity for change in unit.changes if change.noun is RUN and change.entity.id != unit.run
            )
            runs += [*map(self._ledger.numbered, unit.ledger), *work.runs]
            if work.keep is not None:
                batch.answers.append(work.keep(work.value, work.rows))
        if not logged and not batch.answers and not runs:
            return
        later = asked if len(asked) <= NOTED_AT_ONCE else []
        runs += [self._ledger.numbered(run) for run in asked if not later]
        batch.events = [row for _, row in logged]
        for change, entity, at_seq, text in latest.values():
            batch.nouns[change.noun.name] = change.noun
            rows = batch.changed if entity.id in stored else batch.new
            rows.setdefault(change.noun.name, []).append(entities.row(change.noun, entity, at_seq, text))
            if len(stored) <= STATEMENTS_MAX and entity.id in stored and change.noun.name not in batch.redefined:
                former = self._graph.get(change.noun, entity.id)
                if former is not None:
                    batch.before[entity.id] = entities.row(change.noun, former, 0, "")
        kept = [(run, run.encoded()) for run in runs]
        if kept:
            batch.nouns[RUN.name] = RUN
            batch.new.setdefault(RUN.name, []).extend(entities.row(RUN, run, seq, text) for run, text in kept)
        batch.taken = [(key_text(key), id) for key, id in taken.items()]
        batch.freed = [(key_text(key),) for key in sorted(freed)]
        self._graph.reserve(taken)
        self._step("before commit")
        try:
            self._file.commit(batch, step=self._step)
        except BaseException:
            self._ledger.put_back(noted)
            raise
        self._step("after commit")
        for run in later:
            self._ledger.note(run)
        self.seq, self.at = seq, at if logged else self.at
        self.last_commit_at = now
        if logged:
            self.last_event_at = now
        for change, row in logged:
            if change.noun is not RUN:
                self._touched[change.noun.name] = row.seq
        self._graph.committed([(entity, text) for _, entity, _, text in latest.values()] + kept)
        self._on_commit(logged, [run for work, _ in accepted for run in work.runs])

    def _recheck(self, unit: Unit, overlay: Overlay) -> None:
        """What a unit that was staged outside rests on must still hold; Conflict where it does not."""
        if unit.began_with is not self._vocabulary():
            raise Conflict("a noun was changed while this ran", hint="run it again")
        if unit.handlers is not self._handlers():
            raise Conflict("a handler was stored or changed while this ran", hint="run it again")
        self._check_reads(unit, overlay)
        self._check_queries(unit, overlay)
        for change in unit.changes:
            # A fresh id may be given twice within a batch; only that of a plan can be in the store.
            known = (
                overlay.get(change.noun, change.entity.id) if unit.planned else overlay.entities.get(change.entity.id)
            )
            if change.entity.version == 1 and known is not None:
                raise Conflict(f"{change.entity.id} was created already", hint="a plan is committed once")
        for change in unit.changes:
            for key in change.taken:  # also what it gave up again: as of this event, it has it
                owner = overlay.owner(key)
                # Whoever gave the value up in this very unit is no hindrance: it staged them in that order.
                if owner not in (None, change.entity.id) and owner not in unit.overlay.entities:
                    raise Conflict(f"{'.'.join(key[:2])} {key[2][:80]!r} was taken by {owner} while this ran", id=owner)
        for lookup in unit.lookups:
            ids = holders(overlay, unit.began_with, lookup.noun, lookup.key, lookup.value, unit.now)
            if tuple(ids) != lookup.ids:
                raise Conflict(
                    f"who has this {lookup.noun.name}.{lookup.key} changed while this ran", hint="run it again"
                )
        if unit.deletions:
            after = Overlay(overlay)
            after.absorb(unit.overlay)
            for noun, id in unit.deletions:
                left = unit.overlay.get(noun, id)
                # Restored in the same unit, it may be pointed at by what the unit did then; by nobody else, as it was deleted.
                mine = unit.overlay.entities if left is not None and not left.deleted else ()
                try:
                    refuse_if_pointed_at(unit.vocabulary, after, noun, id, but=mine)
                except VerbenaError as error:
                    raise Conflict(f"{error.message}, since this ran", hint=error.hint) from error

    def _check_queries(self, unit: Unit, overlay: Overlay) -> None:
        """What a BEFORE handler found by a query must be found still: nothing of those nouns has changed since."""
        for name in unit.queried:
            staged = overlay.nouns - {RUN.name} if name == "*" else overlay.nouns & {name}
            latest = (
                max(self._touched.values(), default=self._opened_at)
                if name == "*"
                else self._touched.get(name, self._opened_at)
            )
            if staged or latest > unit.began_at:
                raise Conflict(f"{name} was changed while this ran, and a handler had queried it", hint="run it again")

    def _check_reads(self, unit: Unit, view: View) -> None:
        for id, (noun, version) in unit.reads.items():
            found = view.get(noun, id)
            now = found.version if found else 0
            if now != version:
                raise Conflict(
                    f"{id} changed while this ran: version {version} became {now}",
                    hint="run it again on what it says now",
                    id=id,
                    expected=version,
                    current=now,
                )


def _redefined(unit: Unit) -> dict[str, Noun]:
    """The nouns that a unit added or changed, and those that they gave a way back."""
    if unit.vocabulary is unit.began_with:
        return {}
    before, after = unit.began_with, unit.vocabulary
    return {
        name: after.noun(name)
        for name in after.names
        if name not in before.names or after.noun(name) != before.noun(name)
    }


def _refused(error: duckdb.Error) -> VerbenaError:
    if isinstance(error, duckdb.ConstraintException):
        # A fresh id that is in the store already: nobody looks for that, since it happens once in four hundred quadrillion.
        return Conflict("an id was given that is taken", hint="nothing was changed; try again")
    return Unavailable(
        f"the store refused the commit: {str(error).splitlines()[0][:200]}", hint="nothing was changed; try again"
    )
