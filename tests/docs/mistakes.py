"""docs/mistakes.md, read: its rows, and the program that a tenant begins with."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "mistakes.md").read_text()


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
# What is accepted, and what it gives.
ACCEPTED = [(_code(code), json.loads(_code(given))) for code, given in _rows(2)]
ROWS = sum(line.startswith("| `") for line in PAGE.splitlines())
(BEGIN,) = re.findall(r"^```python do\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
