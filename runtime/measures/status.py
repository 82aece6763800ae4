"""The state of the business in one answer: revenue, pipeline, support, product, and what somebody should look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runtime.measures import MEASURES, sales, support
from runtime.measures.books import Books
from runtime.sql import Sql
from runtime.values import format_datetime

# Which measures stand in which part.
PARTS: Mapping[str, Sequence[str]] = {
    "revenue": ("mrr", "arr", "nrr", "churn", "ltv", "cac", "trialConversion"),
    "pipeline": ("pipeline", "dealsWon", "leads"),
    "support": ("ticketsOpen", "satisfaction"),
}
# From here on, so many percent of the customers lost in a month are an alert.
CHURN_ALERT_PERCENT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many entities of a noun fulfil a condition over its keys, in SQL; `?` stands for the moment, `at` or its day."""

    name: str
    noun: str
    keys: tuple[str, ...]
    where: str
    by_day: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A count that somebody should look at where it is not 0. `said` goes behind the number."""

    count: Count
    severity: str  # "high" or "medium"
    said: str


OPEN_TICKET = f""""status" NOT IN ({support.CLOSED_STATES})"""
OPEN_DEAL = f""""stage" IN ({sales.OPEN_STAGES})"""
OPEN_ISSUE = """"status" NOT IN ('Done', 'Closed')"""

PIPELINE = (Count(name="dealsOpen", noun="Deal", keys=("stage",), where=OPEN_DEAL),)
SUPPORT = (
    Count(
        name="ticketsUrgent", noun="Ticket", keys=("status", "priority"), where=f"{OPEN_TICKET} AND priority = 'Urgent'"
    ),
    Count(name="ticketsEscalated", noun="Ticket", keys=("status",), where="\"status\" = 'Escalated'"),
)
PRODUCT = (
    Count(name="issuesOpen", noun="Issue", keys=("status",), where=OPEN_ISSUE),
    Count(name="bugsOpen", noun="Issue", keys=("status", "type"), where=f"{OPEN_ISSUE} AND \"type\" = 'Bug'"),
    Count(name="projectsActive", noun="Project", keys=("status",), where="\"status\" = 'Active'"),
    Count(name="experimentsRunning", noun="Experiment", keys=("status",), where="\"status\" IN ('Started', 'Running')"),
)
ALERTS = (
    Alert(
        count=Count(
            name="invoicesOverdue",
            noun="Invoice",
            keys=("status", "dueAt"),
            where='"status" = \'Open\' AND "dueAt" < ?',
        ),
        severity="high",
        said="open invoices are past their dueAt",
    ),
    Alert(
        count=Count(name="subscriptionsPastDue", noun="Subscription", keys=("status",), where="\"status\" = 'PastDue'"),
        severity="high",
        said="subscriptions are PastDue",
    ),
    Alert(count=SUPPORT[0], severity="high", said="open tickets are Urgent"),
    Alert(
        count=Count(
            name="dealsOverdue",
            noun="Deal",
            keys=("stage", "expectedCloseDate"),
            where=f'{OPEN_DEAL} AND "expectedCloseDate" < ?',
            by_day=True,
        ),
        severity="medium",
        said="open deals are past their expectedCloseDate",
    ),
    Alert(
        count=Count(name="goalsBehind", noun="Goal", keys=("status",), where="\"status\" IN ('Behind', 'Missed')"),
        severity="medium",
        said="goals are Behind or Missed",
    ),
)


def status(books: Books) -> dict[str, Any]:
    """`{at, revenue, pipeline, support, product, alerts, units}` of the moment of the books.

    The parts hold numbers. Where a measure has none, `why` says so by its name, and `byCurrency` has one for each
    currency. `alerts` are `{type, severity, value, message}`.
    """
    shape: dict[str, Any] = {"at": format_datetime(books.at)}
    told: dict[str, dict[str, Any]] = {"units": {}, "byCurrency": {}, "why": {}, "note": {}}
    for part, names in PARTS.items():
        shape[part] = {}
        for name in names:
            measure = MEASURES[name]
            shown = measure.shown(measure.formula(books))
            shape[part]["value" if name == part else name] = shown["value"]
            told["units"][name] = shown["unit"]
            for key in ("byCurrency", "why", "note"):
                if key in shown:
                    told[key][name] = shown[key]
    for part, counts in (("pipeline", PIPELINE), ("support", SUPPORT), ("product", PRODUCT)):
        shape[part] = {**shape.get(part, {}), **{count.name: _counted(books, count) for count in counts}}
    shape["alerts"] = [*_churn_alert(shape["revenue"]["churn"]), *_alerts(books)]
    return shape | {key: each for key, each in told.items() if each}


def _alerts(books: Books) -> list[dict[str, Any]]:
    found = [(alert, _counted(books, alert.count)) for alert in ALERTS]
    return [
        {"type": alert.count.name, "severity": alert.severity, "value": count, "message": f"{count:,} {alert.said}"}
        for alert, count in found
        if count
    ]


def _churn_alert(churn: float | None) -> list[dict[str, Any]]:
    if churn is None or churn < CHURN_ALERT_PERCENT:
        return []
    message = f"{churn} percent of the customers left in the last 30 days"
    return [{"type": "churn", "severity": "high", "value": churn, "message": message}]


def _counted(books: Books, count: Count) -> int:
    moment = books.at.date() if count.by_day else books.at
    where = Sql(count.where, (moment,) * count.where.count("?"))
    return books.rows(Sql("SELECT count(*) FROM ") + books.table(count.noun, *count.keys) + " WHERE " + where)[0][0]
