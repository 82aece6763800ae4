"""A measure: its name, its unit, the nouns that it reads, and the formula that reads them, said in its docstring."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from runtime.measures.books import Books

# The unit of what is counted in a currency: in an answer the currency itself stands in its place.
MONEY = "money"
# ISO 4217's own word for "no currency": amounts whose currency nobody stored.
NO_CURRENCY = "XXX"
CURRENCIES_MAX = 50  # shown side by side, in the order of the alphabet; each can be asked for by itself
PLACES = 2  # every value is exact until it is shown, and is then rounded half to even to so many decimal places
INTEGER_MAX = 2**53  # beyond this a JSON number is no exact integer for most who read it


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What a formula gives: exact amounts by currency, or one under `""`; `why` says what is missing where there is none.

    `note` tells what was left out of it.
    """

    amounts: Mapping[str, Fraction]
    why: str | None = None
    note: str | None = None

    @staticmethod
    def of(amount: Fraction | int, *, note: str | None = None) -> "Figure":
        """One number that has no currency."""
        return Figure(amounts={"": Fraction(amount)}, note=note)

    @staticmethod
    def none(why: str) -> "Figure":
        """No number, and the reason."""
        return Figure(amounts={}, why=why)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One number of the business. `by_currency` measures have one for each currency, and none of all together."""

    name: str
    unit: str  # MONEY, "percent", or what is counted
    nouns: tuple[str, ...]  # whoever changes none of these does not change it, but for the time that passes
    formula: Callable[[Books], Figure]
    by_currency: bool = False
    moves: bool = False  # with the time alone: what it counts lies in a window

    @property
    def said(self) -> str:
        """The formula in words."""
        return " ".join((inspect.getdoc(self.formula) or "").split())

    def shown(self, figure: Figure, currency: str | None = None) -> dict[str, Any]:
        """`{value, unit}`, with `byCurrency`, `why` and `note` where there is something to tell."""
        amounts = figure.amounts
        shape: dict[str, Any] = {"value": None, "unit": None if self.unit == MONEY else self.unit}
        why = figure.why
        if currency is not None:
            amounts = {code: amount for code, amount in amounts.items() if code == currency}
            if not amounts:
                zero = self.unit == MONEY and why is None
                amounts, why = (
                    ({currency: Fraction(0)}, None) if zero else ({}, why or f"there is nothing in {currency}")
                )
        if len(amounts) == 1:
            ((code, amount),) = amounts.items()
            shape["value"] = number(amount)
            if self.unit == MONEY and code:
                shape["unit"] = code
        elif amounts:
            shape["byCurrency"] = {code: number(amounts[code]) for code in sorted(amounts)[:CURRENCIES_MAX]}
            why = f"{len(amounts)} currencies, which are not added up: ask for {self.name}:{min(amounts)}"
        if why is not None:
            shape["why"] = why
        if figure.note is not None:
            shape["note"] = figure.note
        return shape


def number(amount: Fraction) -> int | float:
    """An exact amount as a JSON number with two decimal places, whole where it is."""
    rounded = round(amount * 10**PLACES)
    whole, rest = divmod(rounded, 10**PLACES)
    return whole if rest == 0 and abs(whole) < INTEGER_MAX else rounded / 10**PLACES
