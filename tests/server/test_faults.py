"""The one table of refusals."""

from runtime.errors import Conflict, ExecutionError, NotFound
from server.faults import http_status, in_words, unlisted


def test_every_error_code_has_its_line() -> None:
    assert unlisted() == set()


def test_a_missing_entity_is_404() -> None:
    assert http_status(NotFound("nothing here")) == 404


def test_the_shell_sees_message_place_and_hint() -> None:
    error = ExecutionError("name 'foo' is not defined", hint="did you mean 'for'?", line=3, column=5)
    assert in_words(error) == (
        "execution_error: name 'foo' is not defined\n  at line 3, column 5\n  hint: did you mean 'for'?"
    )


def test_a_message_cannot_steer_the_terminal() -> None:
    assert in_words(NotFound("no \x1b[2J\nfoo")) == "not_found: no  [2J foo"


def test_the_shell_lists_what_is_in_the_way_of_an_undo() -> None:
    reasons = [{"id": f"deal_{number}", "reason": "it is at version 3\nand was left at 2"} for number in range(30)]
    told = in_words(
        Conflict("run_1 cannot be undone", hint="undo what came later first", inTheWay=reasons)
    ).splitlines()
    assert told[0] == "conflict: run_1 cannot be undone"
    assert told[1] == "  deal_0: it is at version 3 and was left at 2"
    assert told[20:] == [
        "  deal_19: it is at version 3 and was left at 2",
        "  and 10 more",
        "  hint: undo what came later first",
    ]
