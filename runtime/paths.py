"""Dotted names such as `contact.organization.industry`: the relations they walk and the field they end at."""

from collections.abc import Mapping
from dataclasses import dataclass

from runtime import habits
from runtime.errors import InvalidFilter, VerbenaError, did_you_mean
from runtime.noun import Field, Inverse, Noun
from runtime.vocabulary import Vocabulary

STEPS_MAX = 3

# The meta-fields that stand in the tables of every noun; `$context` is put on at the door and cannot be asked for.
META_COLUMNS: Mapping[str, Field] = {
    "$id": Field(name="$id", type="id"),
    "$type": Field(name="$type", type="string"),
    "$version": Field(name="$version", type="int"),
    "$createdAt": Field(name="$createdAt", type="datetime"),
    "$updatedAt": Field(name="$updatedAt", type="datetime"),
    "$createdBy": Field(name="$createdBy", type="string"),
}
# Read without their `$` wherever the noun has no key of that name. Not `type`: many nouns mean something else by it.
_BARE = {
    "id": "$id",
    "version": "$version",
    "createdAt": "$createdAt",
    "updatedAt": "$updatedAt",
    "createdBy": "$createdBy",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One relation, walked from an entity of `owner` to entities of `target`.

    Forward, the owner's `key` holds the target's id; backward, the target's `key` holds the owner's.
    """

    name: str
    owner: Noun
    target: Noun
    key: str
    forward: bool
    many: bool  # whether it may lead to more than one entity
    listed: bool  # whether `key` holds a list of ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """The relations walked, in order, and the field at the end of them."""

    steps: tuple[Step, ...]
    field: Field


def column(name: str, noun: Noun) -> Field | None:
    """The field, or the meta-field with or without its `$`, that `name` means on `noun`; None where it means none."""
    return noun.fields.get(name) or META_COLUMNS.get(name) or META_COLUMNS.get(_BARE.get(name, ""))


def step(name: str, noun: Noun, vocabulary: Vocabulary) -> Step | None:
    """The relation, in either direction, that `name` means on `noun`; None where it means none."""
    field = noun.fields.get(name)
    if field is not None:
        return _forward(field, noun, vocabulary)
    inverse = inverses(noun, vocabulary).get(name)
    return _backward(inverse, noun, vocabulary) if inverse is not None else None


def inverses(noun: Noun, vocabulary: Vocabulary) -> Mapping[str, Inverse]:
    """The relations that lead back to `noun`, with those that only the other side declares."""
    return vocabulary.noun(noun.name).inverses


def words(noun: Noun, vocabulary: Vocabulary) -> list[str]:
    """Every name that a query may use on `noun`: fields, relations in both directions, meta-fields."""
    return [*noun.fields, *inverses(noun, vocabulary), *META_COLUMNS]


def walk(path: str, noun: Noun, vocabulary: Vocabulary, *, error: type[VerbenaError]) -> Path:
    """The path that ends at a field. Raises `error` for an unknown name, or more than three relations."""
    *relations, last = path.split(".")
    if len(relations) > STEPS_MAX:
        raise error(f"{path[:80]!r} walks {len(relations)} relations; at most {STEPS_MAX} are allowed")
    steps: list[Step] = []
    for name in relations:
        found = step(name, noun, vocabulary)
        if found is None:
            raise not_a_relation(name, noun, vocabulary, error=error)
        steps.append(found)
        noun = found.target
    field = column(last, noun)
    if field is None:
        raise unknown(last, noun, vocabulary, error=error)
    return Path(steps=tuple(steps), field=field)


def unknown(name: str, noun: Noun, vocabulary: Vocabulary, *, error: type[VerbenaError]) -> VerbenaError:
    """The refusal of a name that `noun` does not have."""
    habit = habits.for_filter(name) if error is InvalidFilter else None
    return error(f"{noun.name} has no field {name[:80]!r}", hint=habit or did_you_mean(name, words(noun, vocabulary)))


def not_a_relation(name: str, noun: Noun, vocabulary: Vocabulary, *, error: type[VerbenaError]) -> VerbenaError:
    """The refusal of a step over something that leads nowhere."""
    field = column(name, noun)
    if field is None:
        return unknown(name, noun, vocabulary, error=error)
    relations = [key for key, field in noun.fields.items() if field.type == "relation"]
    known = [*relations, *inverses(noun, vocabulary)]
    return error(
        f"{noun.name}.{name} is of type {field.type} and leads to no other entity",
        hint=f"relations of {noun.name}: {', '.join(sorted(known))}" if known else f"{noun.name} has no relations",
    )


def _forward(field: Field, noun: Noun, vocabulary: Vocabulary) -> Step | None:
    if field.type != "relation" or field.target is None:
        return None
    return Step(
        name=field.name,
        owner=noun,
        target=vocabulary.noun(field.target),
        key=field.name,
        forward=True,
        many=field.many,
        listed=field.many,
    )


def _backward(inverse: Inverse, noun: Noun, vocabulary: Vocabulary) -> Step:
    source = vocabulary.noun(inverse.source)
    return Step(
        name=inverse.name,
        owner=noun,
        target=source,
        key=inverse.key,
        forward=False,
        many=inverse.many,
        listed=source.fields[inverse.key].many,
    )
