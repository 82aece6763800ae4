"""How a measure came to be what it is: its values at a few earlier moments, evenly apart."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from runtime.measures.books import Books
from runtime.measures.measure import Measure
from runtime.values import format_datetime

POINTS_MAX = 12
# The first with which the points reach back over the whole log; a log that is older than that is told by months.
STEPS = (timedelta(days=1), timedelta(days=7), timedelta(days=30))

BooksAt = Callable[[datetime], Books]


def history(
    measure: Measure, currency: str | None, at: datetime, since: datetime, books_at: BooksAt
) -> list[dict[str, Any]]:
    """`[{at, value}, …]`, the oldest first, with `byCurrency` where there are several; none before `since`.

    `at`, which is itself no point of it, and `since` are naive and mean UTC.
    """
    step = next((each for each in STEPS if at - since <= POINTS_MAX * each), STEPS[-1])
    steps = [count * step for count in range(POINTS_MAX, 0, -1) if count * step <= at - since]
    return [_point(measure, currency, books_at(at - back)) for back in steps]


def _point(measure: Measure, currency: str | None, books: Books) -> dict[str, Any]:
    shown = measure.shown(measure.formula(books), currency)
    return {"at": format_datetime(books.at), **{key: shown[key] for key in ("value", "byCurrency") if key in shown}}
