"""The one table of refusals."""

from runtime.errors import ExecutionError, NotFound
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
