"""The programs in the docs are programs: those marked `python do` run in order, those marked `python` as one script."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime import Client, connect
from server.demo import fill

ROOT = Path(__file__).parents[2]
PAGES = {path.name: path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))}
_PROGRAM = re.compile(r"^```python do\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SCRIPT = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What a page of hooks stores is run by itself, so that its blocks wait for each other: tests/stories/test_hooks.py.
ELSEWHERE = {"hooks.md"}
OF_PROGRAMS = [name for name, text in PAGES.items() if _PROGRAM.search(text) and name not in ELSEWHERE]
OF_SCRIPTS = [name for name, text in PAGES.items() if _SCRIPT.search(text) and name not in ELSEWHERE]


@pytest.fixture
def client(data: Path) -> Iterator[Client]:
    """An empty tenant."""
    with connect(data) as connected:
        yield connected


def test_there_are_programs_to_run() -> None:
    assert {"reference.md", "time.md"} <= set(OF_PROGRAMS)
    assert "plans.md" in OF_SCRIPTS
    assert sum(len(_PROGRAM.findall(text)) for text in PAGES.values()) >= 15


@pytest.mark.parametrize("page", OF_PROGRAMS)
def test_the_programs_of_a_page_run_in_order(client: Client, page: str) -> None:
    _run(client, PAGES[page])


@pytest.mark.parametrize("page", OF_SCRIPTS)
def test_the_blocks_of_a_page_run_as_one_script(data: Path, page: str) -> None:
    ran = _script(data, _placed(_SCRIPT, PAGES[page]))
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_programs_of_the_readme_run_on_the_demo_tenant(client: Client) -> None:
    readme = (ROOT / "README.md").read_text()
    assert fill(client)
    assert f"--as-of {client.events.list(limit=1)[0].seq}  " in readme
    _run(client, readme)
    assert client.events.list(type="Deal", limit=1)[0].event == "Deal.won"


def test_the_script_of_the_readme_runs_as_it_stands(data: Path) -> None:
    (script,) = _SCRIPT.findall((ROOT / "README.md").read_text())
    ran = _script(data, script)
    assert (ran.stdout, ran.stderr) == ("Sailing\n", "")


def _run(client: Client, text: str) -> None:
    for program in _PROGRAM.finditer(text):
        # Blank lines before it, so that an error names the line of the page.
        client.do("\n" * text.count("\n", 0, program.start(1)) + program[1])


def _placed(block: re.Pattern[str], text: str) -> str:
    """All blocks of a page, each on the lines where the page has it."""
    lines = [""] * text.count("\n")
    for found in block.finditer(text):
        first = text.count("\n", 0, found.start(1))
        inside = found[1].splitlines()
        lines[first : first + len(inside)] = inside
    return "\n".join(lines)


def _script(data: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run beside the data folder, which scripts of the docs call `data`."""
    return subprocess.run(
        [sys.executable, "-c", script], cwd=data.parent, capture_output=True, text=True, timeout=60, check=False
    )
