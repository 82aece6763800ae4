"""The demo tenant: a business that anybody can look at, made once."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from runtime.client import Connection
from server import demo


@pytest.fixture
def business(data: Path) -> Generator[Connection]:
    with Connection(data, tenant="demo") as connection:
        yield connection


def test_an_empty_tenant_is_filled_and_a_filled_one_left_alone(business: Connection) -> None:
    assert demo.fill(business)
    before = business.ask("do", {"code": COUNT})["result"]
    assert before == {"Organization": 8, "Contact": 20, "Deal": 12, "Invoice": 8, "Ticket": 5, "Issue": 6}
    assert not demo.fill(business)
    assert business.ask("do", {"code": COUNT})["result"] == before


def test_the_demo_shows_deals_in_their_stages(business: Connection) -> None:
    demo.fill(business)
    stages = business.ask("do", {"code": "$.Deal.aggregate(groupBy='stage', measures={'deals': 'count()'})"})["result"]
    assert {row["stage"]: row["deals"] for row in stages} == {
        "Prospecting": 2,
        "Qualification": 1,
        "Proposal": 2,
        "Negotiation": 2,
        "Won": 4,
        "Lost": 1,
    }


def test_a_tenant_in_use_is_not_touched(business: Connection) -> None:
    business.ask("do", {"action": "create", "type": "Contact", "data": {"name": "Ada"}})
    assert not demo.fill(business)
    found: Any = business.ask("search", {"type": "Deal"})
    assert found["results"] == []


NOUNS = ("Organization", "Contact", "Deal", "Invoice", "Ticket", "Issue")
COUNT = "{" + ", ".join(f"'{noun}': $.{noun}.count()" for noun in NOUNS) + "}"
