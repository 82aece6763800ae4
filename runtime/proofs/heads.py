"""The signed heads of one log, kept beside the data: what finds a tenant's file that was put back to an earlier state.

One text file, appended to: for each head a line with the time, its signed note, and an empty line. It holds the last
thousand heads and, before those, the last one of each day.
"""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from runtime import values
from runtime.errors import Unavailable
from runtime.folder import sync_folder
from runtime.proofs.note import Checkpoint, Note
from runtime.proofs.signing import notes_in

LAST_KEPT = 1_000
# The file is thinned out whenever it holds this many more than it keeps.
SPARE = 1_000


@dataclass(frozen=True, slots=True)
class Head:
    """One kept head. `at` says when it was signed; the signature does not cover that."""

    at: str
    note: str

    def parsed(self) -> tuple[Note, Checkpoint]:
        """Its note and what that says; BadProof where it is none."""
        note = Note.parse(self.note)
        return note, Checkpoint.parse(note.text)


class Heads:
    """The heads of one log."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count: int | None = None  # None: the file was not looked at yet
        self._thin_at = 0

    @property
    def path(self) -> Path:
        return self._path

    def kept(self) -> list[Head]:
        """Every head, the oldest first; one that was cut off by a crash while it was written is none."""
        try:
            text = self._path.read_text()
        except FileNotFoundError:
            return []
        except UnicodeDecodeError as error:
            raise Unavailable(f"{self._path} is no text", hint="put it back from a backup") from error
        heads: list[Head] = []
        for record in notes_in(text):
            at, _, note = record.partition("\n")
            heads.append(Head(at, note))
        return heads

    def append(self, note: str, at: datetime) -> None:
        """Keep one more head; it is on disk when this returns."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._count is None or self._count >= self._thin_at:
            kept = thinned(self.kept())
            self._rewrite(kept)  # also without what a crash may have cut off
            self._count, self._thin_at = len(kept), len(kept) + SPARE
        with open(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a") as file:
            file.write(_record(Head(values.format_datetime(at), note)))
            file.flush()
            os.fsync(file.fileno())
        self._count += 1

    def _rewrite(self, heads: list[Head]) -> None:
        fresh = self._path.with_name(self._path.name + ".next")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write("".join(_record(head) for head in heads))
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, self._path)
        sync_folder(self._path.parent)


def thinned(heads: list[Head]) -> list[Head]:
    """The last thousand, and of those before them the last one of each day."""
    older, last = heads[:-LAST_KEPT], heads[-LAST_KEPT:]
    of_days = {head.at[:10]: head for head in older}
    return [*of_days.values(), *last]


def _record(head: Head) -> str:
    return f"{head.at}\n{head.note}\n"
