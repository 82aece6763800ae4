"""What happens at each bound of a run, and that the next run is answered."""

from collections.abc import Callable
from typing import Any

import pytest

from runtime.sandbox.frames import CODE_BYTES_MAX
from runtime.sandbox.limits import Outcome

Run = Callable[..., Outcome]
MEGABYTE = 2**20


def error_of(outcome: Outcome) -> dict[str, Any]:
    assert outcome.error is not None, outcome.result
    return outcome.error


def test_an_endless_loop_is_stopped_with_its_line(run: Run) -> None:
    assert error_of(run("x = 1\nwhile True: pass", seconds=0.3)) == {
        "code": "timeout",
        "message": "the code was stopped after 0.3 s in line 2",
        "hint": "narrow the query, or do the work in several calls",
        "details": {"type": "Timeout", "seconds": 0.3, "line": 2, "source": "while True: pass"},
    }


@pytest.mark.parametrize(
    "code",
    [
        "x = []\nfor n in range(9 * 10 ** 7): x.append(n)\nx.sort(key=lambda v: -v)",
        "import re\nre.match('(a+)+$', 'a' * 60 + 'b')",
        "(n for n in iter(int, 1)).nope if 2 in iter(int, 1) else 1",
    ],
)
def test_a_step_that_no_timer_breaks_is_killed(run: Run, code: str) -> None:
    assert error_of(run(code, seconds=0.3))["code"] in ("timeout", "memory_exceeded")


@pytest.mark.parametrize(
    "code",
    [
        "x = 'a' * 10 ** 10",
        "x = []\nwhile True: x.append('%d' % len(x) * 1000)",
        "s = 'a' * 1000\nfor n in range(10): s = s.replace('a', 'a' * 1000)",
        "len(f'{1:>9999999999}')",
        "len('%9999999999d' % 1)",
        "len('a'.center(10 ** 10))",
        "[0] * 10 ** 9",
        "x = {}\nwhile True: x[len(x)] = [0] * 1000",
    ],
)
def test_memory_is_bounded(run: Run, code: str) -> None:
    error = error_of(run(code, memory_bytes=64 * MEGABYTE))
    assert (error["code"], error["details"]["type"]) == ("memory_exceeded", "MemoryError")


def test_memory_within_the_bound_is_given(run: Run) -> None:
    assert run("len('a' * (40 * 2 ** 20))", memory_bytes=64 * MEGABYTE).result == 40 * MEGABYTE


def test_endless_recursion_is_an_error_with_its_place(run: Run) -> None:
    error = error_of(run("def f(n):\n    return f(n + 1)\nf(0)"))
    assert (error["code"], error["details"]["type"], error["details"]["line"]) == (
        "execution_error",
        "RecursionError",
        2,
    )


def test_a_result_that_is_too_large_is_refused_by_name(run: Run) -> None:
    assert error_of(run("'x' * (20 * 2 ** 20)")) == {
        "code": "limit_exceeded",
        "message": "the result is 20.0 MB, the limit is 4 MB",
        "hint": "return ids, fewer fields or fewer entities",
        "details": {"line": 1, "column": 1, "source": "'x' * (20 * 2 ** 20)"},
    }


def test_a_call_that_carries_too_much_is_refused_in_the_code(run: Run) -> None:
    code = "try:\n    $.echo('x' * (5 * 2 ** 20))\nexcept Exception as e:\n    x = [e.code, e.message]\nx"
    assert run(code).result == ["limit_exceeded", "what the call carries is 5.0 MB, the limit is 4 MB"]


def test_an_answer_that_is_too_large_is_refused_in_the_code(run: Run) -> None:
    def big(path: list[str], arguments: list[Any], keywords: dict[str, Any]) -> str:
        return "x" * (5 * MEGABYTE)

    assert error_of(run("$.big()", answer=big))["message"] == "the answer to $.big is 5.0 MB, the limit is 4 MB"


@pytest.mark.parametrize("size", [CODE_BYTES_MAX + 1, MEGABYTE])
def test_code_that_is_too_large_is_refused_unread(run: Run, size: int) -> None:
    error = error_of(run("#" * size))
    assert error["code"] == "limit_exceeded"
    assert error["message"].endswith("KB, the limit is 256 KB")


def test_code_as_large_as_allowed_runs(run: Run) -> None:
    assert run("#" * (CODE_BYTES_MAX - 2) + "\n1").result == 1


def test_calls_are_counted_and_bounded(run: Run) -> None:
    outcome = run("for n in range(4): $.echo(n)", calls=3)
    assert outcome.calls == 3
    assert error_of(outcome)["code"] == "limit_exceeded"
    assert error_of(outcome)["message"] == "more than 3 calls on `$` in one run"


def test_code_that_ignores_the_bound_of_calls_is_ended(run: Run) -> None:
    outcome = run("while True:\n    try:\n        $.echo()\n    except Exception: pass", calls=3)
    assert (outcome.calls, error_of(outcome)["code"]) == (3, "limit_exceeded")


def test_the_clock_of_the_code_stands_still_while_the_tenant_answers(run: Run) -> None:
    def slow(path: list[str], arguments: list[Any], keywords: dict[str, Any]) -> int:
        return sum(range(20_000_000))  # a few tenths of a second of the parent's own time

    assert run("$.slow() > 0", answer=slow, seconds=0.2, total_seconds=30.0).result is True


def test_a_run_that_is_answered_for_too_long_is_ended(run: Run) -> None:
    def slow(path: list[str], arguments: list[Any], keywords: dict[str, Any]) -> int:
        return sum(range(1_000_000))

    error = error_of(run("while True: $.slow()", answer=slow, seconds=5.0, total_seconds=0.3, calls=10_000))
    assert error["code"] == "timeout"


@pytest.mark.parametrize(
    "code",
    [
        "x = []\nfor n in range(200_000): x = map(str, x)\nlist(x)",
        "a = b = ()\nfor n in range(200_000): a, b = (a,), (b,)\na == b",
        "x = '(' * 100_000",
        "(" * 150 + "1" + ")" * 150,
        "+".join(["1"] * 20_000),
        "x = " + "$" + ".a" * 3_000,
        "".join(" " * n + "def f():\n" for n in range(90)) + " " * 90 + "pass",
    ],
)
def test_what_crashes_an_interpreter_ends_its_worker_alone(run: Run, code: str) -> None:
    run(code)
    assert run("1 + 1").result == 2
