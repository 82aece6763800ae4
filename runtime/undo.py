"""Undo: what one `do`, or one event, changed is taken back as a new unit, unless somebody built on it since."""

from typing import Any

from runtime import perform
from runtime.entity import Entity
from runtime.errors import Conflict, InvalidArguments, LimitExceeded, NotFound, VerbenaError
from runtime.ids import event_seq
from runtime.noun import Noun
from runtime.own_nouns import EFFECT, HANDLER, RUN
from runtime.sql import Sql
from runtime.store import EventRow, TenantFile
from runtime.unit import EVENTS_MAX, Unit


def undo(unit: Unit, file: TenantFile, what: Any) -> list[Entity]:
    """Stage the way back from a run (`run_…`) or an event (`evt_…`); the entities as they are left.

    Raises NotFound where the log has no such run or event, and Conflict with `details.inTheWay` where an entity was
    changed since, or where the way back is refused.
    """
    first, last = _span(_events(file, what), unit)
    in_the_way: list[dict[str, Any]] = []
    undone: list[tuple[Entity, Entity]] = []  # as it is, and as it was
    unit.moving = frozenset(last)
    # The latest first: what was created last may point at what was created before it.
    for id in sorted(last, key=lambda each: -last[each].seq):
        row = last[id]
        noun = unit.vocabulary.noun(row.type)
        found = unit.read(noun, id)
        now = found.version if found else 0
        if found is None or now != row.version:
            in_the_way.append({"id": id, "reason": f"it is at version {now}, and was left at {row.version}"})
            continue
        try:
            undone.append((found, _back(unit, noun, found, first[id].version - 1)))
        except VerbenaError as error:
            in_the_way.append({"id": id, "reason": error.message})
    if not in_the_way:
        try:
            perform.check_moved(unit, undone)
        except VerbenaError as error:
            in_the_way.append({"id": error.details.get("id"), "reason": error.message})
    if in_the_way:
        raise Conflict(
            f"{what} cannot be undone: {len(in_the_way)} of {len(last)} entities stand in the way",
            hint="undo what came later first, or put them right by hand",
            inTheWay=in_the_way,
        )
    return [entity for _, entity in undone]


def _back(unit: Unit, noun: Noun, found: Entity, version: int) -> Entity:
    """Lead one entity back to a version before; 0 is before it was created."""
    if found.erased:
        raise InvalidArguments("it was erased")
    before = unit.overlay.earlier(noun, found.id, version) if version else None
    if noun is HANDLER:
        gone = before is None
        kept = {"status": "Removed"} if before is None else {key: before.get(key) for key in noun.fields}
        return unit.stage_own(HANDLER, "remove" if gone else "store", found.id, kept)
    if before is None or "$deletedAt" in before:
        return found if found.deleted else perform.delete(unit, noun, noun.verbs["delete"], found.id)
    if found.deleted:
        found = perform.restore(unit, noun, noun.verbs["restore"], found.id)
    if all(found.body.get(key) == before.get(key) for key in noun.fields):
        return found
    if "rollback" not in noun.verbs:
        raise InvalidArguments(f"{noun.name} cannot be changed")
    return perform.rollback(unit, noun, noun.verbs["rollback"], found.id, version)


def _events(file: TenantFile, what: Any) -> list[EventRow]:
    seq = event_seq(what)
    if seq is None and not (isinstance(what, str) and what.startswith("run_")):
        raise InvalidArguments("undo takes a run or an event", hint='$.undo("run_…"); every do gives its run')
    condition = Sql("run = ?", (what,)) if seq is None else Sql("seq = ?", (seq,))
    rows = file.events(condition, limit=EVENTS_MAX + 1)
    if not rows:
        raise NotFound(f"the log has nothing of {what}", hint="a do that changed nothing needs no undo")
    if len(rows) > EVENTS_MAX:
        raise LimitExceeded(f"{what} made more than {EVENTS_MAX:,} events", hint="undo its events one by one")
    return rows


def _span(rows: list[EventRow], unit: Unit) -> tuple[dict[str, EventRow], dict[str, EventRow]]:
    """The first and the last event of each entity."""
    rows = [row for row in rows if row.type not in (RUN.name, EFFECT.name)]
    strange = next((row for row in rows if row.type not in (*unit.vocabulary.names, HANDLER.name)), None)
    if strange is not None:
        raise Conflict(
            f"{strange.event} of {strange.entity} cannot be undone",
            hint="define the noun again as it was",
            inTheWay=[{"id": strange.entity, "reason": "a noun is not undone"}],
        )
    first: dict[str, EventRow] = {}
    last: dict[str, EventRow] = {}
    for row in rows:
        first.setdefault(row.entity, row)
        last[row.entity] = row
    return first, last
