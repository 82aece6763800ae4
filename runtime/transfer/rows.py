"""One row of a file that is read, or why it could not be read; the same for every format."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from runtime.errors import InvalidArguments, ValidationFailed, did_you_mean

Format = Literal["csv", "json", "ndjson", "parquet"]
FORMATS: tuple[str, ...] = get_args(Format)

# One row of text: more than every value of an entity together needs, and little enough to be held at once.
ROW_CHARS_MAX = 8_000_000
COLUMNS_MAX = 2_000

_SUFFIXES: Mapping[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
    ".pq": "parquet",
}


@dataclass(frozen=True, slots=True)
class Row:
    """The values of one row by the names of their columns; an absent value has no key."""

    line: int  # where it begins: the line of a text, the number of a row of Parquet; from 1
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that did not become an entity: what was there, and what would be right."""

    line: int
    code: str
    message: str
    hint: str
    values: Mapping[str, Any]


class Source(Protocol):
    """An open file of rows."""

    text: bool  # whether every value is text, to be read by the type of its field

    def columns(self) -> Sequence[str] | None:
        """The names of the columns, in their order; None where each row brings its own."""
        ...

    def rows(self) -> Iterator[Row | BadRow]:
        """Every row from the first on. Raises ValidationFailed where nothing behind a fault can be read any more."""
        ...

    def done(self) -> float:
        """How much of the file was read, from 0 to 1."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


def format_of(path: Path, named: str = "") -> Format:
    """The format that was named, else the one that the file's name ends in. Raises InvalidArguments."""
    for known in get_args(Format):
        if named.lower() == known:
            return known
    if named:
        raise InvalidArguments(f"there is no format {named[:80]!r}", hint=did_you_mean(named, FORMATS))
    found = _SUFFIXES.get(path.suffix.lower())
    if found is None:
        raise InvalidArguments(
            f"the name {path.name[:200]!r} does not say which format it is", hint=f"--format {'|'.join(FORMATS)}"
        )
    return found


def refused(line: int, error: ValidationFailed, values: Mapping[str, Any] | None = None) -> BadRow:
    """A row that an error was about."""
    return BadRow(line, error.code, error.message, error.hint or "", values or {})


def content_hash(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
