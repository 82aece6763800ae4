"""Whether what a call came to is what was promised, by its answer and by what the log has gained."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from runtime.store import EventRow
from tests.simulation.doing import Refused, act
from tests.simulation.house import House, Outcome
from tests.simulation.inspection import Finding, compare_event, events_after, expect_equal, inspect, inspect_itself
from tests.simulation.model import Action, Body, Event, Model

# What may be said to a unit that drew an id which somebody has already.
COLLISION = frozenset({"conflict", "unavailable"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A unit that was staged earlier: what it staged, and what that rests on."""

    actions: tuple[Action, ...]
    actor: str
    run: str | None
    now: datetime
    staged: tuple[Event, ...]
    versions: dict[str, int]  # of every id that it read or wrote, as they were
    definitions: int  # how often a noun was defined before
    holders: tuple[tuple[str, str, Any, frozenset[str]], ...]  # noun, key, value that it looked for, and who had it

    @staticmethod
    def of(
        before: Model, after: Model, actions: Sequence[Action], *, actor: str, run: str | None, now: datetime
    ) -> "Ground":
        """What `after`, which is `before` with the actions staged on it, rests on."""
        ids = after.reads | {event.id for event in after.staged}
        return Ground(
            actions=tuple(actions),
            actor=actor,
            run=run,
            now=now,
            staged=tuple(after.staged),
            versions={id: len(before.versions.get(id, ())) for id in ids},
            definitions=_definitions(before),
            holders=tuple((*lookup, _holders(before, *lookup)) for lookup in after.lookups),
        )

    def collides(self, model: Model) -> bool:
        """Whether it creates what somebody else has created under the same id."""
        return any(event.version == 1 and event.id in model.versions for event in self.staged)

    def stands(self, model: Model) -> bool:
        """Whether nothing that it rests on has changed."""
        return (
            self.definitions == _definitions(model)
            and all(len(model.versions.get(id, ())) == version for id, version in self.versions.items())
            and all(_holders(model, noun, key, value) == ids for noun, key, value, ids in self.holders)
        )

    def is_what_it_would_do(self, model: Model) -> bool:
        """Whether the same actions, done now, come to the same: then it does not matter when they were staged."""
        new_id = given_or_made_up([event.id for event in self.staged if event.version == 1 and event.type != "Noun"])
        fork = model.fork()
        try:
            for action in self.actions:
                act(fork, action, now=self.now, actor=self.actor, new_id=new_id)
        except Refused:
            return False
        return _sorted(fork.staged) == _sorted(self.staged)


class Judge:
    """The model of a tenant, kept in step with its engine."""

    def __init__(self, house: House) -> None:
        self.model = Model()
        self._house = house
        self._at = datetime.min.replace(tzinfo=UTC)

    @property
    def now(self) -> datetime:
        """The present of the tenant: that of the clock, but never before its latest event."""
        return max(self._house.clock.now, self._at)

    def settle(self, action: Action, actor: str, outcome: Outcome, *, repeats: int) -> None:
        """Judge one action that ran in a unit of its own; `repeats` of its ids were offered before."""
        rows = self._news(outcome)
        self._settle(action, actor, outcome, rows, repeats)

    def settle_together(self, called: Sequence[tuple[Action, str, Outcome]], *, repeats: int) -> None:
        """Judge actions that were committed in one batch, in that order."""
        crashed = Outcome(crashed=True)
        crash = any(outcome.crashed for _, _, outcome in called)
        rows = self._news(crashed if crash else Outcome())
        for action, actor, outcome in called:
            if crash and outcome.error is not None:
                continue  # by what was staged before it, and that died with the process
            # Nobody of a batch is told before it is done, so with a crash in it nobody was.
            ended = crashed if crash else outcome
            count = self._promised(action, actor, rows) if ended.crashed else len(ended.said.get("events", ()))
            self._settle(action, actor, ended, rows[:count], repeats)
            rows = rows[count:]
        if rows:
            raise Finding(f"the log has gained more than was acknowledged: {[row.event for row in rows]}")

    def settle_ground(self, ground: Ground, outcome: Outcome) -> bool:
        """Judge the commit of a unit that was staged earlier, and say whether it was committed."""
        return self._settle_ground(ground, outcome, self._news(outcome))

    def settle_grounds(self, ended: Sequence[tuple[Ground, Outcome]]) -> None:
        """Judge units that were staged earlier and committed in one batch, in that order."""
        rows = self._news(Outcome())
        for ground, outcome in ended:
            count = 0 if outcome.error is not None else len(ground.staged)
            self._settle_ground(ground, outcome, rows[:count])
            rows = rows[count:]
        if rows:
            raise Finding(f"the log has gained more than was acknowledged: {[row.event for row in rows]}")

    def _settle_ground(self, ground: Ground, outcome: Outcome, rows: list[EventRow]) -> bool:
        if outcome.error is not None:
            self._expect_nothing(rows, outcome)
            code = outcome.error.code
            if code in COLLISION and ground.collides(self.model):
                return False
            if code != "conflict":
                raise Finding(f"a staged unit was refused with {code}: {outcome.error.message}")
            if ground.stands(self.model) and ground.is_what_it_would_do(self.model):
                raise Finding(f"a conflict, and nothing changed that the unit rests on: {outcome.error.message}")
            return False
        if outcome.crashed and not rows:
            return False
        # Who wrote nothing may have looked at any earlier moment.
        if ground.staged and not ground.is_what_it_would_do(self.model):
            raise Finding(
                "a unit was committed although its ground had moved: done now, it would come to something else"
            )
        fork = self.model.fork()
        for event in ground.staged:
            fork.staged.append(event)
            fork.versions[event.id] = (*fork.versions.get(event.id, ()), event)
            if event.type == "Noun":
                self._define_in(fork, ground, event)
        self._take(fork, rows, run=ground.run, at=max(self.now, ground.now))
        return True

    def look(self) -> None:
        """Compare everything that is stored."""
        inspect(self._house.tenant, self.model)

    def look_at_last(self) -> None:
        """Compare everything that is stored, and let the runtime check itself."""
        self.look()
        inspect_itself(self._house.tenant)

    def expect_nothing(self, outcome: Outcome) -> None:
        """A call that writes nothing wrote nothing."""
        self._expect_nothing(self._news(outcome), outcome)

    # -- one unit ------------------------------------------------------------------------------------------------------

    def _settle(self, action: Action, actor: str, outcome: Outcome, rows: list[EventRow], repeats: int) -> None:
        fork = self.model.fork()
        shown: list[Body] | None = None
        refused: Refused | None = None
        try:
            shown = act(fork, action, now=self.now, actor=actor, new_id=_ids_of(rows))
        except Refused as reasons:
            refused = reasons
        if outcome.error is not None:
            self._expect_nothing(rows, outcome)
            code, message = outcome.error.code, outcome.error.message
            if repeats:
                return  # somebody had the id: it is refused for that, or for what follows from it
            if refused is None:
                raise Finding(f"refused with {code}, and nothing was wrong with it: {message}")
            if code not in refused.codes:
                raise Finding(f"refused with {code} ({message}) instead of {sorted(refused.codes)}")
            return
        if outcome.crashed and not rows:
            return
        if refused is not None:
            raise Finding(f"done, although it had to be refused with {sorted(refused.codes)}")
        run = rows[0].run if rows else None
        self._take(fork, rows, run=run, at=self.now, in_any_order=action.verb == "undo")
        if outcome.answer is not None and action.verb != "define":
            self._compare_answer(action, outcome.answer, shown or [], rows)

    def _promised(self, action: Action, actor: str, rows: list[EventRow]) -> int:
        """How many events an action makes."""
        fork = self.model.fork()
        try:
            act(fork, action, now=self.now, actor=actor, new_id=_ids_of(rows))
        except Refused:
            return 0
        return len(fork.staged)

    def _take(
        self, fork: Model, rows: list[EventRow], *, run: str | None, at: datetime, in_any_order: bool = False
    ) -> None:
        """Compare what the log has gained with what is staged, and make that the model."""
        if in_any_order:
            places = {(row.entity, row.version): place for place, row in enumerate(rows)}
            fork.staged.sort(key=lambda event: places.get((event.id, event.version), len(rows)))
        expect_equal(
            "the log has gained",
            [(row.event, row.entity) for row in rows],
            [(f"{event.type}.{event.past}", event.id) for event in fork.staged],
        )
        for row, event in zip(rows, fork.staged, strict=True):
            if event.version == 1 and event.id in self.model.versions:
                raise Finding(f"{event.id} was created twice")
            compare_event(row, event)
            expect_equal(f"run and time of event {row.seq}", (row.run, row.at.replace(tzinfo=UTC)), (run, at))
        if rows:
            self._at = at
        fork.commit(run=run, at=at)
        fork.reads.clear()
        fork.lookups.clear()
        self.model = fork

    def _compare_answer(self, action: Action, answer: Body, shown: list[Body], rows: list[EventRow]) -> None:
        result: Any = answer["result"]
        listed: list[Body] = result if action.verb in ("batch", "undo") else [result]
        found = [{name: value for name, value in each.items() if name != "$context"} for each in listed]
        if action.verb == "undo":
            found.sort(key=lambda each: each["$id"])
            shown = sorted(shown, key=lambda each: each["$id"])
        expect_equal("the result", found, shown)
        events = [{"id": f"evt_{row.seq}", "event": row.event, "entity": row.entity} for row in rows]
        expect_equal("the events of the answer", answer.get("events", []), events)
        if rows:
            expect_equal("the run of the answer", answer["run"], rows[0].run)

    def _define_in(self, fork: Model, ground: Ground, event: Event) -> None:
        for action in ground.actions:
            if action.verb == "define" and f"noun_{action.data['name']}" == event.id:
                scratch = self.model.fork()
                act(scratch, action, now=ground.now, actor=ground.actor, new_id=given_or_made_up([]))
                fork.shapes.update(scratch.shapes)

    # -- the log -------------------------------------------------------------------------------------------------------

    def _news(self, outcome: Outcome) -> list[EventRow]:
        """What the log has gained; after a crash, that of the engine which was opened on what it left."""
        if outcome.crashed:
            self._house.rise()
        self._house.disarm()
        rows = events_after(self._house.tenant, len(self.model.log))
        first = len(self.model.log) + 1
        expect_equal("positions in the log", [row.seq for row in rows], list(range(first, first + len(rows))))
        return rows

    def _expect_nothing(self, rows: list[EventRow], outcome: Outcome) -> None:
        if rows:
            said = outcome.error.message if outcome.error else outcome.answer
            raise Finding(f"the log has gained {[row.event for row in rows]} by a call that ended in: {said}")


def _ids_of(rows: Sequence[EventRow]) -> Callable[[str], str]:
    """The ids that the engine gave to what it created, in that order."""
    return given_or_made_up([row.entity for row in rows if row.verb == "create"])


def given_or_made_up(ids: Sequence[str]) -> Callable[[str], str]:
    """These ids, and then some that nobody has: for whatever the engine did not create."""
    given: Iterator[str] = iter(ids)
    made_up = itertools.count()
    return lambda prefix: next(given, None) or f"{prefix}_madeUp{next(made_up)}"


def _holders(model: Model, noun: str, key: str, value: Any) -> frozenset[str]:
    return frozenset(id for id, body in model.live(noun).items() if body.get(key) == value)


def _sorted(events: Sequence[Event]) -> list[Event]:
    # The order in which undo leads entities back is its own affair.
    return sorted(events, key=lambda event: (event.id, event.version))


def _definitions(model: Model) -> int:
    return sum(1 for event in model.log if event.type == "Noun")
