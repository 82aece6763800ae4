"""One row of the table: what was measured against what, and whether it reached its target."""

import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`ratio` is ours to theirs, the median of `runs` rounds; None where there was no peer, and `note` says why."""

    name: str
    ratio: float | None
    target: str  # "<= 1.3" or ">= 0.3"
    ours: float | None
    theirs: float | None
    unit: str
    runs: int
    note: str | None = None

    @property
    def met(self) -> bool:
        """Whether the ratio reached the target."""
        comparison, bound = self.target.split()
        if self.ratio is None:
            return False
        return self.ratio <= float(bound) if comparison == "<=" else self.ratio >= float(bound)

    def as_dict(self) -> dict[str, Any]:
        """The row as it stands in bench.json; an empty note is left out."""
        shape = asdict(self)
        if self.note is None:
            del shape["note"]
        return shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured: the sizes of the three tenants, rounds a row, calls a round and side."""

    small: int = 10_000
    middle: int = 100_000
    large: int = 1_000_000
    rounds: int = 7
    calls: int = 60
    starts: int = 7  # rounds of rows that start processes, one start a side and round

    @property
    def warm_up(self) -> int:
        """Calls a side that are made first and not counted."""
        return max(5, self.calls // 2)


QUICK = Effort(small=1_000, middle=2_000, large=5_000, rounds=2, calls=5, starts=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """What both sides gave in each round, in one unit."""

    ours: list[float]
    theirs: list[float]

    def row(self, name: str, target: str, unit: str, note: str | None = None) -> Row:
        """The medians; the ratio is that of the rounds' ratios, so that a slow minute weighs on both sides alike."""
        ratios = [ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)]
        return Row(
            name=name,
            ratio=round(statistics.median(ratios), 3),
            target=target,
            ours=round(statistics.median(self.ours), 3),
            theirs=round(statistics.median(self.theirs), 3),
            unit=unit,
            runs=len(ratios),
            note=note,
        )


def against_bound(name: str, values: list[float], bound: float, unit: str, note: str | None = None) -> Row:
    """The row of a value that has no peer, only a bound."""
    return Pairs(ours=values, theirs=[bound] * len(values)).row(name, "<= 1", unit, note)


def missing(name: str, target: str, unit: str, reason: str) -> Row:
    """The row of a peer that could not be had."""
    return Row(name=name, ratio=None, target=target, ours=None, theirs=None, unit=unit, runs=0, note=reason)


Say = Callable[[str], None]
