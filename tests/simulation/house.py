"""One tenant on real files, with a clock, ids, salts and crashes that the simulation decides on.

A crash is what a kill leaves: at the step the folder is copied as it is, the engine is dropped, and the copy is opened.
"""

import random
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from runtime.calls.dollar import Dollar
from runtime.engine import Engine, EngineOptions
from runtime.errors import VerbenaError
from runtime.store.instance import InstanceLimits
from runtime.tenant import Tenant
from runtime.unit import Caller, Unit
from runtime.wire import Question, decode

TENANT = "default"
STEPS = ("staging", "before commit", "in commit", "after commit")
# Beside the steps: the WAL is cut off somewhere within what the commit wrote, as by a power cut in the middle of it.
TORN = "torn"
JOIN_SECONDS_MAX = 60.0
_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


class Crash(BaseException):
    """The process ends here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a call ended: with an answer, with an error, or not at all."""

    answer: Any = None
    error: VerbenaError | None = None
    crashed: bool = False

    @property
    def said(self) -> dict[str, Any]:
        """The answer, of a call that gives a mapping; empty where there is none."""
        answer: object = self.answer
        return cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}


class Clock:
    """The present, which moves only when it is told to, in both directions."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, 10, tzinfo=UTC)
        self.latest = self.now

    def __call__(self) -> datetime:
        return self.now

    def move(self, by: timedelta) -> None:
        self.now += by
        self.latest = max(self.now, self.latest)


class Ids:
    """Ids by chance, where an entity's id is now and then one that was offered before."""

    def __init__(self, chance: random.Random, *, repeated: float) -> None:
        self._chance = chance
        self._repeated = repeated
        self._offered: dict[str, list[str]] = {}
        self.repeats = 0

    def __call__(self, prefix: str) -> str:
        offered = self._offered.setdefault(prefix, [])
        if offered and prefix != "run" and self._chance.random() < self._repeated:
            self.repeats += 1
            return self._chance.choice(offered)
        offered.append(prefix + "_" + "".join(self._chance.choices(_ALPHABET, k=10)))
        return offered[-1]


class House:
    """The engine of one history, through all its openings."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.clock = Clock()
        self.ids = Ids(chance, repeated=0.02)
        self.lives = 0
        self._chance = chance
        self._folder = folder
        self._armed: str | None = None
        self._wal_bytes = 0
        self._open()

    @property
    def tenant(self) -> Tenant:
        return self.engine.tenant(TENANT)

    # -- calls ---------------------------------------------------------------------------------------------------------

    def ask(self, call: str, actor: str, arguments: dict[str, Any]) -> Outcome:
        """One call, as a face makes it."""
        return self.ended(lambda: decode(self.engine.answer(Question(call, TENANT, arguments, actor))))

    def commit(self, unit: Unit) -> Outcome:
        """Commit a unit that was staged outside."""
        return self.ended(lambda: self.tenant.commit(unit))

    def unit(self, actor: str, run: str) -> tuple[Unit, Dollar]:
        """A unit as code gets it, and `$` on it."""
        unit = self.tenant.unit(Caller(tenant=TENANT, actor=actor), run=run)
        return unit, Dollar(self.tenant, unit, self.engine.pool)

    def together(self, calls: Sequence[Callable[[], Outcome]]) -> list[Outcome]:
        """Make calls that the writer takes up in one batch, in this order."""
        outcomes: list[Outcome] = [Outcome() for _ in calls]

        def run(place: int) -> None:
            outcomes[place] = calls[place]()

        # The queue is the writer's own, and nothing else tells that a call waits in it.
        queue = self.tenant.writer._queue  # pyright: ignore[reportPrivateUsage]
        threads = [threading.Thread(target=run, args=(place,), daemon=True) for place in range(len(calls))]
        with self.tenant.writer.pause():
            for thread in threads:
                waiting = len(queue)
                thread.start()
                while len(queue) == waiting and thread.is_alive():
                    thread.join(0.0002)
        for thread in threads:
            thread.join(JOIN_SECONDS_MAX)
            assert not thread.is_alive(), "a call of a batch hangs"
        return outcomes

    def ended(self, call: Callable[[], Any]) -> Outcome:
        """How something that may be refused, or meet a crash, ended."""
        try:
            return Outcome(answer=call())
        except VerbenaError as error:
            return Outcome(error=error)
        except Crash:
            return Outcome(crashed=True)

    # -- lives -----------------------------------------------------------------------------------------------------------

    def arm(self, step: str) -> None:
        """Crash when the writer comes to this step."""
        self._armed = step

    def disarm(self) -> None:
        """Forget a crash whose step the writer did not come to."""
        self._armed = None

    def crash(self) -> None:
        """Crash now, between two calls."""
        self._copy()
        self.rise()

    def rise(self) -> None:
        """Open what the crash left."""
        self.engine.close()
        shutil.rmtree(self._life(self.lives))
        self.lives += 1
        self._open()

    def reopen(self) -> None:
        """Close in good order, and open again."""
        self.engine.close()
        self._open()

    def rest(self) -> None:
        """Fold the WAL in, as a tenant does that rests."""
        with self.tenant.writer.pause():
            self.tenant.file.checkpoint()

    def close(self) -> None:
        self.engine.close()

    def _open(self) -> None:
        self._armed = None
        self.engine = Engine(
            self._life(self.lives),
            EngineOptions(
                clock=self.clock,
                salt=lambda: self._chance.randbytes(16),
                new_id=self.ids,
                step=self._step,
                limits=InstanceLimits(memory_mb=64, threads=1),
                workers=0,  # no code runs here: without a warm worker there is no zygote either
            ),
        )

    def _step(self, name: str) -> None:
        if name == "in commit":
            self._wal_bytes = self.tenant.file.wal_bytes()
        if self._armed == TORN and name == "after commit":
            self._copy()
            self._tear()
        elif self._armed == name:
            self._copy()
        else:
            return
        self._armed = None
        raise Crash

    def _copy(self) -> None:
        shutil.copytree(self._life(self.lives), self._life(self.lives + 1))

    def _tear(self) -> None:
        wal = self._life(self.lives + 1) / "tenants" / f"{TENANT}.duckdb.wal"
        whole = wal.stat().st_size if wal.exists() else 0
        if whole > self._wal_bytes:
            with wal.open("r+b") as file:
                file.truncate(self._chance.randrange(self._wal_bytes, whole))

    def _life(self, number: int) -> Path:
        return self._folder / str(number)
