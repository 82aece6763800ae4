"""Aggregates: entities of one noun counted, summed and averaged, in groups, by the database."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, cast

from runtime import values
from runtime.errors import InvalidArguments, InvalidSort, did_you_mean
from runtime.filter_sql import Source, columns_of
from runtime.filter_sql import to_sql as filter_sql
from runtime.filter_tree import Filter, nouns_of
from runtime.filters import parse_filter
from runtime.joins import Joins
from runtime.noun import Field, Noun
from runtime.paths import Path, walk
from runtime.query import parse_limit
from runtime.sort import directions
from runtime.sql import Sql
from runtime.values import NUMBER_TYPES, TIME_TYPES, shown
from runtime.vocabulary import Vocabulary

ARGUMENTS = ("groupBy", "measures", "filter", "sort", "limit")
GROUPS_MAX = 5
MEASURES_MAX = 20
LIMIT_DEFAULT = 100
LIMIT_MAX = 1_000
_FEWER_GROUPS = "a filter, or a groupBy of fewer values, makes fewer rows"  # an aggregate has no cursor

FUNCTIONS = ("count", "countDistinct", "sum", "avg", "min", "max")
BUCKETS: Mapping[str, str] = {"day": "%Y-%m-%d", "week": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}

_CALL = re.compile(r"\s*([A-Za-z]+)\s*(?:\(\s*([A-Za-z0-9_$.]*|\*)\s*\))?\s*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class Group:
    """What rows are grouped by: a field, or of a time the UTC day, week (its Monday), month or year."""

    name: str
    path: Path
    bucket: str | None


@dataclass(frozen=True, slots=True)
class Measure:
    """One number (or, for `min` and `max`, one value) of every group; `path` None counts entities."""

    name: str
    function: str
    path: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """What is asked of all entities that a filter finds. `order` names groups and measures, and whether descending."""

    noun: Noun
    groups: tuple[Group, ...]
    measures: tuple[Measure, ...]
    filter: Filter
    order: tuple[tuple[int, bool], ...]  # positions among groups and measures together
    limit: int

    @property
    def nouns(self) -> frozenset[str]:
        """The names of the nouns whose entities decide the answer."""
        paths = [group.path for group in self.groups] + [measure.path for measure in self.measures if measure.path]
        return nouns_of(self.filter) | {step.target.name for path in paths for step in path.steps} | {self.noun.name}


def parse_aggregate(arguments: Mapping[str, object], noun: Noun, vocabulary: Vocabulary, *, now: datetime) -> Aggregate:
    """The aggregate of these arguments, which are some of `ARGUMENTS`; without measures it counts.

    `groupBy` is a field or a list of them, over to-one relations too, times as `createdAt:month`. `measures` is
    `{name: "sum(value)"}`. `sort` goes by the names of both, and is by groups where it is left out.
    Raises InvalidArguments, InvalidFilter or InvalidSort.
    """
    for name in arguments:
        if name not in ARGUMENTS:
            raise InvalidArguments(f"unknown argument {shown(name)}", hint=did_you_mean(str(name), ARGUMENTS))
    groups = tuple(_group(name, noun, vocabulary) for name in _group_names(arguments.get("groupBy")))
    measures = tuple(_measures(arguments.get("measures"), noun, vocabulary))
    names = [group.name for group in groups] + [measure.name for measure in measures]
    for name in names:
        if names.count(name) > 1:
            raise InvalidArguments(f"{name!r} names two columns of the result", hint="give the measure another name")
    return Aggregate(
        noun=noun,
        groups=groups,
        measures=measures,
        filter=parse_filter(arguments.get("filter"), noun, vocabulary, now=now),
        order=_order(arguments.get("sort"), names),
        limit=parse_limit(arguments.get("limit"), default=LIMIT_DEFAULT, most=LIMIT_MAX, instead=_FEWER_GROUPS),
    )


def aggregate_sql(aggregate: Aggregate, source: Source) -> Sql:
    """A row a group, groups first and then measures, and one row more than `limit` where there are more groups."""
    joins = Joins("t", source)
    groups = [_group_sql(group, joins) for group in aggregate.groups]
    columns = [*groups, *(_measure_sql(measure, joins) for measure in aggregate.measures)]
    # What sorts comes first, then all groups in order, so that the same question has the same answer.
    order = [f"{position + 1} {'DESC' if down else 'ASC'} NULLS LAST" for position, down in aggregate.order]
    order += [f"{position + 1} NULLS LAST" for position in range(len(groups))]
    own = columns_of(aggregate.filter) | joins.columns | {"$deletedAt"}
    counted = Sql(f"SELECT {', '.join(columns)} FROM ") + source.table(aggregate.noun, own) + " AS t" + joins.sql
    counted += Sql(' WHERE t."$deletedAt" IS NULL AND ') + filter_sql(aggregate.filter, alias="t", source=source)
    if groups:
        counted += f" GROUP BY {', '.join(str(position + 1) for position in range(len(groups)))}"
    if order:
        counted += f" ORDER BY {', '.join(order)}"
    return counted + f" LIMIT {aggregate.limit + 1}"


def shaped(aggregate: Aggregate, rows: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
    """The rows of `aggregate_sql` as JSON values by name, `limit` of them at most; what is missing is None."""
    names = [group.name for group in aggregate.groups] + [measure.name for measure in aggregate.measures]
    return [
        dict(zip(names, (_plain(value) for value in row), strict=True))
        for row, _ in zip(rows, range(aggregate.limit), strict=False)
    ]


def _group_names(given: object) -> list[str]:
    if given is None:
        return []
    names = given.split(",") if isinstance(given, str) else given
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in cast("list[object]", names)):
        raise InvalidArguments(f"groupBy is a field or a list of fields, not {shown(given)}", hint='"stage"')
    listed = [name.strip() for name in cast("list[str]", names)]
    if len(listed) > GROUPS_MAX:
        raise InvalidArguments(f"{len(listed)} fields in groupBy; at most {GROUPS_MAX} are allowed")
    return listed


def _group(written: str, noun: Noun, vocabulary: Vocabulary) -> Group:
    name, _, bucket = written.partition(":")
    path = _to_one(name, noun, vocabulary)
    if bucket and bucket not in BUCKETS:
        raise InvalidArguments(f"{bucket[:80]!r} is no span of time", hint=did_you_mean(bucket, BUCKETS))
    if bucket and path.field.type not in TIME_TYPES:
        raise InvalidArguments(
            f"{name!r} is of type {path.field.type} and has no {bucket}s", hint="groupBy it as it is"
        )
    if path.field.many or path.field.type == "json":
        raise InvalidArguments(f"{name!r} is of type {_kind(path.field)}, which makes no groups")
    return Group(name, path, bucket or None)


def _measures(given: object, noun: Noun, vocabulary: Vocabulary) -> Iterable[Measure]:
    if given is None:
        given = {"count": "count()"}
    if not isinstance(given, Mapping):
        raise _wrong_measures(given)
    mapping = cast("Mapping[object, object]", given)
    if not 1 <= len(mapping) <= MEASURES_MAX:
        raise InvalidArguments(f"{len(mapping)} measures; from 1 to {MEASURES_MAX} are allowed")
    for name, call in mapping.items():
        if not isinstance(name, str) or not isinstance(call, str):
            raise _wrong_measures(call)
        if not _NAME.fullmatch(name):
            raise InvalidArguments(f"{shown(name)} cannot name a measure", hint="letters, digits and _, at most 64")
        yield _measure(name, call, noun, vocabulary)


def _measure(name: str, call: str, noun: Noun, vocabulary: Vocabulary) -> Measure:
    parts = _CALL.fullmatch(call[:300])
    if parts is None:
        raise _wrong_measures(call)
    function, field_name = parts[1], parts[2] or ""
    if function not in FUNCTIONS:
        raise InvalidArguments(
            f"unknown function {function[:80]!r} of a measure", hint=did_you_mean(function, FUNCTIONS)
        )
    if not field_name or field_name == "*":
        if function != "count":
            raise InvalidArguments(f"{function} takes a field", hint=f"like {function}(value)")
        return Measure(name, function, None)
    path = _to_one(field_name, noun, vocabulary)
    kind = _kind(path.field)
    if function in ("sum", "avg") and kind not in NUMBER_TYPES:
        numbers = [field.name for field in noun.fields.values() if field.type in NUMBER_TYPES and not field.many]
        raise InvalidArguments(
            f"{function}({field_name}): {field_name} is of type {kind} and not a number",
            hint=f"numbers of {noun.name}: {', '.join(numbers[:12])}" if numbers else f"{noun.name} has no numbers",
        )
    if (function in ("min", "max") and kind == "boolean") or (
        function != "count" and (path.field.many or kind == "json")
    ):
        raise InvalidArguments(f"{function}({field_name}): values of type {kind} are not compared")
    return Measure(name, function, path)


def _to_one(name: str, noun: Noun, vocabulary: Vocabulary) -> Path:
    path = walk(name, noun, vocabulary, error=InvalidArguments)
    for step in path.steps:
        if step.many or not step.forward:
            raise InvalidArguments(
                f"{name!r} walks {step.owner.name}.{step.name}, which may lead to several entities",
                hint=f"aggregate {step.target.name} instead",
            )
    if path.field.name == "$type":
        raise InvalidArguments("$type is the same for all of them")
    return path


def _order(given: object, names: list[str]) -> tuple[tuple[int, bool], ...]:
    order: list[tuple[int, bool]] = []
    for name, down in directions(given):
        if name not in names:
            raise InvalidSort(f"the result has no column {name[:80]!r}", hint=did_you_mean(name, names))
        order.append((names.index(name), down))
    return tuple(order)


def _group_sql(group: Group, joins: Joins) -> str:
    held = joins.column(group.path)
    if group.bucket is None:
        return held
    return f"strftime(date_trunc('{group.bucket}', {held}), '{BUCKETS[group.bucket]}')"


def _measure_sql(measure: Measure, joins: Joins) -> str:
    if measure.path is None:
        return "count(*)"
    held = joins.column(measure.path)
    match measure.function:
        case "countDistinct":
            return f"count(DISTINCT {held})"
        case "sum":
            # Rows come in any order, from several threads: compensated, a sum of doubles is the same each time.
            function = "fsum" if measure.path.field.type in ("number", "float") else "sum"
            return f"coalesce({function}({held}), 0)"
        case function:
            return f"{function}({held})"


def _plain(value: Any) -> Any:
    """A value as DuckDB gives it, as JSON: decimals stay exact as text, whole numbers are integers."""
    match value:
        case datetime():
            return values.format_datetime(value.replace(tzinfo=UTC))
        case date():
            return value.isoformat()
        case Decimal():
            return str(value)
        case float():
            if not math.isfinite(value):
                return None
            return int(value) if value.is_integer() and abs(value) < 2**53 else value
        case int() if not isinstance(value, bool) and abs(value) >= 2**53:
            return float(value)
        case _:
            return value


def _kind(field: Field) -> str:
    return f"{field.type}[]" if field.many else field.type


def _wrong_measures(given: object) -> InvalidArguments:
    return InvalidArguments(f"{shown(given)} is no measure", hint='{"total": "sum(value)", "deals": "count()"}')
