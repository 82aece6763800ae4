"""The pool: runs a tenant's code in a worker of its own, answers its `$` calls, and says how it ended."""

import contextlib
import secrets
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import msgspec
import structlog

from runtime.sandbox.conversation import (
    CUT_OFF,
    SIGKILL,
    Answer,
    Conversation,
    died,
    error_shape,
    megabytes,
    too_long,
    too_slow,
)
from runtime.sandbox.frames import FRAME_BYTES_MAX
from runtime.sandbox.inspection import Inspection, inspected
from runtime.sandbox.limits import Limits, Outcome
from runtime.sandbox.nursery import NoWorker, Nursery, SpawnNursery, ZygoteNursery, awaited, can_fork
from runtime.sandbox.turns import QueueFull, Turns, WaitedTooLong
from runtime.sandbox.worker import DeadlinePassed, ProtocolBroken, Worker, WorkerDied

_ENDS_THE_WORKER = frozenset({"timeout", "memory_exceeded"})  # it has gone by itself, or has no memory left to go on

_log = structlog.get_logger(__name__)


class Pool:
    """`size` warm workers wait; at most `workers_max` run at once, however many threads call.

    A worker runs the jobs of one session and ends. Before the first of them, the walls are inspected: with a fault among
    them nothing is run. Where some are missing, `why_not` is told which, and says why code may not run, or None.
    """

    def __init__(
        self,
        size: int = 2,
        workers_max: int = 8,
        *,
        nursery: Nursery | None = None,
        why_not: Callable[[Sequence[str]], str | None] = lambda lacking: None,
        seconds_max: float | None = None,
    ) -> None:
        """`seconds_max` bounds each run, whatever its limits allow."""
        self._size = size
        self._seconds_max = seconds_max
        self._nursery = nursery or (ZygoteNursery() if can_fork() else SpawnNursery())
        self._why_not = why_not
        self._inspection: Inspection | None = None
        self._inspecting = threading.Lock()
        self._turns = Turns(workers_max)
        self._warm: deque[Worker] = deque()
        self._wanted = threading.Event()
        self._closed = False
        self._refill = threading.Thread(target=self._keep_warm, name="verbena-sandbox-refill", daemon=True)
        self._wanted.set()
        self._refill.start()

    def run(
        self,
        code: str,
        answer: Answer,
        limits: Limits,
        *,
        now: str,
        tenant: str = "default",
        names: Mapping[str, Any] | None = None,
        filename: str = "<do>",
        seed: int | None = None,
        nested: bool = False,
    ) -> Outcome:
        """Runs the code and gives how it ended. It raises only what `answer` raises beyond `Exception`.

        `answer(path, arguments, keywords)` gives the JSON-able answer to `$.a.b(...)`, in this thread; a VerbenaError
        that it raises is raised in the code. `names` are values that the code finds under these names, as records.
        `now` is what `$.now()` says, an ISO text; `seed` fixes chance. `nested` is for code that runs while another
        run's call is answered: it does not queue, as that run holds a place already; the caller bounds the depth.
        """
        with self.session(limits, tenant=tenant, nested=nested) as session:
            return session.run(code, answer, now=now, names=names, filename=filename, seed=seed)

    def session(self, limits: Limits, *, tenant: str = "default", nested: bool = False) -> "Session":
        """Runs one after another in the same worker, for code of one tenant that belongs together; `with` closes it."""
        if self._seconds_max is not None:
            limits = replace(limits, seconds=min(limits.seconds, self._seconds_max))
        turn = contextlib.nullcontext() if nested else self._turns.turn(tenant, limits.wait_seconds)
        return Session(self, limits, turn)

    @property
    def faults(self) -> tuple[str, ...]:
        """Walls that should hold and do not, as far as it is known yet."""
        return self._inspection.faults if self._inspection is not None else ()

    def inspection(self) -> Inspection:
        """Whether the walls stand; it is found out once, and waited for until then. Raises NoWorker."""
        with self._inspecting:
            if self._inspection is None:
                self._inspection = inspected(self._nursery)
                for fault in self._inspection.faults:
                    _log.error("a wall of the sandbox does not hold", fault=fault)
            return self._inspection

    def close(self) -> None:
        """Ends every waiting worker and what makes them. Runs under way are cut off."""
        self._closed = True
        self._wanted.set()
        self._nursery.close()
        self._refill.join()
        while self._warm:
            self._warm.popleft().end()

    def take(self) -> Worker:
        """A worker that waits for its first job. Raises NoWorker; NotBehindWalls where code must not run here."""
        inspection = self.inspection()
        if inspection.faults:
            raise NotBehindWalls(f"the walls of the sandbox do not hold: {'; '.join(inspection.faults)}")
        reason = self._why_not(inspection.lacking) if inspection.lacking else None
        if reason is not None:
            raise NotBehindWalls(reason)
        while True:
            try:
                warm = self._warm.popleft()
            except IndexError:
                worker = awaited(self._nursery.begin())
            else:
                try:
                    worker = awaited(warm)  # it may be on the way still
                except NoWorker:
                    continue
                if not worker.is_alive():  # its zygote has gone, and took it along
                    worker.end()
                    continue
            if not inspection.standing <= set(worker.walls):
                worker.end()
                fallen = ", ".join(sorted(inspection.standing - set(worker.walls)))
                raise NotBehindWalls(f"a worker came up without walls that stood before: {fallen}")
            return worker

    def put_away(self, worker: Worker) -> None:
        """End a worker that was taken; the next one is made when this has been answered."""
        worker.end()
        self._wanted.set()

    def end_of(self, worker: Worker) -> int | None:
        """How a worker died, see `Nursery.end_of`."""
        return self._nursery.end_of(worker)

    def _keep_warm(self) -> None:
        while not self._closed:
            self._wanted.wait()
            self._wanted.clear()
            try:
                if self._size:  # else the first run finds out, and where none comes no process is made
                    self.inspection()
                while not self._closed and len(self._warm) < self._size:
                    self._warm.append(self._nursery.begin())
            except NoWorker as error:
                if not self._closed:  # the next run tries by itself, and tells
                    _log.warning("no warm worker", reason=str(error))


class NotBehindWalls(Exception):
    """Code must not run here; the message is why."""


class Session:
    """A worker for the runs of one unit, taken when the first of them comes and ended with the session.

    A worker that died, or had to be killed, is replaced for the next run.
    """

    def __init__(self, pool: Pool, limits: Limits, turn: contextlib.AbstractContextManager[None]) -> None:
        self._pool = pool
        self._limits = limits
        self._turn = turn
        self._has_turn = False
        self._worker: Worker | None = None
        self._lock = threading.Lock()  # of the worker, between who runs and who cuts off
        self._cut_off = False

    def run(
        self,
        code: str,
        answer: Answer,
        *,
        now: str,
        names: Mapping[str, Any] | None = None,
        filename: str = "<do>",
        seed: int | None = None,
    ) -> Outcome:
        """As `Pool.run`."""
        refused = too_long(code)
        if refused is not None:
            return Outcome(error=refused)
        job = msgspec.json.encode(
            {
                "code": code,
                "filename": filename,
                "deadline_ms": int(self._limits.seconds * 1000),
                "memory_bytes": self._limits.memory_bytes,
                "now": now,
                "seed": seed if seed is not None else secrets.randbits(64),
                "names": names or {},
            }
        )
        if len(job) > FRAME_BYTES_MAX:
            return Outcome(
                error=error_shape(
                    "limit_exceeded", f"the job is {megabytes(job)} MB, the limit is 4 MB", "hand in less"
                )
            )
        try:
            if not self._has_turn:
                self._turn.__enter__()
                self._has_turn = True
            return self._run(job, answer)
        except QueueFull:
            message = "too many runs of this tenant are waiting"
            return Outcome(error=error_shape("limit_exceeded", message, "try again in a moment"), started=False)
        except WaitedTooLong:
            message = f"no worker became free in {self._limits.wait_seconds:g} s"
            return Outcome(error=error_shape("timeout", message, "try again in a moment"), started=False)
        except NotBehindWalls as error:
            _log.error("no code is run", reason=str(error))
            shape = error_shape("unavailable", f"no code is run here: {error}", "verbena doctor says which walls stand")
            return Outcome(error=shape, started=False)
        except NoWorker as error:
            _log.error("no worker", reason=str(error))
            shape = error_shape("unavailable", "the sandbox cannot run code now", "try again in a moment")
            return Outcome(error=shape, started=False)

    @property
    def is_cut_off(self) -> bool:
        """Whether it was."""
        return self._cut_off

    def cut_off(self) -> None:
        """End the run that is under way, from another thread; it and every later one end as `unavailable`."""
        with self._lock:
            self._cut_off = True
            if self._worker is not None:
                self._worker.kill()

    def close(self) -> None:
        """End the worker and give the turn back."""
        self._put_away()
        if self._has_turn:
            self._has_turn = False
            self._turn.__exit__(None, None, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, job: bytes, answer: Answer, *, again: bool = True) -> Outcome:
        worker = self._taken()
        if worker is None:
            return Outcome(error=CUT_OFF, started=False)
        conversation = Conversation(worker, answer, self._limits)
        try:
            outcome = conversation.hold(job)
            if not conversation.is_over or (outcome.error or {}).get("code") in _ENDS_THE_WORKER:
                self._put_away()
            return outcome
        except DeadlinePassed:
            self._put_away()
            return conversation.outcome(error=too_slow(self._limits))
        except WorkerDied:
            if self._cut_off:
                return conversation.outcome(error=CUT_OFF)
            end = self._pool.end_of(worker)
            self._put_away()
            if again and conversation.is_silent and end in (None, -SIGKILL):
                # Killed before it asked for anything, most likely with its zygote: a second try repeats nothing.
                return self._run(job, answer, again=False)
            return conversation.outcome(error=died(end))
        except ProtocolBroken as broken:
            _log.warning("worker broke the protocol", reason=str(broken))
            self._put_away()
            return conversation.outcome(error=died(None))
        except BaseException:
            self._put_away()  # given up in the middle of its talk: nobody can go on from there
            raise

    def _taken(self) -> Worker | None:
        with self._lock:
            if self._cut_off:
                return None
            if self._worker is None:
                self._worker = self._pool.take()
            return self._worker

    def _put_away(self) -> None:
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is not None:
            self._pool.put_away(worker)
