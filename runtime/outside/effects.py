"""The calls of one run to the outside: each at its place, on record before it leaves, and made once.

A run that is tried again goes through its code from the start. Whatever it asked before it is not asked again: it gets
the answer that it got. What it knows a call by is its place among the calls of the run, so the same code asks the same.
"""

import secrets
from collections.abc import Callable
from typing import Any

import msgspec

from runtime.errors import LimitExceeded, PermissionDenied, VerbenaError, from_dict
from runtime.outside.effect_event import stage
from runtime.outside.failures import Diverged, OutcomeUnknown, Unanswered
from runtime.outside.guard import Target, origin
from runtime.outside.http import Http
from runtime.outside.journal import ANSWER_BYTES_MAX, Call, Journal
from runtime.outside.message import Answer, Request
from runtime.outside.records import Intent, Outcome, ReadAnswer
from runtime.unit import Unit
from runtime.writer import Step, no_step

# Of one run; each write costs two syncs and a place in the log.
CALLS_MAX = 1_000
# What a service answers that did nothing and asks to come again: no outcome that a later try is bound to.
COME_AGAIN = frozenset({429, 503})
PLANNED_ANSWER: dict[str, Any] = {"status": 0, "headers": {}, "text": "", "planned": True}

NewSalt = Callable[[], str]
# Why the code that runs now may not write; None where it may.
Refused = Callable[[], str | None]
# Whether the log has a write at this place of the run.
Logged = Callable[[int], bool]


def anybody() -> None:
    """Refuses nobody."""


def nothing_logged(position: int) -> bool:
    """The answer for a run that was never tried."""
    return False


def new_salt() -> str:
    """Sixteen random bytes, as text."""
    return secrets.token_hex(16)


class Effects:
    """What one run asks of the outside. For one thread; `stuck` tells whether the run can go on at all."""

    def __init__(
        self,
        *,
        journal: Journal,
        http: Http,
        run: str,
        now: Callable[[], str],
        refused: Refused = anybody,
        dry: bool = False,
        again: bool = False,
        logged: Logged = nothing_logged,
        seconds: float | None = None,
        salt: NewSalt = new_salt,
        step: Step = no_step,
    ) -> None:
        """`again` where the run may be tried again, so that answers to reads are kept too; `dry` where no write is made.

        `logged` tells of a run that was tried before which of its writes the log has, should the journal have lost them.
        `seconds` bounds each call, beside the client's own bound.
        """
        self.run = run
        self.http = http
        self.again = again
        self.planned: list[dict[str, Any]] = []  # the writes that a dry run would have made
        self.stuck: VerbenaError | None = None
        self.wrote = False  # this try has sent a write, or is not sure
        self._journal = journal
        self._now = now
        self._refused = refused
        self._dry = dry
        self._logged = logged
        self._seconds = seconds
        self._salt = salt
        self._step = step
        self._position = 0
        self._staged = False
        self._first: set[int] = set()

    def call(self, request: Request, *, idempotent: bool = False, key_header: str | None = None) -> dict[str, Any]:
        """`{status, headers, json | text}` of a call, now or as it was recorded.

        A write carries the run's key for its place in the header `key_header`, or in the one that the operator's entry
        for the host names; with either, or with `idempotent`, it may be sent twice. Raises Diverged where the run made
        another call here before, and OutcomeUnknown where nobody knows what became of it; both leave the run stuck, and
        every later call raises the same. What `Http.send` raises is raised as it is.
        """
        if self.stuck is not None:
            raise self.stuck
        if self._position >= CALLS_MAX:
            raise LimitExceeded(
                f"one run makes at most {CALLS_MAX:,} calls to the outside", hint="do it in several runs"
            )
        self._position += 1
        why_not = self._refused() if request.writes else None
        if why_not is not None:
            raise PermissionDenied(f"{request.shown} would change something outside: {why_not}")
        known = self._journal.call(self.run, self._position)
        if known is not None:
            return self._repeated(known, request)
        if self._logged(self._position):
            self.stuck = OutcomeUnknown(
                f"call {self._position} of this run was made by an earlier try, and what it was answered is not kept any more",
                hint="release the run; what it was to do is done by hand, or by a new one",
                run=self.run,
            )
            raise self.stuck
        if not request.writes:
            return self._read(request)
        return self._write(request, idempotent, key_header)

    @property
    def first(self) -> frozenset[int]:
        """The places of writes that no try before this one made: the log knows nothing of them before it is told."""
        return frozenset(self._first)

    def stage(self, unit: Unit) -> None:
        """Stage what the log does not know yet of the writes of this run, as events of the unit that is to be committed."""
        self._staged = True
        stage(unit, self._journal.calls(self.run), fresh=self._first)

    def recorded(self) -> None:
        """The unit is in the log, with what was staged."""
        if self._staged:
            self._journal.folded(self.run)

    def end(self) -> None:
        """The run will not be tried again."""
        self._journal.end(self.run)

    # -- one call --------------------------------------------------------------------------------------------------

    def _read(self, request: Request) -> dict[str, Any]:
        answer = self.http.send(request, seconds=self._seconds)
        shown = answer.shown()
        # One that is too big is asked for again by a later try: a read may be.
        if self.again and len(answer.body) <= ANSWER_BYTES_MAX and answer.status not in COME_AGAIN:
            salt = self._salt()
            kept = ReadAnswer(
                run=self.run,
                position=self._position,
                method=request.method,
                host=origin(request.url)[1],
                path=request.shown_path,
                salt=salt,
                fingerprint=request.fingerprint(salt),
                answer=shown,
                at=self._now(),
            )
            self._journal.keep(kept)
        return shown

    def _write(self, request: Request, idempotent: bool, key_header: str | None) -> dict[str, Any]:
        target = self.http.target(request)
        host = target.host if target.port in (443, 80) else f"{target.host}:{target.port}"
        if self._dry:
            self.planned.append(
                {"method": request.method, "host": host, "path": request.shown_path, "bytes": len(request.body)}
            )
            return dict(PLANNED_ANSWER)
        header = key_header or (target.entry.key_header if target.entry else None)
        salt = self._salt()
        intent = Intent(
            run=self.run,
            position=self._position,
            key=f"{self.run}-{self._position}",
            header=header,
            repeatable=idempotent or header is not None,
            again=self.again,
            method=request.method,
            host=host,
            path=request.shown_path,
            salt=salt,
            fingerprint=request.fingerprint(salt),
            bytes=len(request.body),
            at=self._now(),
        )
        self._step("before intent")
        self._journal.intend(intent)
        self._first.add(intent.position)
        return self._sent(request, intent, target)

    def _sent(self, request: Request, intent: Intent, target: Target | None = None) -> dict[str, Any]:
        """Make a call whose intent is on record, to where it was judged to go, and record what became of it."""
        self.wrote = True
        # A key of the caller's own says more than ours: it may hold over several runs.
        if intent.header and not any(name.lower() == intent.header.lower() for name in request.headers):
            request = request.with_header(intent.header, intent.key)
        self._step("after intent")
        try:
            answer = self.http.send(request, target=target, seconds=self._seconds)
        except Unanswered:
            raise  # an intent without an outcome is what is known
        except VerbenaError as error:
            told = {"code": error.code, "message": error.message, "hint": error.hint, "details": error.details}
            self._settle(intent, status=error.details.get("status", 0), error=told)
            raise
        self._step("after call")
        shown, cut = answer.shown(), len(answer.body) > ANSWER_BYTES_MAX
        kept = _cut(answer) if cut else shown
        self._settle(intent, status=answer.status, answer=kept, cut=cut, bytes=len(answer.body))
        return shown

    def _settle(
        self,
        intent: Intent,
        *,
        status: int,
        answer: dict[str, Any] | None = None,
        error: dict[str, Any] | None = None,
        cut: bool = False,
        bytes: int = 0,
    ) -> None:
        outcome = Outcome(
            run=self.run,
            position=intent.position,
            status=status,
            answer=answer,
            error=error,
            cut=cut,
            bytes=bytes,
            at=self._now(),
        )
        self._journal.settle(outcome, sync=not intent.repeatable)
        self._step("after outcome")

    def _repeated(self, known: Call, request: Request) -> dict[str, Any]:
        """A call at a place where an earlier try of this run made one."""
        before = known.intent or known.read
        assert before is not None
        if not _same(before, request):
            self.stuck = Diverged(
                f"call {self._position} of this run was {before.method} {before.host}{before.path}, "
                f"and is now {request.method} {origin(request.url)[1]}{request.shown_path}",
                hint="a run that is tried again must make the same calls: let no call hang on what changes meanwhile",
                run=self.run,
            )
            raise self.stuck
        if known.read is not None:
            return known.read.answer
        assert known.intent is not None
        outcome = known.outcome
        if outcome is None:
            if not known.intent.repeatable:
                self.stuck = OutcomeUnknown(
                    f"{before.method} {before.host}{before.path} was sent by an earlier try, and nobody knows what became of it",
                    hint="look at the service, then release the run; with idempotent= such a call is made again",
                    run=self.run,
                )
                raise self.stuck
            return self._sent(request, known.intent)
        if _came_to_nothing(known.intent, outcome) and not outcome.forgotten:
            self._journal.intend(msgspec.structs.replace(known.intent, at=self._now()))
            return self._sent(request, known.intent)
        self.wrote = True
        if outcome.forgotten:
            return {"status": outcome.status, "headers": {}, "text": "", "erased": True}
        if outcome.error is not None:
            raise from_dict(outcome.error)
        return outcome.answer


def _came_to_nothing(intent: Intent, outcome: Outcome) -> bool:
    """Whether nothing had left, or the service refused it; a 503 may come from a gateway in front of one that did not."""
    return outcome.status in (0, 429) or (outcome.status in COME_AGAIN and intent.repeatable)


def _same(before: Intent | ReadAnswer, request: Request) -> bool:
    if not before.fingerprint:  # erased: that much is left
        return before.method == request.method and before.host.partition(":")[0] == origin(request.url)[1]
    return request.fingerprint(before.salt) == before.fingerprint


def _cut(answer: Answer) -> dict[str, Any]:
    """As much of an answer as is kept."""
    shape = answer.shown()
    del shape["json" if "json" in shape else "text"]
    return {**shape, "text": answer.body[:ANSWER_BYTES_MAX].decode("utf-8", "replace"), "cut": True}
