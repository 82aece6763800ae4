"""`export`: the entities of a noun as a file that `import` reads again, a page after another in the order of their
creation.
"""

import csv
import io
import os
import secrets
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgspec

from runtime import values
from runtime.client import Connection
from runtime.errors import InvalidArguments, InvalidType, did_you_mean
from runtime.noun import Field
from runtime.transfer.cells import cell, json_cell
from runtime.transfer.parquet import ParquetColumn, write_parquet
from runtime.transfer.rows import Format

# What stands in a table beside the noun's own fields; NDJSON and JSON have the entity whole.
META_COLUMNS = ("$id", "$version", "$createdAt", "$updatedAt", "$createdBy")
_META_TYPES = ("VARCHAR", "BIGINT", "TIMESTAMP", "TIMESTAMP", "VARCHAR")

Heard = Callable[[int], None]  # entities that were written


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What is asked for. `as_of` is a time or a position of the log; None is the present."""

    type: str
    format: Format
    filter: Mapping[str, Any] | None = None
    as_of: str | int | None = None


class _Page(msgspec.Struct):
    rows: list[msgspec.Raw]
    after: int | None


class Start(msgspec.Struct):
    """What an export begins with: how far the log is, and what there is to export."""

    seq: int
    nouns: list[dict[str, Any]]
    defined: list[dict[str, Any]]

    def fields(self, type: str) -> list[Field]:
        """The fields of a noun. Raises InvalidType."""
        for noun in self.nouns:
            if noun["name"] == type:
                return [_field(told) for told in noun["fields"]]
        names = [noun["name"] for noun in self.nouns]
        raise InvalidType(f"there is no noun {type[:80]!r}", hint=did_you_mean(type, names))


_decode_page = msgspec.json.Decoder(_Page).decode
_decode_start = msgspec.json.Decoder(Start).decode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def start(connection: Connection, as_of: str | int | None = None) -> Start:
    """What there is to export."""
    return _decode_start(connection.ask_text("export-start", {} if as_of is None else {"asOf": as_of}))


def export_file(connection: Connection, asked: Export, to: Path, heard: Heard) -> int:
    """Write a file, in place only once it is whole; how many entities it holds."""
    begun = start(connection, asked.as_of)
    fields = begun.fields(asked.type)
    with _whole(to) as new:
        if asked.format == "parquet":
            lines = new.with_name(new.name + ".ndjson")
            try:
                with lines.open("wb") as file:
                    count = _write(pages(connection, asked, begun.seq), "ndjson", fields, file, heard)
                write_parquet(lines, _parquet_columns(fields), new)
            finally:
                lines.unlink(missing_ok=True)
            return count
        with new.open("wb") as file:
            return _write(pages(connection, asked, begun.seq), asked.format, fields, file, heard)


def export_stream(connection: Connection, asked: Export, out: IO[bytes], heard: Heard) -> int:
    """Write to a stream; how many entities. Raises InvalidArguments for Parquet, which needs a file."""
    if asked.format == "parquet":
        raise InvalidArguments("Parquet needs a file", hint="-o contacts.parquet")
    begun = start(connection, asked.as_of)
    return _write(pages(connection, asked, begun.seq), asked.format, begun.fields(asked.type), out, heard)


def pages(connection: Connection, asked: Export, until: int) -> Iterator[list[msgspec.Raw]]:
    """The entities that were there at a position of the log, as JSON, page by page."""
    given: dict[str, Any] = {"type": asked.type, "until": until, "after": 0}
    if asked.filter:
        given["filter"] = asked.filter
    if asked.as_of is not None:
        given["asOf"] = asked.as_of
    while True:
        page = _decode_page(connection.ask_text("export", given))
        if page.rows:
            yield page.rows
        if page.after is None:
            return
        given["after"] = page.after


def _write(
    found: Iterator[list[msgspec.Raw]], format: Format, fields: Sequence[Field], out: IO[bytes], heard: Heard
) -> int:
    count = 0
    if format == "csv":
        out.write(_csv([[*META_COLUMNS, *(field.name for field in fields)]]))
    elif format == "json":
        out.write(b"[")
    for rows in found:
        if format == "csv":
            out.write(_csv([_cells(_decode(row), fields) for row in rows]))
        elif format == "json":
            out.write((b",\n" if count else b"\n") + b",\n".join(bytes(row) for row in rows))
        else:
            out.write(b"".join(bytes(row) + b"\n" for row in rows))
        count += len(rows)
        heard(count)
    if format == "json":
        out.write(b"\n]\n")
    return count


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue().encode()


def _cells(body: Mapping[str, Any], fields: Sequence[Field]) -> list[str]:
    cells = [cell(body[name]) if name in body else "" for name in META_COLUMNS]
    for field in fields:
        if field.name not in body:
            cells.append("")
        elif field.type == "json":
            cells.append(json_cell(body[field.name]))
        else:
            cells.append(cell(body[field.name]))
    return cells


def _parquet_columns(fields: Sequence[Field]) -> list[ParquetColumn]:
    meta = [ParquetColumn(name, kind) for name, kind in zip(META_COLUMNS, _META_TYPES, strict=True)]
    return meta + [ParquetColumn(field.name, values.sql_type(field)) for field in fields]


@contextmanager
def _whole(to: Path) -> Generator[Path]:
    """A file beside the wanted one, which takes its place at the end, or is gone."""
    new = to.with_name(f".{to.name}.{secrets.token_hex(4)}")
    try:
        yield new
        os.replace(new, to)
    finally:
        new.unlink(missing_ok=True)


def _field(told: Mapping[str, Any]) -> Field:
    return Field(
        name=told["name"],
        type=told["type"],
        required=told.get("required", False),
        many=told.get("many", False),
        values=tuple(told.get("values", ())),
        target=told.get("target"),
        precision=told.get("precision", 18),
        scale=told.get("scale", 2),
    )
