"""`import`: the rows of a file, a batch after another, each batch a unit of its own in the tenant.

A row that cannot be an entity goes to the file of bad rows, and the others are kept. Cut off at any moment, the same
command goes on: the bookmark says which batches were answered for, and the log says which rows of the next one had
been committed all the same.
"""

import fcntl
import hashlib
import secrets
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from runtime.client import Connection, HungUp
from runtime.errors import Conflict, InvalidArguments, LimitExceeded, ValidationFailed, VerbenaError
from runtime.noun import Field
from runtime.transfer.bad_rows import BadRows
from runtime.transfer.bookmark import Bookmark, Shelf
from runtime.transfer.cells import Reader, reader_of
from runtime.transfer.columns import Columns
from runtime.transfer.delimited import Delimited
from runtime.transfer.documents import Array, Lines
from runtime.transfer.parquet import Parquet
from runtime.transfer.rows import BadRow, Format, Row, Source, content_hash, refused

BATCH_ROWS = 1_000
# A batch ends early where its rows are large: a message to the engine holds four times as much.
BATCH_BYTES = 4 << 20
ROW_BYTES_MAX = 12 << 20
# An engine that ends in the middle of a batch is started again, and asked again, so often.
TRIES_MAX = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """What is asked for."""

    file: Path
    type: str
    format: Format
    bad_rows: Path
    by: str | None = None
    mapped: tuple[str, ...] = ()
    ignore_unknown: bool = False
    keep_ids: bool = False
    encoding: str = ""
    delimiter: str = ""
    left_out: frozenset[str] = frozenset()  # fields that are not taken
    only_with: frozenset[str] = frozenset()  # rows that have none of these are passed over; empty: every row counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What has become of the rows up to now; `done` is the part of the file that was read, from 0 to 1."""

    rows: int
    created: int
    updated: int
    unchanged: int
    bad: int
    done: float
    resumed_at: int  # rows that an earlier, cut off run of the same import had settled


Heard = Callable[[Imported], None]


def import_file(connection: Connection, data: Path, tenant: str, asked: Import, heard: Heard) -> Imported:
    """Import a file, and tell `heard` after every batch.

    Raises what refuses the whole file, such as a column that is no field, and what the engine cannot answer; what was
    committed until then stays, and the same call goes on behind it.
    """
    if asked.bad_rows.absolute() == asked.file.absolute():
        raise InvalidArguments("the bad rows would be written over the file itself", hint="--errors another file")
    with _alone(asked.file), closing(_opened(asked)) as source:
        told = connection.ask("import-start", {"type": asked.type, **({"by": asked.by} if asked.by else {})})
        fields = {field.name: field for field in map(_field, told["fields"])}
        columns = Columns(fields, mapped=asked.mapped, ignore_unknown=asked.ignore_unknown, keep_ids=_wants_ids(asked))
        named = source.columns()
        if named is not None:
            columns.settle(named)
            if asked.by is not None and asked.by not in map(columns.field_of, named):
                raise ValidationFailed(
                    f"no column is {asked.by}, by which the rows would be found", hint=f'--map "…={asked.by}"'
                )
        shelf = Shelf(data, tenant, asked.type, asked.file)
        content = _content(asked)
        found = shelf.read(content)
        mark = found or Bookmark(name=secrets.token_hex(8), content=content, seq=told["seq"])
        shelf.write(mark)
        bad = BadRows(asked.bad_rows, columns=named, kept_bytes=mark.bad_bytes)
        run = _Run(connection, asked, mark, shelf, bad, heard, resumed=found is not None)
        rows = _Reading(source, asked, fields, columns)
        finished = run.all(rows.batches(skip=mark.rows), source.done)
        shelf.drop()
        return finished


@dataclass(slots=True)
class _Batch:
    """Some rows in a row: those that could be read, encoded, and those that could not."""

    count: int = 0  # rows of the file that it stands for
    bytes: int = 0
    encoded: list[msgspec.Raw] = field(default_factory=list[msgspec.Raw])
    values: dict[int, Mapping[str, Any]] = field(default_factory=dict[int, Mapping[str, Any]])  # by line
    bad: list[BadRow] = field(default_factory=list[BadRow])

    def is_full(self) -> bool:
        return self.count >= BATCH_ROWS or self.bytes >= BATCH_BYTES


class _Reading:
    """Turns rows of a file into rows of a noun."""

    def __init__(self, source: Source, asked: Import, fields: Mapping[str, Field], columns: Columns) -> None:
        self._source = source
        self._type = asked.type
        self._left_out = asked.left_out
        self._only_with = asked.only_with
        self._columns = columns
        self._readers: dict[str, Reader] = {}
        if source.text:
            self._readers = {name: reader_of(field) for name, field in fields.items()}
        self._encode = msgspec.json.Encoder().encode

    def batches(self, *, skip: int) -> Iterator[_Batch]:
        """The rows behind the first `skip`. A fault behind which nothing can be read comes after what is before it."""
        batch = _Batch()
        passed = 0
        fault: ValidationFailed | None = None
        rows = self._source.rows()
        while True:
            try:
                row = next(rows, None)
            except ValidationFailed as error:
                fault = error
                break
            if row is None:
                break
            passed += 1
            if passed <= skip:
                continue
            batch.count += 1
            if not self._only_with or not self._only_with.isdisjoint(row.values):
                self._take(batch, row)
            if batch.is_full():
                yield batch
                batch = _Batch()
        if batch.count:
            yield batch
        if fault is not None:
            raise fault

    def _take(self, batch: _Batch, row: Row | BadRow) -> None:
        if isinstance(row, BadRow):
            batch.bad.append(row)
            return
        try:
            encoded = self._encode((row.line, self._read(row.values)))
            if len(encoded) > ROW_BYTES_MAX:
                raise LimitExceeded(f"the row has {len(encoded) >> 20} MB; at most {ROW_BYTES_MAX >> 20} are taken")
        except VerbenaError as error:
            batch.bad.append(BadRow(row.line, error.code, error.message, error.hint or "", row.values))
            return
        except (UnicodeEncodeError, TypeError, OverflowError, RecursionError) as error:
            batch.bad.append(refused(row.line, ValidationFailed(f"the row is no JSON: {error}")))
            return
        batch.encoded.append(msgspec.Raw(encoded))
        batch.values[row.line] = row.values
        batch.bytes += len(encoded)

    def _read(self, values: Mapping[str, Any]) -> dict[str, Any]:
        read: dict[str, Any] = {}
        readers, field_of = self._readers, self._columns.field_of
        if values.get("$type", self._type) != self._type:
            raise ValidationFailed(
                f"this is a {values['$type']!s:.80}", hint=f"leave it out, or --type {values['$type']!s:.80}"
            )
        for column, value in values.items():
            name = field_of(column)
            if name is None or name in self._left_out:
                continue
            if name in read:
                raise ValidationFailed(f"two keys of the row are {name}", hint="keep one of them")
            reader = readers.get(name)
            read[name] = reader(value) if reader is not None else value
        return read


class _Run:
    """Sends batches, and settles each before the next one: bad rows first, then the bookmark."""

    def __init__(
        self,
        connection: Connection,
        asked: Import,
        mark: Bookmark,
        shelf: Shelf,
        bad: BadRows,
        heard: Heard,
        *,
        resumed: bool,
    ) -> None:
        self._connection = connection
        self._asked = asked
        self._mark = mark
        self._shelf = shelf
        self._bad = bad
        self._heard = heard
        self._resumed_at = mark.rows
        # Until a batch is met of which nothing was committed, the log is asked about each of them.
        self._again = resumed

    def all(self, batches: Iterator[_Batch], done: Callable[[], float]) -> Imported:
        """Everything, one batch at the engine while the next one is being read."""
        sent: tuple[_Batch, Future[dict[str, Any]]] | None = None
        first = self._mark.rows
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="verbena-import") as engine:
            try:
                for batch in batches:
                    if sent is not None:
                        former, sent = sent, None
                        self._settle(*former, done())
                    sent = (batch, engine.submit(self._send, batch, first))
                    first += batch.count
            finally:  # also behind a fault of the file: what was sent before it counts
                if sent is not None:
                    self._settle(*sent, done())
        return self._told(1.0)

    def _send(self, batch: _Batch, first: int) -> dict[str, Any]:
        if not batch.encoded:
            return {"created": 0, "updated": 0, "unchanged": 0, "known": 0, "errors": []}
        asked = self._asked
        question: dict[str, Any] = {
            "type": asked.type,
            "rows": batch.encoded,
            "import": self._mark.name,
            "first": first,
            "file": asked.file.name[:200],
            "keepIds": asked.keep_ids,
            "after": self._mark.seq,
        }
        if asked.by:
            question["by"] = asked.by
        for tried in range(1, TRIES_MAX + 1):
            try:
                answer = self._connection.ask("import", {**question, "again": self._again or tried > 1})
            except HungUp:
                if tried == TRIES_MAX:
                    raise
                continue
            self._again = self._again and bool(answer["known"])
            return answer
        raise AssertionError("the last try returns or raises")

    def _settle(self, batch: _Batch, answer: "Future[dict[str, Any]]", done: float) -> None:
        told = answer.result()
        refusals = [
            BadRow(each["line"], each["code"], each["message"], each.get("hint", ""), batch.values[each["line"]])
            for each in told["errors"]
        ]
        bad = sorted([*batch.bad, *refusals], key=lambda row: row.line)
        self._bad.add(bad)
        mark = self._mark
        self._mark = msgspec.structs.replace(
            mark,
            rows=mark.rows + batch.count,
            created=mark.created + told["created"],
            updated=mark.updated + told["updated"],
            unchanged=mark.unchanged + told["unchanged"],
            bad=mark.bad + len(bad),
            bad_bytes=self._bad.size,
        )
        self._shelf.write(self._mark)
        self._heard(self._told(done))

    def _told(self, done: float) -> Imported:
        mark = self._mark
        return Imported(
            rows=mark.rows,
            created=mark.created,
            updated=mark.updated,
            unchanged=mark.unchanged,
            bad=mark.bad,
            done=done,
            resumed_at=self._resumed_at,
        )


def _opened(asked: Import) -> Source:
    match asked.format:
        case "csv":
            return Delimited(asked.file, encoding=asked.encoding, delimiter=asked.delimiter)
        case "json":
            return Array(asked.file)
        case "ndjson":
            return Lines(asked.file)
        case "parquet":
            return Parquet(asked.file)


@contextmanager
def _alone(file: Path) -> Generator[None]:
    """Nobody else imports the same file meanwhile: two would share a bookmark."""
    with file.open("rb") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(f"{file.name} is being imported at this moment", hint="wait until that is done") from error
        except OSError:
            pass  # a file system without locks
        yield


def _wants_ids(asked: Import) -> bool:
    return asked.keep_ids or asked.by == "$id"


def _content(asked: Import) -> str:
    """Stands for the file and for everything that decides what becomes of its rows."""
    deciding: Sequence[Any] = (
        content_hash(asked.file),
        asked.by,
        asked.format,
        asked.mapped,
        asked.ignore_unknown,
        asked.keep_ids,
        asked.encoding,
        asked.delimiter,
        str(asked.bad_rows.absolute()),
        sorted(asked.left_out),
        sorted(asked.only_with),
    )
    return hashlib.sha256(msgspec.json.encode(deciding)).hexdigest()


def _field(told: Mapping[str, Any]) -> Field:
    return Field(
        name=told["name"],
        type=told["type"],
        many=told.get("many", False),
        values=tuple(told.get("values", ())),
        target=told.get("target"),
        precision=told.get("precision", 18),
        scale=told.get("scale", 2),
    )
