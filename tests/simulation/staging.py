"""One unit while it is staged beside others, as code in the sandbox would stage it."""

from datetime import datetime

from tests.simulation.chance import Chance
from tests.simulation.doing import Refused, act
from tests.simulation.house import House, Outcome
from tests.simulation.inspection import Finding, expect_equal, selected
from tests.simulation.judge import Ground, given_or_made_up
from tests.simulation.model import Action, Model


class Staging:
    """A unit, `$` on it, and the model with the same staged. `dropped` once it is not to be committed any more."""

    def __init__(self, house: House, model: Model, *, actor: str, now: datetime) -> None:
        self.run = house.ids("run")
        self.unit, self._dollar = house.unit(actor, self.run)
        expect_equal("the present of a unit", self.unit.now, now)
        self.dropped = False
        self._house = house
        self._actor = actor
        self._before = model
        self._done: list[Action] = []
        self.model = model.fork()

    @property
    def ground(self) -> Ground:
        """What the unit rests on and staged."""
        return Ground.of(self._before, self.model, self._done, actor=self._actor, run=self.run, now=self.unit.now)

    def act(self, action: Action, *, ends: bool) -> Outcome:
        """Do one more action; where it is refused, that is caught, or it `ends` the unit. Raises Finding."""
        repeats = self._house.ids.repeats
        outcome = self._house.ended(lambda: self._dollar.act(action.verb, action.type, action.id, dict(action.data)))
        id: str = outcome.said.get("$id", "")
        fork = self.model.fork()
        fork.staged.extend(self.model.staged)
        fork.reads.update(self.model.reads)
        fork.lookups.extend(self.model.lookups)
        try:
            shown = act(fork, action, now=self.unit.now, actor=self._actor, new_id=given_or_made_up([id] if id else []))
        except Refused as refused:
            if outcome.error is None or outcome.error.code not in refused.codes:
                raise Finding(f"{action}: {outcome}, instead of {sorted(refused.codes)}") from refused
            self.model.reads.update(fork.reads)
            self.model.lookups.extend(fork.lookups)
            self.dropped = ends
            return outcome
        if outcome.error is not None:
            raise Finding(f"{outcome.error.code}, and nothing was wrong with it: {outcome.error.message}")
        if self._house.ids.repeats > repeats and id in self.model.versions:
            self.dropped = True  # what a unit says of two entities with one id is not looked at
            return outcome
        found = {name: value for name, value in outcome.said.items() if name != "$context"}
        expect_equal("what was staged", [found], shown)
        self.model = fork
        self._done.append(action)
        return outcome

    def count(self, chance: Chance) -> None:
        """A query of the unit sees what it staged. Raises Finding."""
        shape = chance.random.choice(list(self.model.shapes.values()))
        filter = chance.filter(self.model, shape)
        found = self._dollar.call([shape.name, "count"], [{"filter": filter}], {})
        ids = selected(self._house.tenant, self.model, shape.name, filter, self.unit.now)
        expect_equal(f"{self.run} counts {shape.name} {filter}", found, len(ids))
