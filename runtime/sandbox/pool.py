"""The pool: runs a tenant's code in a worker of its own, answers its `$` calls, and says how it ended."""

import contextlib
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import msgspec
import structlog

from runtime.errors import BY_CODE, VerbenaError
from runtime.sandbox.frames import CODE_BYTES_MAX, FRAME_BYTES_MAX
from runtime.sandbox.inspection import Inspection, inspected
from runtime.sandbox.limits import Limits, Outcome
from runtime.sandbox.nursery import NoWorker, Nursery, SpawnNursery, ZygoteNursery, can_fork
from runtime.sandbox.turns import QueueFull, Turns, WaitedTooLong
from runtime.sandbox.worker import Call, DeadlinePassed, Done, Fault, ProtocolBroken, Worker, WorkerDied

Answer = Callable[[list[str], list[Any], dict[str, Any]], Any]

KILL_GRACE_SECONDS = 0.25  # after the soft deadline, which names the line, the worker is killed
CALLS_REFUSED_MAX = 16  # calls past the limit are refused this often; then the code does not listen, and ends
INTERNAL_CALLS_MAX = 256  # questions of the worker itself (`$describe`: one a noun), which are not counted as calls
_PARTS = frozenset({"code", "message", "hint", "details", "self"})  # no detail may pass for a part of the error itself
_ENDS_THE_WORKER = frozenset({"timeout", "memory_exceeded"})  # it has gone by itself, or has no memory left to go on
_SIGSEGV, _SIGKILL, _SIGXCPU = 11, 9, 24

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
                worker = self._warm.popleft()
            except IndexError:
                worker = self._nursery.make()
            else:
                if not worker.is_alive():  # its zygote has gone, and took it along
                    worker.end()
                    continue
            if not inspection.standing <= set(worker.ready.walls):
                worker.end()
                fallen = ", ".join(sorted(inspection.standing - set(worker.ready.walls)))
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
                    self._warm.append(self._nursery.make())
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
        refused = _refused(code)
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
                error=_error("limit_exceeded", f"the job is {_megabytes(job)} MB, the limit is 4 MB", "hand in less")
            )
        try:
            if not self._has_turn:
                self._turn.__enter__()
                self._has_turn = True
            return self._run(job, answer)
        except QueueFull:
            message = "too many runs of this tenant are waiting"
            return Outcome(error=_error("limit_exceeded", message, "try again in a moment"), started=False)
        except WaitedTooLong:
            message = f"no worker became free in {self._limits.wait_seconds:g} s"
            return Outcome(error=_error("timeout", message, "try again in a moment"), started=False)
        except NotBehindWalls as error:
            _log.error("no code is run", reason=str(error))
            shape = _error("unavailable", f"no code is run here: {error}", "verbena doctor says which walls stand")
            return Outcome(error=shape, started=False)
        except NoWorker as error:
            _log.error("no worker", reason=str(error))
            shape = _error("unavailable", "the sandbox cannot run code now", "try again in a moment")
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
            return Outcome(error=_CUT_OFF, started=False)
        conversation = _Conversation(worker, answer, self._limits)
        try:
            outcome = conversation.hold(job)
            if not conversation.is_over or (outcome.error or {}).get("code") in _ENDS_THE_WORKER:
                self._put_away()
            return outcome
        except DeadlinePassed:
            self._put_away()
            return conversation.outcome(error=_too_slow(self._limits))
        except WorkerDied:
            if self._cut_off:
                return conversation.outcome(error=_CUT_OFF)
            end = self._pool.end_of(worker)
            self._put_away()
            if again and conversation.is_silent and end in (None, -_SIGKILL):
                # Killed before it asked for anything, most likely with its zygote: a second try repeats nothing.
                return self._run(job, answer, again=False)
            return conversation.outcome(error=_died(end))
        except ProtocolBroken as broken:
            _log.warning("worker broke the protocol", reason=str(broken))
            self._put_away()
            return conversation.outcome(error=_died(None))
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


class _Conversation:
    """One job and the talk that follows: counts, budgets, answers."""

    def __init__(self, worker: Worker, answer: Answer, limits: Limits) -> None:
        self._worker = worker
        self._answer = answer
        self._limits = limits
        self._started = time.monotonic()
        self._calls = 0
        self._refused = 0
        self._internal = 0
        self.is_over = False  # the worker has said how it ended, and waits for another job

    def hold(self, job: bytes) -> Outcome:
        """Sends the job and talks until the worker is done. Raises as `Worker.receive`."""
        end = self._started + self._limits.whole_seconds + KILL_GRACE_SECONDS
        seconds_left = self._limits.seconds + KILL_GRACE_SECONDS  # of the worker's own time
        payload = job
        while True:
            began = time.monotonic()
            until = min(began + seconds_left, end)
            if began >= until:  # a worker that answers at once would never run into a timeout
                raise DeadlinePassed
            self._worker.send(payload, until)
            frame = self._worker.receive(until)
            seconds_left -= time.monotonic() - began
            if isinstance(frame, Done):
                self.is_over = True
                return self.outcome(result=frame.ok, output=frame.out, error=_told(frame.error), hint=frame.hint)
            if not isinstance(frame, Call):
                raise ProtocolBroken("the worker was ready twice")
            if self._refused > CALLS_REFUSED_MAX or self._internal > INTERNAL_CALLS_MAX:
                return self.outcome(error=self._too_many())
            payload = self._reply(frame)

    @property
    def is_silent(self) -> bool:
        """Whether the worker has not asked for anything yet."""
        return self._calls + self._internal == 0

    def outcome(
        self, *, result: Any = None, output: str = "", error: dict[str, Any] | None = None, hint: str | None = None
    ) -> Outcome:
        """How it ended, with what was counted so far."""
        seconds, result = time.monotonic() - self._started, None if error else result
        return Outcome(result=result, output=output, error=error, hint=hint, calls=self._calls, seconds=seconds)

    def _reply(self, call: Call) -> bytes:
        if call.p[0].startswith("$"):
            self._internal += 1
        elif self._calls >= self._limits.calls:
            self._refused += 1
            return msgspec.json.encode({"error": self._too_many()})
        else:
            self._calls += 1
        try:
            reply = msgspec.json.encode({"ok": self._answer(call.p, call.a, call.k)})
        except VerbenaError as error:
            return msgspec.json.encode({"error": error.as_dict()})
        except Exception:
            # Whatever it is, its text may hold what the tenant must not see.
            _log.exception("a call of sandboxed code failed", path=call.p)
            return msgspec.json.encode(
                {"error": _error("execution_error", "an internal error; it has been logged", None)}
            )
        if len(reply) <= FRAME_BYTES_MAX:
            return reply
        message = f"the answer to $.{'.'.join(call.p)} is {_megabytes(reply)} MB, the limit is 4 MB"
        return msgspec.json.encode(
            {"error": _error("limit_exceeded", message, "ask for fewer entities or fewer fields")}
        )

    def _too_many(self) -> dict[str, Any]:
        message = f"more than {self._limits.calls:,} calls on `$` in one run"
        hint = 'ask for many at once, $.Deal.find({"$id": {"$in": ids}}, limit=100), or do the work in several runs'
        return _error("limit_exceeded", message, hint)


def _refused(code: str) -> dict[str, Any] | None:
    size = len(code.encode("utf-8", "replace"))
    if size <= CODE_BYTES_MAX:
        return None
    limit = CODE_BYTES_MAX // 1024
    return _error(
        "limit_exceeded", f"the code is {size // 1024:,} KB, the limit is {limit} KB", "hand data in through `$`"
    )


def _told(fault: Fault | None) -> dict[str, Any] | None:
    """The worker's own account, in a shape that we vouch for."""
    if fault is None:
        return None
    code = fault.code if fault.code in BY_CODE else "execution_error"
    details = {name: value for name, value in fault.details.items() if name not in _PARTS}
    return _error(code, fault.message, fault.hint, details)


_CUT_OFF = {"code": "unavailable", "message": "the run was cut off", "hint": "nothing was changed; it can be run again"}


def _too_slow(limits: Limits) -> dict[str, Any]:
    message = f"the code was killed after {limits.seconds:g} s of its own or {limits.whole_seconds:g} s in all"
    return _error("timeout", message, "narrow the query, or do the work in several calls")


def _died(end: int | None) -> dict[str, Any]:
    if end is not None and -end == _SIGXCPU:
        return _error("timeout", "the code was killed: it used all its processor time", "do the work in several calls")
    if end is not None and -end == _SIGKILL:
        return _error(
            "memory_exceeded", "the worker was killed, most likely for its memory", "fetch fewer entities at a time"
        )
    reason = " (its stack overflowed)" if end is not None and -end == _SIGSEGV else ""
    hint = "look for very deep nesting, of data or of iterators; flatten it"
    return _error("execution_error", f"the worker died{reason}", hint)


def _error(code: str, message: str, hint: str | None, details: dict[str, Any] | None = None) -> dict[str, Any]:
    shape: dict[str, Any] = {"code": code, "message": message}
    if hint:
        shape["hint"] = hint
    if details:
        shape["details"] = details
    return shape


def _megabytes(payload: bytes) -> str:
    return f"{len(payload) / 2**20:.1f}"
