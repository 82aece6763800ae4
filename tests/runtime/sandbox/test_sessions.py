"""A session: runs of one tenant that belong together, in one worker, each with globals and a budget of its own."""

import threading
from collections.abc import Generator, Sequence
from typing import Any

import pytest

from runtime.sandbox.limits import Limits
from runtime.sandbox.pool import Pool, Session

NOW = "2026-01-01T00:00:00Z"
LIMITS = Limits(seconds=5, calls=5)


@pytest.fixture(scope="module")
def pool() -> Generator[Pool]:
    pool = Pool(size=1)
    yield pool
    pool.close()


def nobody(path: Sequence[str], args: Sequence[Any], kwargs: Any) -> Any:
    return None


def run(session: Session, code: str, answer: Any = nobody) -> Any:
    outcome = session.run(code, answer, now=NOW)
    return outcome.error["code"] if outcome.error else outcome.result


def test_what_one_run_named_is_unknown_to_the_next(pool: Pool) -> None:
    with pool.session(LIMITS) as session:
        assert [run(session, "secret = 1\nsecret"), run(session, "secret")] == [1, "execution_error"]


def test_each_run_has_calls_of_its_own(pool: Pool) -> None:
    with pool.session(LIMITS) as session:
        four = "for n in range(4):\n    $.Deal.count()\n'done'"
        assert [run(session, four) for _ in range(3)] == ["done"] * 3


@pytest.mark.parametrize(
    ("code", "ends"),
    [
        ("while True:\n    pass", "timeout"),
        ("x = [0] * 10**9", "memory_exceeded"),
        ("while True:\n    try:\n        $.Deal.count()\n    except Exception:\n        pass", "limit_exceeded"),
        ("1 / 0", "execution_error"),
    ],
)
def test_whatever_a_run_ends_in_the_next_one_is_answered(pool: Pool, code: str, ends: str) -> None:
    with pool.session(Limits(seconds=1, calls=5)) as session:
        assert [run(session, "1"), run(session, code), run(session, "2")] == [1, ends, 2]


def test_a_session_that_is_cut_off_ends_its_run_and_starts_no_other(pool: Pool) -> None:
    asked = threading.Event()

    def answer(path: Sequence[str], args: Sequence[Any], kwargs: Any) -> Any:
        asked.set()
        return None

    with pool.session(LIMITS) as session:
        cutter = threading.Thread(target=lambda: (asked.wait(10), session.cut_off()))
        cutter.start()
        ended = run(session, "$.Deal.count()\nwhile True:\n    pass", answer)
        cutter.join()
        assert [ended, run(session, "1")] == ["unavailable", "unavailable"]
