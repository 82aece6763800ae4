"""Parquet through DuckDB, in memory of this process: rows out of a file, and a file out of NDJSON."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import msgspec

from runtime.errors import InvalidArguments, ValidationFailed
from runtime.sql import quoted
from runtime.transfer.rows import COLUMNS_MAX, Row
from runtime.values import format_datetime

_ROWS_AT_ONCE = 1_000
_MEMORY_MB = 512
# Types whose Python values we know; DuckDB turns everything else into JSON first.
_PLAIN = ("VARCHAR", "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_ALSO_PLAIN = ("UBIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DATE", "UUID")
# What DuckDB reads as a pattern, or as more than one file.
_PATTERN_MARKS = "*?["


@dataclass(frozen=True, slots=True)
class ParquetColumn:
    """A column of a file that is written."""

    name: str
    sql_type: str


class Parquet:
    """An open Parquet file."""

    text = False

    def __init__(self, path: Path) -> None:
        _check_path(path)
        self._database = _database()
        self._read = 0
        source = f"read_parquet({_literal(path)})"
        try:
            described = self._database.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
            self._columns = [str(row[0]) for row in described]
            if len(self._columns) > COLUMNS_MAX:
                raise ValidationFailed(f"the file has {len(self._columns):,} columns; at most {COLUMNS_MAX:,} are read")
            self._count = self._database.execute(f"SELECT count(*) FROM {source}").fetchall()[0][0]
            self._json = {str(row[0]) for row in described if not _is_plain(str(row[1]))}
            picked = ", ".join(_picked(str(name), str(kind)) for name, kind, *_ in described)
            self._rows = self._database.execute(f"SELECT {picked} FROM {source}")
        except duckdb.Error as error:
            self.close()
            raise _unreadable(error) from error
        except BaseException:
            self.close()
            raise

    def columns(self) -> Sequence[str]:
        return self._columns

    def rows(self) -> Iterator[Row]:
        while True:
            try:
                found = self._rows.fetchmany(_ROWS_AT_ONCE)
            except duckdb.Error as error:
                raise _unreadable(error) from error
            if not found:
                return
            for cells in found:
                self._read += 1
                yield Row(
                    self._read,
                    {
                        name: msgspec.json.decode(cell) if name in self._json else _plain(cell)
                        for name, cell in zip(self._columns, cells, strict=True)
                        if cell is not None
                    },
                )

    def done(self) -> float:
        return self._read / max(self._count, 1)

    def close(self) -> None:
        self._database.close()


def write_parquet(lines: Path, columns: Sequence[ParquetColumn], to: Path) -> None:
    """Turn a file of NDJSON into a Parquet file with these columns; keys that are none of them are left out."""
    _check_path(lines)
    shape = ", ".join(f"{_text(column.name)}: {_text(column.sql_type)}" for column in columns)
    source = (
        f"read_json({_literal(lines)}, format='newline_delimited', columns={{{shape}}}, maximum_object_size=67108864)"
    )
    names = ", ".join(quoted(column.name) for column in columns)
    database = _database()
    try:
        database.execute(f"COPY (SELECT {names} FROM {source}) TO {_literal(to)} (FORMAT parquet, COMPRESSION zstd)")
    except duckdb.Error as error:
        raise ValidationFailed(f"the rows do not fit into Parquet: {_first_line(error)}") from error
    finally:
        database.close()


def _database() -> duckdb.DuckDBPyConnection:
    database = duckdb.connect(":memory:")
    for setting in (
        f"memory_limit='{_MEMORY_MB}MB'",
        "preserve_insertion_order=true",
        "autoinstall_known_extensions=false",
        "autoload_known_extensions=false",
        "TimeZone='UTC'",
        # Else it would spill into a folder of whatever place the command is run in.
        f"temp_directory={_text(str(Path(tempfile.gettempdir()) / f'verbena-{os.getuid()}-spill'))}",
    ):
        database.execute(f"SET {setting}")
    return database


def _is_plain(kind: str) -> bool:
    return kind in _PLAIN or kind in _ALSO_PLAIN or kind.startswith(("DECIMAL", "TIMESTAMP"))


def _picked(name: str, kind: str) -> str:
    if kind.startswith("TIMESTAMP"):
        return f"{quoted(name)}::TIMESTAMP"  # one with a zone is a moment, and the zone of this database is UTC
    return quoted(name) if _is_plain(kind) else f"to_json({quoted(name)})::VARCHAR"


def _plain(cell: Any) -> Any:
    if isinstance(cell, str | bool | int | float):
        return cell
    if isinstance(cell, Decimal | UUID):
        return str(cell)
    if isinstance(cell, datetime):
        return format_datetime(cell)
    if isinstance(cell, date):
        return cell.isoformat()
    return str(cell)


def _check_path(path: Path) -> None:
    if any(mark in str(path) for mark in _PATTERN_MARKS):
        raise InvalidArguments(
            f"{str(path)[:200]!r} would be read as a pattern", hint=f"rename it: without {' '.join(_PATTERN_MARKS)}"
        )


def _literal(path: Path) -> str:
    return _text(str(path.absolute()))


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _unreadable(error: duckdb.Error) -> ValidationFailed:
    return ValidationFailed(f"this is no Parquet that can be read: {_first_line(error)}")


def _first_line(error: duckdb.Error) -> str:
    return str(error).split("\n", 1)[0][:200]
