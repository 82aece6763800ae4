"""A record: one mapping that `$` answered, read by attribute or by item, and never changed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from runtime.errors import nearest

# The only dict methods that a record shows: the rest change it, or hide a word that an entity may use.
METHODS = frozenset({"get", "keys", "values", "items", "copy"})


@dataclass(frozen=True, kw_only=True)
class Noun:
    """What the parent says of a noun: the words that its entities answer to."""

    fields: frozenset[str]
    verbs: frozenset[str]
    relations: frozenset[str]


class Nouns(Protocol):
    """Where records learn about their types, and where their verbs go."""

    def noun(self, type_name: str) -> Noun: ...

    def verb(self, type_name: str, verb: str, entity_id: str) -> Callable[..., Any]: ...


class ReadOnly(TypeError):
    """A write to a record."""

    def __init__(self, message: str, hint: str) -> None:
        self.hint = hint
        super().__init__(message)


class Record(dict[str, Any]):
    """A copy of what the tenant holds: `record.name` and `record["name"]` read it.

    A meta-field needs no `$` where the noun has no such word: `record.id`, `record.createdAt`.
    """

    __slots__ = ("nouns",)
    nouns: Nouns

    def attribute(self, name: str) -> Any:
        """A dict method, a key, a known field that is null, or a verb of the noun, in this order. Or AttributeError."""
        if name in METHODS:
            return getattr(self, name)
        if name in self:
            return self[name]
        if name == "id" and "$id" in self:
            return self["$id"]
        type_name = self.get("$type")
        if not isinstance(type_name, str):
            raise AttributeError(f"{self._called()} has no {name!r}" + _near(name, self))
        noun = self.nouns.noun(type_name)
        if name in noun.fields or name in noun.relations or name.startswith("$"):
            return None
        if name in noun.verbs and "$id" in self:
            return self.nouns.verb(type_name, name, self["$id"])
        if f"${name}" in self:
            return self[f"${name}"]
        raise AttributeError(
            f"{type_name} has no {name!r}" + _near(name, {*self, *noun.fields, *noun.relations, *noun.verbs})
        )

    def _called(self) -> str:
        if "results" in self:
            return "the page"
        return "the search row" if "entity" in self and "title" in self else "the record"

    def copy(self) -> dict[str, Any]:
        """A plain dict that may be changed."""
        return dict(self)

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise self.refusal()

    def refusal(self) -> "ReadOnly":
        """Why it cannot be changed, and what to do instead."""
        if "$type" in self and "$id" in self:
            update = f'$.{self["$type"]}.update("{self["$id"]}", {{...}})'
            hint = f"results are copies: use {update}, or dict(record) for one of your own"
            return ReadOnly(f"this {self['$type']} cannot be changed by assignment", hint)
        return ReadOnly("this record cannot be changed", "results are copies: make your own with dict(record)")

    if not TYPE_CHECKING:  # to a type checker a dict must be writable
        __setitem__ = __delitem__ = __ior__ = update = setdefault = pop = popitem = clear = _refuse


def _near(word: str, words: Any) -> str:
    found = nearest(word, [known for known in words if isinstance(known, str)])
    return f"; did you mean {found!r}?" if found else ""
