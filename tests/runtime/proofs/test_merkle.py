"""The tree of RFC 9162: its own vectors, those of others, and every size against the definition."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.proofs import merkle
from runtime.proofs.merkle import BadProof, Frontier

# RFC 6962's reference leaves and the roots over the first one, two, … of them, as Certificate Transparency publishes them.
REFERENCE_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
REFERENCE_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


class Leaves:
    """A tree whose leaves are all at hand, read as `Subtrees`."""

    def __init__(self, size: int) -> None:
        self.hashes = [merkle.leaf_hash(number.to_bytes(4, "big")) for number in range(size)]

    def subtree(self, level: int, index: int) -> bytes:
        return defined_root(self.hashes[index << level : (index + 1) << level])


def defined_root(hashes: list[bytes]) -> bytes:
    """The root as RFC 9162 §2.1.1 defines it."""
    if not hashes:
        return hashlib.sha256().digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return merkle.node_hash(defined_root(hashes[:split]), defined_root(hashes[split:]))


def test_the_reference_leaves_give_the_reference_roots() -> None:
    frontier, roots = Frontier(), list[str]()
    for leaf in REFERENCE_LEAVES:
        frontier.append(merkle.leaf_hash(bytes.fromhex(leaf)))
        roots.append(frontier.root().hex())
    assert roots == REFERENCE_ROOTS


@pytest.mark.parametrize("kind", ["inclusion", "consistency"])
def test_every_vector_of_others_gives_what_they_want(shared: Path, kind: str) -> None:
    cases = {path: json.loads(path.read_text()) for path in sorted((shared / "vectors/merkle" / kind).rglob("*.json"))}
    assert len(cases) > 40
    refused = {path: _is_refused(kind, case) for path, case in cases.items()}
    assert refused == {path: case["wantErr"] for path, case in cases.items()}


@pytest.mark.parametrize("size", range(1, 35))
def test_every_proof_of_every_small_tree_holds(size: int) -> None:
    tree = Leaves(size)
    root = merkle.root(size, tree.subtree)
    assert root == defined_root(tree.hashes)
    for index, leaf in enumerate(tree.hashes):
        proof = merkle.inclusion(index, size, tree.subtree)
        merkle.verify_inclusion(index=index, size=size, leaf=leaf, proof=proof, root=root)
    for former in range(1, size + 1):
        merkle.verify_consistency(
            former=former,
            size=size,
            proof=merkle.consistency(former, size, tree.subtree),
            former_root=defined_root(tree.hashes[:former]),
            root=root,
        )


@settings(max_examples=100, deadline=None)
@given(size=st.integers(1, 1_200), data=st.data())
def test_a_proof_holds_for_its_own_leaf_place_and_root_alone(size: int, data: st.DataObject) -> None:
    tree = Leaves(size)
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion(index, size, tree.subtree)
    right: dict[str, Any] = {
        "index": index,
        "size": size,
        "leaf": tree.hashes[index],
        "proof": proof,
        "root": merkle.root(size, tree.subtree),
    }
    merkle.verify_inclusion(**right)
    other = hashlib.sha256(b"other").digest()
    wrong: list[dict[str, Any]] = [
        {"leaf": other},
        {"root": other},
        {"proof": [*proof, other]},
        {"index": data.draw(st.integers(-2, 2_000).filter(lambda place: place != index))},
        *([{"proof": proof[:-1]}, {"proof": [other, *proof[1:]]}] if proof else []),
    ]
    for change in wrong:
        with pytest.raises(BadProof):
            merkle.verify_inclusion(**{**right, **change})


@settings(max_examples=100, deadline=None)
@given(size=st.integers(2, 1_200), data=st.data())
def test_a_consistency_proof_holds_for_its_own_two_trees_alone(size: int, data: st.DataObject) -> None:
    tree = Leaves(size)
    former = data.draw(st.integers(1, size - 1))
    proof = merkle.consistency(former, size, tree.subtree)
    right: dict[str, Any] = {
        "former": former,
        "size": size,
        "proof": proof,
        "former_root": defined_root(tree.hashes[:former]),
        "root": merkle.root(size, tree.subtree),
    }
    merkle.verify_consistency(**right)
    other = hashlib.sha256(b"other").digest()
    wrong: list[dict[str, Any]] = [
        {"former_root": other},
        {"root": other},
        {"proof": [*proof, other]},
        {"proof": proof[:-1]},
        {"proof": [other, *proof[1:]]},
        {"former": 0},
        {"former": size + 1},
    ]
    for change in wrong:
        with pytest.raises(BadProof):
            merkle.verify_consistency(**{**right, **change})


@settings(max_examples=50, deadline=None)
@given(size=st.integers(0, 2_000))
def test_a_frontier_has_the_root_of_the_whole_tree(size: int) -> None:
    tree, frontier = Leaves(size), Frontier()
    for leaf in tree.hashes:
        frontier.append(leaf)
    assert (frontier.size, frontier.root()) == (size, defined_root(tree.hashes))


def _is_refused(kind: str, case: dict[str, Any]) -> bool:
    hashes: list[str] = case["proof"] or []
    proof = [_bytes(each) for each in hashes]
    try:
        if kind == "inclusion":
            merkle.verify_inclusion(
                index=case["leafIdx"],
                size=case["treeSize"],
                leaf=_bytes(case["leafHash"]),
                proof=proof,
                root=_bytes(case["root"]),
            )
        else:
            merkle.verify_consistency(
                former=case["size1"],
                size=case["size2"],
                proof=proof,
                former_root=_bytes(case["root1"]),
                root=_bytes(case["root2"]),
            )
    except BadProof:
        return True
    return False


def _bytes(text: str | None) -> bytes:
    return base64.b64decode(text or "")
