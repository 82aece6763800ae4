"""The tree over a log that is large enough to have tiles of tiles."""

import hashlib
from collections.abc import Generator

import pytest

from runtime.errors import Unavailable
from runtime.proofs import merkle
from runtime.proofs.merkle import Frontier
from runtime.proofs.tree import Tree
from runtime.store import Instance, TenantFile

EVENTS = 66_000  # 257 tiles, and a part of one


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Generator[TenantFile]:
    """A log that holds nothing but leaves."""
    instance = Instance()
    file = TenantFile(instance, tmp_path_factory.mktemp("tree") / "log.duckdb", "log")
    file.execute(
        f"""INSERT INTO {file.catalog}.events SELECT seq, now(), '', '', '', '', 1, '', NULL, NULL, NULL, NULL, NULL,
        unhex(sha256(seq::VARCHAR)) FROM range(1, {EVENTS + 1}) numbers(seq) ORDER BY seq"""
    )
    yield file
    file.close()
    instance.close()


def leaf(seq: int) -> bytes:
    return hashlib.sha256(str(seq).encode()).digest()


def roots(*sizes: int) -> dict[int, bytes]:
    frontier, found = Frontier(), dict[int, bytes]()
    for seq in range(1, max(sizes) + 1):
        frontier.append(leaf(seq))
        if seq in sizes:
            found[seq] = frontier.root()
    return found


def test_every_root_and_proof_across_the_edges_of_tiles_holds(file: TenantFile) -> None:
    tree = Tree(file)
    sizes = (1, 255, 256, 257, 511, 65_535, 65_536, 65_537, 65_792, EVENTS)
    expected = roots(*sizes)
    assert {size: tree.root(size) for size in sizes} == expected
    for size in sizes:
        for seq in {1, size // 2 + 1, size}:
            proof = tree.inclusion(seq, size)
            merkle.verify_inclusion(index=seq - 1, size=size, leaf=leaf(seq), proof=proof, root=expected[size])
        for former in (each for each in sizes if each <= size):
            merkle.verify_consistency(
                former=former,
                size=size,
                proof=tree.consistency(former, size),
                former_root=expected[former],
                root=expected[size],
            )


def test_kept_tiles_give_the_same_tree(file: TenantFile) -> None:
    tree = Tree(file)
    before = tree.root(EVENTS)
    tree.keep()
    again = Tree(file)
    assert (again.behind(EVENTS), again.root(EVENTS)) == (0, before)


def test_a_log_with_fewer_events_has_no_such_tree(file: TenantFile) -> None:
    with pytest.raises(Unavailable, match=f"position {EVENTS + 1}"):
        Tree(file).root(EVENTS + 10)
