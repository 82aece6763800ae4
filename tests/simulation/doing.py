"""What each action must do to a model, or for which reasons it must be refused.

It is given what the engine may choose, ids and the present, and says the rest. A call may be wrong in several ways at once
and no order of checks is promised, so a refusal names every code that would be right.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tests.simulation.model import Action, Body, Event, Model, stamp
from tests.simulation.shapes import OWN, Key, Move, Shape, Verb

_PAST = {"create": "created", "update": "updated", "delete": "deleted", "restore": "restored", "rollback": "rolledBack"}


class Refused(Exception):
    """The action must be refused, with one of these codes."""

    def __init__(self, codes: Iterable[str]) -> None:
        self.codes = frozenset(codes)
        super().__init__(", ".join(sorted(self.codes)))


def act(model: Model, action: Action, *, now: datetime, actor: str, new_id: Callable[[str], str]) -> list[Body] | None:
    """Stage what an action does; the entities as a caller gets them, None for a noun.

    Raises Refused, and then the model is of no more use.
    """
    doing = _Doing(model, stamp(now), now.date().isoformat(), actor, new_id)
    match action.verb:
        case "batch":
            return [model.shown(doing.one(item)) for item in action.items]
        case "define":
            doing.define(action)
            return None
        case "undo":
            return [model.shown(body) for body in doing.undo(action.id or "")]
        case _:
            return [model.shown(doing.one(action))]


@dataclass(frozen=True, slots=True)
class _Doing:
    """One action on a model."""

    model: Model
    now: str
    today: str
    actor: str
    new_id: Callable[[str], str]

    def one(self, action: Action) -> Body:
        shape = self.model.shapes.get(action.type)
        if shape is None:
            raise Refused(["invalid_type"])
        if action.verb == "upsert":
            action = self._upserted(shape, action)
        if action.verb not in _PAST and action.verb not in shape.verbs:
            raise Refused(["invalid_type"])
        if action.verb == "create":
            return self._change(shape, action, None)
        before = self._found(shape, action.id)
        if action.verb == "restore":
            return self._restored(shape, before)
        if "$deletedAt" in before:
            raise Refused(["not_found"])
        match action.verb:
            case "delete":
                self._refuse(self._pointed_at(shape, before["$id"]))
                return self._stage(shape, "delete", before, {**before, "$deletedAt": self.now}, {})
            case "rollback":
                return self._rolled_back(shape, action, before)
            case _:
                return self._change(shape, action, before)

    def _found(self, shape: Shape, id: str | None) -> Body:
        body = self.model.body(id or "")
        self.model.reads.add(id or "")
        if body is None or body["$type"] != shape.name:
            raise Refused(["not_found"])
        return body

    # -- the verbs -----------------------------------------------------------------------------------------------------

    def _change(self, shape: Shape, action: Action, before: Body | None) -> Body:
        verb = shape.verbs.get(action.verb, Verb(past=_PAST.get(action.verb, "")))
        faults: set[str] = set()
        given, inputs = self._given(shape, verb, action, before, faults)
        was = None if before is None else _completed(shape, before)
        after: Body = {} if was is None else dict(was)
        for name, value in given.items():
            after.pop(name, None)
            if value is not None:
                after[name] = value
        if before is None:
            for name, key in shape.keys.items():
                if key.default is not None:
                    after.setdefault(name, key.default)
        for state, moves in shape.moves.items():
            faults |= self._entered(state, moves, action.verb, was, after)
        for name, effect in verb.effects.items():
            if name not in given:
                after[name] = self.today if effect == "today" else self.now
        if before is not None and action.verb == "update" and after == was and not faults:
            return before
        faults |= self._wrong(shape, before, after)
        self._refuse(faults)
        return self._stage(shape, action.verb, before, after, inputs)

    def _restored(self, shape: Shape, before: Body) -> Body:
        if "$deletedAt" not in before:
            raise Refused(["validation_failed"])
        after = _completed(shape, {name: value for name, value in before.items() if name != "$deletedAt"})
        self._refuse(self._wrong(shape, None, after))
        return self._stage(shape, "restore", before, after, {})

    def _rolled_back(self, shape: Shape, action: Action, before: Body) -> Body:
        version = action.data.get("version")
        if not isinstance(version, int) or not 0 < version < before["$version"]:
            raise Refused(["invalid_arguments"])
        after = self._earlier(shape, before, version)
        self._refuse(self._wrong(shape, before, after))
        return self._stage(shape, "rollback", before, after, {"version": version})

    def _earlier(self, shape: Shape, before: Body, version: int) -> Body:
        then = self.model.renamed(shape.name, self.model.versions[before["$id"]][version - 1].body)
        after = {name: value for name, value in before.items() if name.startswith("$")}
        return _completed(shape, after | {name: value for name, value in then.items() if name in shape.keys})

    def _upserted(self, shape: Shape, action: Action) -> Action:
        by, data = action.data.get("by"), action.data["data"]
        unique = [name for name, key in shape.keys.items() if key.unique and data.get(name) is not None]
        by = by or next(iter(unique), None)
        if by is None or by not in shape.keys or data.get(by) is None:
            raise Refused(["invalid_arguments"])
        self.model.lookups.append((shape.name, by, data[by]))
        found = [id for id, body in self.model.live(shape.name).items() if body.get(by) == data[by]]
        if len(found) > 1:
            raise Refused(["invalid_arguments"])
        if not found:
            return Action(verb="create", type=shape.name, data=data)
        return Action(verb="update", type=shape.name, id=found[0], data=data)

    def define(self, action: Action) -> None:
        """Stage a form of one of the tenant's own nouns, or refuse what is none."""
        name = action.data["name"]
        forms = OWN.get(name, ())
        place = next((place for place, form in enumerate(forms) if form.declaration == action.data), None)
        present = self.model.shapes.get(name)
        had = next((place for place, form in enumerate(forms) if present and form.keys == present.keys), None)
        if place is None or (had is None and place > 0) or (had is not None and place not in (had, had + 1)):
            raise Refused(["validation_failed"])
        form = forms[place]
        if any(key.target not in (*self.model.shapes, name) for key in form.keys.values() if key.target):
            raise Refused(["validation_failed"])
        id = f"noun_{name}"
        before = self.model.body(id)
        self.model.reads.add(id)
        version = 1 if before is None else before["$version"] + 1
        written = {part: action.data.get(part, {}) for part in ("transitions", "inputs", "effects", "gerunds")}
        written |= {"name": name, "keys": action.data["keys"], "order": list(action.data["keys"])}
        written["renamed"] = dict(form.renamed)  # those of earlier forms are carried on
        body: Body = {"name": name, "declaration": written, "$id": id, "$type": "Noun", "$version": version}
        body |= {"$createdAt": before["$createdAt"] if before else self.now, "$updatedAt": self.now}
        body["$createdBy"] = before["$createdBy"] if before else self.actor
        self.model.shapes[name] = form
        self._log(
            Event(type="Noun", verb="define", past="defined", id=id, version=version, body=body, changed={}, input={})
        )

    def undo(self, run: str) -> list[Body]:
        """Lead back what a run changed: whatever nobody changed since must come back, whichever way that takes."""
        events = self.model.run(run)
        if not events:
            raise Refused(["not_found"])
        if any(event.type == "Noun" for event in events):
            raise Refused(["conflict"])
        first: dict[str, int] = {}
        for event in events:
            first.setdefault(event.id, event.version)
        latest = [event for event in reversed(events) if event is self.model.versions[event.id][-1]]
        self.model.reads.update(first)
        if len(latest) != len(first):
            raise Refused(["conflict"])
        targets: dict[str, Body] = {}
        for event in latest:
            now = self.model.body(event.id)
            assert now is not None
            shape, version = self.model.shapes[event.type], first[event.id] - 1
            before = (
                None if not version else self.model.renamed(event.type, self.model.versions[event.id][version - 1].body)
            )
            if before is None or "$deletedAt" in before:
                if "$deletedAt" not in now:
                    now = self._stage(shape, "delete", now, {**now, "$deletedAt": self.now}, {})
            else:
                if "$deletedAt" in now:
                    alive = _completed(shape, {name: value for name, value in now.items() if name != "$deletedAt"})
                    now = self._stage(shape, "restore", now, alive, {})
                if any(now.get(name) != before.get(name) for name in shape.keys):
                    back = self._earlier(shape, now, version)
                    now = self._stage(shape, "rollback", now, back, {"version": version})
            targets[event.id] = now
        faults = self._wrong_way_back({event.id: event.body for event in latest}, targets)
        if faults:
            raise Refused(["conflict"])
        return list(targets.values())

    def _wrong_way_back(self, before: Mapping[str, Body], targets: Mapping[str, Body]) -> set[str]:
        faults: set[str] = set()
        for id, body in targets.items():
            shape = self.model.shapes[body["$type"]]
            if "$deletedAt" in body:
                faults |= self._pointed_at(shape, id)
            else:
                was = self.model.renamed(shape.name, before[id])
                faults |= self._wrong(shape, None if "$deletedAt" in was else was, body)
        return faults

    # -- what is right -----------------------------------------------------------------------------------------------

    def _given(
        self, shape: Shape, verb: Verb, action: Action, before: Body | None, faults: set[str]
    ) -> tuple[Body, Body]:
        given: Body = {}
        inputs: Body = {}
        for name, value in action.data.items():
            if name in shape.keys:
                if value is not None and not _fits(shape.keys[name], value):
                    faults.add("validation_failed")
                else:
                    given[name] = value
            elif name in verb.inputs:
                inputs[name] = value
            elif name == "$version" and before is not None:
                if value != before["$version"]:
                    faults.add("conflict")
            else:
                faults.add("validation_failed")
        return given, inputs

    def _entered(self, state: str, moves: tuple[Move, ...], verb: str, before: Body | None, after: Body) -> set[str]:
        was, wanted = (before or {}).get(state), after.get(state)
        mine = [move for move in moves if move.verb == verb]
        begins = [move.target for move in moves if move.verb == "create"]
        if before is None:
            return {"invalid_transition"} if begins and wanted not in begins else set()
        if mine and verb != "update":
            target = next((move.target for move in mine if not move.sources or was in move.sources), None)
            if target is None or wanted not in (was, target):
                return {"invalid_transition"}
            after[state] = target
            return set()
        if wanted == was or (was is None and not begins):
            return set()
        free = any(
            move.verb == "update" and move.target == wanted and (not move.sources or was in move.sources)
            for move in moves
        )
        return set() if free else {"invalid_transition"}

    def _wrong(self, shape: Shape, before: Body | None, after: Body) -> set[str]:
        """What stands against an entity as it would become; `before` None: everything in it is looked at."""
        faults: set[str] = set()
        taken = self.model.uniques()
        for name, key in shape.keys.items():
            value = after.get(name)
            if value is None:
                if key.required:
                    faults.add("validation_failed")
                continue
            if key.unique and taken.get((shape.name, name, str(value)), after.get("$id")) != after.get("$id"):
                faults.add("unique_violation")
            if key.kind == "relation" and (before is None or before.get(name) != value):
                ids: list[str] = value if key.many else [value]
                self.model.reads.update(ids)
                if any(id != after.get("$id") and not self.model.is_live(id) for id in ids):
                    faults.add("validation_failed")
        return faults

    def _pointed_at(self, shape: Shape, id: str) -> set[str]:
        for other in self.model.shapes.values():
            for name, key in other.keys.items():
                if key.required and key.target == shape.name:
                    for source, body in self.model.live(other.name).items():
                        held = body.get(name)
                        if source != id and (held == id or (key.many and id in (held or ()))):
                            return {"validation_failed"}
        return set()

    def _refuse(self, faults: set[str]) -> None:
        if faults:
            raise Refused(faults)

    # -- staging -------------------------------------------------------------------------------------------------------

    def _stage(self, shape: Shape, verb: str, before: Body | None, after: Body, inputs: Body) -> Body:
        was = before or {}
        id = before["$id"] if before else self.new_id(shape.prefix)
        after = {
            **after,
            "$id": id,
            "$type": shape.name,
            "$version": was.get("$version", 0) + 1,
            "$updatedAt": self.now,  # the present is never before the latest event
        }
        if before is None:
            after |= {"$createdAt": self.now, "$createdBy": self.actor}
        changed = {
            name: {side: body[name] for side, body in (("from", was), ("to", after)) if name in body}
            for name in shape.keys
            if was.get(name) != after.get(name)
        }
        self._log(
            Event(
                type=shape.name,
                verb=verb,
                past=_PAST.get(verb) or shape.verbs[verb].past,
                id=id,
                version=after["$version"],
                body=after,
                changed=changed if before else {},
                input=inputs,
            )
        )
        return after

    def _log(self, event: Event) -> None:
        self.model.staged.append(event)
        self.model.versions[event.id] = (*self.model.versions.get(event.id, ()), event)


def _completed(shape: Shape, body: Body) -> Body:
    """An entity with the defaults of required keys that its noun gained after it."""
    defaults = {name: key.default for name, key in shape.keys.items() if key.required and key.default is not None}
    return defaults | body


def _fits(key: Key, value: Any) -> bool:
    if key.many:
        return isinstance(value, list) and all(_fits(replace(key, many=False), each) for each in value)  # pyright: ignore[reportUnknownVariableType]
    match key.kind:
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "enum":
            return value in key.words
        case "relation":
            return isinstance(value, str) and value.startswith(key.target[0].lower() + key.target[1:] + "_")
        case "email":
            return isinstance(value, str) and "@" in value
        case _:
            return isinstance(value, str)
