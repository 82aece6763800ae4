"""What is done next: actions and questions drawn by chance, most of them possible, some of them not."""

import random
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from tests.simulation.model import Action, Model
from tests.simulation.shapes import OWN, REFUSED, Key, Shape

# Few words, so that unique values meet and filters find something.
WORDS = ("alpha", "beta", "gamma", "delta", "Straße", "50%_x", "")
NUMBERS = (0, 1, -1, 2.5, 7, 1000, 0.1)
DATES = ("2026-11-20", "2026-11-21", "2024-02-29", "2027-01-01")
TIMES = ("2026-11-21T10:00:00Z", "2026-11-21T10:00:00.000001Z", "2025-01-01T00:00:00Z")
WRONG: Sequence[tuple[str, Any]] = (
    ("$createdAt", "2020-01-01T00:00:00Z"),
    ("$id", "contact_111111111"),
    ("colour", "red"),
    ("name", 5),
    ("name", None),
)


class Chance:
    """Draws from one seed; the same seed and the same model give the same."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(f"{seed}/history")
        self._wanted: list[str] = []
        self.world = random.Random(f"{seed}/world")  # for what the engine is given: ids, salts, where a file is torn

    @contextmanager
    def narrowed(self, model: Model) -> Generator[None]:
        """Meanwhile actions want the same few entities and words, so that units get into each other's way."""
        live = [id for shape in model.shapes.values() for id in model.live(shape.name)]
        self._wanted = self.random.sample(live, min(3, len(live)))
        try:
            yield
        finally:
            self._wanted = []

    def duel(self, model: Model) -> Sequence[Action]:
        """Now and then two actions that cannot both be: the same unique value twice, or a relation to what is deleted."""
        pick = self.random.random()
        if pick < 0.2:
            data = {"name": "alpha", "slug": self.random.choice(WORDS)}
            return (Action(verb="create", type="Organization", data=data),) * 2
        vessels = list(model.live("Vessel")) if "Cabin" in model.shapes else []
        if pick < 0.45 and vessels:
            id = self.random.choice(vessels)
            cabin = Action(verb="create", type="Cabin", data={"name": "alpha", "vessel": id})
            return (Action(verb="delete", type="Vessel", id=id), cabin)
        return ()

    def often(self, share: float) -> bool:
        return self.random.random() < share

    def first_nouns(self) -> list[Action]:
        """The tenant's own nouns, in early forms."""
        forms = [*OWN["Vessel"][: self.random.randrange(1, len(OWN["Vessel"]) + 1)], OWN["Cabin"][0]]
        return [Action(verb="define", data=form.declaration) for form in forms if form.declaration is not None]

    def first_entities(self, model: Model) -> Action:
        """A few entities in one batch, none of which points anywhere yet."""
        shapes = [
            shape for shape in model.shapes.values() if not any(k.target and k.required for k in shape.keys.values())
        ]
        picked = [self.random.choice(shapes) for _ in range(self.random.randrange(2, 6))]
        values = [
            {
                name: self._one(model, key)
                for name, key in shape.keys.items()
                if key.required or name in ("code", "slug")
            }
            for shape in picked
        ]
        items = [Action(verb="create", type=shape.name, data=data) for shape, data in zip(picked, values, strict=True)]
        return Action(verb="batch", items=tuple(items))

    def action(self, model: Model, *, inside: bool = False) -> Action:
        """One action; `inside` a unit or batch, where no batch and no undo can be."""
        verbs = {"create": 28, "update": 24, "verb": 16, "delete": 10, "restore": 6, "rollback": 7, "upsert": 9}
        if not inside:
            verbs |= {"batch": 8, "undo": 9, "define": 9}
        verb = self.random.choices(list(verbs), list(verbs.values()))[0]
        match verb:
            case "batch":
                return Action(verb="batch", items=self._batch(model))
            case "undo":
                return Action(verb="undo", id=self._run(model))
            case "define":
                return Action(verb="define", data=self.definition(model))
            case "create":
                return self._create(model, self._shape(model))
            case "upsert":
                return self._upsert(model, self._shape(model))
            case _:
                return self._on_entity(model, verb)

    def definition(self, model: Model) -> Mapping[str, Any]:
        """A form of a noun: mostly the next one of a noun of the tenant's own."""
        refused = [each for each in REFUSED if each["name"] in model.shapes]
        if self.often(0.15):
            return self.random.choice(refused)
        name = self.random.choice(("Vessel", "Cabin"))
        forms = OWN[name]
        present = model.shapes.get(name)
        place = -1 if present is None else forms.index(present)
        place = max(0, min(len(forms) - 1, place + (1 if self.often(0.85) else 0)))
        declaration = forms[place].declaration
        assert declaration is not None
        return declaration

    def data(self, model: Model, shape: Shape, *, whole: bool) -> dict[str, Any]:
        """Values for some keys; `whole` for an entity that is to be created."""
        given: dict[str, Any] = {}
        for name, key in shape.keys.items():
            wanted = 0.3
            if whole and key.required and key.default is None:
                wanted = 0.97
            elif whole and name in shape.moves and self.often(0.9):
                wanted = 0.0
            nowhere = (
                bool(key.target) and not key.required and key.target in model.shapes and not model.live(key.target)
            )
            if self.often(wanted * (0.1 if nowhere else 1)):
                given[name] = None if not whole and self.often(0.15) else self.value(model, key)
        if self.often(0.04):
            given |= [self.random.choice(WRONG)]
        return given

    def value(self, model: Model, key: Key) -> Any:
        if key.many:
            return [self._one(model, key) for _ in range(self.random.randrange(3))]
        return self._one(model, key)

    def step(self) -> timedelta:
        """How far the clock goes: mostly a little, now and then far, in either direction."""
        pick = self.random.random()
        if pick < 0.7:
            return timedelta(microseconds=self.random.randrange(1, 5_000_000))
        if pick < 0.85:
            return timedelta(hours=self.random.choice((1, 2, 25)), seconds=self.random.randrange(60))
        return -timedelta(seconds=self.random.choice((1, 60, 3_600, 100_000)))

    # -- questions -------------------------------------------------------------------------------------------------------

    def filter(self, model: Model, shape: Shape, *, depth: int = 0) -> dict[str, Any]:
        """A filter over the keys of a noun and of what it is related to."""
        pick = self.random.random()
        if depth < 2 and pick < 0.2:
            parts = [self.filter(model, shape, depth=depth + 1) for _ in range(2)]
            return {self.random.choice(("$and", "$or")): parts}
        if depth < 2 and pick < 0.3:
            return {"$not": self.filter(model, shape, depth=depth + 1)}
        links = {name: key.target for name, key in shape.keys.items() if key.target}
        links |= {name: source for name, (source, _) in shape.inverses.items() if source in model.shapes}
        if links and depth < 3 and pick < 0.5:
            name = self.random.choice(list(links))
            below = self.filter(model, model.shapes[links[name]], depth=3)
            return {f"{name}.{key}": value for key, value in below.items()}
        if pick < 0.56:
            return {"$version": {self.random.choice(("$gt", "$lte")): self.random.randrange(1, 4)}}
        name = self.random.choice(list(shape.keys))
        key, value = shape.keys[name], self._one(model, shape.keys[name])
        match self.random.randrange(6):
            case 0:
                return {name: {"$ne": value}}
            case 1:
                return {name: {"$exists": self.often(0.5)}}
            case 2:
                return {name: {self.random.choice(("$in", "$nin")): [value, self._one(model, key)]}}
            case 3 if key.kind in ("number", "int", "date", "datetime"):
                return {name: {self.random.choice(("$gt", "$gte", "$lt", "$lte")): value}}
            case 3 if key.kind == "string" and value:
                return {name: {self.random.choice(("$startsWith", "$contains")): value[:3] if not key.many else value}}
            case _:
                return {name: value}

    # -- parts -----------------------------------------------------------------------------------------------------------

    def _shape(self, model: Model) -> Shape:
        return self.random.choice(list(model.shapes.values()))

    def _create(self, model: Model, shape: Shape) -> Action:
        return Action(verb="create", type=shape.name, data=self.data(model, shape, whole=True))

    def _upsert(self, model: Model, shape: Shape) -> Action:
        data = {name: value for name, value in self.data(model, shape, whole=True).items() if value is not None}
        by = self.random.choice([None, *(name for name, key in shape.keys.items() if key.unique), "name"])
        if by is not None and by in shape.keys and self.often(0.9):
            data.setdefault(by, self.value(model, shape.keys[by]))
        return Action(verb="upsert", type=shape.name, data={"data": data, **({} if by is None else {"by": by})})

    def _on_entity(self, model: Model, verb: str) -> Action:
        dead = verb == "restore" if self.often(0.9) else verb != "restore"
        among = [
            (shape, id)
            for shape in model.shapes.values()
            for id, body in model.of(shape.name).items()
            if ("$deletedAt" in body) == dead
        ]
        if not among:
            return self._create(model, self._shape(model))
        wanted = [each for each in among if each[1] in self._wanted]
        shape, id = self.random.choice(wanted if wanted and self.often(0.7) else among)
        if self.often(0.02):
            id = self.random.choice((f"{shape.prefix}_111111111", "contact_1111111111"))
        version = len(model.versions.get(id, ()))
        data: dict[str, Any] = {}
        if verb == "verb":
            verb = self.random.choice(list(shape.verbs) or ["update"])
            inputs = shape.verbs[verb].inputs if verb in shape.verbs else ()
            data = {name: "because" for name in inputs if self.often(0.5)}
            if self.often(0.15):
                data |= self.data(model, shape, whole=False)
        if verb == "update":
            data = self.data(model, shape, whole=False)
            if self.often(0.2):
                data["$version"] = version if self.often(0.7) else version + self.random.choice((-1, 1))
        if verb == "rollback":
            data = {"version": self.random.randrange(1, max(2, version + (1 if self.often(0.1) else 0)))}
        return Action(verb=verb, type=shape.name, id=id, data=data)

    def _batch(self, model: Model) -> tuple[Action, ...]:
        return tuple(self.action(model, inside=True) for _ in range(self.random.randrange(1, 5)))

    def _run(self, model: Model) -> str:
        runs = list(dict.fromkeys(event.run for event in model.log if event.run is not None))
        # The latest ones most often: nothing was built on them yet.
        return self.random.choice(runs[-4:] if self.often(0.7) else runs) if runs else "run_1111111111"

    def _one(self, model: Model, key: Key) -> Any:
        match key.kind:
            case "string":
                return self.random.choice(WORDS[:2] if self._wanted else WORDS)
            case "email":
                return f"{self.random.choice(WORDS[:2] if self._wanted else WORDS[:4])}@example.com"
            case "number":
                return self.random.choice(NUMBERS)
            case "int":
                return self.random.randrange(1, 6)
            case "date":
                return self.random.choice(DATES)
            case "datetime":
                return self.random.choice(TIMES)
            case "enum":
                return self.random.choice(key.words)
            case _:
                return self._link(model, key.target)

    def _link(self, model: Model, target: str) -> str:
        ids = list(model.live(target) if self.often(0.9) else model.of(target)) if target in model.shapes else []
        wanted = [id for id in ids if id in self._wanted]
        return (
            self.random.choice(wanted if wanted and self.often(0.7) else ids)
            if ids
            else f"{target[0].lower()}{target[1:]}_1111111111"
        )
