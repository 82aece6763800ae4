"""What a business is measured by: numbers worked out from its entities, each with its formula, at any moment of the log."""

import re
from collections.abc import Mapping

from runtime.errors import NotFound, did_you_mean, nearest
from runtime.measures import revenue, sales, support
from runtime.measures.measure import MONEY, Measure

MEASURES: Mapping[str, Measure] = {
    measure.name: measure for measure in (*revenue.MEASURES, *sales.MEASURES, *support.MEASURES)
}

_CURRENCY = re.compile(r"[A-Za-z]{3}", re.ASCII)  # ISO 4217


def named(name: str) -> tuple[Measure, str | None]:
    """The measure of that name and, of `mrr:EUR`, the one currency that is meant. Raises NotFound with the nearest."""
    word, colon, currency = name.partition(":")
    measure = MEASURES.get(word)
    if measure is None:
        # Services spell them "deals_won", and such a word is as good as ours.
        meant = MEASURES.get(nearest(word.replace("_", ""), MEASURES) or "")
        raise NotFound(
            f"there is no measure {word[:80]!r}",
            hint=f"did you mean {meant.name!r}?" if meant else did_you_mean(word, MEASURES),
        )
    if not colon:
        return measure, None
    if not measure.by_currency:
        raise NotFound(f"{measure.name} has no currency", hint=f"{measure.name!r} alone")
    if not _CURRENCY.fullmatch(currency):
        raise NotFound(f"{currency[:80]!r} is no currency", hint=f"three letters, such as {measure.name}:EUR")
    return measure, currency.upper()


__all__ = ["MEASURES", "MONEY", "Measure", "named"]
