"""Tenants side by side: who loops, hoards or waits holds up nobody but himself."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from runtime.sandbox.limits import Limits, Outcome
from runtime.sandbox.pool import Pool

NOW = "2026-11-21T10:00:00Z"
LONG = Limits(seconds=60.0, wait_seconds=60.0)  # longer than any test may take: nothing here ends by its deadline
CALLERS, TENANTS = 32, 7
PLACES = 4


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool(size=2, workers_max=PLACES)
    yield pool
    pool.close()


def echo(path: list[str], arguments: list[Any], keywords: dict[str, Any]) -> Any:
    return arguments


def modest(pool: Pool, number: int) -> Outcome:
    """An ordinary run of one of several tenants."""
    return pool.run(f"$.echo({number})[0] + 1", echo, LONG, now=NOW, tenant=f"modest-{number % TENANTS}")


def test_loops_that_fill_every_place_hold_up_no_other_tenant(pool: Pool) -> None:
    greedy = [pool.session(LONG, tenant="greedy") for _ in range(PLACES)]
    entered = threading.Barrier(PLACES + 1, timeout=30)

    def enter(path: list[str], arguments: list[Any], keywords: dict[str, Any]) -> None:
        entered.wait()

    with ThreadPoolExecutor(CALLERS + PLACES) as threads:
        loops = [threads.submit(each.run, "$.enter()\nwhile True: pass", enter, now=NOW) for each in greedy]
        entered.wait()
        outcomes = list(threads.map(modest, [pool] * CALLERS, range(CALLERS)))
        assert [outcome.result for outcome in outcomes] == [number + 1 for number in range(CALLERS)]
        assert not any(loop.done() for loop in loops)
        for each in greedy:
            each.cut_off()
        assert {(loop.result().error or {}).get("code") for loop in loops} == {"unavailable"}
        for each in greedy:
            each.close()


def test_runs_that_take_all_their_memory_hold_up_no_other_tenant(pool: Pool) -> None:
    hoard, stop = Limits(seconds=60.0, memory_bytes=64 * 2**20, wait_seconds=60.0), threading.Event()

    def hoards() -> set[Any]:
        codes: set[Any] = set()
        while not stop.is_set():
            code = "x = []\nwhile True: x.append('%d' % len(x) * 1000)"
            codes.add((pool.run(code, echo, hoard, now=NOW, tenant="greedy").error or {}).get("code"))
        return codes

    with ThreadPoolExecutor(CALLERS + PLACES) as threads:
        hoarders = [threads.submit(hoards) for _ in range(PLACES)]
        outcomes = list(threads.map(modest, [pool] * CALLERS, range(CALLERS)))
        stop.set()
        assert [outcome.result for outcome in outcomes] == [number + 1 for number in range(CALLERS)]
        assert {code for hoarder in hoarders for code in hoarder.result()} == {"memory_exceeded"}


def test_a_tenant_whose_callers_all_wait_for_answers_holds_up_no_other_tenant(pool: Pool) -> None:
    inside, release = threading.Barrier(PLACES + 1, timeout=30), threading.Event()

    def hold(path: list[str], arguments: list[Any], keywords: dict[str, Any]) -> str:
        if not release.is_set():
            inside.wait()
            release.wait(60)
        return "held"

    with ThreadPoolExecutor(CALLERS) as threads:
        held = [threads.submit(pool.run, "$.hold()", hold, LONG, now=NOW, tenant="greedy") for _ in range(2 * PLACES)]
        inside.wait()  # the places are full, and as many wait for one
        try:
            results = [modest(pool, number).result for number in range(TENANTS)]
        finally:
            release.set()
        assert results == [number + 1 for number in range(TENANTS)]
        assert [each.result().result for each in held] == ["held"] * 2 * PLACES
