"""The talk with one worker about one job: it counts, keeps the budgets, answers `$`, and says how the job ended."""

import time
from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from runtime.errors import BY_CODE, VerbenaError
from runtime.sandbox.frames import CODE_BYTES_MAX, FRAME_BYTES_MAX
from runtime.sandbox.limits import Limits, Outcome
from runtime.sandbox.worker import Call, DeadlinePassed, Done, Fault, ProtocolBroken, Worker

Answer = Callable[[list[str], list[Any], dict[str, Any]], Any]

KILL_GRACE_SECONDS = 0.25  # after the soft deadline, which names the line, the worker is killed
CALLS_REFUSED_MAX = 16  # calls past the limit are refused this often; then the code does not listen, and ends
INTERNAL_CALLS_MAX = 256  # questions of the worker itself (`$describe`: one a noun), which are not counted as calls
_PARTS = frozenset({"code", "message", "hint", "details", "self"})  # no detail may pass for a part of the error itself
_SIGSEGV, SIGKILL, _SIGXCPU = 11, 9, 24

_log = structlog.get_logger(__name__)


class Conversation:
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
                {"error": error_shape("execution_error", "an internal error; it has been logged", None)}
            )
        if len(reply) <= FRAME_BYTES_MAX:
            return reply
        message = f"the answer to $.{'.'.join(call.p)} is {megabytes(reply)} MB, the limit is 4 MB"
        return msgspec.json.encode(
            {"error": error_shape("limit_exceeded", message, "ask for fewer entities or fewer fields")}
        )

    def _too_many(self) -> dict[str, Any]:
        message = f"more than {self._limits.calls:,} calls on `$` in one run"
        hint = 'ask for many at once, $.Deal.find({"$id": {"$in": ids}}, limit=100), or do the work in several runs'
        return error_shape("limit_exceeded", message, hint)


def too_long(code: str) -> dict[str, Any] | None:
    """The refusal of code that is longer than a worker takes; None where it is not."""
    size = len(code.encode("utf-8", "replace"))
    if size <= CODE_BYTES_MAX:
        return None
    limit = CODE_BYTES_MAX // 1024
    return error_shape(
        "limit_exceeded", f"the code is {size // 1024:,} KB, the limit is {limit} KB", "hand data in through `$`"
    )


def _told(fault: Fault | None) -> dict[str, Any] | None:
    """The worker's own account, in a shape that we vouch for."""
    if fault is None:
        return None
    code = fault.code if fault.code in BY_CODE else "execution_error"
    details = {name: value for name, value in fault.details.items() if name not in _PARTS}
    return error_shape(code, fault.message, fault.hint, details)


CUT_OFF = {"code": "unavailable", "message": "the run was cut off", "hint": "nothing was changed; it can be run again"}


def too_slow(limits: Limits) -> dict[str, Any]:
    """The error of a worker that was killed at its deadline."""
    message = f"the code was killed after {limits.seconds:g} s of its own or {limits.whole_seconds:g} s in all"
    return error_shape("timeout", message, "narrow the query, or do the work in several calls")


def died(end: int | None) -> dict[str, Any]:
    """The error of a worker that ended by itself; `end` is its exit code, or minus the signal."""
    if end is not None and -end == _SIGXCPU:
        return error_shape(
            "timeout", "the code was killed: it used all its processor time", "do the work in several calls"
        )
    if end is not None and -end == SIGKILL:
        return error_shape(
            "memory_exceeded", "the worker was killed, most likely for its memory", "fetch fewer entities at a time"
        )
    reason = " (its stack overflowed)" if end is not None and -end == _SIGSEGV else ""
    hint = "look for very deep nesting, of data or of iterators; flatten it"
    return error_shape("execution_error", f"the worker died{reason}", hint)


def error_shape(code: str, message: str, hint: str | None, details: dict[str, Any] | None = None) -> dict[str, Any]:
    """An error as an outcome has it."""
    shape: dict[str, Any] = {"code": code, "message": message}
    if hint:
        shape["hint"] = hint
    if details:
        shape["details"] = details
    return shape


def megabytes(payload: bytes) -> str:
    """Its size in MB, as it is told."""
    return f"{len(payload) / 2**20:.1f}"
