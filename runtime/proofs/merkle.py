"""The Merkle tree of RFC 9162 over hashes of leaves: its root, its proofs, and how they are verified.

A tree is read through `Subtrees`: whoever keeps the leaves gives the hash of any complete subtree, and a proof is a
handful of those. Indexes count from 0, sizes are numbers of leaves, hashes are 32 bytes.
"""

import hashlib
from collections.abc import Callable, Sequence

from runtime.errors import ValidationFailed

HASH_BYTES = 32
# A tile is a complete subtree of 256 leaves, as in C2SP's tlog-tiles: what is kept of a log, and the step in which it is checked.
TILE_LEVEL = 8
TILE_LEAVES = 1 << TILE_LEVEL
# The root of a tree without leaves: the hash of nothing.
EMPTY_ROOT = hashlib.sha256(b"").digest()
# A proof in a tree of 2^62 leaves has this many hashes at most, twice that for consistency.
PROOF_HASHES_MAX = 128

# (level, index) → the hash over the leaves from index * 2^level on, 2^level of them; all of them exist.
Subtrees = Callable[[int, int], bytes]


class BadProof(ValidationFailed):
    """A proof, a signature or a checkpoint that does not hold."""


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(b"\0" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def folded(hashes: Sequence[bytes]) -> bytes:
    """The root over as many hashes of one level as a power of two."""
    level = list(hashes)
    while len(level) > 1:
        level = [node_hash(level[i], level[i + 1]) for i in range(0, len(level), 2)]
    return level[0]


def root(size: int, subtrees: Subtrees) -> bytes:
    """The root of the tree's first `size` leaves."""
    return _range(0, size, subtrees) if size else EMPTY_ROOT


def inclusion(index: int, size: int, subtrees: Subtrees) -> list[bytes]:
    """The proof that the leaf at `index` is in the tree of `size`, from its sibling upwards (RFC 9162 §2.1.3.1)."""
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} in a tree of {size}")
    path: list[bytes] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(_range(middle, end, subtrees))
            end = middle
        else:
            path.append(_range(begin, middle, subtrees))
            begin = middle
    return path[::-1]


def consistency(former: int, size: int, subtrees: Subtrees) -> list[bytes]:
    """The proof that the tree of `size` begins with the tree of `former` leaves (RFC 9162 §2.1.4.1)."""
    if not 0 < former <= size:
        raise ValueError(f"a tree of {size} does not extend one of {former}")
    path: list[bytes] = []
    begin, end = 0, size
    while former < end:
        middle = begin + _split(end - begin)
        if former <= middle:
            path.append(_range(middle, end, subtrees))
            end = middle
        else:
            path.append(_range(begin, middle, subtrees))
            begin = middle
    if begin:  # where nothing was split off to the left, this is the former root, which the verifier has
        path.append(_range(begin, end, subtrees))
    return path[::-1]


def verify_inclusion(*, index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Raise BadProof unless `proof` leads from `leaf` at `index` to `root` (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        raise BadProof(f"there is no leaf {index} in a tree of {size}")
    _check_hashes(leaf, root, *proof)
    place, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise BadProof("the inclusion proof is too long")
        if place & 1 or place == last:
            found = node_hash(sibling, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise BadProof("the inclusion proof is too short")
    if found != root:
        raise BadProof("the inclusion proof leads to another root")


def verify_consistency(*, former: int, size: int, proof: Sequence[bytes], former_root: bytes, root: bytes) -> None:
    """Raise BadProof unless `proof` shows that the tree with `root` begins with that of `former_root` (§2.1.4.2)."""
    if not 0 < former <= size:
        raise BadProof(f"a tree of {size} does not extend one of {former}")
    _check_hashes(former_root, root, *proof)
    if former == size:
        if proof or former_root != root:
            raise BadProof("two trees of one size are the same, and need no proof")
        return
    if not proof:
        raise BadProof("the consistency proof is empty")
    # A former tree of a power of two is a subtree of the present one: its root is not repeated in the proof.
    hashes = [former_root, *proof] if former & (former - 1) == 0 else list(proof)
    place, last = former - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    found_former = found = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise BadProof("the consistency proof is too long")
        if place & 1 or place == last:
            found_former, found = node_hash(sibling, found_former), node_hash(sibling, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise BadProof("the consistency proof is too short")
    if found_former != former_root:
        raise BadProof("the consistency proof does not lead to the former root")
    if found != root:
        raise BadProof("the consistency proof leads to another root")


class Frontier:
    """A tree that only grows: it keeps one hash for each complete subtree, so it is small at any size."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []  # the complete subtrees, the largest first: one for each bit of the size

    def append(self, leaf: bytes) -> None:
        """Add a leaf at the end."""
        found, size = leaf, self.size
        while size & 1:
            found = node_hash(self._peaks.pop(), found)
            size >>= 1
        self._peaks.append(found)
        self.size += 1

    def root(self) -> bytes:
        """The root over all that was added."""
        if not self._peaks:
            return EMPTY_ROOT
        found = self._peaks[-1]
        for peak in self._peaks[-2::-1]:
            found = node_hash(peak, found)
        return found


def _split(count: int) -> int:
    """The largest power of two below `count`: how many leaves go to the left."""
    return 1 << (count - 1).bit_length() - 1


def _range(begin: int, end: int, subtrees: Subtrees) -> bytes:
    """The root over the leaves from `begin` up to `end`; `begin` is where a subtree of that many leaves can begin."""
    found: list[bytes] = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        found.append(subtrees(level, begin >> level))
        begin += 1 << level
    joined = found.pop()
    while found:
        joined = node_hash(found.pop(), joined)
    return joined


def _check_hashes(*hashes: bytes) -> None:
    if len(hashes) > PROOF_HASHES_MAX:
        raise BadProof(f"a proof has at most {PROOF_HASHES_MAX} hashes")
    if any(len(each) != HASH_BYTES for each in hashes):
        raise BadProof(f"a hash has {HASH_BYTES} bytes")
