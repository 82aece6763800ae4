"""Times as people say them, such as `7d ago`, `in 2 weeks`, `today` or `2026-01-01`, read against a given now."""

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from runtime.values import parse_datetime

EXAMPLES = '"2026-01-31", "2026-01-31T10:00:00Z", "7d ago", "in 3d", "today" or "now"'

CHARS_MAX = 64  # more than any time needs

_DAYS = {"today": 0, "yesterday": -1, "tomorrow": 1}
_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), timedelta(seconds=1)),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), timedelta(minutes=1)),
    **dict.fromkeys(("h", "hour", "hours"), timedelta(hours=1)),
    **dict.fromkeys(("d", "day", "days"), timedelta(days=1)),
    **dict.fromkeys(("w", "week", "weeks"), timedelta(weeks=1)),
}
_MONTHS = {
    **dict.fromkeys(("mo", "month", "months"), 1),
    **dict.fromkeys(("y", "year", "years"), 12),
}
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
# Six digits are 114 years of hours; anything longer is a mistake or an attack on the calendar.
_RELATIVE = re.compile(r"(?:in\s+(\d{1,6})\s*([a-z]+)|(\d{1,6})\s*([a-z]+)\s+ago)", re.ASCII)
_DURATION = re.compile(r"(\d{1,6})\s*([a-z]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Span:
    """A moment (`start` == `end`), or a whole day: from `start` up to, but without, `end`. Both are naive UTC."""

    start: datetime
    end: datetime

    @property
    def day(self) -> bool:
        """Whether a whole day was named, and not an instant of it."""
        return self.end > self.start


def read(text: str, *, now: datetime) -> Span | None:
    """What `text` names, with relative words counted from `now` (aware); None where it names no time at all.

    Days are UTC days. A month or year later is the same day of the month, or that month's last.
    """
    if len(text) > CHARS_MAX:
        return None
    word = " ".join(text.lower().split())
    moment = now.astimezone(UTC).replace(tzinfo=None)
    try:
        if word == "now":
            return Span(moment, moment)
        if word in _DAYS:
            return _day(moment.date() + timedelta(days=_DAYS[word]))
        if _DATE.fullmatch(word):
            return _day(date.fromisoformat(word))
        found = _RELATIVE.fullmatch(word)
        if found is None:
            instant = parse_datetime(word).replace(tzinfo=None)
            return Span(instant, instant)
        ahead = found[1] is not None
        count, unit = (found[1], found[2]) if ahead else (found[3], found[4])
        return _shifted(moment, int(count) if ahead else -int(count), unit)
    except (ValueError, OverflowError):
        # No time at all, a 30th of February, or a count of years that leaves the calendar.
        return None


def duration(text: str) -> timedelta | None:
    """The length of time that `text` names, such as `15m`, `2 hours` or `1d`; None where it names none.

    Months and years are none: they are not always as long.
    """
    found = _DURATION.fullmatch(text.lower().strip()) if len(text) <= CHARS_MAX else None
    if found is None or found[2] not in _UNITS:
        return None
    return int(found[1]) * _UNITS[found[2]]


def _day(day: date) -> Span:
    start = datetime(day.year, day.month, day.day)
    # The last day of the calendar, which some write for "never", has no day after it.
    return Span(start, start + timedelta(days=1) if day < date.max else datetime.max)


def _shifted(moment: datetime, count: int, unit: str) -> Span | None:
    if unit in _UNITS:
        moved = moment + count * _UNITS[unit]
    elif unit in _MONTHS:
        months = moment.year * 12 + moment.month - 1 + count * _MONTHS[unit]
        year, month = months // 12, months % 12 + 1
        moved = moment.replace(year=year, month=month, day=min(moment.day, calendar.monthrange(year, month)[1]))
    else:
        return None
    return Span(moved, moved)
