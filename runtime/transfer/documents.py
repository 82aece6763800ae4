"""JSON as rows: an array of objects, or an object a line (NDJSON); read in pieces, however long the file is."""

import codecs
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec

from runtime.errors import ValidationFailed
from runtime.transfer.rows import COLUMNS_MAX, ROW_CHARS_MAX, BadRow, Row, refused

_PIECE_CHARS = 1 << 20
_SPACE = " \t\r\n"

_decode_line = msgspec.json.Decoder().decode


class Lines:
    """An open NDJSON file: an object a line. A line that is none is one bad row."""

    text = False

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._bytes = max(path.stat().st_size, 1)

    def columns(self) -> Sequence[str] | None:
        return None

    def rows(self) -> Iterator[Row | BadRow]:
        number = 0
        while line := self._file.readline(ROW_CHARS_MAX):
            number += 1
            if len(line) >= ROW_CHARS_MAX and not line.endswith(b"\n"):
                while line and not line.endswith(b"\n"):
                    line = self._file.readline(ROW_CHARS_MAX)
                yield refused(number, ValidationFailed(f"this line has more than {ROW_CHARS_MAX:,} bytes"))
                continue
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            if line.isspace() or not line:
                continue
            yield _read(number, line)

    def done(self) -> float:
        return min(self._file.tell() / self._bytes, 1.0)

    def close(self) -> None:
        self._file.close()


class Array:
    """An open JSON file: an array of objects. Behind a fault in the JSON itself nothing can be read any more."""

    text = False

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._bytes = max(path.stat().st_size, 1)
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._held = ""
        self._at = 0
        self._line = 1
        self._ended = False

    def columns(self) -> Sequence[str] | None:
        return None

    def rows(self) -> Iterator[Row | BadRow]:
        if self._next_mark() != "[":
            raise self._broken("the file is no array of objects", hint="[{…}, {…}], or --format ndjson")
        self._at += 1
        if self._next_mark() == "]":
            self._at += 1
            return self._end()
        while True:
            self._next_mark()
            line, value = self._line, self._value()
            yield _shaped(line, value)
            mark = self._next_mark()
            self._at += 1
            if mark == "]":
                return self._end()
            if mark != ",":
                raise self._broken("the array is broken here", hint="between two objects stands a comma")

    def done(self) -> float:
        return min(self._file.tell() / self._bytes, 1.0)

    def close(self) -> None:
        self._file.close()

    def _end(self) -> None:
        if self._next_mark():
            raise self._broken("there is something behind the array", hint="--format ndjson, for an object a line")

    def _value(self) -> Any:
        """The value that begins here, once all of it was read."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self._held, self._at)
            except (json.JSONDecodeError, RecursionError, ValueError) as error:
                long = len(self._held) - self._at > ROW_CHARS_MAX
                if long or not self._read_on():
                    said = (
                        error.msg if isinstance(error, json.JSONDecodeError) and not long else "it is too long or deep"
                    )
                    raise self._broken(f"this is no JSON: {said}") from error
                continue
            if end == len(self._held) and self._read_on():
                continue  # a number or word could go on
            self._line += self._held.count("\n", self._at, end)
            self._at = end
            return value

    def _next_mark(self) -> str:
        """The next character that is no space, which stays to be read; nothing at the end."""
        while True:
            while self._at < len(self._held):
                mark = self._held[self._at]
                if mark not in _SPACE:
                    return mark
                self._line += mark == "\n"
                self._at += 1
            if not self._read_on():
                return ""

    def _read_on(self) -> bool:
        if self._ended:
            return False
        piece = self._file.read(_PIECE_CHARS)
        self._ended = not piece
        try:
            text = self._decoder.decode(piece, final=self._ended)
        except UnicodeDecodeError as error:
            raise self._broken("the file is not UTF-8 text", hint="save it as UTF-8") from error
        self._held = self._held[self._at :] + text
        self._at = 0
        return not self._ended

    def _broken(self, message: str, hint: str | None = None) -> ValidationFailed:
        return ValidationFailed(f"line {self._line}: {message}", hint=hint, line=self._line)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def _read(line: int, text: bytes) -> Row | BadRow:
    try:
        return _shaped(line, _decode_line(text))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        shown = text[:200].decode("utf-8", "replace").rstrip()
        return BadRow(line, ValidationFailed.code, f"this is no JSON: {error}", "one object a line", {"#text": shown})


def _shaped(line: int, value: Any) -> Row | BadRow:
    if not isinstance(value, dict):
        return refused(line, ValidationFailed("this is no object", hint='{"name": "Ada"}'))
    values = cast("Mapping[str, Any]", value)
    if len(values) > COLUMNS_MAX:
        return refused(
            line, ValidationFailed(f"this object has {len(values):,} keys; at most {COLUMNS_MAX:,} are read")
        )
    return Row(line, values)
