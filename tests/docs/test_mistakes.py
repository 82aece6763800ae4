"""Every row of docs/mistakes.md: the mistake is made, its hint is read, and what the hint names is run."""

import json
import re
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import VerbenaError
from tests.runtime.door import Door

PAGE = (Path(__file__).parents[2] / "docs" / "mistakes.md").read_text()
MISTAKES_MIN = 60
_TOKEN = re.compile(r"\w+|[=!<>+*&|?/-]+|\S")


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A row: the code that fails, what is told of it, and the code that works."""

    code: str
    hint: str
    instead: str


def _rows(cells: int) -> list[list[str]]:
    rows = [
        [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in PAGE.splitlines()
        if line.startswith("| `")
    ]
    return [row for row in rows if len(row) == cells]


def _code(cell: str) -> str:
    """The lines of a cell: code in backticks, one or two of them, with `<br>` between the lines."""
    lines: list[str] = []
    for span in cell.split("<br>"):
        found = re.fullmatch(r"(`+)(.*)\1", span)
        assert found is not None, span
        inner = found[2]
        lines.append(inner[1:-1] if inner.startswith(" `") else inner)
    return "\n".join(lines)


MISTAKES = [Mistake(code=_code(row[0]), hint=row[1], instead=_code(row[2])) for row in _rows(3)]
ACCEPTED = [(_code(code), json.loads(_code(given))) for code, given in _rows(2)]


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
    (begin,) = re.findall(r"^```python do\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    made("do", code=begin)
    return made


def test_there_are_as_many_mistakes_as_models_make() -> None:
    assert len(MISTAKES) >= MISTAKES_MIN
    assert len({mistake.code for mistake in MISTAKES}) == len(MISTAKES)
    assert len(MISTAKES) + len(ACCEPTED) == sum(line.startswith("| `") for line in PAGE.splitlines())


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
