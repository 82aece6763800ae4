"""One tenant, open: its file, its graph, its nouns, its writer and its text index, put together once."""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import duckdb
import structlog

from runtime import entity as entities
from runtime import past
from runtime.clock import Clock, system_clock
from runtime.cursor import unseal
from runtime.declaration import from_data
from runtime.entity import Entity
from runtime.errors import Unavailable, VerbenaError
from runtime.event_log import NewSalt, new_salt
from runtime.graph import Graph, View
from runtime.handlers.handler import Handler
from runtime.handlers.handler_set import HandlerSet
from runtime.idempotency import Answers
from runtime.ids import NewId, new_id
from runtime.ledger import Ledger
from runtime.noun import Noun, Verb
from runtime.outside.outside import Outside
from runtime.own_nouns import HANDLER, NOUN, OWN_NOUNS
from runtime.past import History, Past, position
from runtime.plans import PlanShelf
from runtime.proofs import rotation_event
from runtime.proofs.heads import Heads
from runtime.proofs.prover import Prover
from runtime.proofs.signing import Keyring
from runtime.proofs.tree import Tree
from runtime.reservations import Reservations
from runtime.rewrite import unfinished_erasures
from runtime.sql import Sql
from runtime.store import EventRow, Instance, TenantFile
from runtime.store.tenant_file import CHECKPOINT_PATIENCE_SECONDS
from runtime.tenant_files import copy_apart
from runtime.text_index import TextIndex, text_of
from runtime.unit import BeforeHandler, Caller, Change, Unit
from runtime.vocabulary import Vocabulary
from runtime.writer import Committed, Keep, Step, Writer, no_step

if TYPE_CHECKING:
    from runtime.outside.http import Http

# A unit that met somebody else's change is run again this often before its caller hears of it.
TRIES_MAX = 8
# Idle for this long, a file's WAL is folded in, so that the next opening need not replay it.
IDLE_BEFORE_CHECKPOINT = timedelta(seconds=2)
# A WAL that is so many times what it may be is folded in at the cost of those who write, else it might grow for ever.
FULLNESS_BEFORE_WAITING = 2
CATCH_UP_ROWS = 2_000
CATCH_UP_SECONDS_MAX = 10.0

log = structlog.get_logger()


class RunQueue(Protocol):
    """What runs handlers after a commit, see `runtime.handlers.runner`."""

    def start(self) -> None:
        """Run what waits; until then nothing is committed by a run."""
        ...

    def committed(self, logged: Sequence[tuple[Change, EventRow]], runs: Sequence[Entity]) -> None:
        """Hear of events, and of the runs that they set off; in the writer's turn, so only take note."""
        ...

    def why(self, run: Entity) -> str | None:
        """What a run that has not ended waits for."""
        ...

    def stand(self, ids: Sequence[str], seconds: float) -> list[dict[str, Any]]:
        """How these runs stand, after waiting for them at most as long."""
        ...

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs, waits or is tried again."""
        ...

    def keep_up(self) -> None:
        """Start what has become due."""
        ...

    def close(self) -> None:
        """Cut off what runs and start nothing more."""
        ...


class HandlersAreAsked(Exception):
    """In the writer's turn no code is run, and a handler runs BEFORE this verb: it takes a unit outside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantOptions:
    """What an open tenant is given from outside; a test supplies other values."""

    catalogue: Vocabulary
    base_url: str
    keyring: Keyring
    checkpoints: Path  # where the signed heads of each tenant's log are kept, away from its file
    runs: Callable[["Tenant"], RunQueue]
    http: "Http | None" = None  # asks the hosts that the operator allows; None where that is none
    clock: Clock = system_clock
    salt: NewSalt = new_salt
    new_id: NewId = new_id
    step: Step = no_step
    # Hears of every commit, with the tenant's name, in the writer's turn: it must do no more than wake somebody.
    committed: Callable[[str, Sequence[tuple[Change, EventRow]]], None] = lambda name, logged: None


class Tenant:
    """A tenant's graph and log, ready to be read and written."""

    def __init__(self, instance: Instance, folder: Path, name: str, options: TenantOptions) -> None:
        self.name = name
        self.data = folder.parent
        self.clock = options.clock
        self.new_id = options.new_id
        self.step = options.step
        self._committed = options.committed
        self.context = f"{options.base_url}/~{name}"
        self.file = TenantFile(instance, folder / f"{name}.duckdb", name)
        self.graph = Graph(self.file)
        self._catalogue = options.catalogue
        self.vocabulary = self._defined(options.catalogue)
        self.handlers = self._stored_handlers()
        self.ledger = Ledger(self.file, options.new_id)
        self.file.migrate({**OWN_NOUNS, **{noun: self.vocabulary.noun(noun) for noun in self.vocabulary.names}})
        self.writer = Writer(
            self.file,
            self.graph,
            clock=options.clock,
            salt=options.salt,
            vocabulary=lambda: self.vocabulary,
            handlers=lambda: self.handlers,
            ledger=self.ledger,
            on_commit=self._after_commit,
            step=options.step,
        )
        self.history = History(self.file, self.writer.pause, lambda: self._fold_in(rests=False))
        self.prover = Prover(
            origin=self.context.partition("://")[2],
            tree=Tree(self.file),
            heads=Heads(options.checkpoints / name),
            keyring=options.keyring,
            clock=options.clock,
            size=lambda: self.writer.seq,
            record_rotations=self._record_rotations,
        )
        self.reservations = Reservations()
        self.answers = Answers(self.file, options.clock)
        self.plans = PlanShelf(self.file, options.clock)
        self._texts_folder = folder / f"{name}.index"
        self._texts: TextIndex | None = None
        self._texts_lock = threading.Lock()
        self._caught_up = threading.Event()
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._folding = threading.Lock()  # held by who checkpoints the file, or wants that nobody does
        # Payloads of erased entities are in the file still: it must be written anew before anybody is answered.
        self.erasing = unfinished_erasures(self.file) > 0
        self.last_used = time.monotonic()
        self.outside = Outside(
            self.file, self.graph, options.http, clock=options.clock, record=self._record_effects, step=options.step
        )
        if self.writer.seq:
            self.ledger.note_lost(self.writer.seq, self.writer.at)
        self.runs = options.runs(self)
        self.outside.recover(Caller(tenant=name, actor="verbena"))
        self.runs.start()
        if self.writer.seq:
            self._start(self._warm)

    # -- units -----------------------------------------------------------------------------------------------------

    def unit(self, caller: Caller, *, view: View | None = None, run: str | None = None, via: str | None = None) -> Unit:
        """A fresh unit over what is committed, or over the state that the writer is at."""
        return Unit(
            caller=caller,
            vocabulary=self.vocabulary,
            view=view or self.graph,
            now=max(self.clock(), self.writer.at),  # also after the clock was put back
            run=run,
            via=via,
            new_id=self.new_id,
            before=self._no_code,
            began_at=self.writer.seq,
            handlers=self.handlers,
        )

    def _no_code(self, noun: Noun, verb: Verb) -> Sequence[BeforeHandler]:
        if self.handlers.before(noun, verb):
            raise HandlersAreAsked(f"{noun.name}.{verb.name}")
        return ()

    def unit_at(self, unit: Unit, as_of: Any, cursor: Any = None) -> tuple[Unit, int | None]:
        """The unit that reads at `asOf`, or where the cursor left off, and that position; the unit itself for the present."""
        seq: int | None = None
        if as_of is not None:
            seq = position(self.file, as_of, now=unit.now, head=self.writer.seq)
        elif cursor is not None:
            seq = unseal(cursor).as_of
        if seq is None:
            return unit, None
        return self.unit(unit.caller, view=Past(self.file, self.history, seq), run=unit.run), seq

    def commit(self, unit: Unit, *, keep: Keep | None = None) -> Committed:
        """Commit a unit that was staged outside; Conflict where what it rests on has changed, its nouns included."""
        self.outside.stage(unit)
        committed = self.writer.commit(unit, keep=keep)
        self.outside.committed(unit)
        return committed

    def in_turn(
        self,
        caller: Caller,
        body: Callable[[Unit], Any],
        *,
        run: str | None = None,
        via: str | None = None,
        keep: Keep | None = None,
    ) -> Committed:
        """Run `body` on a unit in the writer's own turn, so that it never meets a conflict, and commit it."""
        return self.writer.in_turn(lambda view: self.unit(caller, view=view, run=run, via=via), body, keep=keep)

    def write_noted(self) -> None:
        """Write what was noted of runs and of what they asked outside, so that it is found."""
        if self.ledger.has_noted:
            self.ledger.write_soon()  # with the next commit
        self.outside.write_untold()
        if self.ledger.has_noted:
            self.in_turn(Caller(tenant=self.name, actor="verbena"), lambda unit: None)

    # -- nouns -----------------------------------------------------------------------------------------------------

    def vocabulary_at(self, seq: int) -> Vocabulary:
        """The nouns as they were at a position of the log."""
        return past.vocabulary(self.file, self._catalogue, seq)

    def _defined(self, catalogue: Vocabulary) -> Vocabulary:
        """The shipped nouns and those that the tenant defined, in the order in which it did."""
        vocabulary = catalogue
        table = self.file.table(NOUN)
        if table is None:
            return vocabulary
        rows = self.file.rows(Sql(f'SELECT "$body" FROM {table} ORDER BY "$number"'))
        # All at once: one that was changed last may be what an older one leads to.
        return vocabulary.with_nouns(
            from_data(entities.decoded(NOUN, "", 0, body).body["declaration"]) for (body,) in rows
        )

    def _stored_handlers(self) -> HandlerSet:
        """The handlers that the tenant stored, removed ones left out."""
        table = self.file.table(HANDLER)
        sql = f"""SELECT "$id", "$number", "$body" FROM {table} WHERE status <> 'Removed'"""
        rows = [] if table is None else self.file.rows(Sql(sql))
        return HandlerSet((Handler.of(entities.decoded(HANDLER, *row)) for row in rows), self.vocabulary)

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name=f"verbena{work.__name__}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _warm(self) -> None:
        try:
            for name in self.vocabulary.names:
                self.graph.warm(self.vocabulary.noun(name), lambda: not self._closing.is_set())
        except (duckdb.Error, VerbenaError):
            if not self._closing.is_set():
                log.exception("the cache could not be warmed", tenant=self.name)

    # -- text ------------------------------------------------------------------------------------------------------

    def texts(self) -> TextIndex:
        """The text index, holding everything that is committed. Raises Unavailable while it is still being rebuilt."""
        index = self._open_texts()
        if not self._caught_up.wait(CATCH_UP_SECONDS_MAX):
            raise Unavailable(
                f"the text index is being rebuilt: it has come to {index.seq} of {self.writer.seq}",
                hint="try again in a few seconds, or use a filter instead of query",
            )
        return index

    def _open_texts(self) -> TextIndex:
        with self._texts_lock:
            if self._texts is None:
                self._texts = TextIndex(self._texts_folder)
                if self._texts.seq >= self.writer.seq:
                    self._caught_up.set()
                else:
                    self._start(self._catch_up)
            return self._texts

    def _catch_up(self) -> None:
        """Index what was committed since the index was last written; an index that is gone is made anew like this."""
        index = self._open_texts()
        try:
            since = index.seq
            while not self._closing.is_set():
                until = self.writer.seq
                for name in self.vocabulary.names:
                    self._index_rows(index, self.vocabulary.noun(name), since, until)
                with self.writer.pause():
                    if self.writer.seq == until and not self._closing.is_set():
                        index.reached(until)
                        self._caught_up.set()
                        return
                since = until
        except Exception:
            log.exception("the text index could not catch up", tenant=self.name)

    def _index_rows(self, index: TextIndex, noun: Noun, since: int, until: int) -> None:
        """Index the rows of one noun that were last written between two positions of the log."""
        table = self.file.table(noun)
        began = index.seq  # so that a crash in the middle begins here again
        at = since
        while table is not None and not self._closing.is_set():
            rows = self.file.rows(
                Sql(
                    f"""SELECT "$seq", "$id", "$number", "$body" FROM {table}
                    WHERE "$seq" > ? AND "$seq" <= ? ORDER BY "$seq" LIMIT {CATCH_UP_ROWS}""",
                    (at, until),
                )
            )
            found = [entities.decoded(noun, id, number, body) for _, id, number, body in rows]
            index.add([self._indexed(noun, entity, began) for entity in found])
            if len(rows) < CATCH_UP_ROWS:
                return
            at = rows[-1][0]

    def _indexed(self, noun: Noun, entity: Entity, seq: int) -> tuple[int, str, str, tuple[str, str], bool]:
        return (seq, noun.name, entity.id, text_of(noun, entity.body), entity.deleted)

    # -- after a commit --------------------------------------------------------------------------------------------

    def _after_commit(self, logged: Sequence[tuple[Change, EventRow]], runs: Sequence[Entity]) -> None:
        # A crossing changes nothing of what runs; a new set would be a conflict for every unit that runs now.
        stored = [
            Handler.of(change.entity) for change, _ in logged if change.noun is HANDLER and change.verb.name != "cross"
        ]
        for change, _ in logged:
            if change.noun is NOUN:
                self.vocabulary = self.vocabulary.with_noun(from_data(change.entity.body["declaration"]))
                self.history.outdated()
                self.graph.forget_keys()
            if change.verb.name == "erase":
                self.erasing = True
        if stored or any(change.noun is NOUN for change, _ in logged):
            self.handlers = self.handlers.changed(stored, self.vocabulary)
        index = self._texts
        if index is not None and self._caught_up.is_set():  # until then, catching up finds it
            index.add(
                [
                    self._indexed(change.noun, change.entity, row.seq)
                    for change, row in logged
                    if change.noun.name not in OWN_NOUNS
                ]
            )
        self._committed(self.name, logged)
        self.outside.heard(logged)
        self.runs.committed(logged, runs)

    def _record_rotations(self, keyring: Keyring) -> None:
        caller = Caller(tenant=self.name, actor="verbena")
        self.in_turn(caller, lambda unit: rotation_event.stage(unit, keyring.rotations()))

    def _record_effects(self, body: Callable[[Unit], None]) -> Committed:
        return self.in_turn(Caller(tenant=self.name, actor="verbena"), body)

    # -- upkeep ----------------------------------------------------------------------------------------------------

    def keep_up(self) -> None:
        """What is due now and then: sign the head of a log that rests, fold in the WAL of a file that rests or has grown."""
        self.runs.keep_up()
        self.write_noted()
        # A clock that was put back since says nothing of how long ago that was.
        now = self.clock()
        log_rests = abs(now - self.writer.last_event_at) > IDLE_BEFORE_CHECKPOINT
        if log_rests:
            self.prover.keep_up(self.writer.pause())
        self._fold_in(rests=abs(now - self.writer.last_commit_at) > IDLE_BEFORE_CHECKPOINT)
        if log_rests:
            self.history.keep_up(self.writer.seq, self.vocabulary.noun)
            self.outside.keep_up()
        self._drop_old_runs()

    def _drop_old_runs(self) -> None:
        # By the log's clock: one that is a year ahead for a moment must not cost a year of runs.
        now = min(self.clock(), self.writer.at) if self.writer.seq else self.clock()
        with self.writer.pause():
            if not self._closing.is_set():
                self.graph.dropped(self.ledger.drop_old(now))

    def _fold_in(self, *, rests: bool) -> None:
        """Fold in a WAL that has grown, or where the tenant rests whatever there is, unless the file is being copied."""
        fullness = self.file.wal_fullness()
        if (fullness >= 1 or (rests and fullness > 0)) and self._folding.acquire(blocking=False):
            try:
                self._checkpoint(waits=fullness >= FULLNESS_BEFORE_WAITING)
            finally:
                self._folding.release()

    def _checkpoint(self, *, waits: bool) -> None:
        """Fold in the WAL, the next time where queries are in the way; `waits`: have writers wait for those queries too."""
        with self.writer.pause():
            if self._closing.is_set():
                return
            try:
                self.file.checkpoint(patience_s=CHECKPOINT_PATIENCE_SECONDS if waits else 0)
            except Unavailable:
                log.info("queries are in the way of a checkpoint", tenant=self.name, wal_bytes=self.file.wal_bytes())
            self.answers.forget_old()

    def copy_to(self, path: Path) -> int:
        """Copy the file as it is now, and give its position in the log; others go on reading and writing meanwhile.

        What is committed from now on goes to the WAL, and the file itself stays as it is until somebody folds that in.
        """
        self.write_noted()
        with self._folding:
            with self.writer.pause():
                self._refuse_closed()
                self.file.checkpoint()
                seq = self.writer.seq
                if self.file.wal_bytes():
                    raise Unavailable("the file is busy and could not be brought up to date", hint="try again")
            copy_apart(self.file.path, path)
        return seq

    @property
    def closed(self) -> bool:
        """Whether its file was let go of, or is about to be."""
        return self._closing.is_set()

    def _refuse_closed(self) -> None:
        if self._closing.is_set():
            raise Unavailable(f"the tenant {self.name} was closed in the middle of the call", hint="try again")

    def close(self) -> None:
        """Let go of everything; what was acknowledged is in the file already."""
        self.runs.close()
        with contextlib.suppress(VerbenaError):
            self.write_noted()
        self._closing.set()
        for thread in self._threads:
            thread.join()  # a query that still runs would keep the file open; each of them looks up after every piece
        if self._texts is not None:
            self._texts.close()
        self.outside.close()
        with self._folding, self.writer.pause():
            self.writer.close()
            self.file.close()
