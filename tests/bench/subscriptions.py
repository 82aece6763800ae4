"""How long after its commit an event reaches a subscriber in another process."""

import bisect
import itertools
import os
import secrets
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.daemon import Daemon, own
from runtime.engine import Engine, EngineOptions
from runtime.wire import Question
from tests.bench.contacts import contact
from tests.bench.row import Effort, Row, Say, against_bound
from tests.bench.tenants import ROOT, Stock, copied, stock

LATENCY_MS = 20.0
# Callers at once, subscribers at once.
SHAPES = ((1, 1), (16, 16))
# A round needs enough events for one in a hundred to be seen.
EVENTS = 400


async def rows(folder: Path, effort: Effort, say: Say) -> list[Row]:
    """At the middle tenant: one caller and one subscriber, and many of both."""
    held = stock(folder / "data", effort.middle, texts=False, say=say)
    return [_at(held, folder, effort, callers, followers) for callers, followers in SHAPES]


def _at(held: Stock, folder: Path, effort: Effort, callers: int, followers: int) -> Row:
    with copied(folder, held) as data, _owned(data, held.tenant) as (engine, commits):
        run, numbers = secrets.token_hex(4), itertools.count(held.size)
        rounds = [_round(engine, held, commits, callers, followers, run, numbers) for _ in range(effort.rounds + 1)]
    medians = statistics.median(statistics.median(taken) for taken in rounds[1:])
    count = f"{callers} caller{'s' * (callers > 1)}, {followers} subscriber{'s' * (followers > 1)}"
    return against_bound(
        f"event to subscriber after the commit, p99, {count}",
        [statistics.quantiles(taken, n=100)[98] for taken in rounds[1:]],
        LATENCY_MS,
        "ms",
        f"the median {medians:.1f} ms; over the socket, callers in the owner's process",
    )


class Commits:
    """When each position of the log was committed: heard in the writer's turn."""

    def __init__(self) -> None:
        self._at = 0
        self._seqs: list[int] = []
        self._ats: list[int] = []

    def step(self, name: str) -> None:
        if name == "after commit":
            self._at = time.monotonic_ns()

    def told(self, seq: int) -> None:
        self._seqs.append(seq)
        self._ats.append(self._at)

    def at(self, seq: int) -> int:
        return self._ats[bisect.bisect_left(self._seqs, seq)]


@contextmanager
def _owned(data: Path, tenant: str) -> Generator[tuple[Engine, Commits]]:
    """The owner of a data folder in this process, with its socket."""
    commits = Commits()
    lock = own(data)
    engine = Engine(data, EngineOptions(step=commits.step))
    daemon = Daemon(data, engine, idle_s=600)
    serving = threading.Thread(target=daemon.serve)
    serving.start()
    try:
        with engine.follow(Question("subscribe", tenant, {}), lambda: commits.told(engine.tenant(tenant).writer.seq)):
            yield engine, commits
    finally:
        daemon.end()
        serving.join()
        engine.close()
        os.close(lock)


def _round(
    engine: Engine, held: Stock, commits: Commits, callers: int, followers: int, run: str, numbers: Iterator[int]
) -> list[float]:
    """Milliseconds from each event's commit until each subscriber had it."""
    words = [str(engine.tenant(held.tenant).data), held.tenant, str(followers), str(EVENTS)]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.follower", *words], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        threads = [
            threading.Thread(target=_create, args=(engine, held.tenant, run, numbers, EVENTS // callers))
            for _ in range(callers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        heard = [line.split() for line in process.stdout]
    assert len(heard) == followers * EVENTS
    return [(int(at) - commits.at(int(seq))) / 1e6 for seq, at in heard]


def _create(engine: Engine, tenant: str, run: str, numbers: Iterator[int], count: int) -> None:
    for _ in range(count):
        number = next(numbers)
        values = contact(number) | {"stage": "Lead", "email": f"{run}-{number}@example.com"}
        engine.answer(Question("do", tenant, {"action": "create", "type": "Contact", "data": values}))
