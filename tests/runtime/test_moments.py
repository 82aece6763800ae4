"""Times as people say them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from runtime.moments import Span, read

NOW = datetime(2026, 3, 31, 10, 30, tzinfo=UTC)


def at(text: str) -> Span:
    instant = datetime.fromisoformat(text)
    return Span(instant, instant)


def day(text: str) -> Span:
    start = datetime.fromisoformat(text)
    return Span(start, start + timedelta(days=1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", at("2026-03-31T10:30")),
        ("today", day("2026-03-31")),
        ("Yesterday", day("2026-03-30")),
        ("tomorrow", day("2026-04-01")),
        ("2026-01-01", day("2026-01-01")),
        ("2026-01-01T10:00:00Z", at("2026-01-01T10:00")),
        ("2026-01-01T10:00:00.123456+02:00", at("2026-01-01T08:00:00.123456")),
        ("2026-01-01 10:00", at("2026-01-01T10:00")),
        ("30s ago", at("2026-03-31T10:29:30")),
        ("30m ago", at("2026-03-31T10:00")),
        ("in 2h", at("2026-03-31T12:30")),
        ("7d ago", at("2026-03-24T10:30")),
        (" 7  days  ago ", at("2026-03-24T10:30")),
        ("in 2 weeks", at("2026-04-14T10:30")),
        ("1mo ago", at("2026-02-28T10:30")),
        ("in 1 month", at("2026-04-30T10:30")),
        ("13mo ago", at("2025-02-28T10:30")),
        ("2y ago", at("2024-03-31T10:30")),
        ("0d ago", at("2026-03-31T10:30")),
    ],
)
def test_a_time_is_read_against_now(text: str, expected: Span) -> None:
    assert read(text, now=NOW) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "7d", "d ago", "-7d ago", "in 7d ago", "7 moons ago", "7.5d ago", "last week", "ago"),
        *("2026-02-30", "2026-13-01", "26-01-01", "2026-01-01T25:00:00Z", "9999999 days ago", "999999 years ago"),
        *("in 999999d and", "x" * 10_000, "\N{ARABIC-INDIC DIGIT THREE}d ago", "2026-01-0\N{ARABIC-INDIC DIGIT ONE}"),
    ],
)
def test_what_names_no_time_is_none(text: str) -> None:
    assert read(text, now=NOW) is None


def test_the_last_day_of_the_calendar_is_a_day() -> None:
    assert read("9999-12-31", now=NOW) == Span(datetime(9999, 12, 31), datetime.max)


def test_days_are_days_of_utc() -> None:
    late = datetime(2026, 3, 31, 23, 30, tzinfo=timezone(timedelta(hours=-5)))
    assert read("today", now=late) == day("2026-04-01")
