"""Sales: what may still be won, what was won, and who might become a customer."""

from fractions import Fraction

from runtime.measures.books import Books, currency, exact
from runtime.measures.measure import MONEY, NO_CURRENCY, Figure, Measure
from runtime.sql import Sql

OPEN_STAGES = "'Prospecting', 'Qualification', 'Proposal', 'Negotiation'"


def pipeline(books: Books) -> Figure:
    """The sum of the values of all open deals (Prospecting, Qualification, Proposal, Negotiation), as they stand and not
    weighed by their probability.
    """
    held = books.table("Deal", "value", "currency", "stage")
    code, value = currency('"currency"'), exact('"value"')
    rows = books.rows(
        f"""SELECT coalesce({code}, '{NO_CURRENCY}'), sum({value}) FROM """
        + held
        + f' WHERE "stage" IN ({OPEN_STAGES}) GROUP BY 1'
    )
    amounts = {code: Fraction(amount) for code, amount in rows if amount is not None}
    return Figure(amounts=amounts or {"": Fraction(0)})


def deals_won(books: Books) -> Figure:
    """How many deals are Won with an actualCloseDate in the last 30 days, today included."""
    return Figure.of(decided(books, "Won"))


def leads(books: Books) -> Figure:
    """How many leads are New, Contacted or Qualified."""
    held = books.table("Lead", "status")
    ((count,),) = books.rows(
        "SELECT count(*) FROM " + held + """ WHERE "status" IN ('New', 'Contacted', 'Qualified')"""
    )
    return Figure.of(count)


def decided(books: Books, stage: str) -> int:
    """How many deals ended in a stage in the last 30 days, today included."""
    ((count,),) = books.rows(
        Sql("SELECT count(*) FROM ")
        + books.table("Deal", "stage", "actualCloseDate")
        + Sql(' WHERE "stage" = ? AND "actualCloseDate" BETWEEN ? AND ?', (stage, books.first_day, books.at.date()))
    )
    return count


MEASURES = (
    Measure(name="pipeline", unit=MONEY, nouns=("Deal",), formula=pipeline, by_currency=True),
    Measure(name="dealsWon", unit="deals", nouns=("Deal",), formula=deals_won, moves=True),
    Measure(name="leads", unit="leads", nouns=("Lead",), formula=leads),
)
