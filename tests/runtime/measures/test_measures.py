"""What a measure does where a business is not as the formula would like it: empty, of several currencies, brought in late."""

from pathlib import Path
from typing import Any

import pytest

from runtime.catalogue import shipped
from runtime.errors import InvalidArguments, InvalidFields, InvalidType, NotFound
from runtime.measures import MEASURES
from tests.runtime.door import Door
from tests.runtime.measures.calendar import Calendar

PAID = """
def paid(customer, amount, currency="EUR", interval="Monthly", **values):
    plan = $.Plan.create(name=customer).id
    if interval:
        $.Price.create(plan=plan, amount=amount, currency=currency, interval=interval)
    return $.Subscription.create({"customer": $.Customer.create(name=customer).id, "plan": plan, **values}).id
"""


def value_of(door: Door, name: str, **arguments: Any) -> Any:
    return door("fetch", type="Measure", id=name, fields=["value"], **arguments)["value"]


def test_an_empty_business_counts_nothing_and_says_why_the_rest_is_unknown(business: Door) -> None:
    told = business("fetch", type="Measure")["measures"]
    assert {each["name"]: each["value"] for each in told} == {
        **dict.fromkeys(MEASURES, None),
        **dict.fromkeys(("mrr", "arr", "pipeline", "dealsWon", "leads", "ticketsOpen"), 0),
    }
    assert [each["name"] for each in told if each["value"] is None and not each.get("why")] == []
    assert business("fetch", type="Measure", id="churn")["history"] == []
    assert business("fetch", type="Status")["alerts"] == []


def test_every_measure_is_told_with_its_formula_and_reads_nouns_that_ship() -> None:
    nouns = shipped()
    for name, measure in MEASURES.items():
        assert (measure.name, measure.said != "") == (name, True)
        assert [noun for noun in measure.nouns if noun not in nouns] == []


def test_currencies_are_not_added_up(business: Door) -> None:
    business.do(PAID + 'paid("A", 10.10)\npaid("B", 20.20)\npaid("C", 5, "usd")\npaid("D", 7, None)')
    found = business("fetch", type="Measure", id="mrr")
    assert (found["value"], found["unit"], found["byCurrency"]) == (None, None, {"EUR": 30.3, "USD": 5, "XXX": 7})
    assert "3 currencies" in found["why"]
    one = business("fetch", type="Measure", id="mrr:eur")
    assert (one["name"], one["value"], one["unit"], "byCurrency" in one) == ("mrr:eur", 30.3, "EUR", False)
    assert value_of(business, "arr:USD") == 60
    assert value_of(business, "mrr:GBP") == 0
    status = business("fetch", type="Status")
    assert (status["revenue"]["mrr"], status["byCurrency"]["mrr"]["EUR"]) == (None, 30.3)
    with pytest.raises(NotFound, match="has no currency"):
        business("fetch", type="Measure", id="leads:EUR")
    with pytest.raises(NotFound, match="no currency"):
        business("fetch", type="Measure", id="mrr:euros")


def test_money_is_added_exactly(business: Door) -> None:
    # As floats, ten times 0.1 is 0.9999999999999999, and a third of 100 three times over is not 100.
    business.do(
        PAID + 'for n in range(10): paid(f"C{n}", 0.1)\nfor n in range(3): paid(f"Q{n}", 100, "EUR", "Quarterly")'
    )
    business.do(
        'for value in [0.1, 0.2, 8999999999.99, 9000000000.01]: $.Deal.create(name="D", value=value, currency="EUR")'
    )
    assert (value_of(business, "mrr"), value_of(business, "pipeline")) == (101, 18000000000.3)
    business.do('$.Deal.create(name="Out of bounds", value=1e15, currency="EUR")')
    assert value_of(business, "pipeline") == 18000000000.3


def test_the_price_that_fits_best_counts(business: Door) -> None:
    business.do("""
plan = $.Plan.create(name="Desk").id
for amount, currency, interval, active in [
    (1, "EUR", "Monthly", True), (2, "EUR", "Monthly", True), (3, "EUR", "Monthly", False), (48, "EUR", "Yearly", True),
    (5, "USD", "Monthly", True), (6, "USD", "OneTime", True),
]:
    $.Price.create(plan=plan, amount=amount, currency=currency, interval=interval, active=active)
def subscribe(currency, start, end):
    customer = $.Customer.create(name="C", currency=currency).id
    $.Subscription.create(customer=customer, plan=plan, currentPeriodStart=start, currentPeriodEnd=end)
subscribe("EUR", "2026-02-01", "2026-03-01")    # monthly: 2, the newest of those that are active
subscribe("EUR", "2026-01-01", "2027-01-01")    # yearly: 48 / 12
subscribe("USD", "2026-01-01", "2027-01-01")    # in dollars there is only the monthly one: 5
subscribe("EUR", None, None)                    # no period: of those that are active the shortest, 2
""")
    assert business("fetch", type="Measure", id="mrr")["byCurrency"] == {"EUR": 8, "USD": 5}


def test_a_subscription_without_a_price_is_left_out_and_told(business: Door) -> None:
    business.do(PAID + 'paid("A", 10)\npaid("B", 9, interval=None)\npaid("C", 9, interval="OneTime")')
    found = business("fetch", type="Measure", id="mrr")
    assert (found["value"], found["note"]) == (
        10,
        "2 paid subscriptions are left out: their plan has no recurring price",
    )


def test_books_that_are_brought_in_late_have_their_window_behind_them(business: Door, calendar: Calendar) -> None:
    calendar.turn("2026-06-30")
    business.do(
        PAID
        + """
paid("Stays", 100, startedAt="2026-01-01")
paid("Begins", 60, startedAt="2026-06-15")
leaves = paid("Leaves", 50, startedAt="2026-02-01")
mistake = paid("Never was", 70, startedAt="2026-02-01")
$.Subscription.cancel(leaves)
$.Subscription.update(leaves, canceledAt="2026-06-10")
$.Subscription.delete(mistake)
$.Campaign.create(name="Fair", actualCost=30, currency="EUR", startDate="2026-06-01")
"""
    )
    assert {name: value_of(business, name) for name in ("mrr", "churn", "ltv", "cac")} == {
        "mrr": 160,
        "churn": 50,  # Leaves, of Stays and Leaves
        "ltv": 160,  # 160 / 2, and half of them leave
        "cac": 30,  # for Begins
    }
    assert value_of(business, "nrr") == 66.67  # Stays 100 now; 100 + 50 then
    assert business("fetch", type="Measure", id="mrr")["history"] == []


def test_somebody_who_only_pauses_or_has_another_subscription_is_not_lost(business: Door, calendar: Calendar) -> None:
    ids = business.do(PAID + '[paid(f"C{n}", 10) for n in range(4)]')
    business.do(f'$.Subscription.create(customer=$.Subscription.get("{ids[2]}").customer)')
    calendar.turn("2026-05-15")
    business.do(f'$.Subscription.pause("{ids[1]}")\nfor id in {ids[2:]}: $.Subscription.cancel(id)')
    assert (value_of(business, "churn"), value_of(business, "nrr")) == (25, 25)
    business.do(f'$.Subscription.reactivate("{ids[3]}")')
    assert (value_of(business, "churn"), value_of(business, "nrr")) == (0, 50)


def test_a_unit_sees_the_measure_with_what_it_staged(business: Door) -> None:
    assert business.do('$.Lead.create(name="L", source="Fair")\n$.fetch("Measure", "leads").value') == 1
    plan = business(
        "do", code='$.Lead.create(name="M", source="Fair")\n$.fetch(type="Status").pipeline.leads', dryRun=True
    )
    assert (plan["result"], value_of(business, "leads")) == (2, 1)


def test_a_key_that_a_tenant_renamed_is_still_read(business: Door) -> None:
    business.do('$.Deal.create(name="D", value=10, currency="EUR")')
    keys = {**shipped().noun("Deal").declaration["keys"]}
    renamed = {"worth" if key == "value" else key: declared for key, declared in keys.items()}
    declared = {**shipped().noun("Deal").declaration, "keys": renamed, "renamed": {"value": "worth"}}
    business("$", path=["define"], args=[declared], kwargs={})
    business.do('$.Deal.create(name="E", worth=5, currency="EUR")')
    assert value_of(business, "pipeline") == 15


def test_another_tenants_business_is_not_counted(business: Door) -> None:
    business.do('$.Lead.create(name="L", source="Fair")')
    assert (value_of(business, "leads"), value_of(business.other("rival"), "leads")) == (1, 0)


def test_measures_survive_a_restart(business: Door, calendar: Calendar) -> None:
    business.do(PAID + 'paid("A", 10)')
    calendar.turn("2026-05-15")
    first = business("fetch", type="Measure", id="nrr")
    business.reopen()
    assert business("fetch", type="Measure", id="nrr") == first
    assert first["value"] == 100


def test_a_wrong_name_is_answered_with_the_nearest(business: Door) -> None:
    for wrong, hint in [("deals_won", "'dealsWon'"), ("MRR", "'mrr'"), ("churm", "'churn'"), ("weather", "there is: ")]:
        with pytest.raises(NotFound) as refused:
            business("fetch", type="Measure", id=wrong)
        assert hint in str(refused.value.hint)


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        ({"type": "Measure", "id": "mrr", "include": ["plan"]}, InvalidArguments),
        ({"type": "Measure", "id": "mrr", "proof": True}, InvalidArguments),
        ({"type": "Measure", "id": "mrr", "fields": ["worth"]}, InvalidFields),
        ({"type": "Measure", "id": "mrr", "asOf": "soon"}, InvalidArguments),
        ({"type": "Status", "id": "mrr"}, InvalidArguments),
        ({"type": "Status", "asOf": 99}, InvalidArguments),
        ({"type": "Measures", "id": "mrr"}, InvalidType),
    ],
)
def test_what_a_measure_does_not_take_is_refused(
    business: Door, arguments: dict[str, Any], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        business("fetch", **arguments)


def test_the_docs_say_each_formula_as_the_measure_does() -> None:
    page = " ".join((Path(__file__).parents[3] / "docs" / "measures.md").read_text().split())
    assert [name for name, measure in MEASURES.items() if f"**`{name}`**" not in page or measure.said not in page] == []


def test_what_was_active_then_counts_whatever_its_dates_say(business: Door, calendar: Calendar) -> None:
    early = business.do(PAID + 'paid("Early", 10, status="Trialing", trialEnd="2026-12-31")')
    business.do(f'$.Subscription.activate("{early}")')  # long before the trial would have ended
    then = value_of(business, "mrr")
    calendar.turn("2026-05-15")
    business.do(f'$.Subscription.cancel("{early}")')
    assert (then, value_of(business, "nrr"), value_of(business, "churn")) == (10, 0, 100)


def test_the_first_days_of_the_calendar_have_measures_too(business: Door) -> None:
    business.do(PAID + 'paid("A", 10)')
    for moment in ("0001-01-01", "0001-02-01T00:00:00Z", "9999-12-31"):
        found = business("fetch", type="Measure", id="ltv", asOf=moment)
        assert (found["value"], found["history"]) == (None, [])
        assert business("fetch", type="Status", asOf=moment)["alerts"] == []


def test_an_answer_holds_a_bounded_number_of_currencies(business: Door) -> None:
    codes = [f"{first}{second}A" for first in "ABCDEFGH" for second in "ABCDEFGH"]
    business.do(
        f'for code in {codes} + ["euros", "", " eur "]: $.Deal.create(name="D", value=1, currency=code or None)'
    )
    found = business("fetch", type="Measure", id="pipeline")
    assert (list(found["byCurrency"]), found["why"][:13]) == (sorted([*codes, "EUR"])[:50], "66 currencies")
    assert (value_of(business, "pipeline:EUR"), value_of(business, "pipeline:XXX")) == (1, 2)
