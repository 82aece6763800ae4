"""How far an import has come, kept beside the tenants until it is finished, so that the same command goes on from
there.
"""

import hashlib
import os
from pathlib import Path

import msgspec

from runtime import wire


class Bookmark(msgspec.Struct, kw_only=True, frozen=True):
    """One unfinished import: which, from which file, and what of it was answered for."""

    name: str  # of the import; its batches are named by it and their first row
    content: str  # hash of the file and of everything that decides what becomes of its rows
    seq: int  # position of the log before its first row
    rows: int = 0  # rows of the file that are settled, good and bad
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    bad: int = 0
    bad_bytes: int = 0  # length of the file of bad rows


_decode = msgspec.json.Decoder(Bookmark).decode


class Shelf:
    """The place of one import's bookmark: one for a file, a tenant and a noun."""

    def __init__(self, data: Path, tenant: str, type: str, file: Path) -> None:
        named = f"{tenant}\0{type}\0{file.absolute()}".encode("utf-8", "surrogateescape")
        self._path = data / "imports" / f"{hashlib.sha256(named).hexdigest()[:32]}.json"
        wire.private_folder(self._path.parent)

    def read(self, content: str) -> Bookmark | None:
        """The bookmark of an unfinished import of the same content; None where there is none."""
        try:
            found = _decode(self._path.read_bytes())
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        return found if found.content == content else None

    def write(self, bookmark: Bookmark) -> None:
        """Put it in place of the former one, all at once."""
        new = self._path.with_suffix(".new")
        new.write_bytes(msgspec.json.encode(bookmark))
        os.replace(new, self._path)

    def drop(self) -> None:
        """The import is finished."""
        self._path.unlink(missing_ok=True)
