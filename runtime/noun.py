"""A noun as data: its fields, relations, verbs and the states they lead between.

Everything here is a frozen value. `runtime.declaration` reads the written form into it, `runtime.vocabulary` puts
nouns side by side, and everything else only looks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CRUD_VERBS = ("create", "update", "upsert", "delete", "restore", "rollback", "erase")
READ_VERBS = ("get", "find", "findOne", "count", "aggregate", "history", "diff", "changedBy")
# What a column takes otherwise than it is stored; `runtime.values` says how.
CONVERTED_TYPES = ("number", "float", "decimal", "date", "datetime", "timestamp", "json")
META_FIELDS = ("$id", "$type", "$context", "$version", "$createdAt", "$updatedAt", "$createdBy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A value that an entity stores: a scalar, an enum word, or the id at the near end of a `->` relation."""

    name: str
    type: str  # a scalar type of `runtime.values`, or "enum", or "relation"
    required: bool = False
    indexed: bool = False
    unique: bool = False
    many: bool = False  # `[]`: a list of such values
    default: Any = None  # a stored value, or a default function: "now()", "today()", "first(key)"
    values: tuple[str, ...] = ()  # enum only: the words, in declared order
    target: str | None = None  # relation only: the noun at the far end
    inverse: str | None = None  # relation only: the name of the way back on the target
    precision: int = 18  # decimal only
    scale: int = 2  # decimal only


@dataclass(frozen=True, slots=True, kw_only=True)
class Inverse:
    """The computed end of a relation: which entities of `source` hold our id in their `key`."""

    name: str
    source: str
    key: str
    many: bool = True  # False: one-to-one, read as a single entity


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """`verb` leads `field` from one of `sources` (None: from any state) to `target`; verb may be create or update."""

    field: str
    verb: str
    sources: frozenset[str] | None
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """Something that can be asked of an entity, in its forms, and what it takes and sets."""

    name: str  # qualify
    event: str  # Qualified, as declared
    past: str  # qualified: AFTER handlers and the event's name
    gerund: str  # qualifying: BEFORE handlers
    built_in: bool = False
    inputs: Mapping[str, Field] = field(default_factory=dict[str, Field])  # keys that stay in the event
    effects: Mapping[str, str] = field(default_factory=dict[str, str])  # key → "now()", "+1", "count(key) if key", …


@dataclass(frozen=True, slots=True, kw_only=True)
class Noun:
    """A kind of entity. `declaration` is what was written, so that the noun can be stored and sent as data."""

    name: str
    fields: Mapping[str, Field]
    inverses: Mapping[str, Inverse]
    verbs: Mapping[str, Verb]  # every verb that may be asked, CRUD among them unless disabled
    transitions: tuple[Transition, ...]
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])  # former key → present key
    declaration: Mapping[str, Any] = field(default_factory=dict[str, Any])

    # What every write asks, worked out once.
    key: str = field(init=False, compare=False, repr=False)  # in lower camel case: prefix of its ids, name of its table
    required: tuple[str, ...] = field(init=False, compare=False, repr=False)
    unique: tuple[str, ...] = field(init=False, compare=False, repr=False)
    relations: tuple[Field, ...] = field(init=False, compare=False, repr=False)
    defaulted: tuple[Field, ...] = field(init=False, compare=False, repr=False)
    converted: tuple[tuple[int, Field], ...] = field(init=False, compare=False, repr=False)  # with their places
    states: tuple[str, ...] = field(init=False, compare=False, repr=False)  # the fields that transitions lead through

    def __post_init__(self) -> None:
        fields = self.fields.values()
        derived: dict[str, Any] = {
            "key": self.name[0].lower() + self.name[1:],
            "required": tuple(each.name for each in fields if each.required),
            "unique": tuple(each.name for each in fields if each.unique),
            "relations": tuple(each for each in fields if each.target is not None),
            "defaulted": tuple(each for each in fields if each.default is not None),
            "converted": tuple((at, each) for at, each in enumerate(fields) if each.type in CONVERTED_TYPES),
            "states": tuple(dict.fromkeys(step.field for step in self.transitions)),
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)
