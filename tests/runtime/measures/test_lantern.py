"""Three months of Lantern, a company small enough to be worked out by hand, and every measure of it on 30 June 2026.

Its window begins on 31 May at noon; counted in days, it is June.

Subscriptions, a month each in EUR:

| customer | what | 31 May | 30 June |
|---|---|---|---|
| Ada | Desk, 50 a month; 3 of them, 4 from 5 June | 150 | 200 |
| Bo | Desk by the year, 540 each; 2 of them: 1080 / 12 | 90 | 90 |
| Cy | Hall, 300 a quarter: 300 / 3; cancelled on 12 June | 100 | 0 |
| Di | Free, 0 | 0 | 0 |
| Ed | Desk, on trial until 9 June, then paid | 0 | 50 |
| Flo | Desk, on trial until 8 June, never paid | 0 | 0 |
| Gus | Desk, from 20 June | 0 | 50 |
| together | | 340 | 390 |
"""

from collections.abc import Generator

import pytest

from tests.runtime.door import Door
from tests.runtime.measures.calendar import Calendar, opened

START = """
desk = $.Plan.create(name="Desk").id
hall = $.Plan.create(name="Hall").id
free = $.Plan.create(name="Free").id
$.Price.create(plan=desk, amount=50, currency="EUR", interval="Monthly")
$.Price.create(plan=desk, amount=540, currency="eur", interval="Yearly")
$.Price.create(plan=desk, amount=900, currency="EUR", interval="OneTime")
$.Price.create(plan=hall, amount=300, currency="EUR", interval="Quarterly")
$.Price.create(plan=free, amount=0, currency="EUR", interval="Monthly")
for name, plan, quantity, end in [
    ("Ada", desk, 3, "2026-05-01"), ("Bo", desk, 2, "2027-04-01"), ("Cy", hall, 1, "2026-07-01"), ("Di", free, 1, None),
]:
    customer = $.Customer.create(name=name, currency="EUR").id
    $.Subscription.create(
        customer=customer, plan=plan, quantity=quantity, startedAt="2026-04-01",
        currentPeriodStart="2026-04-01", currentPeriodEnd=end,
    )
"""
TRIALS = """
for name, end in [("Ed", "2026-06-09"), ("Flo", "2026-06-08")]:
    $.Subscription.create(
        customer=$.Customer.create(name=name, currency="EUR").id, plan=$.Plan.findOne(name="Desk").id,
        status="Trialing", startedAt="2026-05-10", trialStart="2026-05-10", trialEnd=end,
    )
$.Campaign.create(name="Spring", actualCost=600, currency="EUR", startDate="2026-05-12", endDate="2026-06-10")
rated = $.Ticket.create(subject="Old and rated", satisfaction=1).id
$.Ticket.resolve(rated)
won = $.Deal.create(name="Won in May", value=7000, currency="EUR").id
$.Deal.win(won)
"""
SALES = """
$.Campaign.launch($.Campaign.create(name="Summer", actualCost=900, currency="EUR", startDate="2026-01-01").id)
for name, value, end in [
    ("Open", 1000.10, None), ("Open too", 2500.20, None), ("Won", 4000, "win"), ("Won too", 500, "win"), ("Lost", 9000, "lose"),
]:
    deal = $.Deal.create(name=name, value=value, currency="EUR").id
    if end == "win":
        $.Deal.win(deal)
    elif end == "lose":
        $.Deal.lose(deal)
for name in ["New", "Called", "Gone"]:
    $.Lead.create(name=name, source="Fair")
$.Lead.update($.Lead.findOne(name="Called").id, status="Contacted")
$.Lead.lose($.Lead.findOne(name="Gone").id)
for subject, points in [("A", 5), ("B", 4), ("C", 4), ("D", None)]:
    $.Ticket.resolve($.Ticket.create(subject=subject, satisfaction=points).id)
$.Ticket.create(subject="Open", priority="Urgent")
$.Ticket.escalate($.Ticket.create(subject="Escalated").id)
$.Invoice.finalize($.Invoice.create(subtotal=1, total=1, amountDue=1, dueAt="2026-06-29").id)
$.Deal.update($.Deal.findOne(name="Open").id, expectedCloseDate="2026-06-29")
$.Issue.create(title="Slow", type="Bug")
$.Project.create(name="Rollout")
"""


@pytest.fixture(scope="module")
def lantern(tmp_path_factory: pytest.TempPathFactory) -> Generator[Door]:
    """Lantern on 30 June 2026 at noon; nobody writes to it any more."""
    calendar = Calendar()
    business = opened(tmp_path_factory.mktemp("lantern"), calendar)
    of = '$.Subscription.findOne({{"customer.name": "{}"}}).id'
    business.do(START)
    for day, code in [
        ("2026-05-10", TRIALS),
        ("2026-06-05", f"$.Subscription.upgrade({of.format('Ada')}, quantity=4)"),
        ("2026-06-08", f"$.Subscription.expire({of.format('Flo')})"),
        ("2026-06-09", f"$.Subscription.activate({of.format('Ed')})"),
        ("2026-06-11", SALES),
        ("2026-06-12", f"$.Subscription.cancel({of.format('Cy')})"),
        (
            "2026-06-20",
            '$.Subscription.create(customer=$.Customer.create(name="Gus").id, plan=$.Plan.findOne(name="Desk").id,'
            ' currentPeriodStart="2026-06-20", currentPeriodEnd="2026-07-20")',
        ),
    ]:
        calendar.turn(day)
        business.do(code)
    calendar.turn("2026-06-30")
    yield business
    business.close()


@pytest.mark.parametrize(
    ("name", "value", "unit"),
    [
        ("mrr", 390, "EUR"),
        ("arr", 4680, "EUR"),  # 12 * 390
        ("nrr", 85.29, "percent"),  # of Ada, Bo and Cy: (200 + 90 + 0) / 340
        ("churn", 33.33, "percent"),  # Cy, of Ada, Bo and Cy; Di never paid anything
        ("ltv", 292.5, "EUR"),  # Ada, Bo, Ed, Gus: 390 / 4 = 97.50 each, and a third leaves: 97.50 / (1/3)
        # Spring ran for 30 days, 10 of them in June: 200. Summer was launched on 11 June: all of its 900. For Ed and Gus.
        ("cac", 550, "EUR"),
        ("trialConversion", 50, "percent"),  # Ed, of Ed and Flo
        ("pipeline", 3500.3, "EUR"),  # 1000.10 + 2500.20
        ("dealsWon", 2, "deals"),  # not the one in May
        ("leads", 2, "leads"),
        ("ticketsOpen", 2, "tickets"),
        ("satisfaction", 4.33, "points"),  # (5 + 4 + 4) / 3; D has none, and the 1 was in May
    ],
)
def test_a_measure_is_what_was_worked_out_by_hand(lantern: Door, name: str, value: float, unit: str) -> None:
    found = lantern("fetch", type="Measure", id=name)
    assert (found["name"], found["value"], found["unit"]) == (name, value, unit)
    assert found["at"] == "2026-06-30T12:00:00Z"
    assert {"why", "note", "byCurrency"}.isdisjoint(found)
    listed = lantern("fetch", type="Measure")["measures"]
    assert [each for each in listed if each["name"] == name] == [
        {"name": name, "value": value, "unit": unit, "formula": found["formula"]}
    ]


@pytest.mark.parametrize(
    ("name", "moment", "value"),
    [
        ("mrr", "2026-05-31", 340),
        ("mrr", "2026-06-05", 390),  # a day means its end: Ada has four by then
        ("mrr", "2026-06-05T11:59:59Z", 340),
        ("mrr", "2026-06-10", 440),  # and Ed pays
        ("mrr", "2026-03-31", 0),
        ("nrr", "2026-06-10", 114.71),  # (200 + 90 + 100) / 340: Cy is there still
        ("churn", "2026-06-10", 0),
        ("churn", "2026-04-15", None),
        ("trialConversion", "2026-06-08", 0),
        ("cac", "2026-06-10", 600),  # Spring, all of whose 30 days lie in the window; for Ed
        ("leads", "2026-06-10", 0),
        ("ticketsOpen", 0, 0),
    ],
)
def test_a_measure_is_told_as_of_any_moment(lantern: Door, name: str, moment: str | int, value: float | None) -> None:
    assert lantern("fetch", type="Measure", id=name, asOf=moment)["value"] == value


def test_the_history_is_what_as_of_tells(lantern: Door) -> None:
    found = lantern("fetch", type="Measure", id="mrr")
    # The log is 90 days old, so weeks do not reach back to its beginning, and months do.
    assert found["history"] == [
        {"at": "2026-04-01T12:00:00Z", "value": 340},
        {"at": "2026-05-01T12:00:00Z", "value": 340},
        {"at": "2026-05-31T12:00:00Z", "value": 340},
    ]
    for point in lantern("fetch", type="Measure", id="nrr", asOf="2026-06-12T12:00:00Z")["history"]:
        then = lantern("fetch", type="Measure", id="nrr", asOf=point["at"], fields=["value"])
        assert then == {"value": point["value"]}


def test_the_status_is_the_measures_and_what_to_look_at(lantern: Door) -> None:
    found = lantern("fetch", type="Status")
    assert {key: found[key] for key in found if key != "units"} == {
        "at": "2026-06-30T12:00:00Z",
        "revenue": {
            "mrr": 390,
            "arr": 4680,
            "nrr": 85.29,
            "churn": 33.33,
            "ltv": 292.5,
            "cac": 550,
            "trialConversion": 50,
        },
        "pipeline": {"value": 3500.3, "dealsWon": 2, "leads": 2, "dealsOpen": 2},
        "support": {"ticketsOpen": 2, "satisfaction": 4.33, "ticketsUrgent": 1, "ticketsEscalated": 1},
        "product": {"issuesOpen": 1, "bugsOpen": 1, "projectsActive": 1, "experimentsRunning": 0},
        "alerts": [
            {
                "type": "churn",
                "severity": "high",
                "value": 33.33,
                "message": "33.33 percent of the customers left in the last 30 days",
            },
            {
                "type": "invoicesOverdue",
                "severity": "high",
                "value": 1,
                "message": "1 open invoices are past their dueAt",
            },
            {"type": "ticketsUrgent", "severity": "high", "value": 1, "message": "1 open tickets are Urgent"},
            {
                "type": "dealsOverdue",
                "severity": "medium",
                "value": 1,
                "message": "1 open deals are past their expectedCloseDate",
            },
        ],
    }
    assert found["units"]["pipeline"] == "EUR"
    before = lantern("fetch", type="Status", asOf="2026-05-31")
    assert (before["revenue"]["mrr"], before["support"]["ticketsOpen"], before["alerts"]) == (340, 0, [])
