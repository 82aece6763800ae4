"""Every example runs as it stands, on a data folder of its own, and tells what it is there to tell."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
LINES_MAX = 60

# What a reader sees when it ran, line by line; what differs from run to run is left out.
TOLD: Mapping[str, list[str]] = {
    "01_first_noun.py": [
        "North by east is Planned with a crew of 12",
        "invalid_transition: Voyage.arrive does not lead on from status Planned; it leads from Sailing",
        "North by east is Sailing",
        "Ada Lovelace sails Analytical",
        "Voyage.created by local: no inputs",
        "Voyage.sailed by local: {'wind': 'south-west'}",
    ],
    "02_close_a_deal.py": [
        "billed Grace Hopper: 1952",
        "Deal.won",
        "Customer.created",
        "Invoice.created",
        "Invoice.finalized",
        "Activity.created",
        "invalid_transition at line 3: Deal.win does not lead on from stage Won",
        "invoices of Grace: 1",
    ],
    "03_report.py": [
        "stage            deals   value  largest",
        "Qualification        2    4900     4000",
        "Prospecting          1     250      250",
        "Energy                    4000",
        "Retail                    1150",
        "1 waiting",
        "  High: Cannot log in (Someone at Initech, Initech)",
    ],
    "04_agent_loop.py": [
        "tools: search, fetch, do",
        "a Ticket starts as Open",
        "refused: invalid_type - did you mean 'escalate'?",
        "Ticket.escalated",
        "refused: Ticket.close does not lead on from status Escalated",
        "Ticket.resolved",
        "Ticket.closed",
        "The lift is stuck: Closed",
    ],
    "05_plan_and_undo.py": [
        "would change, and changed nothing:",
        "→ Offer the discount, value 500 → 450",
        "→ Offer the discount, value 1000 → 900",
        "conflict: deal_",
        "committed as planned: 1350 in all",
        "it was 1000, set by this run: True",
        "what changed since: nextStep, value",
        "undone: 1000",
        "asked again, done once: 1000",
    ],
    "06_hooks.py": [
        "before Deal.close: needs_an_amount",
        "after Deal.closed: bill",
        "after Deal.closed: plan_the_kick_off",
        "rejected: Engine cannot be closed without a won amount",
        "Closed: Not said",
        "  needs_an_amount: Succeeded",
        "  bill: Failed",
        "  plan_the_kick_off: Succeeded",
        "tried again: bill",
        "billed: 1800",
    ],
}


class Shell(Protocol):
    """What is needed of the fixture `verbena`: a data folder, and nothing of the machine's settings."""

    data: Path

    def environment(self) -> dict[str, str]: ...


def test_no_example_is_without_its_test() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(TOLD)


@pytest.mark.parametrize("name", sorted(TOLD))
def test_an_example_tells_its_story(verbena: Shell, name: str) -> None:
    ran = subprocess.run(
        [sys.executable, str(EXAMPLES / name), str(verbena.data)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=verbena.environment(),
    )
    assert ran.returncode == 0, ran.stderr
    said = iter(ran.stdout.splitlines())
    assert [line for line in TOLD[name] if not any(line in each for each in said)] == []


@pytest.mark.parametrize("name", sorted(TOLD))
def test_an_example_is_read_on_one_screen(name: str) -> None:
    assert len((EXAMPLES / name).read_text().splitlines()) <= LINES_MAX
