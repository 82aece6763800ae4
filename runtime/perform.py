"""The one write path: every change, through whatever face it came, is a verb that goes through `perform`.

    noun and verb → the entity as it would become → transition → BEFORE handlers → validated entity → staged event

Nothing is written here. The unit that the event is staged in is committed by the tenant's writer, with everything else
that the unit did, or not at all.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from runtime import effects, states, values
from runtime.entity import Body, Entity, deleted, missing, stamp
from runtime.errors import (
    Conflict,
    InvalidArguments,
    InvalidTransition,
    NotFound,
    UniqueViolation,
    ValidationFailed,
    did_you_mean,
)
from runtime.links import refuse_if_pointed_at
from runtime.noun import META_FIELDS, Noun, Verb
from runtime.store import Key
from runtime.unit import Change, Unit

_NOTHING: Mapping[str, Any] = {}


def perform(
    unit: Unit,
    noun: Noun,
    verb: Verb,
    id: str | None,
    given: Mapping[str, Any],
    *,
    origin: Mapping[str, Any] = _NOTHING,
) -> Entity:
    """Carry out a verb on an entity and stage its event; the entity as the verb leaves it.

    `given` holds keys of the noun and inputs of the verb; `$version` is the version that the caller expects.
    `origin` stands in the event beside the inputs: where the values came from.
    Raises NotFound, ValidationFailed, InvalidTransition, UniqueViolation, Rejected or Conflict, and then nothing is staged.
    """
    before = None if verb.name == "create" else present(unit, noun, id)
    given, inputs = _accepted(noun, verb, given, before)
    was = None if before is None else _completed(unit, noun, before.body)
    after: Body = {} if was is None else dict(was)
    _merge(after, given)
    if was is None:
        _fill_defaults(unit, noun, after)
    states.enter(noun, verb, was, after, by_import=unit.via is not None)
    _apply_effects(unit, noun, verb, after, given, inputs)

    _ask_handlers(unit, noun, verb, before, after)
    if before is not None and verb.name == "update" and after == was:
        return before  # an update that changes nothing makes no event
    return _stage(unit, noun, verb, before, after, {**inputs, **origin} if origin else inputs)


def delete(unit: Unit, noun: Noun, verb: Verb, id: str) -> Entity:
    """Delete softly: refused while live required relations point here; the entity's unique values are free again."""
    before = present(unit, noun, id)
    if id not in unit.moving:
        refuse_if_pointed_at(unit.vocabulary, unit.overlay, noun, id)
    unit.deletions.append((noun, id))
    after = {**before.body, "$deletedAt": stamp(unit.now, before.body)}
    _ask_handlers(unit, noun, verb, before, after)
    return _stage(unit, noun, verb, before, after, {})


def erase(unit: Unit, noun: Noun, verb: Verb, id: str, held_by: Sequence[str]) -> Entity:
    """Erase for good: only that there was an entity is left, and what it held goes from the file once this is committed.

    `held_by` names the backups that still hold it; they stand in the event.
    """
    before = unit.read(noun, id)
    if before is None or before.erased:
        raise missing(noun, id)
    refuse_if_pointed_at(unit.vocabulary, unit.overlay, noun, id)
    unit.deletions.append((noun, id))
    now = stamp(unit.now, before.body)
    kept = {key: value for key, value in before.body.items() if key.startswith("$")}
    return _stage(unit, noun, verb, before, {**kept, "$deletedAt": now, "$erasedAt": now}, {"heldBy": list(held_by)})


def restore(unit: Unit, noun: Noun, verb: Verb, id: str) -> Entity:
    """Bring a deleted entity back, if its relations still lead somewhere and its unique values are still free."""
    before = unit.read(noun, id)
    if before is None or before.erased:
        raise missing(noun, id)
    if not before.deleted:
        raise ValidationFailed(f"{id} is not deleted", hint="there is nothing to restore")
    after = _completed(unit, noun, {key: value for key, value in before.body.items() if key != "$deletedAt"})
    _ask_handlers(unit, noun, verb, before, after)
    return _stage(unit, noun, verb, before, after, {})


def rollback(unit: Unit, noun: Noun, verb: Verb, id: str, version: int) -> Entity:
    """Write the values of an earlier version again: types, uniques and relations are checked, transitions are not."""
    before = present(unit, noun, id)
    values_then = unit.overlay.earlier(noun, id, version) if 0 < version < before.version else None
    if values_then is None:
        raise InvalidArguments(
            f"{id} has no version {version} to go back to", hint=f"its versions are 1 to {before.version - 1}"
        )
    after = {key: value for key, value in before.body.items() if key.startswith("$")}
    for key, value in values_then.items():
        if not key.startswith("$") and key in noun.fields:
            after[key] = values.parse(noun.fields[key], value, where=f"{noun.name}.{key}")
    after = _completed(unit, noun, after)
    _ask_handlers(unit, noun, verb, before, after)
    return _stage(unit, noun, verb, before, after, {"version": version})


def check_moved(unit: Unit, moved: Iterable[tuple[Entity, Entity]]) -> None:
    """What was left unchecked while several entities moved together, each from one state to another, must be right now."""
    together, unit.moving = unit.moving, frozenset()
    for before, entity in moved:
        noun = unit.vocabulary.noun(entity.noun)
        if entity.deleted:
            refuse_if_pointed_at(unit.vocabulary, unit.overlay, noun, entity.id)
            continue
        # As for every verb, only what it changed, and what leads to one that moved along.
        was = {key: value for key, value in before.body.items() if not _leads_to(value, together)}
        _check_relations(unit, noun, was, entity.body, all_of_them=before.deleted)
        for key in unique_keys(noun, entity.body):
            owner = unit.overlay.owner(key)
            if owner is not None and owner != entity.id:
                raise taken(key, owner)


def _leads_to(value: Any, ids: frozenset[str]) -> bool:
    """Whether a value is, or has in its list, one of these ids."""
    if isinstance(value, list):
        return any(_leads_to(each, ids) for each in cast("list[Any]", value))
    return isinstance(value, str) and value in ids


def present(unit: Unit, noun: Noun, id: str | None) -> Entity:
    """The live entity with this id, or NotFound."""
    if id is None:
        raise InvalidArguments(f"which {noun.name}?", hint='give its "$id"')
    found = unit.read(noun, id)
    if found is None:
        raise missing(noun, id)
    if found.erased:
        raise missing(noun, id)
    if found.deleted:
        raise deleted(noun, id)
    return found


def _ask_handlers(unit: Unit, noun: Noun, verb: Verb, before: Entity | None, after: Body) -> None:
    """Run what runs BEFORE the verb, one after another, and merge what each returns into the entity as it would become.

    Where one raises, all that was staged since is dropped.
    """
    handlers = unit.before(noun, verb)
    if not handlers:
        return
    if before is None:
        after["$id"] = _fresh_id(unit, noun)
    mark = unit.mark()
    try:
        for handler in handlers:
            amended = handler(noun, after, unit)
            if amended:
                try:
                    _amend(unit, noun, verb, before, after, amended)
                except (ValidationFailed, InvalidTransition) as error:
                    told = f"the handler {handler.name} returned what does not fit: {error.message}"
                    raise type(error)(told, hint=error.hint, **{**error.details, "handler": handler.name}) from error
            present = unit.overlay.entities.get(after["$id"])
            if present is not None and (before is None or present.version != before.version):
                raise ValidationFailed(
                    f"a handler before {noun.name}.{verb.name} changed {present.id} itself",
                    hint="return the values to change, such as {'stage': 'Lead'}: they are merged",
                )
    except BaseException:
        unit.fall_back(mark)
        raise


def _amend(unit: Unit, noun: Noun, verb: Verb, before: Entity | None, after: Body, amended: Mapping[str, Any]) -> None:
    """Merge what a handler returned. States are the verb's: a handler leads to none that the verb does not lead to."""
    states_led_to = {field: after.get(field) for field in noun.states}
    own = {key: value for key, value in amended.items() if not key.startswith("$")}
    _merge(after, _accepted(noun, verb, own, before, asks_inputs=False)[0])
    moved = next((field for field, state in states_led_to.items() if after.get(field) != state), None)
    if moved is None:
        return
    if verb.name in ("delete", "restore", "rollback"):
        raise InvalidTransition(f"{noun.name}.{verb.name} does not set {moved}", hint=f"leave {moved} out", field=moved)
    was = None if before is None else _completed(unit, noun, before.body)
    states.enter(noun, verb, was, after, by_import=unit.via is not None)


def _stage(unit: Unit, noun: Noun, verb: Verb, before: Entity | None, after: Body, inputs: Mapping[str, Any]) -> Entity:
    """Check the entity as it would become, and stage the event that leads to it."""
    was: Body = {} if before is None else before.body
    if verb.name not in ("delete", "erase"):
        _require(noun, after)
        _check_relations(unit, noun, was, after, all_of_them=verb.name == "restore")
    taken, freed = _claim_uniques(unit, noun, before, after)
    now = stamp(unit.now, before.body if before else None)
    id = before.id if before else after.get("$id") or _fresh_id(unit, noun)
    version = before.version + 1 if before else 1
    after |= {"$id": id, "$type": noun.name, "$version": version, "$updatedAt": now}
    if before is None:
        after |= {"$createdAt": now, "$createdBy": unit.rights.actor}
    entity = Entity(noun.name, id, version, before.number if before else 0, after)
    unit.stage(
        Change(
            noun=noun,
            verb=verb,
            entity=entity,
            input=inputs,
            changed={} if before is None or verb.name == "erase" else _difference(noun, was, after),
            taken=taken,
            freed=freed,
        )
    )
    return entity


def _accepted(
    noun: Noun, verb: Verb, given: Mapping[str, Any], before: Entity | None, *, asks_inputs: bool = True
) -> tuple[Body, Body]:
    """What was given, as stored values and as inputs of the verb; anything undeclared is refused."""
    accepted: Body = {}
    inputs: Body = {}
    fields, parse, name_of_noun = noun.fields, values.parse, noun.name
    for key, value in given.items():
        field = fields.get(key)
        if field is not None:
            if field.target is not None:
                value = _id_of(value)
            accepted[key] = None if value is None else parse(field, value, where=f"{name_of_noun}.{key}")
        elif key in verb.inputs:
            inputs[key] = values.parse(verb.inputs[key], value, where=f"{noun.name}.{verb.name}({key})")
        elif key == "$version" and before is not None:
            _expect_version(before, value)
        elif key == "$id" and before is not None and value == before.id:
            continue
        else:
            raise _undeclared(noun, verb, key)
    for name, field in verb.inputs.items():
        if asks_inputs and field.required and inputs.get(name) is None:
            raise ValidationFailed(f"{noun.name}.{verb.name} needs {name}", hint=f"{verb.name}(id, {name}=…)")
    return accepted, inputs


def _id_of(value: Any) -> Any:
    """An entity given where its id is meant stands for its id."""
    if isinstance(value, dict):
        entity = cast("dict[str, Any]", value)
        return entity.get("$id", entity)
    return value


def _expect_version(before: Entity, expected: Any) -> None:
    if type(expected) is not int:
        raise ValidationFailed("$version is the whole number of the version that you expect")
    if expected != before.version:
        raise Conflict(
            f"{before.id} is at version {before.version}, not {expected}",
            hint="read it again, and decide on what it says now",
            id=before.id,
            expected=expected,
            current=before.version,
        )


def _undeclared(noun: Noun, verb: Verb, key: str) -> ValidationFailed:
    if key in META_FIELDS or key.startswith("$"):
        return ValidationFailed(f"{key} is set by Verbena and cannot be written", hint="leave it out")
    if key == "id":
        return ValidationFailed(f"the $id of a {noun.name} is set by Verbena", hint="leave out id")
    if key in noun.renamed:
        return ValidationFailed(
            f"{noun.name}.{key} is called {noun.renamed[key]} now", hint=f"write {noun.renamed[key]}"
        )
    if key in noun.inverses:
        end = noun.inverses[key]
        return ValidationFailed(
            f"{noun.name}.{key} is computed", hint=f"set {end.key} on the {end.source} instead", field=key
        )
    return ValidationFailed(
        f"{noun.name} has no field {key[:80]!r}", hint=did_you_mean(key, [*noun.fields, *verb.inputs]), field=key[:80]
    )


def _merge(after: Body, accepted: Mapping[str, Any]) -> None:
    for key, value in accepted.items():
        if value is None:
            after.pop(key, None)
        else:
            after[key] = value


def _completed(unit: Unit, noun: Noun, body: Body) -> Body:
    """The values of an entity, with the defaults of required keys that its noun gained after them."""
    completed = dict(body)
    _fill_defaults(unit, noun, completed, only_required=True)
    return completed


def _fill_defaults(unit: Unit, noun: Noun, after: Body, *, only_required: bool = False) -> None:
    for field in noun.defaulted:
        if field.name not in after and (field.required or not only_required):
            value = values.default_of(field, after, unit.now)
            if value is not None:
                after[field.name] = value


def _apply_effects(
    unit: Unit, noun: Noun, verb: Verb, after: Body, given: Mapping[str, Any], inputs: Mapping[str, Any]
) -> None:
    for key, effect in verb.effects.items():
        if key in given:
            continue  # whoever says when it was closed knows better than the clock
        value = effects.value_of(unit, noun, noun.fields[key], effect, after, inputs)
        if value is not None:
            after[key] = value


def _require(noun: Noun, after: Body) -> None:
    absent = [key for key in noun.required if key not in after]
    if absent:
        raise ValidationFailed(
            f"{noun.name} needs {', '.join(absent)}",
            hint=f"add {', '.join(f'{key}=…' for key in absent)}",
            fields=absent,
        )


def _check_relations(unit: Unit, noun: Noun, was: Body, after: Body, *, all_of_them: bool) -> None:
    for field in noun.relations:
        key = field.name
        if key not in after or (after[key] == was.get(key) and not all_of_them):
            continue
        target = unit.vocabulary.noun(field.target or "")
        for id in after[key] if field.many else (after[key],):
            if id == after.get("$id") or id in unit.moving:
                continue
            found = unit.read(target, id)
            if found is None or found.deleted:
                wrong = missing(target, id) if found is None else NotFound(f"{id} was deleted")
                raise ValidationFailed(
                    f"{noun.name}.{key}: {wrong.message}",
                    hint=wrong.hint or f"point it at a live {target.name}",
                    field=key,
                )


def _claim_uniques(
    unit: Unit, noun: Noun, before: Entity | None, after: Body
) -> tuple[tuple[Key, ...], tuple[Key, ...]]:
    had = unique_keys(noun, before.body) if before is not None and not before.deleted else set[Key]()
    has = unique_keys(noun, after) if "$deletedAt" not in after else set[Key]()
    for key in has - had:
        owner = unit.overlay.owner(key)
        if owner is not None and owner not in unit.moving and (before is None or owner != before.id):
            raise taken(key, owner)
    return tuple(sorted(has - had)), tuple(sorted(had - has))


def unique_keys(noun: Noun, body: Mapping[str, Any]) -> set[Key]:
    """The unique values of an entity, as they stand in the table of unique values."""
    return {
        (noun.name, key, value if isinstance(value, str) else str(value))
        for key in noun.unique
        if (value := body.get(key)) is not None
    }


def taken(key: Key, owner: str) -> UniqueViolation:
    """The refusal of a unique value that somebody has."""
    noun, field, value = key
    return UniqueViolation(
        f"{noun}.{field} {value[:80]!r} is taken by {owner}",
        hint=f'update {owner} instead, or $.{noun}.upsert({{…}}, by="{field}")',
        field=field,
        id=owner,
    )


def _fresh_id(unit: Unit, noun: Noun) -> str:
    id = unit.new_id(noun.key)
    while unit.overlay.has(id):
        id = unit.new_id(noun.key)
    return id


def _difference(noun: Noun, was: Body, after: Body) -> Body:
    changed: Body = {}
    for key in noun.fields:
        if was.get(key) != after.get(key):
            changed[key] = {
                side: body[key] for side, body in (("from", was), ("to", after)) if body.get(key) is not None
            }
    return changed
