"""The filter language: what is written from outside, parsed and typed once into a `filter_tree`.

A filter is a mapping of fields, of dotted paths over relations, and of `$and $or $not`; everything in it must hold.
Under a name stands a value (`$eq`), or a mapping of operators. Under a relation may also stand a filter of what it
leads to: `{"deals": {"stage": "Won", "value": {"$gt": 5}}}` asks for one deal that is both, while the dotted
`{"deals.stage": "Won", "deals.value": {"$gt": 5}}` asks for one deal each. A relation to one entity makes no such
difference: `{"organization": {"name": "X"}}` is `{"organization.name": "X"}`.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias, cast

from runtime import habits, operands
from runtime.errors import InvalidFilter, did_you_mean
from runtime.filter_match import matches
from runtime.filter_sql import Source, to_sql
from runtime.filter_tree import (
    EVERYTHING,
    NOTHING,
    Between,
    Contains,
    Filter,
    HasWords,
    Linked,
    OneOf,
    Present,
    Regex,
    StartsWith,
    all_of,
    negated,
    nouns_of,
    some_of,
    through,
)
from runtime.noun import Field, Noun
from runtime.paths import META_COLUMNS, STEPS_MAX, Step, column, not_a_relation, step, unknown
from runtime.values import shown
from runtime.vocabulary import Vocabulary

__all__ = ["EVERYTHING", "NOTHING", "Filter", "Source", "matches", "nouns_of", "parse_filter", "to_sql"]

# Anyone may send a filter, and each is parsed, planned and run: these bounds keep the worst of them in milliseconds.
DEPTH_MAX = 16
CONDITIONS_MAX = 200

OPERATORS = (
    "$eq",
    "$ne",
    "$gt",
    "$gte",
    "$lt",
    "$lte",
    "$in",
    "$nin",
    "$exists",
    "$contains",
    "$startsWith",
    "$regex",
    "$text",
)
JOINS = ("$and", "$or", "$not")

# Asks a leaf at the end of a walk over relations.
_Reached: TypeAlias = Callable[[Filter], Filter]


def parse_filter(given: object, noun: Noun, vocabulary: Vocabulary, *, now: datetime) -> Filter:
    """The filter that `given` asks of entities of `noun`; relative times count from `now` (aware).

    None and `{}` ask nothing. Raises InvalidFilter, naming the nearest valid word, for an unknown field, relation or
    operator, a value of the wrong type, and a filter that is deeper or longer than allowed.
    """
    if given is None:
        return EVERYTHING
    return _Reader(vocabulary, now).conditions(given, noun, (), depth=1, steps=0)


class _Reader:
    """One filter while it is read; the bound on its conditions is one for the whole of it."""

    def __init__(self, vocabulary: Vocabulary, now: datetime) -> None:
        self._vocabulary = vocabulary
        self._now = now
        self._conditions = 0

    def conditions(self, given: object, noun: Noun, walked: tuple[Step, ...], *, depth: int, steps: int) -> Filter:
        """A mapping of names and `$and $or $not`, all of which must hold at the end of `walked`.

        `steps` counts all relations on the way here, those within which an enclosing `Reaches` stands among them.
        """
        _check_depth(depth)
        if not isinstance(given, Mapping):
            raise InvalidFilter(
                f"a filter of {noun.name} is a mapping, not {shown(given)}", hint='like {"name": "Ada"}'
            )
        mapping = cast("Mapping[object, object]", given)
        return all_of(
            [self._condition(key, value, noun, walked, depth=depth, steps=steps) for key, value in mapping.items()]
        )

    def _condition(
        self, key: object, value: object, noun: Noun, walked: tuple[Step, ...], *, depth: int, steps: int
    ) -> Filter:
        self._count()
        if not isinstance(key, str):
            raise InvalidFilter(f"a filter of {noun.name} goes by names of fields, not {shown(key)}")
        if key == "$not":
            return negated(self.conditions(value, noun, walked, depth=depth + 1, steps=steps))
        if key in JOINS:
            listed = self._parts(key, value)
            parts = [self.conditions(part, noun, walked, depth=depth + 1, steps=steps) for part in listed]
            return all_of(parts) if key == "$and" else some_of(parts)
        if key in OPERATORS:
            raise InvalidFilter(
                f"{key} is asked of a field, and stands here beside the fields of {noun.name}",
                hint=f'like {{"name": {{"{key}": …}}}}',
            )
        if key.startswith("$") and column(key.partition(".")[0], noun) is None:
            raise InvalidFilter(
                f"unknown operator {shown(key)} in a filter of {noun.name}",
                hint=did_you_mean(key, (*JOINS, *META_COLUMNS)),
            )
        return self._at_path(key, value, noun, walked, depth=depth, steps=steps)

    def _parts(self, join: str, given: object) -> Sequence[object]:
        if not isinstance(given, list | tuple) or not given:
            raise InvalidFilter(
                f"{join} takes a list of at least one filter", hint=f'like {{"{join}": [{{…}}, {{…}}]}}'
            )
        parts = cast("Sequence[object]", given)
        for _ in parts:
            self._count()
        return parts

    def _at_path(
        self, path: str, value: object, noun: Noun, walked: tuple[Step, ...], *, depth: int, steps: int
    ) -> Filter:
        *relations, last = path.split(".")
        steps += len(relations)
        if steps > STEPS_MAX:
            raise _too_far(path)
        for name in relations:
            found = step(name, noun, self._vocabulary)
            if found is None:
                raise not_a_relation(name, noun, self._vocabulary, error=InvalidFilter)
            walked = (*walked, found)
            noun = found.target
        relation = step(last, noun, self._vocabulary)
        if relation is not None:
            return self._relation(relation, value, walked, depth=depth, steps=steps)
        field = column(last, noun)
        if field is None:
            raise unknown(last, noun, self._vocabulary, error=InvalidFilter)
        if field.name == "$type":
            # It is the same for every entity of a noun, so it stands in no table and is answered here.
            field = Field(name="$type", type="enum", values=tuple(self._vocabulary.names))
            itself = {"$type": noun.name}
            return self._field(
                field, value, noun, lambda leaf: through(walked, _constant(matches(leaf, itself, _NOBODY))), depth=depth
            )
        return self._field(field, value, noun, lambda leaf: through(walked, leaf), depth=depth)

    def _field(self, field: Field, value: object, noun: Noun, reached: _Reached, *, depth: int) -> Filter:
        """What is asked of a field: plain comparisons at the end of a walk, their opposites of the whole walk."""
        _check_depth(depth)
        where = f"{noun.name}.{field.name}"
        parts: list[Filter] = []
        for operator, operand in _asked(value, field, where):
            self._count()
            if operator == "$not":
                parts.append(negated(self._field(field, operand, noun, reached, depth=depth + 1)))
            else:
                parts.append(self._test(field, operator, operand, where, reached))
        return all_of(parts)

    def _test(self, field: Field, operator: str, operand: object, where: str, reached: _Reached) -> Filter:
        match operator:
            case "$eq":
                if operand is None:
                    return negated(reached(Present(field)))
                return reached(self._equal(field, [operand], where))
            case "$in":
                listed = operands.listed(operand, where=where)
                found = reached(self._equal(field, [value for value in listed if value is not None], where))
                return some_of([found, negated(reached(Present(field)))]) if None in listed else found
            case "$ne":
                return negated(self._test(field, "$eq", operand, where, reached))
            case "$nin":
                return negated(self._test(field, "$in", operand, where, reached))
            case "$exists":
                present = reached(Present(field))
                return present if operands.boolean(operand, where=f"{where}.$exists") else negated(present)
            case "$gt" | "$gte" | "$lt" | "$lte":
                return reached(operands.bounded(field, operator, operand, now=self._now, where=where))
            case "$contains" if field.many:
                return reached(self._equal(field, [operand], where))
            case "$contains" if field.type == "json":
                return reached(Contains(field, operands.text(operand, where=f"{where}.$contains")))
            case "$contains" | "$startsWith" | "$regex" | "$text":
                operands.check_text(field, operator, where=where)
                return reached(_of_text(field, operator, operand, f"{where}.{operator}"))
            case _:
                raise _unknown_operator(operator, where)

    def _equal(self, field: Field, given: Sequence[object], where: str) -> Filter:
        """The field holds one of these: values, or, where a whole day is named of a time, any time of that day."""
        read = [operands.equal(field, value, now=self._now, where=where) for value in given]
        days = [value for value in read if isinstance(value, Between)]
        values = tuple(value for value in read if not isinstance(value, Between))
        return some_of([OneOf(field, values), *days] if values or not days else days)

    def _relation(self, relation: Step, value: object, walked: tuple[Step, ...], *, depth: int, steps: int) -> Filter:
        """What is asked of a relation: the id that it holds, or, in a mapping, the entity that it leads to."""
        _check_depth(depth)
        where = f"{relation.owner.name}.{relation.name}"
        asked = cast("Mapping[object, object]", value) if isinstance(value, Mapping) else {"$eq": value}
        if not asked:
            raise _empty(where)
        inside: dict[object, object] = {}
        parts: list[Filter] = []
        for key, operand in asked.items():
            if key == "$not":
                self._count()
                parts.append(negated(self._relation(relation, operand, walked, depth=depth + 1, steps=steps)))
            elif key in OPERATORS:
                self._count()
                parts.append(self._link(relation, key, operand, where, lambda leaf: through(walked, leaf)))
            else:
                inside[key] = operand
        if inside:
            parts.append(self._inside(relation, inside, walked, depth=depth, steps=steps))
        return all_of(parts)

    def _inside(
        self, relation: Step, inside: Mapping[object, object], walked: tuple[Step, ...], *, depth: int, steps: int
    ) -> Filter:
        if steps + 1 > STEPS_MAX:
            raise _too_far(relation.name)
        whole = (*walked, relation)
        if any(step.many for step in whole):
            part = self.conditions(inside, relation.target, (), depth=depth + 1, steps=steps + 1)
            return through(whole, part)
        return self.conditions(inside, relation.target, whole, depth=depth + 1, steps=steps + 1)

    def _link(self, relation: Step, operator: object, operand: object, where: str, reached: _Reached) -> Filter:
        match operator:
            case "$eq" | "$contains":
                if operand is None:
                    return negated(reached(Linked(relation, None)))
                return reached(Linked(relation, (operands.entity_id(operand, relation.target.name, where=where),)))
            case "$in":
                listed = operands.listed(operand, where=where)
                ids = [
                    operands.entity_id(value, relation.target.name, where=where)
                    for value in listed
                    if value is not None
                ]
                found = reached(Linked(relation, tuple(ids)))
                return some_of([found, negated(reached(Linked(relation, None)))]) if None in listed else found
            case "$ne":
                return negated(self._link(relation, "$eq", operand, where, reached))
            case "$nin":
                return negated(self._link(relation, "$in", operand, where, reached))
            case "$exists":
                linked = reached(Linked(relation, None))
                return linked if operands.boolean(operand, where=f"{where}.$exists") else negated(linked)
            case _:
                raise InvalidFilter(
                    f"{where} is a relation and is not compared by {operator}",
                    hint=f"ask the {relation.target.name} that it leads to: {relation.name}.<field>",
                )

    def _count(self) -> None:
        self._conditions += 1
        if self._conditions > CONDITIONS_MAX:
            raise InvalidFilter(
                f"more than {CONDITIONS_MAX} conditions in one filter", hint="$in takes many values at once"
            )


class _Nobody:
    """No graph at all, for a question that needs none."""

    def get(self, noun_name: str, id: str) -> None:
        return None

    def related(self, noun_name: str, key: str, id: str) -> tuple[Mapping[str, object], ...]:
        return ()


_NOBODY = _Nobody()


def _of_text(field: Field, operator: str, operand: object, where: str) -> Filter:
    match operator:
        case "$contains":
            return Contains(field, operands.text(operand, where=where))
        case "$startsWith":
            return StartsWith(field, operands.text(operand, where=where))
        case "$regex":
            return Regex(field, operands.pattern(operand, where=where))
        case _:
            return HasWords(field, operands.words(operand, where=where))


def _asked(value: object, field: Field, where: str) -> Sequence[tuple[str, object]]:
    """The operators asked of a field: what is no mapping is a value, and of JSON so is a mapping without operators."""
    if not isinstance(value, Mapping):
        return [("$eq", value)]
    asked = list(cast("Mapping[object, object]", value).items())
    if field.type == "json" and not any(isinstance(key, str) and key.startswith("$") for key, _ in asked):
        return [("$eq", cast(object, value))]
    if not asked:
        raise _empty(where)
    return [(key if isinstance(key, str) else shown(key), operand) for key, operand in asked]


def _constant(answer: bool) -> Filter:
    return EVERYTHING if answer else NOTHING


def _check_depth(depth: int) -> None:
    if depth > DEPTH_MAX:
        raise InvalidFilter(
            f"a filter nests deeper than {DEPTH_MAX} levels", hint="conditions side by side need no $and"
        )


def _too_far(path: str) -> InvalidFilter:
    return InvalidFilter(f"{path[:80]!r} walks further than {STEPS_MAX} relations from where the filter starts")


def _empty(where: str) -> InvalidFilter:
    return InvalidFilter(
        f"{where} has an empty mapping for a condition", hint='a value, or operators like {"$exists": true}'
    )


def _unknown_operator(operator: str, where: str) -> InvalidFilter:
    return InvalidFilter(
        f"unknown operator {shown(operator)} on {where}",
        hint=habits.for_operator(operator) or did_you_mean(operator, (*OPERATORS, "$not")),
    )
