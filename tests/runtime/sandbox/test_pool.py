import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from runtime.sandbox.limits import Limits, Outcome
from runtime.sandbox.nursery import SpawnNursery
from runtime.sandbox.pool import Answer, Pool
from tests.until import until

LIMITS = Limits(seconds=5.0)
NOW = "2026-11-21T10:00:00Z"
Run = Callable[..., Outcome]


def echo(path: list[str], arguments: list[Any], keywords: dict[str, Any]) -> Any:
    return arguments


def run_in(pool: Pool, code: str, answer: Answer = echo, limits: Limits = LIMITS, **named: Any) -> Outcome:
    return pool.run(code, answer, limits, now=NOW, **named)


@pytest.fixture
def own_pool() -> Iterator[Pool]:
    """A pool that a test may harm."""
    pool = Pool(size=1, workers_max=2)
    yield pool
    pool.close()


def test_names_that_are_handed_in_are_records(pool: Pool) -> None:
    deal = {"$id": "deal_1", "$type": "Deal", "name": "Acme"}
    outcome = run_in(pool, "[entity.name, entity.id, n]", names={"entity": deal, "n": 1})
    assert outcome.result == ["Acme", "deal_1", 1]


def test_a_stored_function_runs_as_the_code_that_it_is(pool: Pool) -> None:
    source = "lambda deal, $: $.echo(deal.value * 2)"
    assert run_in(pool, f"({source})(entity, $)", names={"entity": {"value": 2}}).result == [4]


def test_a_worker_that_dies_is_told_and_the_next_run_is_answered(pool: Pool) -> None:
    error = run_in(pool, "x = []\nfor n in range(200_000): x = map(str, x)\nlist(x)").error
    assert error is not None
    assert (error["code"], error["message"]) == ("execution_error", "the worker died (its stack overflowed)")
    assert run_in(pool, "1 + 1").result == 2


@pytest.mark.skipif(sys.platform != "linux", reason="zygotes are for Linux alone")
def test_a_zygote_that_dies_is_replaced() -> None:
    before = zygotes()
    pool = Pool(size=1)
    try:
        assert run_in(pool, "1 + 1").result == 2
        (zygote,) = zygotes() - before
        os.kill(zygote, signal.SIGKILL)
        assert [run_in(pool, "1 + 1").result for _ in range(3)] == [2, 2, 2]
    finally:
        pool.close()
    assert zygotes() <= before


@pytest.mark.skipif(sys.platform != "linux", reason="zygotes are for Linux alone")
def test_a_zygote_that_dies_takes_its_runs_along_and_no_others() -> None:
    before = zygotes()
    pool = Pool(size=1, workers_max=4)
    inside, killed = threading.Barrier(4, timeout=30), threading.Event()

    def answer(path: list[str], arguments: list[Any], keywords: dict[str, Any]) -> int:
        inside.wait()
        killed.wait(30)
        return 1

    try:
        with ThreadPoolExecutor(3) as threads:
            runs = [threads.submit(run_in, pool, "$.x()", answer=answer) for _ in range(3)]
            inside.wait()
            (zygote,) = zygotes() - before
            below = descendants(zygote)
            os.kill(zygote, signal.SIGKILL)
            until(lambda: not any(is_running(pid) for pid in below))
            killed.set()
            errors = [run.result().error for run in runs]
        assert [(error or {}).get("code") for error in errors] == ["execution_error"] * 3
        assert [run_in(pool, "1 + 1").result for _ in range(3)] == [2, 2, 2]
    finally:
        killed.set()
        pool.close()


@pytest.mark.skipif(sys.platform != "linux", reason="zygotes are for Linux alone")
def test_workers_end_with_a_server_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import os, time\nfrom runtime.sandbox.pool import Pool\nfrom runtime.sandbox.limits import Limits\n"
        "def answer(*given):\n    print('inside', flush=True)\n    time.sleep(60)\n"
        "Pool(size=2).run('$.x()', answer, Limits(seconds=60.0), now='2026-11-21T10:00:00Z')"
    )
    server = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert server.stdout is not None
    with server.stdout as said:
        assert said.readline() == b"inside\n"
        below = descendants(server.pid)
        assert len(below) >= 3  # what was started, the zygote behind its namespaces, and a worker
        server.kill()
        server.wait()
    until(lambda: not any(is_running(pid) for pid in below))


def descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def zygotes() -> set[int]:
    """The zygotes among the children of this process."""
    found: set[int] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            is_zygote = b"runtime.sandbox.zygote" in (folder / "cmdline").read_bytes()
        except OSError:  # it has ended meanwhile
            continue
        if is_zygote and int(parent) == os.getpid():
            found.add(int(folder.name))
    return found


def test_many_callers_of_many_tenants_each_get_their_own_answer(own_pool: Pool) -> None:
    def call(number: int) -> Any:
        def answer(path: list[str], arguments: list[Any], keywords: dict[str, Any]) -> Any:
            return {"tenant": number % 5, "caller": number}

        code = f"x = $.who(); y = $.who()\n[x.caller, y.tenant, {number}]"
        return run_in(
            own_pool, code, answer=answer, tenant=f"tenant-{number % 5}", limits=Limits(wait_seconds=60.0)
        ).result

    with ThreadPoolExecutor(32) as threads:
        assert list(threads.map(call, range(64))) == [[number, number % 5, number] for number in range(64)]


def test_a_run_within_an_answer_needs_no_second_place() -> None:
    pool = Pool(size=1, workers_max=1)

    def answer(path: list[str], arguments: list[Any], keywords: dict[str, Any]) -> Any:
        return run_in(pool, "$.echo(20 + 1)[0]", nested=True).result

    try:
        assert run_in(pool, "$.inner() * 2", answer=answer).result == 42
    finally:
        pool.close()


def test_a_caller_who_finds_no_place_is_told(own_pool: Pool) -> None:
    inside, release = threading.Barrier(3), threading.Event()

    def hold(path: list[str], arguments: list[Any], keywords: dict[str, Any]) -> None:
        inside.wait()
        release.wait()

    with ThreadPoolExecutor(2) as threads:
        held = [threads.submit(run_in, own_pool, "$.hold()", answer=hold) for _ in range(2)]
        inside.wait()
        error = run_in(own_pool, "1", limits=Limits(wait_seconds=0.01)).error
        release.set()
        assert [run.result().error for run in held] == [None, None]
    assert error == {
        "code": "timeout",
        "message": "no worker became free in 0.01 s",
        "hint": "try again in a moment",
    }


def test_what_the_answer_raises_beyond_exceptions_reaches_the_caller(own_pool: Pool) -> None:
    def interrupted(path: list[str], arguments: list[Any], keywords: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    for _ in range(3):  # more often than there are places
        with pytest.raises(KeyboardInterrupt):
            run_in(own_pool, "$.x()", answer=interrupted)
    assert run_in(own_pool, "1 + 1").result == 2


def test_an_answer_that_is_no_json_is_an_error_in_the_code(own_pool: Pool) -> None:
    def objects(path: list[str], arguments: list[Any], keywords: dict[str, Any]) -> object:
        return object()

    error = run_in(own_pool, "$.x()", answer=objects).error
    assert error is not None
    assert error["message"] == "an internal error; it has been logged"


def test_workers_share_nothing(pool: Pool) -> None:
    run_in(pool, "import math, json\nx = 1\nclass A: pass\nA.y = 1")
    error = run_in(pool, "x").error
    assert error is not None
    assert error["details"]["type"] == "NameError"


def test_a_closed_pool_runs_nothing() -> None:
    pool = Pool(size=1)
    pool.close()
    pool.close()
    error = run_in(pool, "1").error
    assert error is not None
    assert error["code"] == "unavailable"


def test_workers_that_are_spawned_do_the_same() -> None:
    pool = Pool(size=1, workers_max=2, nursery=SpawnNursery())
    try:
        assert run_in(pool, "$.echo(1)[0] + 1").result == 2
        killed = run_in(pool, "while True: pass", limits=Limits(seconds=0.2)).error
        died = run_in(pool, "x = []\nfor n in range(200_000): x = map(str, x)\nlist(x)").error
        assert killed is not None
        assert died is not None
        assert (killed["code"], died["message"]) == ("timeout", "the worker died (its stack overflowed)")
    finally:
        pool.close()
