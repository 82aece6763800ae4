"""Proofs of a log, checked against a tree that is made from its leaves in the plainest way."""

import hashlib
from collections.abc import Sequence

from runtime.proofs import merkle
from runtime.proofs.proof import parse
from runtime.proofs.verify import verify
from tests.simulation.house import House
from tests.simulation.inspection import Finding, events_after, expect_equal


def inspect_proof(house: House, *, seq: int, former: int) -> None:
    """Have an event proven, and that the log extends its first so many. Raises Finding."""
    leaves = [row.leaf for row in events_after(house.tenant, 0)]
    head = house.ask("checkpoint", "ada", {})
    if head.answer is None:
        raise Finding(f"the head of the log is not signed: {head.error}")
    expect_equal("the head", (head.answer["size"], head.answer["root"]), (len(leaves), root(leaves).hex()))
    proven = house.ask("prove", "ada", {"id": f"evt_{seq}", "from": former})
    if proven.answer is None:
        raise Finding(f"event {seq} of {len(leaves)} is not proven: {proven.error}")
    proof = parse(proven.answer)
    verified = verify(proof)
    expect_equal("what is proven", (verified.seq, verified.size), (seq, len(leaves)))
    merkle.verify_inclusion(
        index=seq - 1, size=len(leaves), leaf=leaves[seq - 1], proof=proof.tlog.hashes, root=root(leaves)
    )
    if proof.consistency is None:
        raise Finding("consistency was asked for, and is not in the proof")
    merkle.verify_consistency(
        former=former,
        size=len(leaves),
        proof=proof.consistency[1],
        former_root=root(leaves[:former]),
        root=root(leaves),
    )


def root(leaves: Sequence[bytes]) -> bytes:
    """The root by its definition in RFC 9162 §2.1.1; the leaves are hashed already."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + root(leaves[:split]) + root(leaves[split:])).digest()
