"""A handler as it is stored: which code, for what, with whose rights."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from runtime.entity import Entity
from runtime.ids import ALPHABET, SUFFIX_CHARS
from runtime.own_nouns import HANDLER
from runtime.unit import Caller

# Of one tenant, removed ones not counted; each commit looks through those of its nouns.
HANDLERS_MAX = 1_000
SOURCE_BYTES_MAX = 64 * 1024
NAME_CHARS_MAX = 200

Kind = Literal["before", "after", "schedule", "watch"]

LAMBDA = "<lambda>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """Stored code. `pattern` is the verb (`Deal.close`) that a BEFORE handler runs before, or the events it runs after."""

    id: str
    kind: Kind
    pattern: str
    name: str
    source: str
    hash: str
    parameters: int | None
    position: int
    actor: str
    level: int
    status: str
    options: Mapping[str, Any]
    reason: str | None = None  # why it is disabled

    @staticmethod
    def of(entity: Entity) -> "Handler":
        """The handler that an entity describes."""
        body = entity.body
        return Handler(
            id=entity.id,
            kind=body["kind"],
            pattern=body["pattern"],
            name=body["name"],
            source=body["source"],
            hash=body["hash"],
            parameters=body.get("parameters"),
            position=body["position"],
            actor=body["actor"],
            level=body["level"],
            status=body["status"],
            options=body.get("options", {}),
            reason=body.get("reason"),
        )

    @property
    def active(self) -> bool:
        """Whether it runs."""
        return self.status == "Active"

    def caller(self, tenant: str) -> Caller:
        """Whose rights its runs have: those of the key that stored it."""
        return Caller(tenant=tenant, actor=self.actor, level=self.level)

    @property
    def program(self) -> str:
        """The code that runs it on `entity`; its own lines keep their numbers."""
        given = "entity" if self.parameters == 1 else "" if self.parameters == 0 else "entity, $"
        if self.name == LAMBDA:
            return f"return ({self.source})({given})"
        return f"{self.source}\nreturn {self.name}({given})"


def identity(kind: str, pattern: str, name: str, hash: str) -> str:
    """The id of a handler: what it is for and the function's name, else the code. Stored again it is the same handler."""
    said = "\n".join((kind, pattern, hash if name == LAMBDA else name))
    number = int.from_bytes(hashlib.sha256(said.encode()).digest())
    drawn = ""
    for _ in range(SUFFIX_CHARS):
        number, digit = divmod(number, len(ALPHABET))
        drawn += ALPHABET[digit]
    return f"{HANDLER.key}_{drawn}"


def hash_of(source: str) -> str:
    """Which code it is: the SHA-256 of its source."""
    return hashlib.sha256(source.encode()).hexdigest()
