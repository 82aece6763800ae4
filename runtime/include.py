"""Includes: which related entities come along with a result, as a tree of relations."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from runtime.errors import InvalidInclude, did_you_mean
from runtime.filter_sql import Source
from runtime.noun import Noun
from runtime.paths import Step, column, inverses, step
from runtime.sql import Sql, quoted
from runtime.values import shown
from runtime.vocabulary import Vocabulary

DEPTH_MAX = 3
INCLUDES_MAX = 10
RELATED_MAX = 100  # of one relation of one entity
_PATHS_MAX = 1_000  # written out, before repeated ones are put together


@dataclass(frozen=True, slots=True)
class Include:
    """A relation whose entities come along, and what comes along with those."""

    step: Step
    parts: tuple["Include", ...] = ()


def parse_include(given: object, noun: Noun, vocabulary: Vocabulary) -> tuple[Include, ...]:
    """The tree of `"contact.organization"`, `"contact,deals"`, a list of such, or `{"contact": {"deals": true}}`.

    Raises InvalidInclude for what is no relation, naming the nearest, and for more than ten relations or three levels.
    """
    names = list(dict.fromkeys(itertools.islice(_names(given), _PATHS_MAX)))
    for path in names:
        if len(path) > DEPTH_MAX:
            raise _too_deep(path)
    tree = _tree(names, noun, vocabulary)
    if _count(tree) > INCLUDES_MAX:
        raise InvalidInclude(f"{_count(tree)} relations to include; at most {INCLUDES_MAX} are allowed")
    return tree


def related_sql(step: Step, ids: Sequence[str], source: Source) -> Sql:
    """`(id, "$body")` of the live entities that a backward `step` leads to from each of `ids`, newest first.

    At most one more than `RELATED_MAX` each, so that the reader knows whether there are more.
    """
    table = source.table(step.target, frozenset({"$body", "$number", "$deletedAt", step.key}))
    key = quoted(step.key)
    held = f"unnest({key})" if step.listed else key
    holders = (
        Sql(f'SELECT {held} AS held, "$body" AS body, "$number" AS number FROM ')
        + table
        + ' WHERE "$deletedAt" IS NULL'
    )
    return (
        Sql("SELECT held, body FROM (")
        + holders
        + Sql(") AS holders WHERE held IN (SELECT unnest(CAST(? AS VARCHAR[])))", (list(ids),))
        + f" QUALIFY row_number() OVER (PARTITION BY held ORDER BY number DESC) <= {RELATED_MAX + 1}"
        + " ORDER BY held, number DESC"
    )


def _names(given: object) -> Iterable[tuple[str, ...]]:
    """The paths that are asked for, each a tuple of relations; nothing is walked deeper than an include may be."""
    if given is None:
        return
    if isinstance(given, str):
        for path in given.split(","):
            yield tuple(part.strip() for part in path.split(".", DEPTH_MAX + 1))
    elif isinstance(given, Mapping):
        yield from _of_mapping(cast("Mapping[object, object]", given), ())
    elif isinstance(given, list | tuple):
        for part in _bounded(cast("Sequence[object]", given)):
            if not isinstance(part, str | Mapping):
                raise _wrong(part)
            yield from _names(cast(object, part))
    else:
        raise _wrong(given)


def _of_mapping(given: Mapping[object, object], above: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    for name in _bounded(list(given)):
        below = given[name]
        if not isinstance(name, str):
            raise _wrong(name)
        path = (*above, *name.split(".", DEPTH_MAX + 1))
        if len(path) > DEPTH_MAX:
            # Here, and not with the others, so that no mapping is followed further down than this.
            raise _too_deep(path)
        if below is True or below is None or below == {}:
            yield path
        elif isinstance(below, Mapping):
            yield from _of_mapping(cast("Mapping[object, object]", below), path)
        elif isinstance(below, str | list | tuple):
            for further in _names(cast(object, below)):
                yield (*path, *further)
        elif below is not False:
            raise _wrong(below)


def _tree(names: Sequence[tuple[str, ...]], noun: Noun, vocabulary: Vocabulary) -> tuple[Include, ...]:
    found: list[Include] = []
    for name in dict.fromkeys(path[0] for path in names):
        walked = step(name, noun, vocabulary)
        if walked is None:
            raise _unknown(name, noun, vocabulary)
        below = [path[1:] for path in names if path[0] == name and len(path) > 1]
        found.append(Include(walked, _tree(below, walked.target, vocabulary)))
    return tuple(found)


def _count(tree: Iterable[Include]) -> int:
    return sum(1 + _count(include.parts) for include in tree)


def _bounded(parts: Sequence[object]) -> Sequence[object]:
    if len(parts) > INCLUDES_MAX:
        raise InvalidInclude(f"{len(parts)} relations to include; at most {INCLUDES_MAX} are allowed")
    return parts


def _unknown(name: str, noun: Noun, vocabulary: Vocabulary) -> InvalidInclude:
    known = [key for key, field in noun.fields.items() if field.type == "relation"]
    what = "is no relation" if column(name, noun) is not None else "does not exist"
    return InvalidInclude(
        f"{noun.name}.{name[:80]} {what}", hint=did_you_mean(name, [*known, *inverses(noun, vocabulary)])
    )


def _too_deep(path: Sequence[str]) -> InvalidInclude:
    return InvalidInclude(f"{'.'.join(path)[:80]!r} goes deeper than {DEPTH_MAX} relations")


def _wrong(given: object) -> InvalidInclude:
    return InvalidInclude(
        f"{shown(given)} is no include", hint='"contact.organization", ["contact", "deals"] or {"contact": true}'
    )
