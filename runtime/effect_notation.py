"""The notation of effects, what a verb sets besides the state.

    now()           the present; for a date, datetime or timestamp
    today()         the present day
    +1              counts up (or down, -1), from 0
    input(key)      what the caller gave for that input of the verb
    count(key)      how many entities meet the criteria `{type, filter}` that this json key holds
    anything else   that value, as a default would be written

Each may end in ` if key`: then it holds only while that key of the entity is true, or at least set.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from runtime import values
from runtime.errors import ValidationFailed, did_you_mean
from runtime.literals import read_literal
from runtime.noun import Field

EFFECT_CHARS_MAX = 2_000

_CONDITION = re.compile(r"(?P<text>.*?)\s+if\s+(?P<key>[a-z][A-Za-z0-9]*)", re.ASCII | re.DOTALL)
_CALL = re.compile(r"(?P<name>[A-Za-z]+)\(\s*(?P<key>[a-z][A-Za-z0-9]*)?\s*\)", re.ASCII)
_STEP = re.compile(r"[+-]\d{1,15}(?:\.\d{1,15})?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One effect, read: `value` is the step of an `add` or a stored literal, `key` what `input` and `count` read."""

    kind: Literal["now", "today", "add", "input", "count", "literal"]
    value: Any = None
    key: str | None = None
    condition: str | None = None


def parse_effect(text: str, *, field: Field, where: str) -> Effect:
    """Read an effect on `field`. Raises ValidationFailed where it cannot be read or is no value of the field."""
    if len(text) > EFFECT_CHARS_MAX:
        raise ValidationFailed(f"{where} is longer than {EFFECT_CHARS_MAX} characters")
    text, condition = text.strip(), None
    if conditional := _CONDITION.fullmatch(text):
        text, condition = conditional["text"], conditional["key"]
    if call := _CALL.fullmatch(text):
        return _call(call["name"], call["key"], condition, where)
    if _STEP.fullmatch(text) and field.type in values.NUMBER_TYPES and not field.many:
        # A sign makes it a step: "-1" counts down. A negative number to set cannot be written.
        step = values.parse(field, _number_of(field, text), where=where)
        return Effect(kind="add", value=step, condition=condition)
    return Effect(kind="literal", value=read_literal(field, text, where=where), condition=condition)


def check_effect(
    effect: Effect, *, field: Field, fields: Mapping[str, Field], inputs: Mapping[str, Field], where: str
) -> None:
    """Refuse, with ValidationFailed, an effect that names an unknown key or gives `field` a value of another type."""
    if effect.condition is not None and effect.condition not in fields:
        raise ValidationFailed(f"{where}: no field {effect.condition!r}", hint=did_you_mean(effect.condition, fields))
    key = effect.key or ""
    match effect.kind:
        case "now" | "today":
            if field.type not in values.TIME_TYPES or field.many:
                raise ValidationFailed(f"{where}: {effect.kind}() gives a time, and {field.name} is {field.type}")
        case "input":
            if key not in inputs:
                raise ValidationFailed(f"{where}: the verb has no input {key!r}", hint=did_you_mean(key, inputs))
            if (inputs[key].type, inputs[key].many) != (field.type, field.many):
                raise ValidationFailed(f"{where}: input {key} is {inputs[key].type}, and {field.name} is {field.type}")
        case "count":
            if key not in fields:
                raise ValidationFailed(f"{where}: no field {key!r}", hint=did_you_mean(key, fields))
            if fields[key].type != "json" or field.type not in ("number", "int", "float") or field.many:
                raise ValidationFailed(f"{where}: count(key) reads criteria from a json key and sets a number")
        case "add" | "literal":
            pass


def _call(name: str, key: str | None, condition: str | None, where: str) -> Effect:
    match name:
        case "now" | "today" if key is None:
            return Effect(kind=name, condition=condition)
        case "input" | "count" if key is not None:
            return Effect(kind=name, key=key, condition=condition)
        case _:
            raise ValidationFailed(
                f"{where}: no effect {name}({key or ''})",
                hint="there is: now(), today(), +1, input(key), count(key), or a value, in quotes where it looks so",
            )


def _number_of(field: Field, text: str) -> int | float | str:
    if field.type == "decimal":
        return text
    return float(text) if "." in text else int(text)
