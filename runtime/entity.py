"""An entity as it is stored and as it is shown: one mapping of plain values, with the facts that only the runtime sets."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from runtime import values
from runtime.canonical import canonical
from runtime.errors import NotFound
from runtime.ids import prefix_of
from runtime.noun import Noun
from runtime.searchable import title_key

Body = dict[str, Any]

_decode = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True)
class Entity:
    """One version of an entity. `body` holds its values and meta-fields; who gets hold of it must not change it."""

    noun: str
    id: str
    version: int
    number: int  # log position of its creation, 0 while it is only staged
    body: Body

    @property
    def deleted(self) -> bool:
        return "$deletedAt" in self.body

    @property
    def erased(self) -> bool:
        return "$erasedAt" in self.body

    def encoded(self) -> str:
        """The body as it is stored: canonical JSON."""
        return canonical(self.body).decode()


def decoded(noun: Noun, id: str, number: int, text: str) -> Entity:
    """The entity that a row of its noun's table holds, its keys under their present names."""
    body = _decode(text)
    return Entity(noun.name, id, body["$version"], number, renamed(noun, body) if noun.renamed else body)


def renamed(noun: Noun, body: Body) -> Body:
    """A body, possibly written before a key got its present name, under the present names."""
    for former, present in noun.renamed.items():
        if former in body and former not in noun.fields:
            body[present] = body.pop(former)
    return body


def stamp(now: datetime, before: Body | None) -> str:
    """The time that a change of an entity is stamped with: now, but not before the change that it follows."""
    text = values.format_datetime(now)
    # A unit that began before another one's commit changes what that left. Without the Z the texts sort as the times do.
    return text if before is None else max(text, before["$updatedAt"], key=lambda each: each[:-1])


def shown(noun: Noun, body: Mapping[str, Any], context: str, fields: Iterable[str] | None = None) -> Body:
    """What a reader gets: the entity's own keys first, in the order of the noun, then its meta-fields; a fresh copy."""
    wanted = None if fields is None else set(fields)
    shape = {key: body[key] for key in noun.fields if key in body and (wanted is None or key in wanted)}
    shape["$id"] = body["$id"]
    shape["$type"] = noun.name
    if wanted is None or "$context" in wanted:
        shape["$context"] = context
    for key in ("$version", "$createdAt", "$updatedAt", "$createdBy", "$deletedAt", "$erasedAt"):
        if key in body and (wanted is None or key in wanted):
            shape[key] = body[key]
    return shape


def row(noun: Noun, entity: Entity, seq: int, text: str) -> tuple[Any, ...]:
    """The entity as a row of its noun's table, in the order of `store.schema.columns`."""
    body = entity.body
    created_at, updated_at, deleted_at = body["$createdAt"], body["$updatedAt"], body.get("$deletedAt")
    created = values.naive_datetime(created_at)
    own = list(map(body.get, noun.fields))
    for place, field in noun.converted:
        if own[place] is not None:
            own[place] = values.to_sql(field, own[place])
    return (
        entity.id,
        seq,
        entity.number or seq,
        entity.version,
        created,
        created if updated_at == created_at else values.naive_datetime(updated_at),
        body["$createdBy"],
        None if deleted_at is None else values.naive_datetime(deleted_at),
        text,
        *own,
    )


def title(noun: Noun, body: Mapping[str, Any]) -> str:
    """What a list shows of an entity: its name, title or subject, else its first text, else its id."""
    key = title_key(noun, body)
    return str(body[key])[:200] if key is not None else str(body["$id"])


def missing(noun: Noun, id: object) -> NotFound:
    """The refusal of an id that names nothing here, and what is wrong with it if that can be seen."""
    prefix = prefix_of(id)
    if prefix is not None and prefix != noun.key:
        return NotFound(
            f"{id} is not the id of a {noun.name}",
            hint=f"ids of {noun.name} begin with {noun.key}_; $.fetch(id) reads any",
        )
    if prefix is None:
        return NotFound(
            f"no {noun.name} with the id {str(id)[:80]!r}",
            hint=f"ids look like {noun.key}_fX9bL5nRdK; by another value: $.{noun.name}.findOne(name=…)",
        )
    return NotFound(f"no {noun.name} with the id {id!r}", hint=f"$.{noun.name}.find(...) gives ids that exist")


def deleted(noun: Noun, id: str) -> NotFound:
    """The refusal of an entity that was deleted."""
    return NotFound(f"{id} was deleted", hint=f"$.{noun.name}.restore({id!r}) brings it back", id=id)
