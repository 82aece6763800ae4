"""Who pays, and how much a month: subscriptions, each with the price that applies to it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from runtime.measures.books import Books, currency, exact
from runtime.measures.measure import NO_CURRENCY
from runtime.sql import Sql

NOUNS = ("Customer", "Price", "Subscription")

# Imports may leave a subscription in the word of its last verb; it is active all the same.
_ACTIVE = "'Active', 'PastDue', 'Reactivated', 'Upgraded', 'Downgraded'"
# Who is a customer: three ways to say it, of which a subscription may use any.
_WHO = 'coalesce("customer", "organization", "$id")'
_KEYS = ("status", "customer", "organization")
_TIMES = ("startedAt", "trialEnd", "endedAt", "canceledAt")
_PRICED = ("plan", "quantity", "currentPeriodStart", "currentPeriodEnd")
# So many of one thing and more are taken for a mistake; it bounds the products, see `exact`.
QUANTITY_BELOW = 1_000_000
_MONTH_DAYS = 30.4375  # of a year of 365.25
_EXPIRY_DAYS = 7  # a trial that nobody paid for is expired within so many

# Since when a subscription is paid for, and when that ended.
PAID_FROM = 'greatest(coalesce("startedAt", "$createdAt"), coalesce("trialEnd", "startedAt", "$createdAt"))'
ENDED = """CASE WHEN "status" = 'Cancelled' THEN coalesce("endedAt", "canceledAt", "$updatedAt") END"""
# Whether it was ever paid for. A trial that nobody paid for expires soon after its end, and that is no cancellation.
EVER_PAID = f"""("status" IN ({_ACTIVE}, 'Paused') OR ("status" = 'Cancelled' AND {ENDED} > {PAID_FROM}
    AND coalesce("canceledAt" > "trialEnd", "endedAt" > "trialEnd" + INTERVAL {_EXPIRY_DAYS} DAY, TRUE)))"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """What is paid for at a moment."""

    monthly: Mapping[str, Fraction]  # the exact amount a month, by currency
    unpriced: int  # subscriptions that would count, but whose plan has no recurring price


@dataclass(frozen=True, slots=True, kw_only=True)
class Retained:
    """What became of those who paid at the start of the window."""

    monthly_before: Mapping[str, Fraction]
    monthly_now: Mapping[str, Fraction]  # of the same customers
    customers: int
    lost: int


def paid(books: Books) -> Paid:
    """What is paid for now."""
    return books.once("paid", lambda: _paid(books))


def payers(books: Books) -> dict[str, int]:
    """How many customers pay anything now, by currency."""
    per_currency = " AS p WHERE amount > 0 GROUP BY currency"
    return dict(books.rows("SELECT currency, count(DISTINCT who) FROM " + _paying(books) + per_currency))


def retained(books: Books) -> Retained:
    """What became of those who paid 30 days ago."""
    return books.once("retained", lambda: _retained(books))


def begun(books: Books) -> int:
    """How many customers began to pay within the window."""
    held = books.table("Subscription", *_KEYS, *_TIMES)
    since = f"(SELECT {_WHO} AS who, min({PAID_FROM}) AS since FROM " + held + f" WHERE {EVER_PAID} GROUP BY 1)"
    within = Sql(" AS b WHERE since > ? AND since <= ?", (books.start, books.at))
    return books.rows("SELECT count(*) FROM " + since + within)[0][0]


def _paid(books: Books) -> Paid:
    subscriptions = _held(_active(books), books.table("Customer", "currency"))
    # Added up by kind first, of which there are few, so that there are few prices to choose.
    kinds = "(SELECT plan, held, period, count(*) AS number, count(quantity) AS counted, "
    kinds += "CAST(sum(quantity) AS DECIMAL(19, 6)) AS quantity FROM "
    rows = books.rows(
        "WITH kinds AS MATERIALIZED "
        + kinds
        + subscriptions
        + f""" GROUP BY ALL) SELECT coalesce(c.currency, s.held, '{NO_CURRENCY}'), c.months, sum(c.amount * s.quantity),
            sum(CASE WHEN c.amount IS NULL THEN s.number ELSE s.number - s.counted END) FROM kinds AS s LEFT JOIN """
        + _chosen("kinds", books.table("Price", *_PRICE))
        + f" AS c ON {_FITS} GROUP BY ALL"
    )
    return Paid(monthly=_monthly(row[:3] for row in rows), unpriced=int(sum(row[3] for row in rows)))


def _retained(books: Books) -> Retained:
    staying = "(SELECT " + _WHO + " FROM " + books.table("Subscription", *_KEYS)
    rows = books.rows(
        "WITH earlier AS MATERIALIZED "
        + _paying_at_start(books)
        + ", present AS MATERIALIZED "
        + _paying(books)
        + """ SELECT 'before', currency, months, sum(amount), 0 FROM earlier GROUP BY currency, months
        UNION ALL SELECT 'now', currency, months, sum(amount), 0 FROM present
            WHERE (who, currency) IN (SELECT who, currency FROM earlier) GROUP BY currency, months
        UNION ALL SELECT 'customers', NULL, NULL, count(*), count(*) FILTER (WHERE who NOT IN """
        + staying
        + f""" WHERE "status" IN ({_ACTIVE}, 'Paused')))
            FROM (SELECT DISTINCT who FROM earlier WHERE amount IS NULL OR amount > 0)"""
    )
    ((customers, lost),) = [row[3:] for row in rows if row[0] == "customers"]
    return Retained(
        monthly_before=_monthly(row[1:4] for row in rows if row[0] == "before"),
        monthly_now=_monthly(row[1:4] for row in rows if row[0] == "now"),
        customers=int(customers),
        lost=lost,
    )


def _paying(books: Books) -> Sql:
    """The subscriptions that are paid for, in brackets: `who`, `currency`, `months`, `amount`.

    `amount` is paid every `months`; both are NULL where the plan has no recurring price.
    """
    return _priced(_active(books), books.table("Price", *_PRICE), books.table("Customer", "currency"))


def _paying_at_start(books: Books) -> Sql:
    """The same at the start of the window. Of what the log knew of later, dates say whether it was paid for then."""
    held = books.table_at_start("Subscription", *_KEYS, *_PRICED, *_TIMES)
    by_dates = f"""{EVER_PAID} AND "status" <> 'Paused' AND {PAID_FROM} <= ? AND coalesce({ENDED} > ?, TRUE)"""
    paid = Sql(f'CASE WHEN "$then" THEN "status" IN ({_ACTIVE}) ELSE {by_dates} END', (books.start, books.start))
    # Of customers only the currency is asked, which they keep: the past of all of them need not be read for that.
    return _priced(
        "(SELECT * FROM " + held + " WHERE " + paid + ")",
        books.table_at_start("Price", *_PRICE),
        books.table("Customer", "currency"),
    )


def _active(books: Books) -> Sql:
    held = books.table("Subscription", *_KEYS, *_PRICED)
    return "(SELECT * FROM " + held + f' WHERE "status" IN ({_ACTIVE}))'


def _monthly(rows: Iterable[tuple[Any, ...]]) -> dict[str, Fraction]:
    """The exact amount a month by currency, from rows of `(currency, months, sum of amounts)`."""
    totals: dict[str, Fraction] = {}
    for code, months, amount in rows:
        if amount is not None:
            totals[code] = totals.get(code, Fraction(0)) + Fraction(amount) / months
    return totals


def _priced(paid: Sql, prices: Sql, customers: Sql) -> Sql:
    """Each subscription with its price."""
    return (
        "(WITH subscriptions AS "
        + _held(paid, customers)
        + f""" SELECT s.who, coalesce(c.currency, s.held, '{NO_CURRENCY}') AS currency, c.months,
            c.amount * s.quantity AS amount FROM subscriptions AS s LEFT JOIN """
        + _chosen("(SELECT DISTINCT plan, held, period FROM subscriptions)", prices)
        + f" AS c ON {_FITS})"
    )


def _held(paid: Sql, customers: Sql) -> Sql:
    """Subscriptions by what decides on their price: `who`, `plan`, `quantity`, `held` (a currency), `period` (months)."""
    period = f"""CAST(round(date_diff('day', "currentPeriodStart", "currentPeriodEnd") / {_MONTH_DAYS}) AS BIGINT)"""
    quantity = f"""CASE WHEN "quantity" IS NULL THEN 1
        WHEN abs("quantity") < {QUANTITY_BELOW} THEN CAST("quantity" AS DECIMAL(13, 6)) END"""
    who = 'coalesce(s."customer", s."organization", s."$id")'
    held = currency('c."currency"')
    return (
        Sql(f"(SELECT {who} AS who, plan, {quantity} AS quantity, {period} AS period, {held} AS held FROM ")
        + paid
        + " AS s LEFT JOIN "
        + customers
        + ' AS c ON c."$id" = s."customer")'
    )


_PRICE = ("plan", "amount", "currency", "interval", "intervalCount", "active")
_FITS = "c.plan = s.plan AND c.held IS NOT DISTINCT FROM s.held AND c.period IS NOT DISTINCT FROM s.period"


def _chosen(kinds: str, prices: Sql) -> Sql:
    """The price that fits a kind of subscription best: `plan`, `held`, `period`, and `amount`, `currency`, `months`.

    A subscription names its plan, and a plan may have several prices: one in the customer's currency goes first, then
    one of the length of the subscription's period, then an active one, then the shortest, then the newest.
    """
    amount, code = exact('"amount"'), currency('"currency"')
    months = """CASE "interval" WHEN 'Monthly' THEN 1 WHEN 'Quarterly' THEN 3 WHEN 'Yearly' THEN 12 END
        * CASE WHEN coalesce("intervalCount", 1) BETWEEN 1 AND 1200 THEN CAST(coalesce("intervalCount", 1) AS BIGINT) END"""
    best = ", ".join(
        (
            "coalesce(p.currency = w.held, FALSE) DESC",
            "coalesce(p.months = w.period, FALSE) DESC",
            "p.active DESC",
            "p.months",
            "p.number DESC",
        )
    )
    return (
        Sql(f"(SELECT w.plan, w.held, w.period, p.amount, p.currency, p.months FROM {kinds} AS w JOIN (SELECT plan, ")
        + f"""{amount} AS amount, {code} AS currency, {months} AS months, coalesce("active", TRUE) AS active,
            "$number" AS number FROM """
        + prices
        + ") AS p ON p.plan = w.plan AND p.amount IS NOT NULL AND p.months IS NOT NULL QUALIFY row_number()"
        + f" OVER (PARTITION BY w.plan, w.held, w.period ORDER BY {best}) = 1)"
    )
