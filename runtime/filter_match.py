"""A filter read in plain Python, for one entity at a time: subscriptions, webhooks and watches need no database."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from runtime import values
from runtime.filter_tree import (
    All,
    Between,
    Contains,
    Filter,
    HasWords,
    Leaf,
    Linked,
    Not,
    OneOf,
    Present,
    Reaches,
    Regex,
    Some,
    StartsWith,
)
from runtime.paths import Step
from runtime.regexes import has_word, matches_pattern


class Resolve(Protocol):
    """How the Python reader walks relations. Neither answer may hold an entity that is deleted."""

    def get(self, noun_name: str, id: str) -> Mapping[str, Any] | None:
        """The entity, or None where there is none."""
        ...

    def related(self, noun_name: str, key: str, id: str) -> Iterable[Mapping[str, Any]]:
        """The entities of `noun_name` whose `key` is, or has in its list, `id`."""
        ...


def matches(filter: Filter, entity: Mapping[str, Any], resolve: Resolve) -> bool:
    """Whether the filter is true of an entity in its stored form: the same answer that `to_sql` gives of its row."""
    match filter:
        case All(parts):
            return all(matches(part, entity, resolve) for part in parts)
        case Some(parts):
            return any(matches(part, entity, resolve) for part in parts)
        case Not(part):
            return not matches(part, entity, resolve)
        case Reaches(step, part):
            return any(matches(part, reached, resolve) for reached in _reached(step, entity, resolve))
        case Linked(step, ids):
            return any(ids is None or reached["$id"] in ids for reached in _reached(step, entity, resolve))
        case Present(field):
            return entity.get(field.name) is not None
        case _:
            return any(_answer(filter, value) for value in _values(filter, entity))


def _reached(step: Step, entity: Mapping[str, Any], resolve: Resolve) -> Iterable[Mapping[str, Any]]:
    if not step.forward:
        yield from resolve.related(step.target.name, step.key, entity["$id"])
        return
    held: Any = entity.get(step.key)
    for id in (held or ()) if step.listed else () if held is None else (held,):
        reached = resolve.get(step.target.name, id)
        if reached is not None:
            yield reached


def _values(leaf: Leaf, entity: Mapping[str, Any]) -> Iterable[Any]:
    """What the field holds, in the form that DuckDB gets it; a list's elements one by one."""
    stored = entity.get(leaf.field.name)
    if stored is None:
        return
    one = replace(leaf.field, many=False) if leaf.field.many else leaf.field
    for value in stored if leaf.field.many else (stored,):
        yield values.to_sql(one, value)


def _answer(leaf: Leaf, value: Any) -> bool:
    match leaf:
        case OneOf(_, wanted):
            return value in wanted
        case Between():
            return _within(leaf, value)
        case Contains(_, text):
            return text in value
        case StartsWith(_, text):
            return value.startswith(text)
        case Regex(_, pattern):
            return matches_pattern(value, pattern)
        case HasWords(_, words):
            return all(has_word(value, word) for word in words)
        case Present():
            return True


def _within(range: Between, value: Any) -> bool:
    if range.low is not None and (value < range.low or (value == range.low and not range.low_included)):
        return False
    return range.high is None or value < range.high or (value == range.high and range.high_included)
