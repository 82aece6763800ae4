"""The server proves its walls to itself, and runs nothing where one of them does not hold."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.sandbox.inspection import PROBES, Inspection, inspected
from runtime.sandbox.limits import Limits
from runtime.sandbox.nursery import NoWorker, Nursery, SpawnNursery, ZygoteNursery, awaited, can_fork
from runtime.sandbox.pool import Pool
from runtime.sandbox.worker import Ready, Worker
from tests.runtime.sandbox.lowered import FEW, Lowered

linux = pytest.mark.skipif(not can_fork(), reason="walls of the kernel are for Linux alone")
HERE = Path(__file__).parent
LIMITS = Limits(seconds=5.0)
AROUND = ("namespaces", "empty_root", "no_privileges")
OWN = ("rlimits", "memory_limit", "no_new_privs", "landlock", "seccomp")


def of(nursery: Nursery) -> Inspection:
    try:
        return inspected(nursery)
    finally:
        nursery.close()


@linux
@pytest.mark.parametrize(
    "program", [("-m", "runtime.sandbox.zygote"), (str(HERE / "of_no_root.py"),)], ids=["as it is", "without root"]
)
def test_a_forked_worker_stands_behind_whatever_its_kernel_offers(program: tuple[str, ...]) -> None:
    found = of(ZygoteNursery(program))
    assert found.faults == ()
    assert set(found.walls) == {*AROUND, *OWN}
    assert found.standing >= {"rlimits", "memory_limit", "no_new_privs", "no_privileges"}
    assert {name: state for name, state in found.probes.items() if not state.startswith("not tried")} == {
        name: "refused" for name in [*PROBES, "time"] if not found.probes[name].startswith("not tried")
    }


@linux
@pytest.mark.parametrize(
    ("forbidden", "walls"),
    [
        ("unshare", {"namespaces": "missing: the kernel does not allow them here (Operation not permitted)"}),
        ("mount", {"empty_root": "missing: the kernel does not allow it here (Operation not permitted)"}),
        ("landlock_create_ruleset", {"landlock": "missing: this kernel has none, or it is switched off"}),
        ("pidfd_open", {}),
    ],
)
def test_what_a_container_forbids_is_missing_and_the_rest_stands(forbidden: str, walls: dict[str, str]) -> None:
    whole, found = of(ZygoteNursery()), of(ZygoteNursery((str(HERE / "of_container.py"), forbidden)))
    assert found.faults == ()
    assert {name: state for name, state in found.walls.items() if name in walls} == walls
    beyond = {"empty_root"} if "namespaces" in walls else set[str]()
    assert found.standing == whole.standing - set(walls) - beyond
    assert found.probes == whole.probes


@linux
def test_a_wall_that_is_offered_and_cannot_be_raised_is_a_fault() -> None:
    found = of(ZygoteNursery((str(HERE / "of_container.py"), "landlock_restrict_self")))
    assert found.walls["landlock"].startswith("failed: ")
    assert [fault.partition(" ")[0] for fault in found.faults] == ["landlock"]


@linux
def test_a_spawned_worker_stands_behind_its_own_walls() -> None:
    found = of(SpawnNursery())
    assert found.faults == ()
    assert found.walls["namespaces"] == "missing: a worker that was spawned has none"
    assert found.standing & set(OWN) == of(ZygoteNursery()).standing & set(OWN)


@linux
def test_every_probe_gets_through_where_no_wall_is(lying: Inspection) -> None:
    got = {name for name, state in lying.probes.items() if state != "refused"}
    # Descriptors are closed and the worker is killed all the same, and there may be no way to the network here.
    assert got | {"network"} == {*PROBES} - {"descriptors"}
    assert {fault.partition(":")[0] for fault in lying.faults} == got


@pytest.fixture(scope="module")
def lying() -> Inspection:
    return of(ZygoteNursery((str(HERE / "unwalled.py"),)))


@linux
def test_where_a_wall_that_stands_does_not_hold_no_code_runs() -> None:
    pool = Pool(size=1, nursery=ZygoteNursery((str(HERE / "unwalled.py"),)))
    try:
        error = run(pool)["error"]
    finally:
        pool.close()
    assert error["code"] == "unavailable"
    assert error["message"].startswith("no code is run here: the walls of the sandbox do not hold: ")
    assert error["hint"] == "verbena doctor says which walls stand"


def run(pool: Pool) -> dict[str, Any]:
    outcome = pool.run("1 + 1", lambda path, arguments, keywords: None, LIMITS, now="2026-11-21T10:00:00Z")
    return {"result": outcome.result, "error": outcome.error}


@pytest.fixture
def pools() -> Iterator[list[Pool]]:
    made: list[Pool] = []
    yield made
    for pool in made:
        pool.close()


def test_what_a_kernel_does_not_offer_is_missing_and_no_fault() -> None:
    found = of(Lowered(FEW))
    assert found == Inspection(
        walls={"rlimits": "stands", "seccomp": "missing: too old", "landlock": "missing: too old"},
        probes={
            **{name: f"not tried: {' and '.join(walls)} missing" for name, walls in PROBES.items() if walls},
            "descriptors": "refused",
            "environment": "refused",
            "time": "refused",
        },
        faults=(),
    )
    assert found.lacking == ("seccomp", "landlock")


def test_with_walls_missing_it_is_asked_whether_code_may_run(pools: list[Pool]) -> None:
    reasons: list[str | None] = [None, "there are several tenants"]
    pools.append(Pool(size=1, nursery=Lowered(FEW), why_not=lambda lacking: reasons.pop(0)))
    assert run(pools[0]) == {"result": 2, "error": None}
    assert run(pools[0]) == {
        "result": None,
        "error": {
            "code": "unavailable",
            "message": "no code is run here: there are several tenants",
            "hint": "verbena doctor says which walls stand",
        },
    }


def test_a_wall_that_the_kernel_offers_and_refuses_is_a_fault(pools: list[Pool]) -> None:
    pools.append(Pool(size=1, nursery=Lowered(Ready(walls=["rlimits"], failed={"seccomp": "EINVAL"}))))
    assert run(pools[0])["error"]["message"].endswith("do not hold: seccomp failed (EINVAL)")


def test_a_worker_with_fewer_walls_than_were_inspected_gets_no_job(pools: list[Pool]) -> None:
    whole = Ready(walls=["rlimits", "seccomp", "landlock"])
    pools.append(Pool(size=0, nursery=Lowered(whole).then(Ready(walls=["rlimits", "landlock"]))))
    message = "no code is run here: a worker came up without walls that stood before: seccomp"
    assert [run(pools[0])["result"], run(pools[0])["error"]["message"]] == [2, message]


class Failing:
    """A nursery that has no worker at first."""

    def __init__(self) -> None:
        self.failures = 2
        self._nursery = SpawnNursery()

    def begin(self) -> Worker:
        if self.failures:
            self.failures -= 1
            raise NoWorker("none yet")
        return self._nursery.begin()

    def end_of(self, worker: Worker) -> int | None:
        return self._nursery.end_of(worker)

    def close(self) -> None:
        self._nursery.close()


def test_an_inspection_that_found_no_worker_is_made_again(pools: list[Pool]) -> None:
    pools.append(Pool(size=1, nursery=Failing()))
    results = [run(pools[0]) for _ in range(3)]
    assert results[-1] == {"result": 2, "error": None}


@linux
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_root_is_nobody_in_a_worker() -> None:
    nursery = ZygoteNursery()
    try:
        worker = awaited(nursery.begin())
        below = Path(f"/proc/{os.getpid()}/task")
        users = {
            line.split()[1]
            for pid in _descendants(below)
            for line in (Path("/proc") / pid / "status").read_text().splitlines()
            if line.startswith("Uid:")
        }
        worker.end()
    finally:
        nursery.close()
    assert "65534" in users


def _descendants(tasks: Path) -> list[str]:
    found: list[str] = []
    for task in tasks.iterdir():
        for child in (task / "children").read_text().split():
            found += [child, *_descendants(Path(f"/proc/{child}/task"))]
    return found
