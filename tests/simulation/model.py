"""A tenant in plain Python: its log, and the state that follows from it. Written from the contract, it shares no code with
the runtime."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from tests.simulation.shapes import SHIPPED, Shape

Body = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What one verb did."""

    type: str
    verb: str
    past: str
    id: str
    version: int
    body: Body
    changed: Body
    input: Body
    run: str | None = None
    at: datetime | None = None  # only of what is in the log


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A structured action; `define` and `undo` are among them."""

    verb: str
    type: str = ""
    id: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    items: tuple["Action", ...] = ()  # of a batch


@dataclass(frozen=True, slots=True)
class Model:
    """Everything that is in the log, the state that follows from it, and what is staged on top."""

    log: list[Event] = field(default_factory=list[Event])
    staged: list[Event] = field(default_factory=list[Event])
    versions: dict[str, tuple[Event, ...]] = field(default_factory=dict[str, tuple[Event, ...]])
    shapes: dict[str, Shape] = field(default_factory=lambda: {shape.name: shape for shape in SHIPPED})
    reads: set[str] = field(default_factory=set[str])  # ids that an action looked at
    lookups: list[tuple[str, str, Any]] = field(default_factory=list[tuple[str, str, Any]])  # noun, key, value

    # -- looking -----------------------------------------------------------------------------------------------------

    def fork(self) -> "Model":
        """The same tenant, to try something on."""
        return Model(list(self.log), [], dict(self.versions), dict(self.shapes))

    def at(self, seq: int) -> "Model":
        """The tenant as the log says that it was at a position, under the nouns of today."""
        past = Model(self.log[:seq], [], {}, dict(self.shapes))
        for event in past.log:
            past.versions[event.id] = (*past.versions.get(event.id, ()), event)
        return past

    def body(self, id: str) -> Body | None:
        """The present values, under the present names of their keys."""
        events = self.versions.get(id)
        return None if events is None else self.renamed(events[-1].type, events[-1].body)

    def renamed(self, type: str, body: Body) -> Body:
        shape = self.shapes.get(type)
        if shape is None or not shape.renamed:
            return body
        return {shape.renamed.get(key, key) if key not in shape.keys else key: value for key, value in body.items()}

    def live(self, type: str) -> dict[str, Body]:
        """The entities of a noun that are not deleted."""
        return {id: body for id, body in self.of(type).items() if "$deletedAt" not in body}

    def of(self, type: str) -> dict[str, Body]:
        """Every entity of a noun, deleted ones too, in the order in which they were created."""
        shape = self.shapes.get(type)
        start = f"{shape.prefix if shape else type[0].lower() + type[1:]}_"
        return {id: body for id in self.versions if id.startswith(start) and (body := self.body(id)) is not None}

    def is_live(self, id: str) -> bool:
        body = self.body(id)
        return body is not None and "$deletedAt" not in body

    def uniques(self) -> dict[tuple[str, str, str], str]:
        """Who has which unique value: live entities and nobody else."""
        return {
            (shape.name, name, str(body[name])): id
            for shape in self.shapes.values()
            for id, body in self.live(shape.name).items()
            for name, key in shape.keys.items()
            if key.unique and name in body
        }

    def shown(self, body: Body) -> Body:
        """The entity as a caller gets it, but for its `$context`: links to what is deleted read as empty."""
        shown: Body = {}
        shape = self.shapes[body["$type"]]
        for name, value in body.items():
            key = shape.keys.get(name)
            if key is None or key.kind != "relation":
                shown[name] = value
            elif key.many:
                shown[name] = [id for id in value if self.is_live(id)]
            elif self.is_live(value):
                shown[name] = value
        return shown

    def run(self, run: str) -> list[Event]:
        return [event for event in self.log if event.run == run]

    def commit(self, *, run: str | None, at: datetime) -> None:
        """Take what is staged into the log."""
        for event in self.staged:
            logged = replace(event, run=run, at=at)
            self.log.append(logged)
            self.versions[event.id] = tuple(logged if each is event else each for each in self.versions[event.id])
        self.staged.clear()


def stamp(at: datetime) -> str:
    """A moment as it is written everywhere: UTC, six digits of a second or none."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
