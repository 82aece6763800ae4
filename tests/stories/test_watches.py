"""A milestone is reached and customers leave: whoever watches is told, over MCP, from a script, and after a restart."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtime import connect
from tests.stories.conftest import Door

# As hooks of this kind have it elsewhere, with the words of the nouns here: a ticket has a subject, the highest priority is
# Urgent, and it is given to somebody by a verb.
WATCHES = """
@$.Metric.watch("mrr", {"threshold": 10000, "direction": "above"})
def milestone(metric, $):
    $.Event.create(name="milestone_reached", properties={"metric": "mrr", "value": metric.value})

@$.Metric.watch("churn", {"threshold": 5, "direction": "above"})
def alarm(metric, $):
    $.Ticket.create(subject="Churn rate exceeded 5%", priority="Urgent")
"""
BOOKS = """
from datetime import datetime, timedelta
early = (datetime.fromisoformat(str($.now())) - timedelta(days=60)).isoformat()
plan = $.Plan.create(name="Desk").id
$.Price.create(plan=plan, amount=3000, currency="EUR", interval="Monthly")
def pay(name, **values):
    customer = $.Customer.create(name=name, currency="EUR").id
    return $.Subscription.create({"customer": customer, "plan": plan, **values}).id
for name in ["Ada", "Bo", "Cy"]:
    pay(name, startedAt=early)
"""


def test_a_milestone_and_an_alarm_are_told_over_mcp(module_data: Path, door: Door) -> None:
    assert "error" not in door("do", code=BOOKS)
    assert "error" not in door("do", code=WATCHES)
    with connect(module_data) as listening:
        with listening.events.subscribe("Event.created") as events:
            assert "error" not in door("do", code=BOOKS)  # 9,000 become 18,000
            reached = next(events).after
        with listening.events.subscribe("Ticket.created") as events:
            left = door("do", code='$.Subscription.cancel($.Subscription.findOne({"customer.name": "Cy"}).id).status')
            assert left["result"] == "Cancelled"
            assert next(events).after.subject == "Churn rate exceeded 5%"
    assert (reached.name, reached.properties) == ("milestone_reached", {"metric": "mrr", "value": 18000})
    runs = door("do", code='[[run.name, run.status] for run in $.runs.list(kind="watch", sort="createdAt")]')["result"]
    assert runs == [["milestone", "Succeeded"], ["alarm", "Succeeded"]]


def test_a_script_watches_and_a_restart_changes_nothing(data: Path, stop: Callable[[], None]) -> None:
    def tell() -> None:
        with connect(data) as client:

            @client.Metric.watch("leads", threshold=1, direction="above")
            def many(metric: Any, here: Any) -> None:
                here.Activity.create(subject=f"{metric.value} leads", type="Note")

    tell()
    with connect(data) as client, client.events.subscribe("Activity.created") as told:
        for name in ("Ada", "Bo"):
            client.Lead.create(name=name, source="web")
        assert next(told).after.subject == "2 leads"
    stop()
    tell()
    with connect(data) as client:
        assert [(each.kind, each.state.side) for each in client.handlers.list()] == [("watch", "above")]
        assert (client.Activity.count(), len(client.runs.list(kind="watch"))) == (1, 1)
