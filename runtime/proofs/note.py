"""Signed notes, verifier keys and checkpoints, as C2SP defines them (signed-note, tlog-checkpoint), with Ed25519.

Everything here is text and public: it needs no data folder and no private key.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from runtime.proofs.merkle import HASH_BYTES, BadProof

NOTE_CHARS_MAX = 1 << 20
# The specification wants room for 16 at least: witnesses may add theirs to ours.
SIGNATURES_MAX = 64
NAME_CHARS_MAX = 1_000

_ED25519 = b"\x01"  # the type of signature, as C2SP numbers them
_KEY_BYTES = 32
_ID_BYTES = 4
_DASH = "\u2014 "


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under the name that it signs as; `text` is its C2SP form, `name+id+key`."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """Four bytes that tell keys of one name apart."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:_ID_BYTES]

    @property
    def text(self) -> str:
        return f"{self.name}+{self.id.hex()}+{encoded(_ED25519 + self.public)}"

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """The key in `name+id+key`; BadProof for anything else."""
        parts = text.strip().split("+", 2)  # base64 may hold a plus, a name may not
        if len(parts) != 3:
            raise BadProof("a verifier key is name+id+key", hint="verbena log key prints it")
        key = decoded(parts[2], "the verifier key")
        if key[:1] != _ED25519 or len(key) != 1 + _KEY_BYTES:
            raise BadProof("that is no Ed25519 verifier key")
        found = cls(_checked_name(parts[0]), key[1:])
        if found.id.hex() != parts[1]:
            raise BadProof("the id of the verifier key does not fit its name and key: it was copied wrongly")
        return found


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line of a note."""

    name: str
    id: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A text and who signed it; nothing in it may be believed before `signed_by` says so."""

    text: str
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, note: str) -> "Note":
        """A note as it is written; BadProof where it is none."""
        if len(note) > NOTE_CHARS_MAX:
            raise BadProof(f"a signed note has at most {NOTE_CHARS_MAX} characters")
        if any(mark < " " and mark != "\n" for mark in note):
            raise BadProof("a signed note holds no control characters")
        text, blank, lines = note.rpartition("\n\n")
        if not blank or not lines.endswith("\n"):
            raise BadProof("a signed note is a text, an empty line, and lines of signatures, each with its end of line")
        signatures = lines[:-1].split("\n")
        if len(signatures) > SIGNATURES_MAX:
            raise BadProof(f"a signed note has at most {SIGNATURES_MAX} signatures")
        return cls(text + "\n", tuple(_signature(line) for line in signatures))

    def signed_by(self, key: VerifierKey) -> bool:
        """Whether this key signed the text. Raises BadProof where a signature claims to be its and is not."""
        found = [each for each in self.signatures if (each.name, each.id) == (key.name, key.id)]
        for signature in found:
            try:
                Ed25519PublicKey.from_public_bytes(key.public).verify(signature.value, self.text.encode())
            except (InvalidSignature, ValueError) as error:
                raise BadProof(f"a signature in the name of {key.name} is false") from error
        return bool(found)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log: whose, how many leaves, and the root over them."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{encoded(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """The head in the text of a note; lines after the third mean nothing here. BadProof where it is none."""
        lines = text.split("\n")
        if len(lines) < 4 or not all(lines[:-1]) or lines[-1]:
            raise BadProof("a checkpoint is three lines: origin, size, root")
        return cls(
            lines[0], number(lines[1], "the size of a checkpoint"), hash_of(lines[2], "the root of a checkpoint")
        )


def signature_line(key: VerifierKey, signature: bytes) -> str:
    """The line that a signature is in a note."""
    return f"{_DASH}{key.name} {encoded(key.id + signature)}\n"


def encoded(value: bytes) -> str:
    """Standard base64, the only one that C2SP knows."""
    return base64.b64encode(value).decode()


def decoded(text: str, what: str) -> bytes:
    """The bytes in strict base64: one text only for one value, so that nobody can vary a proof unseen."""
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadProof(f"{what} is no base64") from error
    if encoded(value) != text:
        raise BadProof(f"{what} is base64 in another way than the usual one")
    return value


def hash_of(text: str, what: str) -> bytes:
    """A hash in base64."""
    value = decoded(text, what)
    if len(value) != HASH_BYTES:
        raise BadProof(f"{what} has {len(value)} bytes, not {HASH_BYTES}")
    return value


def number(text: str, what: str) -> int:
    """A number as C2SP writes it: digits, no zero before them."""
    if not (text.isascii() and text.isdigit()) or len(text) > 18 or text != str(int(text)):
        raise BadProof(f"{what} is no number: {text[:40]!r}")
    return int(text)


def _signature(line: str) -> Signature:
    if not line.startswith(_DASH):
        raise BadProof("a signature line begins with an em dash and a space")
    name, space, value = line.removeprefix(_DASH).partition(" ")
    if not space:
        raise BadProof("a signature line is an em dash, a name and a signature")
    signature = decoded(value, "a signature")
    if len(signature) <= _ID_BYTES:
        raise BadProof("a signature line carries no signature")
    return Signature(_checked_name(name), signature[:_ID_BYTES], signature[_ID_BYTES:])


def _checked_name(name: str) -> str:
    if not name or len(name) > NAME_CHARS_MAX or "+" in name or any(mark.isspace() for mark in name):
        raise BadProof("the name of a key has neither spaces nor a plus")
    return name
