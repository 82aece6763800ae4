"""The questions that a filter can ask of an entity, as a small tree of frozen values.

Every node is either true or false of an entity, never unknown: what is missing satisfies no comparison. A list
satisfies a comparison as soon as one of its elements does, and a relation as soon as one of the live entities that it
leads to does.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from runtime.noun import Field
from runtime.paths import Step


@dataclass(frozen=True, slots=True)
class All:
    """True where every part is; `All(())` is true of everything."""

    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Some:
    """True where at least one part is; `Some(())` is true of nothing."""

    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """True where the part is not."""

    part: "Filter"


@dataclass(frozen=True, slots=True)
class Reaches:
    """Whether `step` leads to a live entity of which `part` is true."""

    step: Step
    part: "Filter"


@dataclass(frozen=True, slots=True)
class Linked:
    """Whether `step` leads to a live entity with one of these ids; None: to any."""

    step: Step
    ids: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Present:
    """Whether the field holds anything; an empty list is something."""

    field: Field


@dataclass(frozen=True, slots=True)
class OneOf:
    """Whether the field holds one of these values, in the form that `values.to_sql` gives an element."""

    field: Field
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """Whether the field holds a value within these bounds, in the same form; None leaves a side open."""

    field: Field
    low: Any = None
    low_included: bool = True
    high: Any = None
    high_included: bool = True


@dataclass(frozen=True, slots=True)
class Contains:
    """Whether the text, or the JSON written as text, has `text` somewhere in it, letter for letter."""

    field: Field
    text: str


@dataclass(frozen=True, slots=True)
class StartsWith:
    """Whether the text begins with `text`, letter for letter."""

    field: Field
    text: str


@dataclass(frozen=True, slots=True)
class Regex:
    """Whether RE2's `pattern` matches anywhere in the text."""

    field: Field
    pattern: str


@dataclass(frozen=True, slots=True)
class HasWords:
    """Whether the text has all of these words, in any order, without regard to case and accents."""

    field: Field
    words: tuple[str, ...]


Leaf: TypeAlias = Present | OneOf | Between | Contains | StartsWith | Regex | HasWords
Filter: TypeAlias = All | Some | Not | Reaches | Linked | Leaf

EVERYTHING = All(())
NOTHING = Some(())


def all_of(parts: Iterable[Filter]) -> Filter:
    """The parts joined by "and", without needless layers, so that plain conditions stay where zone maps see them."""
    flat: list[Filter] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, All) else (part,))
    return flat[0] if len(flat) == 1 else All(tuple(flat))


def some_of(parts: Iterable[Filter]) -> Filter:
    """The parts joined by "or", without needless layers."""
    flat: list[Filter] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, Some) else (part,))
    return flat[0] if len(flat) == 1 else Some(tuple(flat))


def negated(part: Filter) -> Filter:
    """The opposite, without doubling a `Not`."""
    return part.part if isinstance(part, Not) else Not(part)


def through(steps: Iterable[Step], part: Filter) -> Filter:
    """The part, asked of what these relations lead to."""
    for step in reversed(list(steps)):
        part = Reaches(step, part)
    return part


def nouns_of(filter: Filter) -> frozenset[str]:
    """The names of the nouns, besides the one that is asked for, whose entities decide the answer."""
    match filter:
        case All(parts) | Some(parts):
            return frozenset[str]().union(*(nouns_of(part) for part in parts))
        case Not(part):
            return nouns_of(part)
        case Reaches(step, part):
            return nouns_of(part) | {step.target.name}
        case Linked(step, _):
            return frozenset({step.target.name})
        case _:
            return frozenset()
