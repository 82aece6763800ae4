"""When something is due: every so often, by a cron expression, or once; whatever the clock did in the meantime.

Nothing here waits or remembers. Who runs a schedule stores one time beside it, that which it ran for last, and asks what
is due now. Times are aware and UTC.
"""

import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from cronsim import CronSim, CronSimError

from runtime import moments, values
from runtime.errors import InvalidArguments, did_you_mean

# Each run is a process and events of the log: every minute of a year is half a million of them. Cron knows no less.
EVERY_MIN = timedelta(minutes=1)
EVERY_MAX = timedelta(days=366)
AT_MAX = timedelta(days=3_660)
EXPRESSION_CHARS_MAX = 100
# A clock that is put back by less finds what it ran for already done. By more, it was wrong before: what was done in
# the time that it named says nothing, and the schedule begins anew, so that it is never silent for longer than this.
SKEW_MAX = timedelta(minutes=10)

EXAMPLES = '"15m", "1h", "1d" or "0 9 * * MON-FRI" (minute, hour, day, month, weekday)'

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """Again and again after the same time, counted from `since`: a late run does not put the next one off."""

    interval: timedelta
    since: datetime

    def next_after(self, at: datetime) -> datetime | None:
        """The first time after `at`; None where the calendar ends before it."""
        try:
            return self.since + ((at - self.since) // self.interval + 1) * self.interval
        except OverflowError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """By a cron expression of five fields, in a time zone, as Debian's cron reads them.

    Where the clocks are put forward, what would fall into the missing hour comes right after it; where they are put
    back, what names an hour comes once.
    """

    expression: str
    zone: str = "UTC"

    def next_after(self, at: datetime) -> datetime | None:
        """The first time after `at`; None where none comes within fifty years, or the calendar ends before it."""
        zone = UTC if self.zone == "UTC" else zoneinfo.ZoneInfo(self.zone)
        try:
            for found in CronSim(self.expression, at.astimezone(zone)):
                due = found.astimezone(UTC)
                # In the hour that comes twice, the first of the two may lie before `at`.
                if due > at:
                    return due
        except OverflowError:
            pass
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """At one time, and then never again."""

    at: datetime

    def next_after(self, at: datetime) -> datetime | None:
        """That time, as long as it is after `at`."""
        return self.at if self.at > at else None


Schedule: TypeAlias = Every | Cron | Once


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What is to be run for now: the latest time that has come, and whether others before it were missed."""

    at: datetime
    missed: bool


def due(schedule: Schedule, *, last: datetime, now: datetime) -> Due | None:
    """What is due now; None where nothing is. However many times were missed, they are one run.

    `last` is the time (`Due.at`) that was run for last, or, as long as none was, that at which the schedule was stored.
    """
    first = schedule.next_after(last)
    if first is None or first > now:
        return None
    latest = _latest(schedule, first, now)
    return Due(at=latest, missed=latest > first)


def believed(schedule: Schedule, *, last: datetime, now: datetime) -> datetime:
    """`last`, unless only a clock that was wrong can have said so: then now, and whoever asks goes on with that.

    To be asked when the clock was put back, and when `last` is read again. What runs once has run, whatever the clock said.
    """
    return now if last > now + SKEW_MAX and not isinstance(schedule, Once) else last


def parse_every(given: object, *, since: datetime, zone: object = None) -> Every | Cron:
    """The schedule that `"15m"`, `"1h"`, `"2 days"` or a cron expression means; an expression may have a time zone.

    Raises InvalidArguments for anything else, for what comes more often than once a minute or less often than once a
    year, and for an expression that no day of the calendar meets.
    """
    if not isinstance(given, str) or not given.strip() or len(given) > EXPRESSION_CHARS_MAX:
        raise InvalidArguments(f"a schedule is a text, not {given!r:.80}", hint=EXAMPLES)
    interval = moments.duration(given)
    if interval is None:
        return _cron(given, since=since, zone=zone)
    if zone is not None:
        raise InvalidArguments(f"{given!r} is as long in every time zone", hint="a zone goes with a cron expression")
    if not EVERY_MIN <= interval <= EVERY_MAX:
        raise InvalidArguments(
            f"{given!r} is not between a minute and {EVERY_MAX.days} days", hint='"1m" at the least, "366d" at the most'
        )
    return Every(interval=interval, since=since.astimezone(UTC))


def parse_at(given: object, *, now: datetime) -> Once:
    """The one time that `"2026-12-24T18:00:00Z"`, `"tomorrow"`, `"in 3h"` or a datetime means; of a day, its beginning.

    Raises InvalidArguments for what is no time, for the past, and for more than ten years ahead.
    """
    at: datetime | None = None
    if isinstance(given, datetime):
        at = given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)
    elif isinstance(given, str) and (span := moments.read(given, now=now)) is not None:
        at = span.start.replace(tzinfo=UTC)
    if at is None:
        raise InvalidArguments(f"{given!r:.80} is no time", hint=moments.EXAMPLES)
    if not now - SKEW_MAX <= at <= now + AT_MAX:
        raise InvalidArguments(
            f"{values.format_datetime(at)} is {'past' if at < now else 'more than ten years ahead'}",
            hint='such as "in 3h" or "2026-12-24T18:00:00Z"',
        )
    return Once(at=at)


def as_data(schedule: Schedule) -> dict[str, Any]:
    """The schedule as plain JSON, to be stored."""
    match schedule:
        case Every(interval=interval, since=since):
            return {"every": interval // _SECOND, "since": values.format_datetime(since)}
        case Cron(expression=expression, zone=zone):
            return {"cron": expression, "zone": zone}
        case Once(at=at):
            return {"at": values.format_datetime(at)}


def from_data(stored: Mapping[str, Any]) -> Schedule:
    """What `as_data` gave."""
    if "every" in stored:
        return Every(interval=stored["every"] * _SECOND, since=values.parse_datetime(stored["since"]))
    if "cron" in stored:
        return Cron(expression=stored["cron"], zone=stored["zone"])
    return Once(at=values.parse_datetime(stored["at"]))


def _cron(expression: str, *, since: datetime, zone: object) -> Cron:
    fields = expression.split()
    if len(fields) != 5:
        raise InvalidArguments(f"{expression!r} is neither a length of time nor a cron expression", hint=EXAMPLES)
    cron = Cron(expression=" ".join(fields), zone=_zone(zone))
    try:
        never = cron.next_after(since) is None
    except CronSimError as error:
        raise InvalidArguments(f"the cron expression {expression!r}: {str(error).lower()}", hint=EXAMPLES) from error
    if never:
        raise InvalidArguments(f"no day of the next fifty years meets {expression!r}", hint=EXAMPLES)
    return cron


def _zone(given: object) -> str:
    if given is None:
        return "UTC"
    try:
        if isinstance(given, str) and given and given.isascii():
            return zoneinfo.ZoneInfo(given).key
    except (KeyError, ValueError, OSError):
        pass  # no file of that name, no name of a file, or a folder
    raise InvalidArguments(
        f"no time zone {given!r:.80}", hint=did_you_mean(str(given), sorted(zoneinfo.available_timezones()))
    )


def _latest(schedule: Schedule, first: datetime, now: datetime) -> datetime:
    """The latest time up to now, where `first` is one: looked for in ever longer pieces of the past, back to `first`."""
    back = EVERY_MIN
    while now - back > first:
        found = schedule.next_after(now - back)
        if found is not None and found <= now:
            first = found
            break
        back *= 2
    while (later := schedule.next_after(first)) is not None and later <= now:
        first = later
    return first
