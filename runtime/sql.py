"""A piece of SQL with its parameters in order, so that text and values are never joined by hand."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Sql:
    """`text` with one `?` for each of `parameters`."""

    text: str
    parameters: tuple[Any, ...] = ()

    def __add__(self, other: "Sql | str") -> "Sql":
        if isinstance(other, str):
            return Sql(self.text + other, self.parameters)
        return Sql(self.text + other.text, self.parameters + other.parameters)

    def __radd__(self, other: str) -> "Sql":
        return Sql(other + self.text, self.parameters)

    @classmethod
    def join(cls, separator: str, pieces: Iterable[Self]) -> "Sql":
        listed = list(pieces)
        parameters = tuple(value for piece in listed for value in piece.parameters)
        return Sql(separator.join(piece.text for piece in listed), parameters)


def quoted(name: str) -> str:
    """An SQL identifier, safe whatever the name holds."""
    return '"' + name.replace('"', '""') + '"'
