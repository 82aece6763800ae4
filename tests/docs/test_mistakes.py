"""Every row of docs/mistakes.md: the mistake is made, its hint is read, and what the hint names is run."""

import re
from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest

from runtime.errors import VerbenaError
from tests.docs.mistakes import ACCEPTED, BEGIN, MISTAKES, ROWS, Mistake
from tests.runtime.door import Door

MISTAKES_MIN = 60
_TOKEN = re.compile(r"\w+|[=!<>+*&|?/-]+|\S")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Generator[Door]:
    door = Door(tmp_path_factory.mktemp("mistakes") / "data")
    yield door
    door.close()


@pytest.fixture
def tenant(house: Door, request: pytest.FixtureRequest) -> Door:
    """A tenant of the test's own, as the page says that it begins."""
    number = request.node.callspec.indices
    made = house.other("t" + "-".join(f"{name.replace('_', '')}{index}" for name, index in sorted(number.items())))
    made("do", code=BEGIN)
    return made


def test_there_are_as_many_mistakes_as_models_make() -> None:
    assert len(MISTAKES) >= MISTAKES_MIN
    assert len({mistake.code for mistake in MISTAKES}) == len(MISTAKES)
    assert len(MISTAKES) + len(ACCEPTED) == ROWS


@pytest.mark.parametrize("mistake", MISTAKES, ids=[mistake.code.splitlines()[-1][:50] for mistake in MISTAKES])
def test_the_hint_of_a_mistake_leads_to_code_that_works(tenant: Door, mistake: Mistake) -> None:
    head = tenant.head
    assert mistake.hint in _told(tenant, mistake.code)
    assert tenant.head == head
    wrong, right, told = _parts(mistake.code), _parts(mistake.instead), _parts(mistake.hint)
    assert ((wrong - right) | (right - wrong)) & told, "the hint names nothing that makes the difference"
    answer = tenant("do", code=mistake.instead)
    assert answer["result"] is not None or "output" in answer or "events" in answer
    assert "hint" not in answer


@pytest.mark.parametrize(("code", "given"), ACCEPTED, ids=[code.splitlines()[-1][:50] for code, _ in ACCEPTED])
def test_a_harmless_habit_is_no_mistake(tenant: Door, code: str, given: Any) -> None:
    assert tenant("do", code=code)["result"] == given


def _parts(text: str) -> Counter[tuple[str, ...]]:
    """The words and signs of a text, by themselves and with their neighbours."""
    tokens = _TOKEN.findall(text)
    return Counter(tuple(tokens[first : first + size]) for size in (1, 2, 3, 4) for first in range(len(tokens)))


def _told(tenant: Door, code: str) -> str:
    try:
        answer = tenant("do", code=code)
    except VerbenaError as error:
        return error.hint or ""
    assert (answer["result"], "output" in answer) == (None, False)
    return answer["hint"]
