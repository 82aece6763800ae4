"""docs/hooks.md happens as it is told: each section in a tenant of its own, each block a `do` on a real engine."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from runtime import Client, VerbenaError, connect
from server.mcp.do import DO
from tests.stories.conftest import Door

PAGE = (Path(__file__).parents[2] / "docs" / "hooks.md").read_text()
_SECTION = re.compile(r"^## (.*)\n((?:(?!^## ).*\n)*)", re.MULTILINE)
_PROGRAM = re.compile(r"^```python do\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SCRIPT = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECTIONS = {found[1]: found for found in _SECTION.finditer(PAGE) if _PROGRAM.search(found[2])}
SCRIPTS = "\n".join(found[1] for found in _SCRIPT.finditer(PAGE))
ROWS_MAX = 100


@dataclass(frozen=True, kw_only=True)
class Story:
    """What a section leaves in the log of its tenant."""

    events: Mapping[str, int]  # how often each happened; not that handlers were stored or ran
    runs: Mapping[tuple[str, str], int] = field(
        default_factory=dict[tuple[str, str], int]
    )  # by kind and status, no `do`
    adapted: str = ""  # where other hooks of this kind have other words than the nouns here


STORIES: Mapping[str, Story] = {
    "Check": Story(
        events={"Deal.created": 1, "Deal.closed": 1},
        runs={("before", "Rejected"): 1, ("before", "Succeeded"): 1},
        adapted="`close` ends in Closed, which is neither Won nor Lost",
    ),
    "Reject": Story(
        events={"Plan.created": 2, "Subscription.created": 2, "Subscription.cancelled": 1},
        runs={("before", "Rejected"): 1, ("before", "Succeeded"): 1},
        adapted="a plan is an entity that is read, and not a word: `isEnterprise` for 'enterprise'",
    ),
    "Amend": Story(events={"Contact.created": 1}, runs={("before", "Succeeded"): 1}),
    "Order": Story(
        events={"Contact.created": 1},
        runs={("before", "Rejected"): 1, ("before", "Succeeded"): 2, ("after", "Succeeded"): 1},
    ),
    "Side effects": Story(
        events={"Deal.created": 1, "Deal.closed": 1},
        runs={("after", "Succeeded"): 1},
        adapted="print for console.log: what it says is kept with the run",
    ),
    "Across the business": Story(
        events={
            **{"Plan.created": 1, "Contact.created": 1, "Deal.created": 1, "Deal.closed": 1},
            **{"Customer.created": 1, "Subscription.created": 1, "Activity.created": 1, "Event.created": 1},
        },
        runs={("after", "Succeeded"): 1},
        adapted="a subscription is a customer's, to a plan that exists; an activity has a subject, and its type is Note",
    ),
    "Every verb": Story(
        events={"Contact.created": 1, "Contact.updated": 1, "Contact.deleted": 1},
        runs={("before", "Succeeded"): 3, ("after", "Succeeded"): 3},
    ),
    "Verbs of a noun's own": Story(
        events={
            **{"Agent.created": 1, "Ticket.created": 1, "Ticket.escalated": 1, "Agent.notified": 1},
            **{"Activity.created": 1, "Noun.defined": 1, "Voyage.created": 2, "Voyage.sailed": 1},
        },
        runs={("before", "Succeeded"): 2, ("before", "Rejected"): 1, ("after", "Succeeded"): 1},
        adapted=(
            "the highest priority is Urgent; `escalatedAt` is set by the verb, so the handler adds a tag; "
            "an agent is notified and takes no inputs, so there is an activity besides"
        ),
    ),
    "From connect to sync": Story(
        events={
            **{"Integration.created": 2, "Integration.connected": 1, "Event.created": 1, "Integration.synced": 1},
            **{"Metric.created": 1, "Integration.disconnected": 1},
        },
        runs={("before", "Rejected"): 1, ("before", "Succeeded"): 1, ("after", "Succeeded"): 3},
        adapted="an event has a name besides its type; a metric that counts is a Counter, there is no type System",
    ),
    "Ways to register": Story(
        events={"Deal.created": 2, "Deal.closed": 2, "Contact.created": 1},
        runs={("before", "Succeeded"): 4, ("after", "Succeeded"): 5},
    ),
    "Which events": Story(
        events={"Contact.created": 2, "Contact.updated": 2, "Deal.created": 1},
        runs={("after", "Succeeded"): 5},
        adapted="stored code is handed the entity, and its event is the run's cause; scripts that listen get events",
    ),
    "When one fails": Story(
        events={"Contact.created": 1, "Activity.created": 3, "Organization.created": 1},
        runs={("after", "Succeeded"): 3},
    ),
    "Handlers as data": Story(events={"Contact.created": 3}, runs={("before", "Succeeded"): 4}),
    "At a time": Story(events={"Activity.created": 1}, runs={("schedule", "Succeeded"): 1}),
    "Past a threshold": Story(
        events={
            **{"Plan.created": 1, "Price.created": 1, "Customer.created": 4, "Subscription.created": 4},
            **{"Event.created": 1, "Subscription.cancelled": 1, "Ticket.created": 1},
        },
        runs={("watch", "Succeeded"): 2},
        adapted="a ticket has a subject, the highest priority is Urgent, and an assignee is a contact, so there is none",
    ),
}


def test_every_section_with_code_has_its_story() -> None:
    # How many of thirty runs had begun when their handler was disabled is chance.
    assert set(SECTIONS) == {*STORIES, "Runs"}


@pytest.mark.parametrize("title", STORIES)
def test_a_section_happens_as_it_is_told(client: Client, title: str) -> None:
    _happen(client, title)
    story = STORIES[title]
    assert _happened(client) == story.events
    assert _ran(client) == story.runs


def test_a_handler_that_always_fails_is_disabled_and_loses_nothing(client: Client) -> None:
    _happen(client, "Runs")
    assert _happened(client) == {"Contact.created": 30}
    ran = _ran(client)
    assert ran.pop(("after", "Released")) == 1
    assert ran == {("after", "Failed"): 29}


def test_the_scripts_of_the_page_run_from_a_file(data: Path) -> None:
    file = data.parent / "hooks.py"
    file.write_text(SCRIPTS)
    ran = subprocess.run(
        [sys.executable, str(file)], cwd=data.parent, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_script_that_hands_over_what_has_no_source_is_told_what_has_one(client: Client) -> None:
    def told(call: Callable[[], Any]) -> str:
        with pytest.raises(VerbenaError) as refused:
            call()
        return f"{refused.value.message}; {refused.value.hint}"

    def note(deal: Any) -> None:
        print(deal.name)

    assert told(lambda: client.Deal.closing(print)) == "print is no function with a source; a def or a lambda of a file"
    assert told(lambda: client.Deal.close(note)) == (
        "$.Deal.close performs the verb, and takes no function; "
        "$.Deal.closing(fn) runs before it, $.Deal.closed(fn) after it"
    )
    assert "$.Deal.closed(lambda entity, $: …) registers" in told(lambda: client.Deal.closed(fn=note))
    listen: Any = client.events.subscribe
    assert "client.on(pattern, fn) stores a function" in told(lambda: listen("Deal.*", note))
    assert client.handlers.list() == []


def test_an_agent_stores_a_hook_and_is_told_how_it_stands(door: Door) -> None:
    stored = door("do", code="@$.Lead.created\ndef greet(lead, $):\n    print('hello', lead.name)\n$.handlers.list()")
    assert [each["event"] for each in stored["events"]] == ["Handler.stored"]
    made = door("do", action="create", type="Lead", data={"name": "Ada", "source": "Fair"})
    assert set(made) <= set(DO.output["properties"])
    (stand,) = made["handlers"]
    assert (stand["handler"], stand["cause"]) == ("greet", made["events"][0]["id"])
    handler = door("fetch", type="Handler", id=stored["events"][0]["entity"])
    assert (handler["pattern"], handler["status"]) == ("Lead.created", "Active")
    assert door("fetch", type="Run", id=stand["run"])["handler"] == handler["$id"]


@pytest.fixture
def client(module_data: Path, request: pytest.FixtureRequest) -> Generator[Client]:
    """A client of an empty tenant, one for each test; one engine owns them all."""
    tenant = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[-40:].strip("-")
    with connect(module_data, tenant) as connected:
        yield connected


def _happen(client: Client, title: str) -> None:
    """Every block of a section, each when nothing waits any more that those before it set off."""
    section = SECTIONS[title]
    listen = client.events.subscribe
    with listen("Run.*", since=0) as ended, listen("Handler.crossed", since=0) as crossed:
        for program in _PROGRAM.finditer(section[2]):
            # Blank lines before it, so that an error names the line of the page.
            client.do("\n" * PAGE.count("\n", 0, section.start(2) + program.start(1)) + program[1])
            while any(_has_crossed(client, watch) for watch in client.handlers.list(kind="watch")):
                next(crossed)
            while _awaited(client):
                next(ended)


def _awaited(client: Client) -> bool:
    """Whether something is to be run, and not only when somebody enables its handler."""
    if any(handler.pattern.startswith("at ") for handler in client.handlers.list()):
        return True
    waiting = client.runs.list(status="Waiting", limit=ROWS_MAX)
    return any("disabled" not in (client.runs.get(run.id).why or "disabled") for run in waiting)


def _has_crossed(client: Client, watch: Any) -> bool:
    """Whether a value is past the threshold, or back, and that is not known yet."""
    value = client.fetch(type="Measure", id=watch.pattern.split()[0], fields=["value"]).value
    return watch.state.side != ("above" if value > watch.options.threshold else "below")


def _happened(client: Client) -> Counter[str]:
    events = client.events.list(after=0, limit=1000)
    return Counter(event.event for event in events if event.type not in ("Handler", "Run"))


def _ran(client: Client) -> Counter[tuple[str, str]]:
    runs: list[Any] = client.runs.list(kind={"$ne": "do"}, limit=ROWS_MAX)
    return Counter((run.kind, run.status) for run in runs)
