"""Orders: which keys a page is sorted by, read from the five ways in which people write them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from runtime.errors import InvalidSort
from runtime.noun import Noun
from runtime.paths import Path, walk
from runtime.values import shown
from runtime.vocabulary import Vocabulary

KEYS_MAX = 5

_WAY = re.compile(r"\s*:\s*|\s+")  # "createdAt:desc", and "createdAt desc" as SQL has it
_DIRECTIONS = {"asc": False, "desc": True, 1: False, -1: True}


@dataclass(frozen=True, slots=True)
class SortKey:
    """A field, at the end of to-one relations, and the direction. What is missing comes last in both."""

    path: Path
    descending: bool


def parse_sort(given: object, noun: Noun, vocabulary: Vocabulary) -> tuple[SortKey, ...]:
    """The keys of `"-createdAt"`, `"a,-b"`, `"createdAt:desc"`, `"createdAt desc"`, a list of such, or a mapping.

    A mapping is `{"a": -1, "b": "asc"}`.

    Raises InvalidSort for an unknown key, naming the nearest, for lists and JSON, which have no order, for relations
    that may lead to several entities, and for more than five keys.
    """
    keys = [_key(name, descending, noun, vocabulary) for name, descending in directions(given)]
    names = [(tuple(step.name for step in key.path.steps), key.path.field.name) for key in keys]
    if len(set(names)) < len(names):
        raise InvalidSort("the same key is sorted by twice")
    return tuple(keys)


def directions(given: object) -> list[tuple[str, bool]]:
    """The names in order, and whether each is descending, before anything is known of what they mean."""
    if given is None:
        return []
    if isinstance(given, Mapping):
        pairs = [_of_pair(name, way) for name, way in cast("Mapping[object, object]", given).items()]
    elif isinstance(given, str):
        pairs = [_of_word(word) for word in given.split(",")]
    elif isinstance(given, list | tuple):
        pairs = [pair for part in cast("Sequence[object]", given) for pair in _of_part(part)]
    else:
        raise _wrong(given)
    if len(pairs) > KEYS_MAX:
        raise InvalidSort(f"{len(pairs)} sort keys; at most {KEYS_MAX} are allowed")
    return pairs


def _of_part(part: object) -> list[tuple[str, bool]]:
    if isinstance(part, str):
        return [_of_word(word) for word in part.split(",")]
    if isinstance(part, Mapping):
        return [_of_pair(name, way) for name, way in cast("Mapping[object, object]", part).items()]
    raise _wrong(part)


def _of_word(word: str) -> tuple[str, bool]:
    name, way = (*_WAY.split(word.strip(), maxsplit=1), "")[:2]
    sign, name = (name[0], name[1:]) if name[:1] in ("-", "+") else ("", name)
    if not name or (sign and way):
        raise _wrong(word)
    return _of_pair(name.strip(), way.strip() or "asc") if not sign else (name.strip(), sign == "-")


def _of_pair(name: object, way: object) -> tuple[str, bool]:
    direction = way.lower() if isinstance(way, str) else way
    if not isinstance(name, str) or isinstance(way, bool) or not isinstance(direction, str | int):
        raise _wrong(way)
    if direction not in _DIRECTIONS:
        raise InvalidSort(f"{shown(way)} is no direction of a sort", hint='"asc", "desc", 1 or -1')
    return name, _DIRECTIONS[direction]


def _key(name: str, descending: bool, noun: Noun, vocabulary: Vocabulary) -> SortKey:
    path = walk(name, noun, vocabulary, error=InvalidSort)
    for step in path.steps:
        if step.many or not step.forward:
            raise InvalidSort(
                f"{name[:80]!r} walks {step.owner.name}.{step.name}, which may lead to several entities",
                hint=f"sort {step.target.name} itself, or aggregate it",
            )
    if path.field.name == "$type":
        raise InvalidSort("$type is the same for all of them, so it sorts nothing")
    if path.field.many or path.field.type == "json":
        kind = f"{path.field.type}[]" if path.field.many else path.field.type
        raise InvalidSort(f"{name[:80]!r} is of type {kind}, which has no order")
    return SortKey(path, descending)


def _wrong(given: object) -> InvalidSort:
    return InvalidSort(
        f"{shown(given)} is no sort", hint='"-createdAt", "a,-b", "createdAt:desc", ["-a", "b"] or {"a": -1}'
    )
