"""Support: how much is open, and how content those are whose tickets were resolved."""

from fractions import Fraction

from runtime.measures.books import WINDOW, Books, exact
from runtime.measures.measure import Figure, Measure
from runtime.sql import Sql

CLOSED_STATES = "'Resolved', 'Closed'"


def tickets_open(books: Books) -> Figure:
    """How many tickets are neither Resolved nor Closed."""
    held = books.table("Ticket", "status")
    ((count,),) = books.rows("SELECT count(*) FROM " + held + f' WHERE "status" NOT IN ({CLOSED_STATES})')
    return Figure.of(count)


def satisfaction(books: Books) -> Figure:
    """The average satisfaction of the tickets that have one, are Resolved or Closed, and were resolved in the last 30
    days (by resolvedAt, else by their last change), on whatever scale it is given.
    """
    rated = exact('"satisfaction"')
    ((total, count),) = books.rows(
        Sql(f"SELECT sum({rated}), count({rated}) FROM ")
        + books.table("Ticket", "status", "satisfaction", "resolvedAt")
        + Sql(
            f""" WHERE "status" IN ({CLOSED_STATES}) AND coalesce("resolvedAt", "$updatedAt") > ?
            AND coalesce("resolvedAt", "$updatedAt") <= ?""",
            (books.start, books.at),
        )
    )
    if not count:
        return Figure.none(f"no ticket that was resolved in the last {WINDOW.days} days says how content somebody was")
    return Figure.of(Fraction(total) / count)


MEASURES = (
    Measure(name="ticketsOpen", unit="tickets", nouns=("Ticket",), formula=tickets_open),
    Measure(name="satisfaction", unit="points", nouns=("Ticket",), formula=satisfaction, moves=True),
)
