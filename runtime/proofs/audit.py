"""The check of a whole log, piece by piece: every event is what was logged, where it was logged, and nothing is missing.

Found is: a changed value in any column of any event; an event that was removed, added or moved; a log that is not the one
whose heads were signed, be it changed or put back to an earlier state; a head that none of our keys signed; and rows
that are not what the log says. What happened after the last signed head, by somebody who can compute leaves, is not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from runtime import check, values
from runtime.errors import InvalidArguments, Unavailable
from runtime.leaf import Envelope, leaf_of, stored_payload_hash
from runtime.noun import Noun
from runtime.own_nouns import KEYS
from runtime.proofs import merkle
from runtime.proofs.merkle import HASH_BYTES, TILE_LEAVES, BadProof
from runtime.proofs.note import Checkpoint, Note, decoded
from runtime.proofs.prover import Prover
from runtime.sql import Sql
from runtime.store import TenantFile

# One piece: as many events as are read and hashed in about a tenth of a second.
EVENTS_DEFAULT = 32 * TILE_LEAVES
EVENTS_MAX = 256 * TILE_LEAVES
# As many faults as one piece tells.
FAULTS_MAX = 100

_EVENTS = 'seq, "at", type, verb, event, entity, version, actor, cause, run, via, payload, salt, leaf'
_BEGINNING = datetime.min


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and the position in the log from which on it is; None where it is in the tables alone."""

    seq: int | None
    what: str

    def as_dict(self) -> dict[str, Any]:
        return {"seq": self.seq, "what": self.what}


@dataclass(frozen=True, slots=True)
class _Kept:
    """A kept head, or what is wrong with it."""

    note: Note | None
    checkpoint: Checkpoint | None
    fault: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What is checked: a log, what its prover knows, and the nouns whose tables it leads to."""

    file: TenantFile
    prover: Prover
    nouns: list[Noun]

    def piece(self, after: int, limit: int, size: int, *, leaves_only: bool = False) -> tuple[int, list[Fault]]:
        """Check the events after a position, up to `limit` of them or the end at `size`; where it came to, and the faults.

        With `leaves_only`, the hashes alone: that the log is the one that was signed, and not what the events say.
        """
        if after % TILE_LEAVES or not 0 <= after <= size:
            raise InvalidArguments(
                f"a piece begins behind a multiple of {TILE_LEAVES}", hint="after=0, then what was reached"
            )
        if not 1 <= limit <= EVENTS_MAX:
            raise InvalidArguments(f"a piece has 1 to {EVENTS_MAX} events")
        until = min(size, after + -(-limit // TILE_LEAVES) * TILE_LEAVES)
        leaves: dict[int, bytes] = {}
        faults = list(_first(self._leaves(after, until, leaves) if leaves_only else self._events(after, until, leaves)))
        # What follows from a fault that is told already would only hide it among others.
        told = {fault.seq for fault in faults if fault.seq is not None}
        tiles = _first(self._tiles(after, until, leaves, told))
        told |= {fault.seq for fault in tiles if fault.seq is not None}
        faults += tiles + _first(self._heads(after, until, leaves, told))
        return until, sorted(faults, key=lambda fault: fault.seq or 0)

    def ends(self, size: int) -> list[Fault]:
        """What can be seen without reading the log: its length against the heads that were signed, and who signed them."""
        return _first(self._ends(size))

    def tables(self) -> list[Fault]:
        """The versions of each entity, and every table against the log."""
        faults = _first(self._versions())
        return faults + [Fault(None, sentence) for sentence in check.differences(self.file, self.nouns)]

    def extends(self, since: str, size: int) -> Checkpoint:
        """The head in a checkpoint that one of our keys signed, if the log begins with it. Raises BadProof otherwise."""
        note = Note.parse(since)
        former = Checkpoint.parse(note.text)
        if former.origin != self.prover.origin:
            raise BadProof(f"the checkpoint is of the log {former.origin}, this one is {self.prover.origin}")
        if self.prover.keyring.signer(note, name=former.origin) is None:
            raise BadProof("the checkpoint is not signed by a key of this installation")
        if former.size > size:
            raise BadProof(
                f"the checkpoint has {former.size} events, the log only {size}: its file was put back", seq=size
            )
        if self.prover.tree.root(former.size) != former.root:
            raise BadProof(f"the first {former.size} events are not those of the checkpoint", seq=former.size)
        return former

    # -- the log ---------------------------------------------------------------------------------------------------

    def _events(self, after: int, until: int, leaves: dict[int, bytes]) -> Iterator[Fault]:
        """The events against their leaves, the positions without a gap, the times without a step back."""
        rows = self._rows(_EVENTS, max(0, after - 1), until)
        expected, latest, time, shown = after + 1, _BEGINNING, _BEGINNING, ""
        for row in rows:
            seq, at, type, verb, event, entity, version, actor, cause, run, via, payload, salt, leaf = row
            if seq <= after:
                latest = at
                continue
            yield from _place(seq, expected)
            if seq < expected:
                continue
            expected = seq + 1
            if at < latest:
                yield Fault(seq, f"event {seq} is earlier than the one before it")
            latest = max(at, latest)
            if at != time:  # a unit's events have one time
                time, shown = at, values.format_datetime(at.replace(tzinfo=UTC))
            leaves[seq] = leaf
            digest = stored_payload_hash(payload, salt)
            if digest is None:
                if payload is not None or salt is not None:
                    yield Fault(seq, f"event {seq} has lost its payload or its salt: they go together")
                continue  # erased: its leaf still stands in the tree
            envelope = Envelope(
                actor=actor, at=shown, cause=cause, entity=entity, event=event, payload=digest, run=run, seq=seq,
                type=type, verb=verb, version=version, via=via,
            )  # fmt: skip
            if leaf_of(envelope) != leaf:
                yield Fault(
                    seq, f"event {seq} ({event} of {entity}) is not what was logged: a value in its row was changed"
                )
        yield from _place(until + 1, expected)

    def _leaves(self, after: int, until: int, leaves: dict[int, bytes]) -> Iterator[Fault]:
        expected = after + 1
        for seq, leaf in self._rows("seq, leaf", after, until):
            yield from _place(seq, expected)
            expected = max(expected, seq + 1)
            leaves.setdefault(seq, leaf)
        yield from _place(until + 1, expected)

    def _rows(self, columns: str, after: int, until: int) -> list[tuple[Any, ...]]:
        sql = f"SELECT {columns} FROM {self.file.catalog}.events WHERE seq > ? AND seq <= ? ORDER BY seq"
        return self.file.rows(Sql(sql, (after, until)))

    def _versions(self) -> Iterator[Fault]:
        """Where an entity's versions are not 1, 2, 3, …"""
        sql = f"""SELECT seq, entity, version, before FROM (
                SELECT seq, entity, version, coalesce(lag(version) OVER (PARTITION BY entity ORDER BY seq), 0) AS before
                FROM {self.file.catalog}.events)
            WHERE version <> before + 1 ORDER BY seq LIMIT {FAULTS_MAX}"""
        for seq, entity, version, before in self.file.rows(Sql(sql)):
            yield Fault(seq, f"event {seq} makes version {version} of {entity}, after version {before}")

    # -- the tree and its heads ------------------------------------------------------------------------------------

    def _tiles(self, after: int, until: int, leaves: dict[int, bytes], told: set[int]) -> Iterator[Fault]:
        """The tiles that were kept against those that the leaves give."""
        for begin in range(after, until - TILE_LEAVES + 1, TILE_LEAVES):
            found = _of_tile(leaves, begin, begin + TILE_LEAVES)
            if found is None or _any_in(told, begin, begin + TILE_LEAVES):
                continue
            try:
                self.prover.tree.extend(begin + TILE_LEAVES)
            except Unavailable:
                return
            if merkle.folded(found) != self.prover.tree.tile(begin // TILE_LEAVES):
                yield Fault(
                    begin + 1,
                    f"events {begin + 1} to {begin + TILE_LEAVES} do not give the hash that was kept of them: leaves among"
                    " them were changed, or that hash was",
                )

    def _heads(self, after: int, until: int, leaves: dict[int, bytes], told: set[int]) -> Iterator[Fault]:
        """The heads over as many events as this piece reaches against the tree; where one fails, those after it do too."""
        former: Checkpoint | None = None
        for head in self._kept():
            checkpoint = head.checkpoint
            if checkpoint is None:
                continue
            first = min(former.size if former else 0, checkpoint.size - 1)
            if (
                after < checkpoint.size <= until
                and not _any_in(told, first, checkpoint.size)
                and not self._fits(checkpoint, leaves)
                and (former is None or self._fits(former, leaves))
            ):
                yield Fault(
                    first + 1,
                    f"the head over {checkpoint.size} events was signed over other ones: something in events"
                    f" {first + 1} to {checkpoint.size} was changed, removed or added",
                )
            former = checkpoint

    def _fits(self, checkpoint: Checkpoint, leaves: dict[int, bytes]) -> bool:
        begin = checkpoint.size // TILE_LEAVES * TILE_LEAVES
        found = _of_tile(leaves, begin, checkpoint.size)
        known = {} if found is None else {begin // TILE_LEAVES: found}
        try:
            return merkle.root(checkpoint.size, self.prover.tree.subtrees(checkpoint.size, known)) == checkpoint.root
        except Unavailable:
            return True  # a hole, told already; whatever the head says, there is no root to compare it with

    def _ends(self, size: int) -> Iterator[Fault]:
        count, low, high = self.file.rows(
            Sql(
                f"SELECT count(*), min(seq), max(seq) FROM {self.file.catalog}.events WHERE seq <= ? OR seq > ?",
                (size, size),
            )
        )[0]
        if count and (low < 1 or high > size):
            yield Fault(low if low < 1 else high, f"there are events at {low} to {high}, in a log from 1 to {size}")
        name = f"checkpoints/{self.prover.heads.path.name}"
        retired = self._retired()
        former = 0
        for place, head in enumerate(self._kept(), 1):
            checkpoint = head.checkpoint
            if checkpoint is None:
                yield Fault(None, f"head {place} in {name} cannot be read: {head.fault}")
                continue
            signer = None if head.note is None else self.prover.keyring.signer(head.note, name=checkpoint.origin)
            if signer is None:
                what = f"head {place} in {name}, over {checkpoint.size} events, is not signed by any key of this installation"
                yield Fault(checkpoint.size, what)
                continue
            if checkpoint.size < former:
                yield Fault(checkpoint.size, f"head {place} in {name} is over fewer events than the one before it")
            if checkpoint.size > size:
                yield Fault(
                    size,
                    f"the log ends at {size}, and a head over {checkpoint.size} events was signed: the file was put back to"
                    " an earlier state, or its last events were removed",
                )
            if checkpoint.size >= retired.get(signer.public, checkpoint.size + 1):
                yield Fault(checkpoint.size, f"head {place} in {name} is signed by a key that was replaced before")
            former = max(former, checkpoint.size)

    def _retired(self) -> dict[bytes, int]:
        """Since which position of the log each replaced key says nothing any more."""
        rows = self.file.rows(
            Sql(
                f"""SELECT json_extract_string(payload, '$.after.former'), seq FROM {self.file.catalog}.events
                WHERE type = ? AND payload IS NOT NULL ORDER BY seq""",
                (KEYS.name,),
            )
        )
        return {decoded(public, "a key"): seq for public, seq in rows}

    def _kept(self) -> Iterator[_Kept]:
        for head in self.prover.heads.kept():
            try:
                note, checkpoint = head.parsed()
            except BadProof as error:
                yield _Kept(None, None, error.message)
            else:
                yield _Kept(note, checkpoint, "")


def _place(seq: int, expected: int) -> Iterator[Fault]:
    """What is wrong with the position of an event, or, behind the last one, with the end."""
    if seq < expected:
        yield Fault(seq, f"there are two events at position {seq}")
    elif seq == expected + 1:
        yield Fault(expected, f"event {expected} is missing")
    elif seq > expected:
        yield Fault(expected, f"events {expected} to {seq - 1} are missing")


def _any_in(told: set[int], begin: int, end: int) -> bool:
    """Whether a fault was told at a position behind `begin`, up to `end`."""
    return any(begin < seq <= end for seq in told)


def _of_tile(leaves: dict[int, bytes], begin: int, end: int) -> list[bytes] | None:
    """The leaves from `begin` up to `end`, counted from 0; None where one is missing or no hash."""
    found = [leaves.get(seq, b"") for seq in range(begin + 1, end + 1)]
    return found if all(len(leaf) == HASH_BYTES for leaf in found) else None


def _first(faults: Iterator[Fault]) -> list[Fault]:
    """The first faults, as many as one piece tells."""
    return [fault for _, fault in zip(range(FAULTS_MAX), faults, strict=False)]
