"""A few of the mistakes of docs/mistakes.md through the real server: the hint is in the answer, and leads to code that works."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.docs.mistakes import BEGIN, MISTAKES, Mistake

Do = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def begun(door: Do) -> Do:
    """MCP over stdio, on a tenant that is as the page begins."""
    assert "error" not in door("do", code=BEGIN)
    return door


@pytest.mark.parametrize("mistake", MISTAKES[::8], ids=lambda mistake: mistake.code.splitlines()[-1][:50])
def test_a_mistake_is_told_over_the_line_and_mended(begun: Do, mistake: Mistake) -> None:
    told = begun("do", code=mistake.code)
    assert mistake.hint in told.get("error", told)["hint"]
    assert "error" not in begun("do", code=mistake.instead, dryRun=True)  # so that each finds what the page begins with
