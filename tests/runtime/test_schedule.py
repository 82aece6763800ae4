"""A schedule comes when it says, is caught up once after any pause, and survives a clock that is wrong for a while."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InvalidArguments
from runtime.schedule import (
    AT_MAX,
    EVERY_MAX,
    SKEW_MAX,
    Cron,
    Due,
    Every,
    Once,
    Schedule,
    as_data,
    believed,
    due,
    from_data,
    parse_at,
    parse_every,
)

NOW = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("15m", Every(interval=15 * MINUTE, since=NOW)),
        ("1h", Every(interval=HOUR, since=NOW)),
        (" 1D ", Every(interval=DAY, since=NOW)),
        ("2 weeks", Every(interval=14 * DAY, since=NOW)),
        ("90s", Every(interval=timedelta(seconds=90), since=NOW)),
        ("366d", Every(interval=EVERY_MAX, since=NOW)),
        ("0 9 * * MON-FRI", Cron(expression="0 9 * * MON-FRI")),
        (" */5  *  * * * ", Cron(expression="*/5 * * * *")),
    ],
)
def test_what_people_write_is_read(said: str, meant: Schedule) -> None:
    assert parse_every(said, since=NOW) == meant


@pytest.mark.parametrize(
    ("said", "zone", "told"),
    [
        ("59s", None, "not between a minute and 366 days"),
        ("0m", None, "not between a minute and 366 days"),
        ("367d", None, "not between a minute and 366 days"),
        ("1mo", None, "neither a length of time nor a cron expression"),
        ("hourly", None, "neither a length of time nor a cron expression"),
        ("* * * * * *", None, "neither a length of time nor a cron expression"),
        ("61 * * * *", None, "bad minute"),
        ("* 24 * * *", None, "bad hour"),
        ("* * * * MOON", None, "bad day-of-week"),
        ("0 0 30 2 *", None, "bad day-of-month"),
        ("*/0 * * * *", None, "bad minute"),
        ("0 9 * * *", "Europe/Berln", "did you mean 'Europe/Berlin'?"),
        ("0 9 * * *", "Europe", "no time zone 'Europe'"),
        ("0 9 * * *", "../../etc/passwd", "no time zone"),
        ("0 9 * * *", "Europe/Berlin\x00", "no time zone"),
        ("0 9 * * *", 1, "no time zone 1"),
        ("1h", "Europe/Berlin", "goes with a cron expression"),
        ("", None, "is a text"),
        ("x" * 101, None, "is a text"),
        (60, None, "is a text"),
        (None, None, "is a text"),
    ],
)
def test_what_is_no_schedule_is_refused(said: object, zone: object, told: str) -> None:
    with pytest.raises(InvalidArguments) as refused:
        parse_every(said, since=NOW, zone=zone)
    assert told in f"{refused.value.message} {refused.value.hint}"


@given(st.one_of(st.text(max_size=120), st.lists(st.text("0123456789*/,-#LWMON", max_size=8)).map(" ".join)))
def test_any_text_is_a_schedule_or_is_refused(said: str) -> None:
    try:
        schedule = parse_every(said, since=NOW)
    except InvalidArguments:
        return
    found = schedule.next_after(NOW)
    assert found is not None and found > NOW


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2026-12-24T18:00:00Z", "2026-12-24T18:00"),
        ("2026-12-24T18:00:00+01:00", "2026-12-24T17:00"),
        ("2026-12-24", "2026-12-24T00:00"),
        ("in 3h", "2026-11-22T06:30"),
        ("tomorrow", "2026-11-23T00:00"),
        ("now", "2026-11-22T03:30"),
        (datetime(2026, 12, 24, 18), "2026-12-24T18:00"),
        (datetime(2026, 12, 24, 18, tzinfo=UTC), "2026-12-24T18:00"),
    ],
)
def test_a_time_is_read_as_everywhere(said: object, meant: str) -> None:
    assert parse_at(said, now=NOW) == Once(at=at(meant))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("soon", "is no time"),
        (1_800_000_000, "is no time"),
        ("today", "is past"),
        ("1h ago", "is past"),
        ("2036-12-24", "more than ten years ahead"),
        ("9999-12-31", "more than ten years ahead"),
    ],
)
def test_a_time_that_can_not_come_is_refused(said: object, told: str) -> None:
    with pytest.raises(InvalidArguments, match=told):
        parse_at(said, now=NOW)


@pytest.mark.parametrize(
    ("expression", "zone", "after", "times"),
    [
        ("0 9 * * MON-FRI", "UTC", "2026-11-20T08:59", ["2026-11-20T09:00", "2026-11-23T09:00", "2026-11-24T09:00"]),
        ("0 0 1 * *", "UTC", "2026-12-01T00:00", ["2027-01-01T00:00", "2027-02-01T00:00"]),
        ("0 0 29 2 *", "UTC", "2026-11-22T00:00", ["2028-02-29T00:00", "2032-02-29T00:00"]),
        ("0 9 * * *", "Europe/Berlin", "2026-10-24T00:00", ["2026-10-24T07:00", "2026-10-25T08:00"]),
        # The clocks go from 2 to 3: what would come at 2:30 comes at 3, and the hour after it is as ever.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", ["2026-03-29T01:00", "2026-03-30T00:30"]),
        ("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:30", ["2026-03-29T01:00", "2026-03-29T01:30"]),
        # They go back from 3 to 2: half past two comes once, every half hour comes every half hour.
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:00", ["2026-10-25T00:30", "2026-10-26T01:30"]),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10", ["2026-10-26T01:30"]),
        ("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:30", ["2026-10-25T01:00", "2026-10-25T01:30"]),
    ],
)
def test_cron_comes_as_people_expect_it(expression: str, zone: str, after: str, times: list[str]) -> None:
    schedule = parse_every(expression, since=NOW, zone=zone)
    last = at(after)
    for expected in times:
        assert schedule.next_after(last) == at(expected)
        last = at(expected)


moments = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))
pauses = st.timedeltas(timedelta(0), 400 * DAY)
every = st.builds(Every, interval=st.timedeltas(MINUTE, EVERY_MAX), since=moments)
cron = st.builds(
    Cron,
    expression=st.sampled_from(
        ["* * * * *", "*/7 * * * *", "30 2 * * *", "0,30 1-3 * * *", "5 */3 1,15 * *", "0 0 29 2 *", "*/20 2 * * SUN"]
    ),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo"]),
)
schedules = st.one_of(every, cron, st.builds(Once, at=moments))


@given(schedules, moments, st.floats(0, 1))
def test_nothing_lies_between_a_time_and_the_next(schedule: Schedule, begin: datetime, part: float) -> None:
    found = schedule.next_after(begin)
    if found is not None:
        assert found > begin
        between = begin + part * (found - begin)
        assert schedule.next_after(between) == found or between >= found


@given(schedules)
def test_a_schedule_is_stored_whole(schedule: Schedule) -> None:
    if isinstance(schedule, Every):
        schedule = Every(
            interval=schedule.interval // timedelta(seconds=1) * timedelta(seconds=1), since=schedule.since
        )
    assert from_data(as_data(schedule)) == schedule


@given(schedules, moments, pauses)
def test_whatever_was_missed_is_one_run_for_the_latest_time(
    schedule: Schedule, last: datetime, pause: timedelta
) -> None:
    now = last + pause
    found = due(schedule, last=last, now=now)
    first = schedule.next_after(last)
    if found is None:
        assert first is None or first > now
        return
    following = schedule.next_after(found.at)
    assert first is not None and first <= found.at <= now
    assert following is None or following > now
    assert found.missed == (found.at > first)
    assert due(schedule, last=found.at, now=now) is None


@given(
    st.one_of(every.filter(lambda each: each.interval <= DAY), cron.filter(lambda each: "29 2" not in each.expression)),
    moments,
    st.lists(st.one_of(st.timedeltas(-3 * DAY, 3 * DAY), st.timedeltas(timedelta(0), HOUR)), max_size=12),
)
def test_a_skewed_clock_neither_repeats_a_time_nor_silences_the_schedule(
    schedule: Schedule, begin: datetime, steps: list[timedelta]
) -> None:
    last, now = begin, begin
    for step in steps:
        now += step
        before, last = last, believed(schedule, last=last, now=now)
        found = due(schedule, last=last, now=now)
        if found is not None:
            assert found.at <= now
            # A time comes twice only where the clock was put back by more than a correction.
            assert found.at > before or before > now + SKEW_MAX
            last = found.at
    within = schedule.next_after(now + SKEW_MAX)
    assert within is not None
    assert due(schedule, last=last, now=within) is not None


def test_once_is_once_whatever_the_clock_says() -> None:
    schedule = parse_at("in 1h", now=NOW)
    assert due(schedule, last=NOW, now=NOW + 59 * MINUTE) is None
    found = due(schedule, last=NOW, now=NOW + 9 * DAY)
    assert found == Due(at=NOW + HOUR, missed=False)
    done = NOW + HOUR
    for now in (NOW - DAY, NOW, NOW + HOUR, NOW + DAY, NOW + AT_MAX):
        assert due(schedule, last=done, now=now) is None
        assert believed(schedule, last=done, now=now) == done


@pytest.mark.parametrize(
    ("schedule", "late"),
    [
        (Every(interval=HOUR, since=NOW), datetime.max.replace(tzinfo=UTC)),
        (Every(interval=EVERY_MAX, since=NOW), datetime.max.replace(tzinfo=UTC) - DAY),
        (Cron(expression="0 0 29 2 *"), at("9996-03-01T00:00")),
        (Cron(expression="* * * * *"), datetime.max.replace(tzinfo=UTC)),
        (Cron(expression="0 9 * * *", zone="America/New_York"), datetime.max.replace(tzinfo=UTC)),
    ],
)
def test_the_end_of_the_calendar_is_the_end_of_a_schedule(schedule: Any, late: datetime) -> None:
    assert schedule.next_after(late) is None
