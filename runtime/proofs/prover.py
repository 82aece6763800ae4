"""What a tenant can prove of its log: signed heads, and proofs that lead from an event to one of them."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import msgspec

from runtime import values
from runtime.clock import Clock
from runtime.errors import InvalidArguments, Unavailable
from runtime.leaf import Envelope, stored_payload_hash
from runtime.proofs.heads import Head, Heads
from runtime.proofs.merkle import BadProof
from runtime.proofs.note import Checkpoint, VerifierKey, encoded
from runtime.proofs.proof import TlogProof, shaped
from runtime.proofs.signing import Keyring
from runtime.proofs.tree import Tree
from runtime.store import EventRow


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedHead:
    """A head of the log and the note in which it is signed."""

    checkpoint: Checkpoint
    note: str


class Prover:
    """Signs the heads of one log and proves its events.

    `size` tells how many events are committed; `record_rotations` puts those rotations in the log that it lacks.
    """

    def __init__(
        self,
        *,
        origin: str,
        tree: Tree,
        heads: Heads,
        keyring: Keyring,
        clock: Clock,
        size: Callable[[], int],
        record_rotations: Callable[[Keyring], None],
    ) -> None:
        self.origin = origin
        self.tree = tree
        self.heads = heads
        self.keyring = keyring
        self._clock = clock
        self._size = size
        self._record_rotations = record_rotations
        self._lock = threading.Lock()
        self._latest: SignedHead | None = None
        self._kept_up = 0
        self._recorded = -1  # rotations that are known to be in the log

    def key(self) -> VerifierKey:
        """The key that signs the heads of this log now."""
        return self.keyring.key(self.origin)

    def checkpoint(self, *, covering: int | None = None) -> SignedHead:
        """The signed head of the log as it is; with `covering`, the latest signed one, if it has that event.

        Raises Unavailable where the log does not extend the head that was signed before: nothing is signed then.
        """
        with self._lock:
            self._take_up_rotations()
            size = self._size()
            latest = self._latest
            if latest is None:
                latest = self._last_kept()
                if latest is not None:
                    self._check_extends(latest.checkpoint, size)
            wanted = size if covering is None else covering
            if latest is not None and latest.checkpoint.size >= wanted and self._is_current(latest):
                self._latest = latest
                return latest
            checkpoint = Checkpoint(self.origin, size, self.tree.root(size))
            note = self.keyring.signed(checkpoint.text, name=self.origin)
            self.heads.append(note, self._clock())
            self._latest = SignedHead(checkpoint=checkpoint, note=note)
            return self._latest

    def prove(self, row: EventRow, *, former: int | None = None) -> dict[str, Any]:
        """The proof of one event, see `proof`; with `former`, also that the log extends its first so many events."""
        head = self.checkpoint(covering=max(row.seq, former or 0))
        size = head.checkpoint.size
        envelope = envelope_of(row)
        return shaped(
            tlog=TlogProof(row.seq - 1, tuple(self.tree.inclusion(row.seq, size)), head.note),
            key=self.key(),
            event=None if envelope is None else msgspec.to_builtins(envelope),
            leaf=row.leaf,
            payload=None if row.payload is None else msgspec.json.decode(row.payload),
            salt=row.salt,
            rotations=[rotation.note for rotation in self.keyring.rotations()],
            consistency=None if former is None else (former, self._consistency(former, size)),
        )

    def consistency(self, former: int) -> dict[str, Any]:
        """`{from, size, hashes, checkpoint}`: that today's log begins with what its first `former` events were."""
        head = self.checkpoint()
        size = head.checkpoint.size
        hashes = [encoded(each) for each in self._consistency(former, size)]
        return {"from": former, "size": size, "hashes": hashes, "checkpoint": head.note}

    def keep_up(self, pause: threading.Lock) -> None:
        """What is due when the log rests: sign its head, and put the tiles that are only in memory into its file.

        Once for each size of the log, so that a log which cannot be signed is told of once. `pause` stops the writer.
        """
        size = self._size()
        if size == 0 or size == self._kept_up:
            return
        self._kept_up = size
        self.checkpoint()
        with pause:
            self.tree.keep()

    def _consistency(self, former: int, size: int) -> list[bytes]:
        if not 0 < former <= size:
            raise InvalidArguments(f"the log has {size} events, so it cannot extend one of {former}")
        return self.tree.consistency(former, size)

    def _take_up_rotations(self) -> None:
        rotations = len(self.keyring.rotations())
        if self._recorded != rotations:
            if rotations:
                self._record_rotations(self.keyring)
            self._recorded = rotations

    def _last_kept(self) -> SignedHead | None:
        """The last kept head that one of our keys signed; what others put there is for `verify` to tell."""
        for head in reversed(self.heads.kept()):
            found = self._ours(head)
            if found is not None:
                return found
        return None

    def _ours(self, head: Head) -> SignedHead | None:
        try:
            note, checkpoint = head.parsed()
        except BadProof:
            return None
        signer = self.keyring.signer(note, name=checkpoint.origin)
        return None if signer is None else SignedHead(checkpoint=checkpoint, note=head.note)

    def _is_current(self, head: SignedHead) -> bool:
        """Whether a head is of this origin and signed by the present key."""
        if head.checkpoint.origin != self.origin:
            return False
        signer = self.keyring.signer(Head("", head.note).parsed()[0], name=self.origin)
        return signer == self.key()

    def _check_extends(self, former: Checkpoint, size: int) -> None:
        if former.size > size:
            raise Unavailable(
                f"the log has {size} events, and a head over {former.size} was signed: the file was put back",
                hint="put back the later file; or, if that is lost, set the heads aside: see docs/proofs.md",
                seq=size,
            )
        if self.tree.root(former.size) != former.root:
            raise Unavailable(
                f"the first {former.size} events are not those over which a head was signed; nothing more is signed",
                hint="verbena log verify tells where and what",
                seq=former.size,
            )


def envelope_of(row: EventRow) -> Envelope | None:
    """What the leaf of a row commits to; None where erasing it left not even the hash of its payload."""
    digest = stored_payload_hash(row.payload, row.salt)
    if digest is None:
        return None
    return Envelope(
        actor=row.actor,
        at=values.format_datetime(row.at.replace(tzinfo=UTC)),
        cause=row.cause,
        entity=row.entity,
        event=row.event,
        payload=digest,
        run=row.run,
        seq=row.seq,
        type=row.type,
        verb=row.verb,
        version=row.version,
        via=row.via,
    )
