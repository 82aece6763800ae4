"""One history: a tenant, a few steps by chance, and after each of them a look at whether everything is as promised."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.simulation.chance import Chance
from tests.simulation.doing import Refused, act
from tests.simulation.house import STEPS, TORN, House, Outcome
from tests.simulation.inspection import Finding, expect_equal, selected
from tests.simulation.judge import Ground, Judge, given_or_made_up
from tests.simulation.model import Action, Body, Model, stamp
from tests.simulation.proving import inspect_proof
from tests.simulation.staging import Staging

STEPS_MIN, STEPS_MAX = 6, 18
ACTORS = ("ada", "bert")
PLAN_HELD = timedelta(hours=1)
ANSWER_KEPT = timedelta(hours=24)
IN_TURN_MAX = 6


@dataclass(slots=True, kw_only=True)
class _Plan:
    """A plan that waits for its commit."""

    hash: str
    kept_at: datetime  # by the clock, which its hour goes by
    ground: Ground
    answer: Body
    forgotten: bool = False  # another plan was kept after this one's hour


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """The answer that a call with an idempotency key got; None where a crash swallowed it."""

    action: Action
    actor: str
    at: datetime
    answer: Body | None
    events: tuple[str, ...]


class History:
    """Everything that happens under one seed. `told` says what did, for whoever reads a finding."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.told: list[str] = []
        self._chance = Chance(seed)
        self._house = House(folder, self._chance.world)
        self._judge = Judge(self._house)
        self._plans: list[_Plan] = []
        self._kept: dict[str, _Kept] = {}
        self._keys = 0

    @property
    def _model(self) -> Model:
        return self._judge.model

    def run(self) -> None:
        """Live through it. Raises Finding."""
        steps: dict[Callable[[], None], int] = {
            self._act: 46,
            self._act_with_key: 9,
            self._plan: 6,
            self._expect: 8,
            self._stage_side_by_side: 9,
            self._act_together: 6,
            self._ask: 10,
            self._move_clock: 8,
            self._live_on: 5,
            self._prove: 2,
        }
        try:
            self._settle_in()
            for _ in range(self._chance.random.randrange(STEPS_MIN, STEPS_MAX)):
                self._chance.random.choices(list(steps), list(steps.values()))[0]()
                expect_equal("the writer's position", self._house.tenant.writer.seq, len(self._model.log))
            self._judge.look_at_last()
            self._prove()
        finally:
            self._house.close()

    # -- actions -------------------------------------------------------------------------------------------------------

    def _settle_in(self) -> None:
        """A few entities and nouns to begin with, so that what follows has something to go wrong with."""
        if self._chance.often(0.7):
            for action in self._chance.first_nouns():
                self._do(action, ACTORS[0])
        self._do(self._chance.first_entities(self._model), ACTORS[0])
        if self._chance.often(0.5):  # a noun that has entities already
            self._do(Action(verb="define", data=self._chance.definition(self._model)), ACTORS[0])

    def _act(self) -> None:
        action, actor = self._chance.action(self._model), self._actor()
        self._maybe_crash()
        self._do(action, actor)
        self._look_at_one()

    def _do(self, action: Action, actor: str) -> None:
        outcome, repeats = self._perform(action, actor)
        self._tell(f"{actor} {_words(action)}", outcome)
        self._judge.settle(action, actor, outcome, repeats=repeats)

    def _act_with_key(self) -> None:
        """A call with a key, a new one or one that was used before."""
        key = self._chance.random.choice(list(self._kept)) if self._kept and self._chance.often(0.6) else None
        kept = self._kept[key] if key is not None else None
        clock = self._house.clock
        if key is None or kept is None:
            self._keys += 1
            key = f"key {self._keys}"
        elif kept.at > clock.latest - ANSWER_KEPT:
            return self._repeat(key, kept)
        elif kept.at > clock.now - ANSWER_KEPT:
            del self._kept[key]  # it was old enough to be forgotten, and by a clock that was put back it is not
            return None
        action = self._chance.action(self._model)
        while action.verb == "define":
            action = self._chance.action(self._model)
        actor, at, head = self._actor(), clock.now, len(self._model.log)
        self._maybe_crash()
        outcome, repeats = self._perform(action, actor, idempotencyKey=key)
        self._tell(f"{actor} {_words(action)} with {key}", outcome)
        self._judge.settle(action, actor, outcome, repeats=repeats)
        self._kept.pop(key, None)
        events = tuple(f"evt_{seq}" for seq in range(head + 1, len(self._model.log) + 1))
        # After a crash without events nobody can tell whether an answer was kept: the key is not used again.
        if outcome.answer is not None or events:
            self._kept[key] = _Kept(action=action, actor=actor, at=at, answer=outcome.answer, events=events)
        return None

    def _repeat(self, key: str, kept: _Kept) -> None:
        other = self._chance.often(0.2)
        action = Action(verb="create", type="Contact", data={"name": "other"}) if other else kept.action
        outcome, _ = self._perform(action, kept.actor, idempotencyKey=key)
        self._tell(f"{kept.actor} {_words(action)} again with {key}", outcome)
        self._judge.expect_nothing(outcome)
        if other and action != kept.action:
            if outcome.error is None or outcome.error.code != "conflict":
                raise Finding(f"{key} was taken for another call: {outcome}")
        elif outcome.answer is None:
            raise Finding(f"{key} was not answered again: {outcome.error}")
        elif kept.answer is not None:
            expect_equal(f"the answer of {key}", outcome.answer, kept.answer)
        else:
            found = tuple(event["id"] for event in outcome.answer.get("events", ()))
            expect_equal(f"the events in the answer of {key}", found, kept.events)

    def _act_together(self) -> None:
        """Several calls that the writer commits in one batch."""
        with self._chance.narrowed(self._model):
            actions = [self._chance.action(self._model) for _ in range(self._chance.random.randrange(2, IN_TURN_MAX))]
        actions = [action for action in actions if action.verb not in ("define", "undo")]
        actors = [self._actor() for _ in actions]
        if self._chance.often(0.15):
            # Not while staging: those who wait for the one that stages would wait for a dead process.
            self._house.arm(self._chance.random.choice((*STEPS[1:], TORN)))
        repeats = self._house.ids.repeats

        def call(action: Action, actor: str) -> Callable[[], Outcome]:
            return lambda: self._house.ask("do", actor, _arguments(action))

        outcomes = self._house.together([call(*each) for each in zip(actions, actors, strict=True)])
        for action, actor, outcome in zip(actions, actors, outcomes, strict=True):
            self._tell(f"together: {actor} {_words(action)}", outcome)
        called = list(zip(actions, actors, outcomes, strict=True))
        self._judge.settle_together(called, repeats=self._house.ids.repeats - repeats)

    # -- plans ---------------------------------------------------------------------------------------------------------

    def _plan(self) -> None:
        """A dry run: nothing is written, and the plan is what the call would have done."""
        action, actor = self._chance.action(self._model), self._actor()
        while action.verb == "define":
            action = self._chance.action(self._model)
        outcome, repeats = self._perform(action, actor, dryRun=True)
        self._tell(f"{actor} {_words(action)} as a dry run", outcome)
        self._judge.expect_nothing(outcome)
        writes: list[Body] = outcome.said.get("plan", {}).get("writes", [])
        new_id = given_or_made_up([write["entity"] for write in writes if write["version"] == 1])
        fork, now = self._model.fork(), self._judge.now
        try:
            act(fork, action, now=now, actor=actor, new_id=new_id)
        except Refused as refused:
            if outcome.error is None or outcome.error.code not in refused.codes:
                raise Finding(f"planned, although it had to be refused with {sorted(refused.codes)}") from refused
            return
        if outcome.error is not None:
            if repeats:
                return
            raise Finding(f"not planned, and nothing was wrong with it: {outcome.error.message}")
        ground = Ground.of(self._model, fork, [action], actor=actor, run=outcome.said["run"], now=now)
        if ground.collides(self._model) and action.items:
            return  # what is said of two entities with one id is not looked at
        found = [(write["event"], write["entity"], write["version"]) for write in writes]
        promised = [(f"{event.type}.{event.past}", event.id, event.version) for event in fork.staged]
        expect_equal("the writes of the plan", sorted(found), sorted(promised))
        if action.verb == "undo":
            fork.staged.sort(key=lambda event: found.index((f"{event.type}.{event.past}", event.id, event.version)))
            ground = replace(ground, staged=tuple(fork.staged))
        kept_at = self._house.clock.now
        for plan in self._plans:
            plan.forgotten |= plan.kept_at < kept_at - PLAN_HELD
        hash: str = outcome.said["plan"]["hash"]
        self._plans.append(_Plan(hash=hash, kept_at=kept_at, ground=ground, answer=outcome.said))

    def _expect(self) -> None:
        """Commit a plan, perhaps after something changed, perhaps for the second time."""
        if not self._plans:
            return self._plan()
        plan = self._chance.random.choice(self._plans)
        named = _arguments(plan.ground.actions[0]) if self._chance.often(0.3) else {}
        late = plan.forgotten or plan.kept_at < self._house.clock.now - PLAN_HELD
        self._maybe_crash()
        outcome = self._house.ask(
            "do", self._actor() if not named else plan.ground.actor, {"expect": plan.hash, **named}
        )
        self._tell(f"the plan of {plan.ground.run} is expected", outcome)
        if late:
            self._judge.expect_nothing(outcome)
            if outcome.error is None or outcome.error.code != "not_found":
                raise Finding(f"a plan past its hour was found: {outcome}")
            return None
        done = self._judge.settle_ground(plan.ground, outcome)
        if done and outcome.answer is not None:
            expect_equal("the result of the plan", outcome.answer["result"], plan.answer["result"])
        return None

    # -- units side by side --------------------------------------------------------------------------------------------

    def _stage_side_by_side(self) -> None:
        """Two or three units that are staged at the same time, and committed in any order, one by one or in one batch."""
        units = [
            Staging(self._house, self._model, actor=self._actor(), now=self._judge.now)
            for _ in range(self._chance.random.choice((2, 2, 3)))
        ]
        for staging, action in zip(units, self._chance.duel(self._model), strict=False):
            self._stage(staging, action)
        with self._chance.narrowed(self._model):
            for _ in range(self._chance.random.randrange(2, 8)):
                staging = self._chance.random.choice(units)
                self._stage(staging, self._chance.action(staging.model, inside=True))
        self._chance.random.shuffle(units)
        if self._chance.often(0.35):
            return self._commit_together(units)
        lives = self._house.lives
        for staging in units:
            if staging.dropped:
                continue
            if self._chance.often(0.2):
                self._act()
            if self._house.lives > lives:
                return None  # the units died with their process
            self._maybe_crash()
            outcome = self._house.commit(staging.unit)
            self._tell(f"{staging.run} commits", outcome)
            self._judge.settle_ground(staging.ground, outcome)
        return None

    def _commit_together(self, units: Sequence[Staging]) -> None:
        """Several units that the writer commits in one batch: none is in the store yet when the next one is looked at."""
        units = [staging for staging in units if not staging.dropped]

        def call(staging: Staging) -> Callable[[], Outcome]:
            return lambda: self._house.commit(staging.unit)

        outcomes = self._house.together([call(staging) for staging in units])
        for staging, outcome in zip(units, outcomes, strict=True):
            self._tell(f"together: {staging.run} commits", outcome)
        self._judge.settle_grounds([(each.ground, outcome) for each, outcome in zip(units, outcomes, strict=True)])

    def _stage(self, staging: Staging, action: Action) -> None:
        if staging.dropped:
            return
        if self._chance.often(0.2):
            staging.count(self._chance)
        outcome = staging.act(action, ends=self._chance.often(0.5))
        self._tell(f"{staging.run} {_words(action)}", outcome)

    # -- questions -----------------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        """A filter selects the same by SQL and by plain Python, now and at an earlier position of the log."""
        model = self._model
        given: Body = {}
        if model.log and self._chance.often(0.4):
            seq = self._chance.random.randrange(1, len(model.log) + 1)
            at = model.log[seq - 1].at
            if at is not None and self._chance.often(0.5):
                given = {"asOf": stamp(at)}  # what was committed at that time is included
                seq = max(place for place, event in enumerate(model.log, 1) if event.at == at)
            else:
                given = {"asOf": seq}
            model = model.at(seq)
        shape = self._chance.random.choice(list(model.shapes.values()))
        filter = self._chance.filter(model, shape)
        outcome = self._house.ask("search", "ada", {"type": shape.name, "filter": filter, "limit": 100, **given})
        self._tell(f"search {shape.name} {filter} {given}", outcome)
        if outcome.answer is None:
            raise Finding(f"search was refused: {outcome.error}")
        ids = selected(self._house.tenant, model, shape.name, filter, self._house.clock.now)
        found: list[str] = sorted(row["id"] for row in outcome.answer["results"])
        expect_equal(f"what {filter} selects of {shape.name}", found, ids)
        for row in outcome.answer["results"]:
            body = model.body(row["id"])
            assert body is not None
            entity = {name: value for name, value in row["entity"].items() if name != "$context"}
            expect_equal(f"what search shows of {row['id']}", entity, model.shown(body))

    def _look_at_one(self) -> None:
        """Read an entity that was changed a moment ago."""
        if not self._model.log or self._model.log[-1].type == "Noun" or not self._chance.often(0.4):
            return
        event = self._model.log[-1]
        outcome = self._house.ask("fetch", "ada", {"type": event.type, "id": event.id})
        body = self._model.body(event.id)
        assert body is not None
        if "$deletedAt" in body:
            if outcome.error is None or outcome.error.code != "not_found":
                raise Finding(f"{event.id} was deleted, and fetch gives {outcome}")
            return
        if outcome.answer is None:
            raise Finding(f"{event.id} exists, and fetch gives {outcome.error}")
        found = {name: value for name, value in outcome.answer.items() if name != "$context"}
        expect_equal(f"fetch {event.id}", found, self._model.shown(body))

    def _prove(self) -> None:
        """The signed head is over these leaves, the log extends every head before, and any event can be proven."""
        if self._model.log:
            seq = self._chance.random.randrange(1, len(self._model.log) + 1)
            former = self._chance.random.randrange(1, len(self._model.log) + 1)
            self.told.append(f"event {seq} is proven, and that the log extends its first {former}")
            inspect_proof(self._house, seq=seq, former=former)

    # -- time and lives --------------------------------------------------------------------------------------------------

    def _move_clock(self) -> None:
        by = self._chance.step()
        self._house.clock.move(by)
        self.told.append(f"the clock goes {by.total_seconds():+g} s")

    def _live_on(self) -> None:
        """Close and open, crash between two calls, or rest for a while."""
        name = self._chance.random.choice(("reopen", "crash", "rest"))
        self.told.append(name)
        {"reopen": self._house.reopen, "crash": self._house.crash, "rest": self._house.rest}[name]()
        if name != "rest":
            self._judge.look()

    def _maybe_crash(self) -> None:
        if self._chance.often(0.07):
            step = self._chance.random.choice((*STEPS, TORN))
            self.told.append(f"a crash is near: {step}")
            self._house.arm(step)

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _perform(self, action: Action, actor: str, **more: Any) -> tuple[Outcome, int]:
        """Do an action through the engine; how it ended, and how many ids it was offered a second time."""
        repeats = self._house.ids.repeats
        if action.verb == "define":
            outcome = self._house.ask("$", actor, {"path": ["define"], "kwargs": dict(action.data)})
        else:
            outcome = self._house.ask("do", actor, {**_arguments(action), **more})
        return outcome, self._house.ids.repeats - repeats

    def _actor(self) -> str:
        return self._chance.random.choice(ACTORS)

    def _tell(self, what: str, outcome: Outcome) -> None:
        end = "crashed" if outcome.crashed else "ok"
        if outcome.error is not None:
            end = f"{outcome.error.code}: {outcome.error.message}"
        made = [f"{event['event']} {event['entity']}" for event in outcome.said.get("events", ())]
        self.told.append(f"{what} → {end} {', '.join(made)}")


def _arguments(action: Action) -> Body:
    """The arguments of `do` for an action."""
    match action.verb:
        case "batch":
            return {"action": "batch", "data": [_arguments(item) for item in action.items]}
        case "undo":
            return {"action": "undo", "id": action.id}
        case _:
            given: Body = {"action": action.verb, "type": action.type, "data": dict(action.data)}
            return given if action.id is None else {**given, "id": action.id}


def _words(action: Action) -> str:
    match action.verb:
        case "batch":
            return "batch of " + "; ".join(_words(item) for item in action.items)
        case "undo":
            return f"undo {action.id}"
        case _:
            return f"{action.verb} {action.type} {action.id or ''} {dict(action.data)}"
