"""One tenant's way outside: its journal, what its units may ask, and the log that hears of it whatever becomes of them."""

import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import structlog

from runtime.canonical import canonical
from runtime.clock import Clock
from runtime.erased_runs import runs_of_erased, values_of_erased
from runtime.errors import Conflict
from runtime.graph import View
from runtime.outside import effect_event
from runtime.outside.hosts import Hosts
from runtime.outside.journal import SUFFIX, Journal
from runtime.own_nouns import EFFECT, RUN
from runtime.sandbox.limits import BY_LEVEL
from runtime.sql import Sql
from runtime.store import EventRow, TenantFile
from runtime.unit import Caller, Change, Origin, Unit
from runtime.values import format_datetime
from runtime.vocabulary import Vocabulary
from runtime.writer import Step, no_step

# The client's libraries take a tenth of a second to load, which an engine without a way outside does not spend.
if TYPE_CHECKING:
    from runtime.outside.effects import Effects
    from runtime.outside.http import Http

# Commits what the body stages.
Record = Callable[[Callable[[Unit], None]], object]

# An erasure looks for the ids of at most this many entities in what runs were answered; past it, every answer goes.
ERASED_MAX = 1_000
# The log is told of the runs of so many calls in one commit, and of those of the run that reaches it.
TOLD_AT_ONCE = 1_000

log = structlog.get_logger()


def client(hosts: Hosts) -> "Http | None":
    """The client that asks these hosts and no others; None where there are none."""
    if not hosts:
        return None
    from runtime.outside.guard import Guard
    from runtime.outside.http import Http

    return Http(Guard(hosts=hosts, only_listed=True))


@dataclass(frozen=True, slots=True)
class _Untold:
    """A run that is over, of whose calls the log does not know yet."""

    caller: Caller
    origin: Origin
    fresh: frozenset[int] = frozenset()  # places of which the log knows nothing


class Outside:
    """What a tenant has to do with the outside."""

    def __init__(
        self,
        file: TenantFile,
        view: View,
        http: "Http | None",
        *,
        clock: Clock,
        record: Record,
        step: Step = no_step,
    ) -> None:
        self.http = http
        self.journal = Journal(file.path.with_suffix(SUFFIX), file.name, step=step)
        self._file = file
        self._view = view
        self._clock = clock
        self._record = record
        self._step = step
        self._untold: dict[str, _Untold] = {}  # by run; no more than the journal holds
        self._telling = threading.Lock()  # held while the log is told, so that who waits for it finds it there

    @property
    def allowed(self) -> bool:
        """Whether the operator allows any host: where not, there is no `$.http`."""
        return self.http is not None

    def prepare(self, unit: Unit, *, dry: bool = False, again: bool = False, tried: bool = False) -> None:
        """Give a unit its `effects`, by which its code asks the outside.

        `again` where its run may be tried again, `tried` where it was; `dry` where it is only planned.
        """
        if self.http is None:
            return
        from runtime.outside.effects import Effects

        run = unit.run or ""

        def logged(position: int) -> bool:
            return tried and self._view.get(EFFECT, effect_event.effect_id(run, position)) is not None

        def refused() -> str | None:
            if unit.rights is not unit.caller:
                return "a handler that runs before may read from services, not write to them"
            if unit.caller.level < 1:
                return "this key may only read"
            return None if run else "there is no run that it could be recorded with; use do"

        unit.effects = Effects(
            journal=self.journal,
            http=self.http,
            run=run,
            now=lambda: format_datetime(self._clock()),
            refused=refused,
            dry=dry,
            again=again,
            logged=logged,
            seconds=BY_LEVEL[unit.caller.level].seconds,
            step=self._step,
        )

    @contextmanager
    def on_record(self, unit: Unit) -> Generator[None]:
        """Around a unit whose code may ask the outside: the log hears of it even where the unit is dropped.

        Raises what left the run stuck in the place of whatever the code made of it.
        """
        if unit.effects is None:
            self.prepare(unit)
        effects = _of(unit)
        try:
            yield
        except Exception as error:
            if effects is None:
                raise
            self._keep(unit, effects)
            if effects.stuck is not None and error is not effects.stuck:
                raise effects.stuck from error
            raise

    def planned(self, unit: Unit) -> list[dict[str, Any]]:
        """The writes that a unit's code would have made, `{method, host, path, bytes}` each."""
        effects = _of(unit)
        return [] if effects is None else effects.planned

    def stage(self, unit: Unit) -> None:
        """Stage what the unit's run asked, as events of the unit; raises what left it stuck.

        A unit that changes nothing, the end of its run aside, does not wait for them: the journal has its calls, and the
        log is told of them with those of others, see `write_untold`.
        """
        effects = _of(unit)
        if effects is not None:
            if effects.stuck is not None:
                raise effects.stuck
            if any(change.noun is not RUN for change in unit.changes):
                effects.stage(unit)

    def committed(self, unit: Unit) -> None:
        """What the unit changed is in the log, and its run has ended with it."""
        effects = _of(unit)
        if effects is not None:
            effects.recorded()
            self._end(unit, effects)

    def refuse_again(self, unit: Unit, conflict: Conflict) -> None:
        """Raise Conflict where a unit wrote outside, so that it cannot be run again by itself."""
        effects = _of(unit)
        if effects is not None and effects.wrote and not effects.again:
            raise Conflict(
                f"{conflict.message}; it was not run again, since it wrote outside",
                hint="look at what it sent before you run it again: $.events.list(type='Effect', run=…)",
                **{**conflict.details, "run": unit.run},
            ) from conflict

    def heard(self, logged: Sequence[tuple[Change, EventRow]]) -> None:
        """Hear of events: a run that was released will not be tried again."""
        for change, _ in logged:
            if change.noun is RUN and change.verb.name == "release":
                self.journal.end(change.entity.id)

    # -- upkeep ----------------------------------------------------------------------------------------------------

    def write_untold(self) -> None:
        """Tell the log of the calls of runs that had nothing else to write, or that were dropped."""
        with self._telling:
            while self._untold:
                self._tell({run: self._untold.pop(run) for run in self._some(self._untold)})

    def recover(self, caller: Caller) -> None:
        """Tell the log what it does not know, after an end in the middle, and let go of what will not be tried again."""
        self._untold = {run: _Untold(caller, Origin(run, None, None, 0)) for run in self.journal.unfolded()}
        self.write_untold()
        for run, again in self.journal.open_runs().items():
            known = self._view.get(RUN, run) if again else None  # a `do` that was cut off is over
            if known is None or known.body["status"] in ("Succeeded", "Released"):
                self.journal.end(run)

    def keep_up(self) -> None:
        """Drop what nobody needs any more."""
        self.journal.compact()

    def forget_erased(self, vocabulary: Vocabulary) -> None:
        """Drop what runs were answered that had to do with erased entities, and answers in which a value of theirs stands.

        Those that wait hear so when tried again.
        """
        events = f"{self._file.catalog}.events"
        erased = f"SELECT DISTINCT entity FROM {events} WHERE verb = 'erase'"
        ids = [id for (id,) in self._file.rows(Sql(f"{erased} LIMIT {ERASED_MAX + 1}"))]
        values = values_of_erased(self._file, vocabulary)
        if values is None or len(ids) > ERASED_MAX:
            self.journal.forget(set(self.journal.open_runs()))
            return
        # A run that is not in the ledger yet is known by its events alone.
        runs = self._file.rows(Sql(f"SELECT DISTINCT run FROM {events} WHERE run IS NOT NULL AND entity IN ({erased})"))
        named = {*runs_of_erased(self._file, vocabulary), *(run for (run,) in runs)}
        self.journal.forget(named, holding=[*ids, *(canonical(value).decode()[1:-1] for value in values)])

    def close(self) -> None:
        self.journal.close()

    def _keep(self, unit: Unit, effects: "Effects") -> None:
        """Tell the log of a unit that is dropped."""
        if not effects.again:
            self._end(unit, effects)
        else:  # now, for its next try goes on in the same place of the journal
            self._tell({effects.run: _Untold(unit.caller, unit.origin)})

    def _end(self, unit: Unit, effects: "Effects") -> None:
        """A run is over; what the log was not told of its calls it is told soon."""
        if self.journal.is_unfolded(effects.run):
            self._untold[effects.run] = _Untold(unit.caller, unit.origin, effects.first)
        effects.end()

    def _some(self, runs: Mapping[str, _Untold]) -> list[str]:
        """The first of these runs, with as many calls as one commit takes."""
        some, calls = list[str](), 0
        for run in list(runs):
            some.append(run)
            calls += len(self.journal.calls(run))
            if calls >= TOLD_AT_ONCE:
                break
        return some

    def _tell(self, runs: Mapping[str, _Untold]) -> None:
        """Commit the calls of these runs, each in the name of who ran it.

        What the log cannot be told now it hears when the tenant is opened next.
        """

        def stage(unit: Unit) -> None:
            for run, each in runs.items():
                with unit.telling_of(each.caller, each.origin):
                    effect_event.stage(unit, self.journal.calls(run), fresh=each.fresh)

        untold = [run for run in runs if self.journal.is_unfolded(run)]
        try:
            if untold:
                self._record(stage)
            for run in untold:
                self.journal.folded(run)
        except Exception:
            log.exception("the log did not hear of calls to the outside yet", runs=untold[:10])


def _of(unit: Unit) -> "Effects | None":
    return cast("Effects | None", unit.effects)
