"""A watch: which value it looks at, past which threshold, and whether a value crosses it now.

Nothing here reads or remembers. Who keeps a watch stores a `State` beside it, and asks what a value means to it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from runtime import moments
from runtime.errors import InvalidArguments, did_you_mean
from runtime.values import format_datetime, parse_datetime

Direction = Literal["above", "below", "cross"]
Side = Literal["above", "below"]

DIRECTIONS = ("above", "below", "cross")
OPTIONS = ("threshold", "direction", "hysteresis", "cooldown")
# Each run is a process and events of the log, and a function may move the very value that it watches.
COOLDOWN_MIN = timedelta(seconds=1)
COOLDOWN_MAX = timedelta(days=366)

EXAMPLE = '$.Metric.watch("mrr", {"threshold": 10000, "direction": "above"}, fn)'

_HABITS: Mapping[str, str] = {
    **dict.fromkeys(("value", "limit", "target", "level", "min", "max", "gt", "lt"), "threshold"),
    **dict.fromkeys(("when", "operator", "comparison", "op", "side"), "direction"),
    **dict.fromkeys(("margin", "tolerance", "deadband", "band", "delta"), "hysteresis"),
    **dict.fromkeys(("debounce", "throttle", "interval", "every", "cool_down", "coolDown", "window"), "cooldown"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What is looked at, a measure's name or the id of a Metric, and what is to be told of it."""

    name: str
    threshold: float
    direction: Direction
    hysteresis: float = 0
    cooldown: timedelta = COOLDOWN_MIN

    @property
    def pattern(self) -> str:
        """Stands for the watch among all handlers: another threshold or direction is another watch."""
        return f"{self.name} {self.direction} {self.threshold!r}"

    def side_of(self, value: float) -> Side:
        """The side of the threshold on which a value lies; on the threshold itself, it has not gone past it."""
        if self.direction == "below":
            return "below" if value < self.threshold else "above"
        return "above" if value > self.threshold else "below"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where the value was when that was last written down: on which side, since when, and when the function last ran.

    Of a Metric, `version` is that which had the value: what an entity holds must go with it when it is erased.

    `side` is None as long as a `cross` has met no value.
    """

    side: Side | None = None
    value: float | None = None
    version: int | None = None
    at: datetime | None = None
    ran_at: datetime | None = None
    run: str | None = None  # the latest


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """What a value means: the side that it is on from now on, whether the function runs, and else until when it rests."""

    side: Side
    runs: bool = False
    rests_until: datetime | None = None  # the crossing counts then, if the value is still past the threshold


def begun(watch: Watch, value: float | None, now: datetime) -> State:
    """The state that a watch begins with: what is past the threshold already has not crossed it.

    Where there is no value, any that comes past the threshold will have; but a `cross` must first know one side.
    """
    if value is not None:
        return State(side=watch.side_of(value), value=value, at=now)
    return State(side=None if watch.direction == "cross" else _armed(watch.direction), at=now)


def crossing(watch: Watch, state: State, value: float | None, now: datetime) -> Crossing | None:
    """What it means that the value is this now; None where it changes nothing."""
    if value is None:
        return None
    if state.side is None:
        return Crossing(side=watch.side_of(value))
    reached = _left(watch, state.side, value)
    if reached is None:
        return None
    if watch.direction != "cross" and reached == _armed(watch.direction):
        return Crossing(side=reached)
    # A clock that was put back by more than the rest is not waited for.
    if state.ran_at is not None and abs(now - state.ran_at) < watch.cooldown:
        return Crossing(side=reached, rests_until=state.ran_at + watch.cooldown)
    return Crossing(side=reached, runs=True)


def _armed(direction: Direction) -> Side:
    return "below" if direction == "above" else "above"


def _left(watch: Watch, side: Side, value: float) -> Side | None:
    """The other side, if the value has gone over to it; as far as hysteresis asks on the way back, or of a cross both ways."""
    # In decimals: as floats, 0.3 - 0.1 is less than 0.2, which would never be back.
    at, threshold, band = (Decimal(repr(each)) for each in (value, watch.threshold, watch.hysteresis))
    if side == "below":
        if watch.direction == "above":
            return "above" if at > threshold else None
        over = at > threshold + band if watch.direction == "cross" else at >= threshold + band
        return "above" if over else None
    if watch.direction == "below":
        return "below" if at < threshold else None
    under = at < threshold - band if watch.direction == "cross" else at <= threshold - band
    return "below" if under else None


def parse_watch(name: str, given: Mapping[str, Any]) -> Watch:
    """The watch that these options mean. Raises InvalidArguments, with what would be right."""
    for word in given:
        if word not in OPTIONS:
            meant = _HABITS.get(word)
            raise InvalidArguments(
                f"a watch takes no {word[:80]!r}",
                hint=f"did you mean {meant!r}?" if meant else did_you_mean(word, OPTIONS) or EXAMPLE,
            )
    if "threshold" not in given:
        raise InvalidArguments("past which threshold?", hint=EXAMPLE)
    direction = given.get("direction")
    if direction not in DIRECTIONS:
        raise InvalidArguments(
            "in which direction?" if direction is None else f"there is no direction {str(direction)[:80]!r}",
            hint=did_you_mean(str(direction), DIRECTIONS)
            if direction is not None
            else "above, below, or cross for both",
        )
    hysteresis = _number("hysteresis", given.get("hysteresis", 0))
    if hysteresis < 0:
        raise InvalidArguments("hysteresis is not negative", hint="how far back the value must go, such as 50")
    return Watch(
        name=name,
        threshold=_number("threshold", given["threshold"]),
        direction=direction,
        hysteresis=hysteresis,
        cooldown=_cooldown(given.get("cooldown")),
    )


def as_data(watch: Watch) -> dict[str, Any]:
    """The watch as it is stored."""
    return {
        "measure": watch.name,
        "threshold": watch.threshold,
        "direction": watch.direction,
        "hysteresis": watch.hysteresis,
        "cooldownSeconds": watch.cooldown // timedelta(seconds=1),
    }


def from_data(data: Mapping[str, Any]) -> Watch:
    """The watch that was stored."""
    return Watch(
        name=data["measure"],
        threshold=data["threshold"],
        direction=data["direction"],
        hysteresis=data["hysteresis"],
        cooldown=timedelta(seconds=data["cooldownSeconds"]),
    )


def state_data(state: State) -> dict[str, Any]:
    """A state as it is stored."""
    held = {
        "side": state.side,
        "value": state.value,
        "version": state.version,
        "at": None if state.at is None else format_datetime(state.at),
        "ranAt": None if state.ran_at is None else format_datetime(state.ran_at),
        "run": state.run,
    }
    return {key: value for key, value in held.items() if value is not None}


def state_from(data: Mapping[str, Any] | None) -> State:
    """The state that was stored."""
    held = data or {}
    at, ran_at = held.get("at"), held.get("ranAt")
    return State(
        side=held.get("side"),
        value=held.get("value"),
        version=held.get("version"),
        at=None if at is None else parse_datetime(at),
        ran_at=None if ran_at is None else parse_datetime(ran_at),
        run=held.get("run"),
    )


def _number(name: str, given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given) or abs(given) > 1e15:
        raise InvalidArguments(f"{name} is a number, not {given!r:.80}", hint=f"{name}=10000, of 15 digits at most")
    return int(given) if isinstance(given, float) and given.is_integer() else given


def _cooldown(given: Any) -> timedelta:
    if given is None:
        return COOLDOWN_MIN
    if isinstance(given, str):
        length = moments.duration(given)
    elif isinstance(given, int) and not isinstance(given, bool) and 0 <= given <= COOLDOWN_MAX.total_seconds():
        length = max(timedelta(seconds=given), COOLDOWN_MIN)
    else:
        length = None
    if length is None or not COOLDOWN_MIN <= length <= COOLDOWN_MAX:
        raise InvalidArguments(
            f"cooldown is a length of time between a second and {COOLDOWN_MAX.days} days, not {given!r:.80}",
            hint='"15m", "1h", "1d", or seconds',
        )
    return length
