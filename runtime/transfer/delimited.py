"""CSV as programs and people write it: any of the usual delimiters, quotes, line ends and encodings.

Every cell is text, and stays exactly what it was: what looks like a formula is text too. One line too long or not in
the encoding is one bad row; nothing that a file holds can make the reader hold more than a row of it.
"""

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from runtime.errors import InvalidArguments, ValidationFailed
from runtime.transfer.rows import COLUMNS_MAX, ROW_CHARS_MAX, BadRow, Row, refused
from runtime.values import STRING_CHARS_MAX

DELIMITERS = ",;\t|"
# The marks that a file may begin with; the longer one first, since UTF-32 begins as UTF-16 does.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LOOKED_AT_BYTES = 4_096
# Columns of a file with bad rows, which may be mended and imported again: they say what was wrong and are no values.
OWN_COLUMNS = ("#line", "#code", "#reason", "#hint")


class Delimited:
    """An open CSV file."""

    text = True

    def __init__(self, path: Path, *, encoding: str = "", delimiter: str = "") -> None:
        """Open a file and read its header. Raises InvalidArguments or ValidationFailed where it has none."""
        if delimiter and len(delimiter) != 1:
            raise InvalidArguments(f"a delimiter is one character, not {delimiter[:20]!r}")
        # A setting of the whole process, which reads one file: a text may be as long as a field may store.
        csv.field_size_limit(STRING_CHARS_MAX + 1)
        self._file: IO[bytes] = path.open("rb")
        self._bytes = max(path.stat().st_size, 1)
        try:
            self._encoding = encoding or _encoding_of(self._file)
            self._lines = _Lines(_text(self._file, self._encoding))
            self._delimiter = delimiter or _delimiter_of(self._lines.peek())
            self._reader = csv.reader(self._lines, delimiter=self._delimiter, strict=False)
            self._columns = self._header()
        except BaseException:
            self.close()
            raise

    def columns(self) -> Sequence[str]:
        return self._columns

    def rows(self) -> Iterator[Row | BadRow]:
        columns = self._columns
        while True:
            line = self._lines.count + 1
            self._lines.begin_row()
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except ValidationFailed as error:
                yield refused(line, error)
                continue
            except csv.Error as error:
                yield BadRow(line, ValidationFailed.code, f"this is no row of CSV: {error}", _QUOTES, {})
                continue
            if not cells:
                continue  # an empty line
            values = {name: cell for name, cell in zip(columns, cells, strict=False) if cell != ""}
            if len(cells) > len(columns):
                yield BadRow(
                    line,
                    ValidationFailed.code,
                    f"there are {len(cells)} cells, and {len(columns)} columns",
                    f"quote a text that holds {self._delimiter!r}",
                    values,
                )
            elif self._lines.broken:
                yield BadRow(
                    line,
                    ValidationFailed.code,
                    f"this is not {self._encoding} text",
                    "name the encoding that it has: --encoding cp1252",
                    {name: cell.encode("utf-8", "replace").decode() for name, cell in values.items()},
                )
            elif values:
                yield Row(line, values)

    def done(self) -> float:
        return min(self._file.tell() / self._bytes, 1.0)

    def close(self) -> None:
        self._file.close()

    def _header(self) -> list[str]:
        self._lines.begin_row()
        try:
            names = [name.strip() for name in next(self._reader)]
        except StopIteration:
            raise ValidationFailed("the file is empty", hint="its first line names the columns") from None
        except csv.Error as error:
            raise ValidationFailed(f"the first line names no columns: {error}", hint=_QUOTES) from error
        while names and not names[-1]:
            names.pop()  # a delimiter at the end of every line
        if self._lines.broken:
            raise ValidationFailed(f"the first line is not {self._encoding} text", hint="--encoding cp1252")
        if len(names) > COLUMNS_MAX:
            raise ValidationFailed(f"the file has {len(names):,} columns; at most {COLUMNS_MAX:,} are read")
        if not names:
            raise ValidationFailed("the first line is empty", hint="it names the columns")
        seen: set[str] = set()
        for place, name in enumerate(names, 1):
            if not name:
                raise ValidationFailed(f"column {place} has no name", hint="name every column in the first line")
            if name in seen:
                raise ValidationFailed(f"two columns are called {name[:80]!r}", hint="name each of them differently")
            seen.add(name)
        return names


_QUOTES = "a text with quotes is written with each of them doubled, and ends with one"


class _Lines:
    """The lines of a text, counted; no more than one row of them is ever held."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._held: list[str] = []
        self._row_chars = 0
        self.count = 0
        self.broken = False

    def begin_row(self) -> None:
        """What follows belongs to another row."""
        self._row_chars = 0
        self.broken = False

    def peek(self) -> str:
        """The first line, which stays to be read."""
        if not self._held:
            self._held.append(self._text.readline(ROW_CHARS_MAX))
        return self._held[0]

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._held.pop() if self._held else self._text.readline(ROW_CHARS_MAX)
        if not line:
            raise StopIteration
        self.count += 1
        self._row_chars += len(line)
        if self._row_chars >= ROW_CHARS_MAX:
            while line and not line.endswith(("\n", "\r")):
                line = self._text.readline(ROW_CHARS_MAX)
            raise ValidationFailed(
                f"this row has more than {ROW_CHARS_MAX:,} characters", hint="is a quote missing, or is it no CSV?"
            )
        if not line.isascii() and not _is_whole(line):
            self.broken = True
        return line


def _is_whole(line: str) -> bool:
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return "\ufffd" not in line


def _text(file: IO[bytes], encoding: str) -> io.TextIOWrapper:
    """The file as text. Bytes that are no text become half characters, which are found row by row."""
    try:
        # Where a character always has several bytes, one of them cannot be kept so: the mark of a replacement stands
        # for it.
        wide = codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))
    except LookupError as error:
        raise InvalidArguments(f"there is no encoding {encoding[:80]!r}", hint="--encoding cp1252") from error
    return io.TextIOWrapper(file, encoding=encoding, errors="replace" if wide else "surrogateescape", newline="")


def _encoding_of(file: IO[bytes]) -> str:
    """What the mark at the beginning says; without one it is UTF-8."""
    head = file.read(_LOOKED_AT_BYTES)
    file.seek(0)
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    if head.count(0) > len(head) // 4:
        raise ValidationFailed("this is not UTF-8 text: it is full of zero bytes", hint="--encoding utf-16-le, perhaps")
    return "utf-8"


def _delimiter_of(header: str) -> str:
    """The one of the usual delimiters that the header has most of, outside quotes."""
    bare = "".join(header.split('"')[::2])
    return max(DELIMITERS, key=lambda mark: (bare.count(mark), -DELIMITERS.index(mark)))
