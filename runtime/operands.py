"""What stands to the right of an operator: a value from outside, checked against the field that it is compared with."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, cast

from runtime import habits, moments, values
from runtime.errors import InvalidFilter, ValidationFailed
from runtime.filter_tree import Between
from runtime.noun import Field
from runtime.regexes import check_pattern
from runtime.tokens import tokenize
from runtime.values import NUMBER_TYPES, STRING_TYPES, TIME_TYPES, shown

VALUES_MAX = 1_000  # in one $in
TEXT_CHARS_MAX = 10_000  # of one compared text
PATTERN_CHARS_MAX = 1_000
WORDS_MAX = 32  # in one $text

# Compared as they are given: half of an email address may be looked for, and no stored value is hidden by its shape.
_LOOSE_TYPES = frozenset({"string", "text", "markdown", "url", "email", "id"})
_TEXT_TYPES = frozenset({*STRING_TYPES, "enum"})


def equal(field: Field, given: object, *, now: datetime, where: str) -> Any:
    """What an element of `field` equals, as `values.to_sql` gives it; a Between where a whole day of a time is named.

    Raises InvalidFilter for a value that the field can never hold.
    """
    if field.type != "json" and isinstance(given, list | tuple):
        raise InvalidFilter(
            f"{where} is compared with one value, not with a list", hint='for any of several: {"$in": […]}'
        )
    if field.type in TIME_TYPES:
        span = _span(given, now, where)
        if field.type == "date":
            return span.start.date()
        return Between(field, span.start, True, span.end, False) if span.day else span.start
    if field.type in _LOOSE_TYPES:
        return text(given, where=where)
    return _parsed(field, given, where)


def bounded(field: Field, operator: str, given: object, *, now: datetime, where: str) -> Between:
    """The range that `$gt $gte $lt $lte` leave. A day is compared whole: later than a day is from the next one on."""
    where = f"{where}.{operator}"
    if field.type in NUMBER_TYPES:
        value: Any = _number(field, given, where)
    elif field.type in TIME_TYPES:
        span = _span(given, now, where)
        if field.type == "date":
            value = span.start.date()
        elif span.day:
            match operator:
                case "$gt":
                    return Between(field, low=span.end)
                case "$gte":
                    return Between(field, low=span.start)
                case "$lt":
                    return Between(field, high=span.start, high_included=False)
                case _:
                    return Between(field, high=span.end, high_included=False)
        else:
            value = span.start
    elif field.type in STRING_TYPES:
        value = text(given, where=where)
    else:
        raise InvalidFilter(f"{where}: values of type {field.type} have no order", hint="$eq, $ne, $in, $nin, $exists")
    match operator:
        case "$gt" | "$gte":
            return Between(field, low=value, low_included=operator == "$gte")
        case _:
            return Between(field, high=value, high_included=operator == "$lte")


def entity_id(given: object, target: str, *, where: str) -> str:
    """An id of an entity of the noun `target`. Raises InvalidFilter for anything that can be none."""
    return _parsed(Field(name="$id", type="relation", target=target), given, where)


def listed(given: object, *, where: str) -> Sequence[object]:
    """The values of `$in` or `$nin`."""
    if not isinstance(given, list | tuple):
        raise InvalidFilter(f"{where} takes a list for $in and $nin, not {shown(given)}")
    found = cast("Sequence[object]", given)
    if len(found) > VALUES_MAX:
        raise InvalidFilter(f"{where} has {len(found)} values in $in or $nin; at most {VALUES_MAX} are allowed")
    return found


def boolean(given: object, *, where: str) -> bool:
    """True or false, and nothing that is merely like it."""
    if not isinstance(given, bool):
        raise InvalidFilter(f"{where} takes true or false, not {shown(given)}")
    return given


def text(given: object, *, where: str) -> str:
    """A text that UTF-8 can write."""
    if not isinstance(given, str):
        raise InvalidFilter(f"{where} takes a text, not {shown(given)}")
    if len(given) > TEXT_CHARS_MAX:
        raise InvalidFilter(f"{where} is compared with {len(given)} characters; at most {TEXT_CHARS_MAX} are allowed")
    return _parsed(Field(name="", type="text"), given, where)


def pattern(given: object, *, where: str) -> str:
    """A pattern that RE2 takes. Raises InvalidFilter with RE2's own words for what is wrong with it."""
    found = text(given, where=where)
    if len(found) > PATTERN_CHARS_MAX:
        raise InvalidFilter(f"{where} has {len(found)} characters; at most {PATTERN_CHARS_MAX} are allowed")
    check_pattern(found, where=where)
    return found


def words(given: object, *, where: str) -> tuple[str, ...]:
    """The words of a `$text`, folded as the text index folds them."""
    found = tuple(dict.fromkeys(tokenize(text(given, where=where))))
    if not found:
        raise InvalidFilter(f"{where} has no word in it")
    if len(found) > WORDS_MAX:
        raise InvalidFilter(f"{where} has {len(found)} words; at most {WORDS_MAX} are allowed")
    return found


def check_text(field: Field, operator: str, *, where: str) -> None:
    """Refuse an operator of texts on what is none."""
    if field.type not in _TEXT_TYPES:
        raise InvalidFilter(
            f"{where} is of type {field.type}; {operator} is asked of texts", hint="$eq, $ne, $in, $nin, $exists"
        )


def _parsed(field: Field, given: object, where: str) -> Any:
    one = replace(field, many=False)
    try:
        return values.to_sql(one, values.parse(one, given, where=where))
    except ValidationFailed as error:
        raise InvalidFilter(error.message, hint=habits.for_comparison(given) or error.hint, **error.details) from error


def _number(field: Field, given: object, where: str) -> Any:
    # A bound need not be a value that the field can hold: a whole number may well be above 2.5.
    if field.type == "int" and isinstance(given, float) and math.isfinite(given) and not given.is_integer():
        return given
    return _parsed(field, given, where)


def _span(given: object, now: datetime, where: str) -> moments.Span:
    if isinstance(given, date):
        given = given.isoformat()
    span = moments.read(given, now=now) if isinstance(given, str) else None
    if span is None:
        raise InvalidFilter(
            f"{where} takes a time, not {shown(given)}", hint=habits.for_comparison(given) or moments.EXAMPLES
        )
    return span
