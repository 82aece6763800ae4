"""A proof as a file: readable JSON around a C2SP tlog-proof, enough to check an entity without us.

`format`       `verbena-proof/1`
`event`        what the leaf commits to; its `payload` is the salted hash of the payload
`payload`, `salt`  what the event says, and the salt as hex; both absent once they were erased
`leaf`         the hash of the leaf as hex, in place of `event` where not even the payload's hash was left
`proof`        the lines of the tlog-proof: index, inclusion hashes, and the signed checkpoint
`key`          the verifier key of that checkpoint
`rotations`    statements in which a former and a present key name each other, if any key was ever replaced
`consistency`  `{from, hashes}`: that the log of the checkpoint begins with its first `from` events, if that was asked for
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from runtime.proofs.merkle import HASH_BYTES, PROOF_HASHES_MAX, BadProof
from runtime.proofs.note import VerifierKey, encoded, hash_of, number

FORMAT = "verbena-proof/1"
TLOG_PROOF = "c2sp.org/tlog-proof@v1"
# As much as one entity and its change can be, and the rest of a proof.
PROOF_BYTES_MAX = 16 << 20
_EXTRA, _INDEX = "extra ", "index "


@dataclass(frozen=True, slots=True)
class TlogProof:
    """An index, the hashes from its leaf to the root, and the note that signs the root."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str

    @property
    def text(self) -> str:
        """The proof in the format of C2SP."""
        lines = [TLOG_PROOF, f"{_INDEX}{self.index}", *(encoded(each) for each in self.hashes), "", self.checkpoint]
        return "\n".join(lines)

    @classmethod
    def parse(cls, text: str) -> "TlogProof":
        """The proof in a text; extra data is passed over. BadProof where it is none."""
        head, blank, checkpoint = text.partition("\n\n")
        lines = head.split("\n")
        if not blank or lines[0] != TLOG_PROOF:
            raise BadProof(f"a proof begins with the line {TLOG_PROOF!r}, and ends with a checkpoint")
        rest = lines[2:] if len(lines) > 1 and lines[1].startswith(_EXTRA) else lines[1:]
        if not rest or not rest[0].startswith(_INDEX):
            raise BadProof("a proof names the index of its leaf")
        if len(rest) - 1 > PROOF_HASHES_MAX:
            raise BadProof(f"a proof has at most {PROOF_HASHES_MAX} hashes")
        index = number(rest[0].removeprefix(_INDEX), "the index of a proof")
        return cls(index, tuple(hash_of(line, "a hash of the proof") for line in rest[1:]), checkpoint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A proof file, read: every part is of its kind, and nothing is checked yet."""

    tlog: TlogProof
    key: VerifierKey
    event: Mapping[str, Any] | None
    leaf: bytes | None
    payload: Mapping[str, Any] | None
    salt: bytes | None
    rotations: Sequence[str]
    consistency: tuple[int, tuple[bytes, ...]] | None


def shaped(
    *,
    tlog: TlogProof,
    key: VerifierKey,
    event: Mapping[str, Any] | None,
    leaf: bytes,
    payload: Any,
    salt: bytes | None,
    rotations: Sequence[str],
    consistency: tuple[int, Sequence[bytes]] | None,
) -> dict[str, Any]:
    """The proof as plain JSON values. `event` is None where the leaf cannot be made from what is left."""
    shape: dict[str, Any] = {"format": FORMAT}
    shape |= {"leaf": leaf.hex()} if event is None else {"event": dict(event)}
    if payload is not None and salt is not None:
        shape |= {"payload": payload, "salt": salt.hex()}
    shape |= {"proof": tlog.text.split("\n")[:-1], "key": key.text}
    if rotations:
        shape["rotations"] = list(rotations)
    if consistency is not None:
        shape["consistency"] = {"from": consistency[0], "hashes": [encoded(each) for each in consistency[1]]}
    return shape


def decoded(text: bytes) -> Any:
    """The JSON in a proof file; BadProof where it is too large or none."""
    if len(text) > PROOF_BYTES_MAX:
        raise BadProof(f"a proof has at most {PROOF_BYTES_MAX >> 20} MB")
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadProof("that is no proof: it is not JSON", hint="verbena log prove ID -o FILE writes one") from error


def parse(shape: object) -> Proof:
    """A proof out of plain JSON values. Raises BadProof for whatever is missing, unknown or of another kind."""
    given = _mapping(shape, "a proof")
    unknown = given.keys() - {"format", "event", "leaf", "payload", "salt", "proof", "key", "rotations", "consistency"}
    if given.get("format") != FORMAT:
        raise BadProof(f"this reads proofs of the format {FORMAT!r}, not {str(given.get('format'))[:80]!r}")
    if unknown:
        raise BadProof(f"a proof holds no {min(unknown)[:80]!r}")
    if ("event" in given) == ("leaf" in given):
        raise BadProof("a proof holds either the event or, where that cannot be told any more, its leaf")
    if ("payload" in given) != ("salt" in given) or ("payload" in given and "event" not in given):
        raise BadProof("payload and salt come together, with their event")
    consistency: tuple[int, tuple[bytes, ...]] | None = None
    if "consistency" in given:
        part = _mapping(given["consistency"], "consistency")
        former = part.get("from")
        if type(former) is not int:
            raise BadProof("consistency says from how many events on")
        consistency = former, tuple(hash_of(each, "a hash") for each in _texts(part.get("hashes"), "the hashes"))
    return Proof(
        tlog=TlogProof.parse("\n".join(_texts(given.get("proof"), "proof")) + "\n"),
        key=VerifierKey.parse(_text(given.get("key"), "key")),
        event=_mapping(given["event"], "event") if "event" in given else None,
        leaf=_hex(given["leaf"], "leaf") if "leaf" in given else None,
        payload=_mapping(given["payload"], "payload") if "payload" in given else None,
        salt=_hex(given["salt"], "salt") if "salt" in given else None,
        rotations=_texts(given.get("rotations", []), "rotations"),
        consistency=consistency,
    )


def _mapping(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadProof(f"{what} is an object of JSON")
    return cast("dict[str, Any]", value)


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise BadProof(f"{what} is a text")
    return value


def _texts(value: object, what: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in cast("list[object]", value)):
        raise BadProof(f"{what} is a list of texts")
    return cast("list[str]", value)


def _hex(value: object, what: str) -> bytes:
    text = _text(value, what)
    try:
        found = bytes.fromhex(text)
    except ValueError as error:
        raise BadProof(f"{what} is no hex") from error
    if found.hex() != text or len(found) > HASH_BYTES:
        raise BadProof(f"{what} is at most {HASH_BYTES} bytes as hex, in lower case")
    return found
