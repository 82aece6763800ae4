"""What handlers cost: three before a verb against the same functions called by hand, and how fast the outbox drains."""

import itertools
import secrets
import statistics
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runtime.engine import Engine, EngineOptions
from runtime.perform import perform
from runtime.unit import Caller, Unit
from runtime.wire import Question, decode
from tests.bench.processor import Spent, middle, spent
from tests.bench.rounds import Call, in_turns
from tests.bench.row import Effort, Pairs, Row, Say

# One checks, two amend. Stored they run before each create; by hand a `do` calls them one after another.
FUNCTIONS = {
    "named": """
def named(contact, $):
    if not contact.name.strip():
        raise ValueError("A contact has a name")
""",
    "lowered": """
def lowered(contact, $):
    return {"email": contact.email.lower()}
""",
    "scored": """
def scored(contact, $):
    return {"leadScore": 60 if contact.email.endswith(".org") else 20}
""",
}

PROCESSOR_ROUNDS = 5

RUNS = 600
RUNS_A_SECOND = 150.0
DRAIN_SECONDS_MAX = 120.0
WELCOME = """
@$.Contact.created
def welcome(contact, $):
    $.Activity.create(subject="Welcome " + contact.name, type="Note")
"""
LOOK = """
@$.Contact.created
def look(contact, $):
    return contact.name
"""


async def before(folder: Path, effort: Effort, say: Say) -> list[Row]:
    """A create with three handlers before it, as a structured action and from code, against code that does their work."""
    run, turns = secrets.token_hex(4), itertools.count()
    with _engine(folder) as engine:
        for source in FUNCTIONS.values():
            _ask(engine, "handled", code=f"@$.Contact.creating{source}")

        def values() -> dict[str, Any]:
            return {"name": "Ada Lovelace", "email": f"ADA-{run}-{next(turns)}@example.org"}

        def made(tenant: str, **arguments: Any) -> None:
            contact = _ask(engine, tenant, **arguments)
            if contact["leadScore"] != 60 or not contact["email"].startswith("ada-"):
                raise RuntimeError("a contact was made without what the three functions do")

        async def action() -> None:
            made("handled", action="create", type="Contact", data=values())

        async def line() -> None:
            made("handled", code=f"$.Contact.create({values()!r})")

        async def by_hand() -> None:
            made("plain", code=by_hand_code(values()))

        actions, lines, hands = await in_turns(effort, [action, line, by_hand])
        processor = [await _processor(call, effort.calls // PROCESSOR_ROUNDS) for call in (action, line, by_hand)]
    note = (
        f"processor: {processor[0]} against {processor[2]}; where the create comes from a do of one line, "
        f"{statistics.median(lines):.1f} ms and {processor[1]}: its code and the handlers' never share a worker"
    )
    name = "create with 3 handlers before it, vs a do that calls the functions and creates"
    return [Pairs(ours=actions, theirs=hands).row(name, "<= 1.3", "ms", note)]


async def _processor(call: Call, times: int) -> str:
    taken: list[Spent] = []
    for _ in range(PROCESSOR_ROUNDS):
        before = spent()
        for _ in range(times):
            await call()
        taken.append(spent() - before)
    return middle(taken).of_each(times)


def by_hand_code(values: dict[str, Any]) -> str:
    """Code that calls the three functions on the values, merges what they return, and creates."""
    calls = "".join(f"contact = merged(contact, {name}(contact, $))\n" for name in FUNCTIONS)
    return f"""{"".join(FUNCTIONS.values())}
def merged(contact, changes):
    return {{**contact, **(changes or {{}})}}

contact = {values!r}
{calls}$.Contact.create(contact)
"""


async def drained(folder: Path, effort: Effort, say: Say) -> list[Row]:
    """Runs a second of a handler that makes an entity, each about another contact, from the commit until all have ended."""
    count = RUNS if effort.calls >= 20 else 20 * effort.calls
    with _engine(folder) as engine:
        _ask(engine, "welcoming", code=WELCOME)
        _ask(engine, "looking", code=LOOK)
        sides: dict[str, list[float]] = {"welcoming": [], "looking": []}
        taken: dict[str, list[Spent]] = {"welcoming": [], "looking": []}
        for number in range(effort.rounds + 1):
            for tenant in sides if number % 2 else reversed(sides):
                seconds, processor = _drain(engine, tenant, count)
                if number:  # the first one warms up
                    sides[tenant].append(count / seconds)
                    taken[tenant].append(processor)
    name = f"runs a second after {count} events, different entities"
    return [
        Pairs(ours=sides[tenant], theirs=[RUNS_A_SECOND] * effort.rounds).row(
            f"{name}, {what}", ">= 1", "/s", f"processor a run: {middle(taken[tenant]).of_each(count)}; {WHERE}"
        )
        for tenant, what in (("welcoming", "each makes an entity"), ("looking", "each changes nothing"))
    ]


# Where the time goes, as a sampler saw it.
WHERE = (
    "nine tenths of the time the writer commits, and three of five threads wait for it: three runs share a commit; sixteen "
    "at once instead of six let eight share one, and are a tenth faster"
)


def _drain(engine: Engine, name: str, count: int) -> tuple[float, Spent]:
    """Commit `count` contacts at once, and see the runs that they set off to their end: the seconds that it took."""
    tenant = engine.tenant(name)
    noun = tenant.vocabulary.noun("Contact")

    def create(unit: Unit) -> None:
        for number in range(count):
            perform(unit, noun, noun.verbs["create"], None, {"name": f"Ada {number}"})

    tenant.write_noted()
    processor = spent()
    committed = tenant.in_turn(Caller(tenant=name, actor="bench"), create)
    began = time.perf_counter()
    ids = [run.id for run in committed.runs]
    ended = tenant.runs.stand(ids, DRAIN_SECONDS_MAX)
    seconds = time.perf_counter() - began
    if [each["status"] for each in ended] != ["Succeeded"] * count:
        raise RuntimeError("a run did not succeed")
    return seconds, spent() - processor


@contextmanager
def _engine(folder: Path) -> Generator[Engine]:
    """An engine of this process on the disk that the other benches write to."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as data:
        engine = Engine(Path(data), EngineOptions(accept_fewer_walls=True))
        try:
            yield engine
        finally:
            engine.close()


def _ask(engine: Engine, tenant: str, **arguments: Any) -> Any:
    return decode(engine.answer(Question("do", tenant, arguments)))["result"]
