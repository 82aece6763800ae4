"""What the effects of a verb come to for one entity: `{"paidAt": "now()"}` becomes a stored value."""

from collections.abc import Mapping
from typing import Any, cast

from runtime import find, values
from runtime.effect_notation import parse_effect
from runtime.entity import Body
from runtime.errors import ValidationFailed
from runtime.noun import Field, Noun
from runtime.unit import Unit

_NOTHING: Mapping[str, Any] = {}


def value_of(unit: Unit, noun: Noun, field: Field, effect: str, after: Body, inputs: Mapping[str, Any]) -> Any:
    """The stored value that an effect gives `field`, or None where it leaves the field alone.

    `after` is the entity as it would become, `inputs` what the verb was asked with beside the noun's own keys.
    """
    where = f"{noun.name}.{field.name}"
    read = parse_effect(effect, field=field, where=where)
    if read.condition is not None and not after.get(read.condition):
        return None
    match read.kind:
        case "now":
            return values.parse(field, unit.now, where=where)
        case "today":
            day = unit.now if field.type == "date" else values.format_datetime(unit.now)[:10]
            return values.parse(field, day, where=where)
        case "add":
            return values.parse(field, _sum(field, after.get(field.name), read.value), where=where)
        case "input":
            given = inputs.get(read.key or "")
            return None if given is None else values.parse(field, given, where=where)
        case "count":
            criteria = after.get(read.key or "")
            return None if criteria is None else _count(unit, criteria, where=f"{noun.name}.{read.key}")
        case "literal":
            return read.value


def _sum(field: Field, before: Any, step: Any) -> Any:
    if field.type != "decimal":
        return (before or 0) + step
    # In whole units of the last place: decimal arithmetic would round at the 28 digits of Python's context.
    units = 10**field.scale
    total = sum(int(str(value).replace(".", "")) for value in (before or 0, step))
    digits = f"{abs(total) // units}.{abs(total) % units:0{field.scale}d}" if field.scale else str(abs(total))
    return f"-{digits}" if total < 0 else digits


def _count(unit: Unit, criteria: object, *, where: str) -> int:
    """How many live entities, as this unit sees them, meet `{type, filter}`."""
    given: Mapping[str, Any] = cast("Mapping[str, Any]", criteria) if isinstance(criteria, Mapping) else _NOTHING
    name = given.get("type")
    if not isinstance(name, str):
        raise ValidationFailed(f"{where} must name the nouns it counts", hint='{"type": "Contact", "filter": {…}}')
    noun = unit.vocabulary.noun(name)
    return find.count(unit.overlay, unit.vocabulary, noun, given.get("filter"), unit.now)
