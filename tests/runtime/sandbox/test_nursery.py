"""Zygotes come and go; workers are there all the time."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.sandbox.limits import Limits
from runtime.sandbox.nursery import NoWorker, ZygoteNursery, awaited, can_fork
from runtime.sandbox.pool import Pool
from tests.until import until

pytestmark = pytest.mark.skipif(not can_fork(), reason="zygotes are for Linux alone")


@pytest.fixture
def nursery() -> Iterator[ZygoteNursery]:
    nursery = ZygoteNursery(forks_max=3)
    yield nursery
    nursery.close()


def zygotes() -> list[int]:
    """What this process has started as zygotes and has not ended, the oldest first."""
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            if b"runtime.sandbox.zygote" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(child)
    return sorted(found)


def nothing(path: list[str], arguments: list[Any], keywords: dict[str, Any]) -> None:
    """What `$` gives."""


def test_a_spent_zygote_is_followed_by_another_and_ends_with_its_last_worker(nursery: ZygoteNursery) -> None:
    before = set(zygotes())
    first = awaited(nursery.begin())
    (former,) = set(zygotes()) - before
    others = [awaited(nursery.begin()) for _ in range(2)]  # and with the third it is spent
    until(lambda: len(set(zygotes()) - before) == 2)
    until(lambda: _made_by(nursery, before - {former}, former))
    for worker in others:
        worker.end()
    assert first.is_alive()
    assert former in zygotes()
    first.end()
    assert former not in zygotes()


def _made_by(nursery: ZygoteNursery, before: set[int], former: int) -> bool:
    """Whether a new worker comes from another zygote than the former."""
    worker = awaited(nursery.begin())
    new = {pid for pid in zygotes() if pid not in before | {former}}
    is_new = any(len(_below(pid)) > 1 for pid in new)
    worker.end()
    return is_new


def _below(pid: int) -> list[int]:
    try:
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [*children, *itertools.chain(*map(_below, children))]


def test_runs_go_on_while_zygotes_are_replaced() -> None:
    pool = Pool(size=2, nursery=ZygoteNursery(forks_max=2))
    try:
        for number in range(30):
            outcome = pool.run(f"{number} + 1", nothing, Limits(), now="2026-11-21T10:00:00Z")
            assert outcome.result == number + 1
    finally:
        pool.close()
    assert os.getpid() not in zygotes()


def test_closing_ends_every_zygote_also_one_that_is_starting() -> None:
    before = set(zygotes())
    for count in range(1, 5):
        nursery = ZygoteNursery(forks_max=1)
        workers = [awaited(nursery.begin()) for _ in range(count)]
        nursery.close()
        for worker in workers:
            worker.end()
        assert set(zygotes()) <= before
        with pytest.raises(NoWorker):
            awaited(nursery.begin())


def test_two_zygotes_hash_texts_differently() -> None:
    def hashed() -> str:
        pool = Pool(size=1)
        try:
            code = "' '.join({str(n) for n in range(100)})"
            return pool.run(code, nothing, Limits(), now="2026-11-21T10:00:00Z").result
        finally:
            pool.close()

    assert len({hashed() for _ in range(3)}) > 1
