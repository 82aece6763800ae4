"""Rounds of calls, ours and theirs by turns, so that whatever else the machine does falls on both alike."""

import statistics
import time
from collections.abc import Awaitable, Callable, Sequence

from tests.bench.row import Effort, Pairs

# One call, from the moment of asking to the whole answer; it gives the seconds that count, or None for all it took.
Call = Callable[[], Awaitable[float | None]]


async def by_turns(effort: Effort, ours: Call, theirs: Call) -> Pairs:
    """The median milliseconds of a call of each side, round by round, after a warm-up that is not counted."""
    taken_ours, taken_theirs = await in_turns(effort, [ours, theirs])
    return Pairs(ours=taken_ours, theirs=taken_theirs)


async def in_turns(effort: Effort, sides: Sequence[Call]) -> list[list[float]]:
    """The same of any number of sides: each one's medians, in the order of the sides. Each begins as often as the others."""
    medians: list[list[float]] = [[] for _ in sides]
    for _ in range(effort.warm_up):
        for call in sides:
            await call()
    for number in range(effort.rounds):
        taken: list[list[float]] = [[] for _ in sides]
        for place in range(effort.calls):
            for step in range(len(sides)):
                side = (number + place + step + 1) % len(sides)
                taken[side].append(await _taken_ms(sides[side]))
        for side, values in enumerate(taken):
            medians[side].append(statistics.median(values))
    return medians


async def _taken_ms(call: Call) -> float:
    began = time.perf_counter()
    counted = await call()
    return 1000 * (time.perf_counter() - began if counted is None else counted)
