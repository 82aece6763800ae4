"""The installation's signing key: one Ed25519 key for the heads of all its logs, made on first use, and its rotation.

In the folder: `signing.key`, the private key (PEM, readable by its user alone), and `rotations`, one signed statement for each
key that was replaced. A statement is signed by both keys, so whoever trusts one of them can go on to the other.
"""

import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from runtime import values
from runtime.errors import Unavailable
from runtime.folder import sync_folder
from runtime.proofs.merkle import BadProof
from runtime.proofs.note import Note, VerifierKey, decoded, encoded, signature_line

STATEMENT = "verbena key rotation v1"
# Statements are of the installation and not of one log: they are signed under this name.
STATEMENT_NAME = "verbena/keys"
# So many keys an installation can have had: a chain is read whole, and travels in every proof.
ROTATIONS_MAX = 100


@dataclass(frozen=True, slots=True)
class Rotation:
    """One statement: the key before, the key after, and the note in which both say so."""

    former: bytes
    present: bytes
    at: str
    note: str

    @classmethod
    def parse(cls, note: str) -> "Rotation":
        """A statement whose two signatures hold; BadProof otherwise."""
        parsed = Note.parse(note)
        lines = parsed.text.split("\n")
        if len(lines) != 5 or lines[0] != STATEMENT or lines[4]:
            raise BadProof(
                f"that is no statement of a rotation: {lines[0][:80]!r}", hint=f"it begins with {STATEMENT!r}"
            )
        former, present = decoded(lines[1], "the former key"), decoded(lines[2], "the present key")
        for public in (former, present):
            if not parsed.signed_by(VerifierKey(STATEMENT_NAME, public)):
                raise BadProof("a rotation counts only where the former and the present key have both signed it")
        return cls(former, present, lines[3], note)


def chain(trusted: bytes, rotations: Iterable[Rotation]) -> set[bytes]:
    """The public keys that belong with `trusted`: those before it and those after it, by what both sides signed.

    Never back and then forth: who stole a retired key could otherwise name a successor of their own. Raises
    BadProof where one key names two successors.
    """
    listed = list(rotations)
    after: dict[bytes, bytes] = {}
    for each in listed:
        if after.setdefault(each.former, each.present) != each.present:
            raise BadProof("one key names two successors: one of the two statements is a thief's")
    before = {each.present: each.former for each in listed}
    found = {trusted}
    for step in (before, after):
        key = trusted
        while key in step and step[key] not in found:
            key = step[key]
            found.add(key)
    return found


class Keyring:
    """The keys in one folder; its files are made when the first head is signed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "signing.key"
        self._next = folder / "signing.key.next"
        self._statements = folder / "rotations"
        self._lock = threading.Lock()
        self._private: Ed25519PrivateKey | None = None
        self._rotations: list[Rotation] = []

    def key(self, name: str) -> VerifierKey:
        """The present key, under the name that it signs as."""
        with self._lock:
            return VerifierKey(name, _public(self._opened()))

    def signed(self, text: str, *, name: str) -> str:
        """`text` as a signed note."""
        with self._lock:
            private = self._opened()
        return f"{text}\n{signature_line(VerifierKey(name, _public(private)), private.sign(text.encode()))}"

    def rotations(self) -> list[Rotation]:
        """Every replacement of a key, the first one first."""
        with self._lock:
            self._opened()
            return list(self._rotations)

    def signer(self, note: Note, *, name: str) -> VerifierKey | None:
        """Which of our keys, present or retired, signed a note; None where none did."""
        with self._lock:
            publics = [_public(self._opened()), *(each.former for each in reversed(self._rotations))]
        for public in publics:
            key = VerifierKey(name, public)
            try:
                if note.signed_by(key):
                    return key
            except BadProof:
                return None
        return None

    def rotate(self, at: datetime) -> Rotation:
        """Replace the key; the former private key is gone afterwards. Raises Unavailable past ROTATIONS_MAX."""
        with self._lock:
            former = self._opened()
            if len(self._rotations) >= ROTATIONS_MAX:
                raise Unavailable(f"an installation can replace its key {ROTATIONS_MAX} times")
            private = Ed25519PrivateKey.generate()
            text = "\n".join(
                [STATEMENT, encoded(_public(former)), encoded(_public(private)), values.format_datetime(at), ""]
            )
            lines = [
                signature_line(VerifierKey(STATEMENT_NAME, _public(key)), key.sign(text.encode()))
                for key in (former, private)
            ]
            rotation = Rotation.parse(f"{text}\n{''.join(lines)}")
            # The new key is on disk before the statement, and the statement before the old key goes: whenever the
            # process dies, `_opened` finds either no statement and drops the new key, or one and finishes.
            _write_private(self._next, private)
            _append(self._statements, rotation.note + "\n")
            os.replace(self._next, self._path)
            sync_folder(self._folder)
            self._private = private
            self._rotations.append(rotation)
            return rotation

    def _opened(self) -> Ed25519PrivateKey:
        """The present private key, made when there is none; finishes a rotation that was cut off."""
        if self._private is not None:
            return self._private
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._rotations = _read_rotations(self._statements)
        if self._next.exists():
            if self._rotations and _public(_read_private(self._next)) == self._rotations[-1].present:
                os.replace(self._next, self._path)
                sync_folder(self._folder)
            else:
                self._next.unlink()
        if not self._path.exists():
            if self._rotations:
                raise Unavailable(
                    f"{self._path} is gone, although keys were replaced", hint="put it back from a backup"
                )
            _write_private(self._next, Ed25519PrivateKey.generate())
            os.replace(self._next, self._path)
            sync_folder(self._folder)
        private = _read_private(self._path)
        if self._rotations and _public(private) != self._rotations[-1].present:
            raise Unavailable(
                f"{self._path} is not the key that the last statement in {self._statements.name} names",
                hint="put the folder back as a whole, from one backup",
            )
        self._private = private
        return private


def notes_in(text: str) -> list[str]:
    """The notes in a text that holds one after another, each followed by an empty line; one that was cut off is none."""
    parts = text.split("\n\n")
    return [f"{parts[place]}\n\n{parts[place + 1]}\n" for place in range(0, len(parts) - 2, 2)]


def _read_rotations(path: Path) -> list[Rotation]:
    try:
        text = path.read_text()
    except FileNotFoundError:
        return []
    whole = notes_in(text)
    if len(text) > sum(len(note) + 1 for note in whole):  # a statement that was cut off: its rotation never happened
        _replace_text(path, "".join(note + "\n" for note in whole))
    return [Rotation.parse(note) for note in whole]


def _public(private: Ed25519PrivateKey) -> bytes:
    return private.public_key().public_bytes_raw()


def _read_private(path: Path) -> Ed25519PrivateKey:
    if path.stat().st_mode & 0o077:
        raise Unavailable(
            f"{path} can be read by others, so it proves nothing", hint=f"chmod 600 {path}, and rotate it"
        )
    try:
        private = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Unavailable(
            f"{path} is no private key and was left as it is", hint="put it back from a backup"
        ) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise Unavailable(f"{path} is a key of another kind than Ed25519 and was left as it is")
    return private


def _write_private(path: Path, private: Ed25519PrivateKey) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.flush()
        os.fsync(file.fileno())


def _append(path: Path, text: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _replace_text(path: Path, text: str) -> None:
    fresh = path.with_name(path.name + ".next")
    fresh.unlink(missing_ok=True)
    _append(fresh, text)
    os.replace(fresh, path)
    sync_folder(path.parent)
