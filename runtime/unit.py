"""The unit of work: what one call changes, staged in memory, and what that rests on."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from runtime.entity import Body, Entity, stamp
from runtime.errors import LimitExceeded
from runtime.graph import Overlay, View
from runtime.ids import NewId, new_id
from runtime.noun import Noun, Verb
from runtime.store import Key
from runtime.vocabulary import Vocabulary

# One unit stages at most this many events: it is held in memory until its commit.
EVENTS_MAX = 20_000


_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, bound once at the face and never read from a message."""

    tenant: str
    actor: str = "local"
    level: int = 3  # L0 reads only … L3


@dataclass(frozen=True, slots=True)
class Origin:
    """What made a change: its run, the event that set that off, and what all of it goes back to."""

    run: str | None
    cause: str | None
    root: str | None
    depth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One staged event: the verb, and the entity as it leaves it."""

    noun: Noun
    verb: Verb
    entity: Entity
    input: Mapping[str, Any]
    changed: Mapping[str, Any]  # key → {"from": …, "to": …}
    actor: str | None = None  # who did it, where that is not the unit's caller: a handler acts with rights of its own
    origin: Origin | None = None  # where that is not the unit's: the log is told of it later
    taken: tuple[Key, ...] = ()
    freed: tuple[Key, ...] = ()


class BeforeHandler(Protocol):
    """What runs BEFORE a verb: it sees the entity as it would become, may return values to merge, may raise."""

    @property
    def name(self) -> str: ...

    def __call__(self, noun: Noun, entity: Mapping[str, Any], unit: "Unit") -> Mapping[str, Any] | None: ...


# Which handlers run BEFORE a verb of a noun, in the order of registration.
BeforeHandlers = Callable[[Noun, Verb], Sequence[BeforeHandler]]


def no_handlers(noun: Noun, verb: Verb) -> Sequence[BeforeHandler]:
    """The answer of a tenant without handlers."""
    return ()


@dataclass(frozen=True, slots=True)
class Lookup:
    """Who had a value of a key, what the unit itself staged left out."""

    noun: Noun
    key: str
    value: Any
    ids: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Unit:
    """All or nothing: every change goes through `stage`, every read by id through `read`."""

    caller: Caller
    vocabulary: Vocabulary
    view: View
    now: datetime  # never before what is in the log, and its events are never before this
    run: str | None = None
    cause: str | None = None
    via: str | None = None
    before: BeforeHandlers = no_handlers
    new_id: NewId = new_id
    # Entities that are led somewhere together: what they are to each other is checked when all of them are there.
    moving: frozenset[str] = frozenset()
    planned: bool = False  # staged again from a plan, which may have been committed before
    depth: int = 0  # how many handlers set each other off until this
    root: str | None = None  # the event or run that everything goes back to; None: each event of this unit is one
    began_at: int = 0  # the position of the log when the unit began
    handlers: object = None  # the tenant's handlers when it began: others at commit are a conflict
    effects: object = None  # what its code may ask of the outside, see `runtime.outside`
    overlay: Overlay = field(init=False)
    changes: list[Change] = field(default_factory=list[Change])
    # id → (noun, version it had when it was first read; 0 where there was none)
    reads: dict[str, tuple[Noun, int]] = field(default_factory=dict[str, tuple[Noun, int]])
    # Nobody may point at these at commit either: that was learned from a query, and not from an id.
    deletions: list[tuple[Noun, str]] = field(default_factory=list[tuple[Noun, str]])
    # Who had a value, for keys that are not unique: still so at commit, or a conflict.
    lookups: list[Lookup] = field(default_factory=list[Lookup])

    # Nouns that a BEFORE handler queried; "*" for all of them. A change of one since the unit began is a conflict.
    queried: set[str] = field(default_factory=set[str])
    ledger: list[Entity] = field(default_factory=list[Entity])  # runs to be written with this unit
    _acting: Caller | None = None
    _telling_of: Origin | None = None

    began_with: Vocabulary = field(init=False)  # a commit is refused where the tenant's nouns are others by now

    def __post_init__(self) -> None:
        self.overlay = Overlay(self.view)
        self.began_with = self.vocabulary

    def read(self, noun: Noun, id: str) -> Entity | None:
        """The entity as this unit sees it, deleted or not; what is read here must be unchanged at commit."""
        found = self.overlay.get(noun, id)
        if id not in self.reads and id not in self.overlay.entities:
            self.reads[id] = (noun, found.version if found else 0)
        return found

    def stage(self, change: Change) -> None:
        """Add an event; reads of this unit see its entity from now on."""
        if len(self.changes) >= EVENTS_MAX:
            raise LimitExceeded(f"one unit makes at most {EVENTS_MAX:,} events", hint="do the work in several calls")
        if self._acting is not None:
            change = replace(change, actor=self._acting.actor, origin=self._telling_of)
        self.changes.append(change)
        self.overlay.put(change.entity)
        for key in change.freed:
            if self.overlay.keys.get(key, change.entity.id) == change.entity.id:  # nobody else has it by now
                self.overlay.keys[key] = None
        for key in change.taken:
            self.overlay.keys[key] = change.entity.id

    def stage_own(
        self,
        noun: Noun,
        verb: str,
        id: str,
        values: Mapping[str, Any],
        *,
        input: Mapping[str, Any] = _NOTHING,
        fresh: bool = False,
    ) -> Entity:
        """Stage an event of one of the runtime's own nouns: its entity with these values over what it held.

        `fresh` where nothing can be stored under the id, so that the store is not asked, here and at commit.
        """
        before = None if fresh else self.read(noun, id)
        was: Body = {} if before is None else dict(before.body)
        now = stamp(self.now, before.body if before else None)
        body = {key: value for key, value in {**was, **values}.items() if value is not None}
        body |= {"$id": id, "$type": noun.name, "$version": before.version + 1 if before else 1, "$updatedAt": now}
        if before is None:
            body |= {"$createdAt": now, "$createdBy": self.rights.actor}
        entity = Entity(noun.name, id, body["$version"], before.number if before else 0, body)
        self.stage(Change(noun=noun, verb=noun.verbs[verb], entity=entity, input=input, changed={}))
        return entity

    @property
    def rights(self) -> Caller:
        """Whose rights count now: those of the caller, or of the handler that runs in the middle of the unit."""
        return self._acting or self.caller

    @contextmanager
    def acting(self, handler: Caller) -> Generator[None]:
        """What is done meanwhile is done by a handler: with its rights, in its name, and resting on what it queries."""
        before, self._acting = self._acting, handler
        try:
            yield
        finally:
            self._acting = before

    @property
    def origin(self) -> Origin:
        """What makes the changes of this unit."""
        return Origin(self.run, self.cause, self.root, self.depth)

    @contextmanager
    def telling_of(self, caller: Caller, origin: Origin) -> Generator[None]:
        """What is staged meanwhile was done by another run, for its caller."""
        before, self._telling_of = self._telling_of, origin
        try:
            with self.acting(caller):
                yield
        finally:
            self._telling_of = before

    def query(self, *nouns: str) -> None:
        """Note what is queried where an answer must still hold at commit."""
        if self._acting is not None:
            self.queried.update(nouns)

    def mark(self) -> "Mark":
        """A point to fall back to."""
        return Mark(len(self.changes), len(self.deletions), self.overlay.copy())

    def fall_back(self, mark: "Mark") -> None:
        """Drop everything that was staged since a mark."""
        del self.changes[mark.changes :]
        del self.deletions[mark.deletions :]
        self.overlay = mark.overlay


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a unit had come."""

    changes: int
    deletions: int
    overlay: Overlay
