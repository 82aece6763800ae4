"""Checks a proof with nothing but the proof: no server, no data folder, no network.

What holds afterwards, if the key is one that you trust: the event stands at its position in the log of that origin, with
exactly these values, and the log cannot be changed there without its signed head becoming another.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runtime import leaf
from runtime.canonical import canonical
from runtime.errors import ValidationFailed
from runtime.proofs import merkle, signing
from runtime.proofs.merkle import BadProof
from runtime.proofs.note import Checkpoint, Note, VerifierKey
from runtime.proofs.proof import Proof
from runtime.proofs.signing import Rotation


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What a proof proves. `payload` is None where it was erased: a hole, of which only the position is sure."""

    origin: str
    size: int
    seq: int
    event: Mapping[str, Any] | None
    payload: Mapping[str, Any] | None
    key: str  # who signed the checkpoint
    trusted: bool  # whether that key was given, or leads to one that was; otherwise it came with the proof
    since: int | None  # the log extends the checkpoint over so many events


def verify(proof: Proof, *, trusted: "Trust | None" = None, since: str | None = None) -> Verified:
    """Check a proof, against the keys that are trusted, and that its log extends the checkpoint `since`.

    Raises BadProof, which says what does not hold.
    """
    note = Note.parse(proof.tlog.checkpoint)
    head = Checkpoint.parse(note.text)
    if proof.key.name != head.origin:
        raise BadProof("the key of the proof is of another log than its checkpoint")
    if not note.signed_by(proof.key):
        raise BadProof("the checkpoint is not signed by the key that the proof names")
    rotations = [*(Rotation.parse(each) for each in proof.rotations), *(trusted.rotations if trusted else ())]
    if trusted is not None:
        _check_trust(proof.key, trusted, rotations)
    merkle.verify_inclusion(
        index=proof.tlog.index, size=head.size, leaf=_leaf(proof), proof=proof.tlog.hashes, root=head.root
    )
    return Verified(
        origin=head.origin,
        size=head.size,
        seq=proof.tlog.index + 1,
        event=proof.event,
        payload=proof.payload,
        key=proof.key.text,
        trusted=trusted is not None,
        since=None if since is None else _check_extends(proof, head, rotations, since),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """A key that somebody trusts, and the statements of rotations that came with it."""

    key: VerifierKey
    rotations: tuple[Rotation, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Trust":
        """A verifier key, or what `verbena log key` printed: the key, and the rotations after it."""
        first, _, rest = text.lstrip().partition("\n")
        notes = signing.notes_in(rest.lstrip("\n").rstrip("\n") + "\n\n") if rest.strip() else []
        return cls(key=VerifierKey.parse(first), rotations=tuple(Rotation.parse(note) for note in notes))


def _check_trust(key: VerifierKey, trusted: Trust, rotations: list[Rotation]) -> None:
    if key.name != trusted.key.name:
        raise BadProof(
            f"the proof is of the log {key.name}, the trusted key of {trusted.key.name}",
            hint="each log has its own key name",
        )
    if key.public not in signing.chain(trusted.key.public, rotations):
        raise BadProof(
            "the checkpoint is signed by a key that is neither the trusted one nor leads to it",
            hint="where keys were replaced, give what verbena log key prints in place of the key alone",
        )


def _leaf(proof: Proof) -> bytes:
    """The hash of the leaf, made from the values: they and no others give it."""
    if proof.event is None:
        if proof.leaf is None:
            raise BadProof("the proof holds neither the event nor its leaf")
        return proof.leaf
    event = proof.event
    if event.get("seq") != proof.tlog.index + 1:
        raise BadProof("the event says that it stands at another position than the proof")
    if proof.payload is not None and proof.salt is not None:
        if event.get("payload") != leaf.payload_hash(_canonical(proof.payload), proof.salt):
            raise BadProof("the payload is not the one that was logged")
        after = proof.payload.get("after")
        if isinstance(after, dict) and (
            after.get("$id", event.get("entity")) != event.get("entity")  # pyright: ignore[reportUnknownMemberType]
        ):
            raise BadProof("the payload is of another entity than the event")
    return merkle.leaf_hash(_canonical(event))


def _check_extends(proof: Proof, head: Checkpoint, rotations: list[Rotation], since: str) -> int:
    note = Note.parse(since)
    former = Checkpoint.parse(note.text)
    if former.origin != head.origin:
        raise BadProof(f"the earlier checkpoint is of the log {former.origin}, the proof of {head.origin}")
    keys = [VerifierKey(former.origin, public) for public in signing.chain(proof.key.public, rotations)]
    if not any(note.signed_by(key) for key in keys):
        raise BadProof("the earlier checkpoint is not signed by the key of this log, nor by one that leads to it")
    if former.size > head.size:
        raise BadProof(f"the earlier checkpoint has {former.size} events, that of the proof only {head.size}")
    if former.size == 0 or former.size == head.size:
        hashes: tuple[bytes, ...] = ()
    elif proof.consistency is None or proof.consistency[0] != former.size:
        raise BadProof(
            f"the proof does not say that its log extends the first {former.size} events",
            hint="verbena log prove ID --since FILE writes one that does",
        )
    else:
        hashes = proof.consistency[1]
    if former.size:
        merkle.verify_consistency(
            former=former.size, size=head.size, proof=hashes, former_root=former.root, root=head.root
        )
    return former.size


def _canonical(value: Mapping[str, Any]) -> bytes:
    try:
        return canonical(value)
    except ValidationFailed as error:
        raise BadProof(f"the proof holds a value that no log can hold: {error.message}") from error
