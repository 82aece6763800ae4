"""Recurring revenue: what comes in, what stays, who leaves, what a customer is worth, and what one costs to win."""

from datetime import date
from fractions import Fraction

from runtime.measures import subscriptions
from runtime.measures.books import WINDOW, Books, currency, exact
from runtime.measures.measure import MONEY, NO_CURRENCY, Figure, Measure
from runtime.sql import Sql

DAYS = WINDOW.days
_NOBODY_PAID = f"nobody paid anything {DAYS} days before"


def mrr(books: Books) -> Figure:
    """Monthly recurring revenue: of all subscriptions that are Active or PastDue, the price times the quantity, made
    monthly (a quarterly price counts a third, a yearly one a twelfth). Trials, paused and cancelled ones do not count.
    """
    paid = subscriptions.paid(books)
    return Figure(amounts=paid.monthly or {"": Fraction(0)}, note=_unpriced(paid.unpriced))


def arr(books: Books) -> Figure:
    """Annual recurring revenue: twelve times the monthly one (mrr)."""
    figure = mrr(books)
    return Figure(amounts={code: amount * 12 for code, amount in figure.amounts.items()}, note=figure.note)


def nrr(books: Books) -> Figure:
    """Net revenue retention over the last 30 days: the monthly revenue that the customers of 30 days ago bring now, in
    percent of what they brought then. Upgrades raise it, downgrades, pauses and cancellations lower it; new customers
    do not count.
    """
    retained = subscriptions.retained(books)
    before = {code: amount for code, amount in retained.monthly_before.items() if amount > 0}
    if not before:
        return Figure.none(_NOBODY_PAID)
    now = retained.monthly_now
    return Figure(amounts={code: 100 * now.get(code, Fraction(0)) / amount for code, amount in before.items()})


def churn(books: Books) -> Figure:
    """Customers lost in the last 30 days, in percent of those who paid 30 days ago. Lost is who has no subscription any
    more that is Active, PastDue or Paused. Who only ever had a price of 0 is not counted.
    """
    retained = subscriptions.retained(books)
    if not retained.customers:
        return Figure.none(_NOBODY_PAID)
    return Figure.of(Fraction(100 * retained.lost, retained.customers))


def ltv(books: Books) -> Figure:
    """Lifetime value of a customer: the monthly recurring revenue of an average paying customer, divided by the part of
    the customers that leaves in 30 days (churn).
    """
    paid, retained = subscriptions.paid(books), subscriptions.retained(books)
    if not retained.customers:
        return Figure.none(f"{_NOBODY_PAID}, so nothing is known of who stays")
    if not retained.lost:
        return Figure.none(f"no customer left in the last {DAYS} days, so no lifetime can be told")
    payers = subscriptions.payers(books)
    if not payers:
        return Figure.none("nobody pays anything now")
    leaving = Fraction(retained.lost, retained.customers)
    amounts = {code: paid.monthly[code] / count / leaving for code, count in payers.items()}
    return Figure(amounts=amounts, note=_unpriced(paid.unpriced))


def cac(books: Books) -> Figure:
    """Cost of winning a customer: what campaigns cost in the last 30 days, divided by the customers whose first paid
    subscription began in them. A campaign's actualCost is spread evenly over its days, from launchedAt (else startDate,
    else its creation) to endDate, or to today while it runs.
    """
    won = subscriptions.begun(books)
    if not won:
        return Figure.none(f"no customer began to pay in the last {DAYS} days")
    costs = _campaign_costs(books)
    return Figure(amounts={code: cost / won for code, cost in costs.items()} or {"": Fraction(0)})


def trial_conversion(books: Books) -> Figure:
    """Of the trials that ended in the last 30 days (by trialEnd), the percentage that was paid for afterwards: the
    subscription is Active, PastDue or Paused, or was so before it was cancelled. A trial that expires within 7 days of
    its end was not paid for.
    """
    held = books.table("Subscription", "status", "trialEnd", "endedAt", "canceledAt", "startedAt")
    ((ended, converted),) = books.rows(
        Sql(f"SELECT count(*), count(*) FILTER (WHERE {subscriptions.EVER_PAID}) FROM ")
        + held
        + Sql(' WHERE "trialEnd" > ? AND "trialEnd" <= ?', (books.start, books.at))
    )
    if not ended:
        return Figure.none(f"no trial ended in the last {DAYS} days")
    return Figure.of(Fraction(100 * converted, ended))


def _campaign_costs(books: Books) -> dict[str, Fraction]:
    """What campaigns cost in the window, by currency: of each the days in the window by all of its days so far."""
    first, today = books.first_day, books.at.date()
    begins = 'coalesce(CAST("launchedAt" AS DATE), "startDate", CAST("$createdAt" AS DATE))'
    ends = 'least(coalesce("endDate", CAST(? AS DATE)), CAST(? AS DATE))'
    code, cost = currency('"currency"'), exact('"actualCost"')
    # Grouped by days, of which there are few: so few exact divisions are left.
    days = Sql(f"(SELECT *, {begins} AS begins, greatest({begins}, {ends}) AS ends FROM ", (today, today))
    rows = books.rows(
        f"""SELECT coalesce({code}, '{NO_CURRENCY}'), begins, ends, sum({cost}) FROM """
        + days
        + books.table("Campaign", "actualCost", "currency", "launchedAt", "startDate", "endDate")
        + Sql(") WHERE begins <= CAST(? AS DATE) AND ends >= CAST(? AS DATE) GROUP BY ALL", (today, first))
    )
    costs: dict[str, Fraction] = {}
    for held, began, ended, spent in rows:
        if spent:
            share = Fraction(_days(max(began, first), ended), _days(began, ended))
            costs[held] = costs.get(held, Fraction(0)) + Fraction(spent) * share
    return costs


def _days(first: date, last: date) -> int:
    """Both days counted."""
    return (last - first).days + 1


def _unpriced(count: int) -> str | None:
    return None if not count else f"{count:,} paid subscriptions are left out: their plan has no recurring price"


MEASURES = (
    Measure(name="mrr", unit=MONEY, nouns=subscriptions.NOUNS, formula=mrr, by_currency=True),
    Measure(name="arr", unit=MONEY, nouns=subscriptions.NOUNS, formula=arr, by_currency=True),
    Measure(name="nrr", unit="percent", nouns=subscriptions.NOUNS, formula=nrr, by_currency=True, moves=True),
    Measure(name="churn", unit="percent", nouns=subscriptions.NOUNS, formula=churn, moves=True),
    Measure(name="ltv", unit=MONEY, nouns=subscriptions.NOUNS, formula=ltv, by_currency=True, moves=True),
    Measure(name="cac", unit=MONEY, nouns=("Campaign", "Subscription"), formula=cac, by_currency=True, moves=True),
    Measure(name="trialConversion", unit="percent", nouns=("Subscription",), formula=trial_conversion, moves=True),
)
