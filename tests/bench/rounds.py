"""Rounds of calls, ours and theirs by turns, so that whatever else the machine does falls on both alike."""

import statistics
import time
from collections.abc import Awaitable, Callable

from tests.bench.row import Effort, Pairs

# One call, from the moment of asking to the whole answer; it gives the seconds that count, or None for all it took.
Call = Callable[[], Awaitable[float | None]]


async def by_turns(effort: Effort, ours: Call, theirs: Call) -> Pairs:
    """The median milliseconds of a call of each side, round by round, after a warm-up that is not counted."""
    pairs = Pairs(ours=[], theirs=[])
    for _ in range(effort.warm_up):
        await ours()
        await theirs()
    for number in range(effort.rounds):
        taken_ours: list[float] = []
        taken_theirs: list[float] = []
        for place in range(effort.calls):
            if (number + place) % 2:
                taken_ours.append(await _taken_ms(ours))
                taken_theirs.append(await _taken_ms(theirs))
            else:
                taken_theirs.append(await _taken_ms(theirs))
                taken_ours.append(await _taken_ms(ours))
        pairs.ours.append(statistics.median(taken_ours))
        pairs.theirs.append(statistics.median(taken_theirs))
    return pairs


async def _taken_ms(call: Call) -> float:
    began = time.perf_counter()
    counted = await call()
    return 1000 * (time.perf_counter() - began if counted is None else counted)
