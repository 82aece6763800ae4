"""A filter read as SQL: a condition over the rows of one noun, with every value a parameter.

Conditions that must all hold stand bare (`stage = ? AND "leadScore" > ?`), where zone maps and Top-N see them. What is
missing makes them NULL, which in a WHERE is as good as false; only beneath a NOT that would tell, so there, and only
there, COALESCE makes it false in so many words.
"""

import itertools
from collections.abc import Iterator
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
from runtime.noun import Field, Noun
from runtime.paths import Step
from runtime.regexes import HAS_WORD, MATCHES, word_pattern
from runtime.sql import Sql, quoted

# Up to here `IN (?, ?, …)` is planned faster than a list is unnested, and zone maps can use it.
IN_PARAMETERS_MAX = 50


class Source(Protocol):
    """Where the rows stand: the tables of now, of a unit with its staged rows, or of a position in the log."""

    def table(self, noun: Noun, columns: frozenset[str]) -> Sql:
        """What stands after FROM for all entities of `noun`, deleted ones too: a name, or a query in parentheses.

        `columns` are those that the query reads; `$deletedAt` and, where it is needed, `$id` are among them.
        """
        ...

    def has_deleted(self, noun: Noun) -> bool:
        """Whether a link may lead to an entity of `noun` that is deleted or erased; only then it gets a second look."""
        ...


def to_sql(filter: Filter, *, alias: str, source: Source) -> Sql:
    """A condition that is true of exactly those rows of `alias` that the filter is true of; of others it may be NULL.

    Relations become semi-joins on what `source` says. Whether the row itself is deleted is left to the caller.
    """
    return _Writer(source).condition(filter, alias)


def columns_of(filter: Filter) -> frozenset[str]:
    """The columns of the asked noun itself that `to_sql` reads."""
    match filter:
        case All(parts) | Some(parts):
            return frozenset[str]().union(*(columns_of(part) for part in parts))
        case Not(part):
            return columns_of(part)
        case Reaches(step, _) | Linked(step, _):
            # A list of links is walked by way of the entity's own id; see `_Writer.reaches`.
            return frozenset({step.key, "$id"} if step.listed else {step.key}) if step.forward else frozenset({"$id"})
        case _:
            return frozenset({filter.field.name})


class _Writer:
    """One condition while it is written: every table in it gets an alias of its own."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._aliases: Iterator[str] = (f"_{number}" for number in itertools.count(1))

    def condition(self, filter: Filter, alias: str) -> Sql:
        match filter:
            case All(parts):
                return self._joined(" AND ", parts, alias) if parts else Sql("TRUE")
            case Some(parts):
                return self._joined(" OR ", parts, alias) if parts else Sql("FALSE")
            case Not(Present(field)):
                return Sql(f"{_column(alias, field.name)} IS NULL")
            case Not(part):
                return "NOT COALESCE(" + self.condition(part, alias) + ", FALSE)"
            case Reaches(step, part):
                return self._reaches(step, part, alias)
            case Linked(step, ids):
                return self._linked(step, ids, alias)
            case Present(field):
                return Sql(f"{_column(alias, field.name)} IS NOT NULL")
            case _:
                return _leaf(filter, _column(alias, filter.field.name))

    def _joined(self, word: str, parts: tuple[Filter, ...], alias: str) -> Sql:
        return "(" + Sql.join(word, [self.condition(part, alias) for part in parts]) + ")"

    def _reaches(self, step: Step, part: Filter, alias: str) -> Sql:
        far = next(self._aliases)
        if not step.forward:
            held = _column(far, step.key)
            live = self._live(step.target, far, part, step.key)
            if step.listed:
                return Sql(f"{_column(alias, '$id')} IN (SELECT unnest({held})") + live + ")"
            # Without the test for NULL, DuckDB has to keep in mind that an id might be "in" an unknown one.
            return Sql(f"{_column(alias, '$id')} IN (SELECT {held}") + live + f" AND {held} IS NOT NULL)"
        found = Sql(f"(SELECT {_column(far, '$id')}") + self._live(step.target, far, part, "$id") + ")"
        if not step.listed:
            return Sql(f"{_column(alias, step.key)} IN ") + found
        near, id = next(self._aliases), _column(alias, "$id")
        owners = self._source.table(step.owner, frozenset({"$id", step.key}))
        links = Sql(f'SELECT "$id" AS id, unnest({quoted(step.key)}) AS link FROM ') + owners
        return f"{id} IN (SELECT {near}.id FROM (" + links + f") AS {near} WHERE {near}.link IN " + found + ")"

    def _live(self, noun: Noun, alias: str, part: Filter, key: str) -> Sql:
        table = self._source.table(noun, columns_of(part) | {"$deletedAt", key})
        live = " FROM " + table + f' AS {alias} WHERE {alias}."$deletedAt" IS NULL'
        return live if part == All(()) else live + " AND " + self.condition(part, alias)

    def _linked(self, step: Step, ids: tuple[str, ...] | None, alias: str) -> Sql:
        """A link is its id, unless that may be the id of something deleted."""
        wanted: Filter = All(()) if ids is None else OneOf(_ID, ids)
        if not step.forward or (step.listed and self._source.has_deleted(step.target)):
            return self._reaches(step, wanted, alias)
        held = _column(alias, step.key)
        if step.listed:
            return (
                Sql(f"len({held}) > 0")
                if ids is None
                else Sql(f"list_has_any({held}, CAST(? AS VARCHAR[]))", (list(ids),))
            )
        linked = Sql(f"{held} IS NOT NULL") if ids is None else _one_of(_ID, ids, held)
        if not self._source.has_deleted(step.target):
            return linked
        return "(" + linked + " AND " + self._reaches(step, All(()), alias) + ")"


_ID = Field(name="$id", type="id")


def _leaf(leaf: Leaf, held: str) -> Sql:
    if not leaf.field.many:
        return _compared(leaf, held)
    if isinstance(leaf, OneOf):
        kind = values.sql_type(leaf.field)
        return Sql(f"list_has_any({held}, CAST(? AS {kind}))", (list(leaf.values),))
    return Sql(f"len(list_filter({held}, lambda element: ") + _compared(leaf, "element") + ")) > 0"


def _compared(leaf: Leaf, held: str) -> Sql:
    match leaf:
        case Present():
            return Sql(f"{held} IS NOT NULL")
        case OneOf(field, wanted):
            return _one_of(field, wanted, held)
        case Between(field):
            bounds: list[Sql] = []
            if leaf.low is not None:
                bounds.append(Sql(f"{held} >{'=' if leaf.low_included else ''} ") + _parameter(field, leaf.low))
            if leaf.high is not None:
                bounds.append(Sql(f"{held} <{'=' if leaf.high_included else ''} ") + _parameter(field, leaf.high))
            return "(" + Sql.join(" AND ", bounds) + ")" if len(bounds) > 1 else bounds[0]
        case Contains(field, text):
            return Sql(f"contains({_text(field, held)}, ?)", (text,))
        case StartsWith(_, text):
            return Sql(f"starts_with({held}, ?)", (text,))
        case Regex(_, pattern):
            return Sql(MATCHES.format(held), (pattern,))
        case HasWords(_, words):
            found = [Sql(HAS_WORD.format(held), (word_pattern(word),)) for word in words]
            return "(" + Sql.join(" AND ", found) + ")"


def _one_of(field: Field, wanted: tuple[Any, ...], held: str) -> Sql:
    if not wanted:
        return Sql("FALSE")
    if len(wanted) == 1:
        return Sql(f"{_text(field, held)} = ") + _parameter(field, wanted[0])
    if len(wanted) <= IN_PARAMETERS_MAX:
        return Sql(f"{_text(field, held)} IN (") + Sql.join(", ", [_parameter(field, value) for value in wanted]) + ")"
    kind = "VARCHAR[]" if field.type == "json" else values.sql_type(replace(field, many=True))
    return Sql(f"{_text(field, held)} IN (SELECT unnest(CAST(? AS {kind})))", (list(wanted),))


def _parameter(field: Field, value: Any) -> Sql:
    # Of a decimal parameter DuckDB would only know the digits it happens to have, and compare as doubles.
    if field.type == "decimal":
        return Sql(f"CAST(? AS DECIMAL({field.precision},{field.scale}))", (value,))
    return Sql("?", (value,))


def _text(field: Field, held: str) -> str:
    # JSON is stored as its canonical text, and equal values have equal texts.
    return f"CAST({held} AS VARCHAR)" if field.type == "json" else held


def _column(alias: str, name: str) -> str:
    return f"{alias}.{quoted(name)}"
