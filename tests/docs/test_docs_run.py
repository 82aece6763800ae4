"""The programs in the docs are programs: those marked `python do` run in order, the README on the demo tenant."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime import Client, connect
from server.demo import fill

ROOT = Path(__file__).parents[2]
PAGES = sorted(path for path in (ROOT / "docs").glob("*.md") if "```python do" in path.read_text())
_PROGRAM = re.compile(r"^```python do\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SCRIPT = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def client(data: Path) -> Iterator[Client]:
    """An empty tenant."""
    with connect(data) as connected:
        yield connected


def test_there_are_programs_to_run() -> None:
    assert [page.name for page in PAGES] == ["reference.md"]
    assert len(_PROGRAM.findall(PAGES[0].read_text())) >= 7


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_programs_of_a_page_run_in_order(client: Client, page: Path) -> None:
    _run(client, page.read_text())


def test_the_programs_of_the_readme_run_on_the_demo_tenant(client: Client) -> None:
    assert fill(client)
    _run(client, (ROOT / "README.md").read_text())
    assert client.events.list(type="Deal", limit=1)[0].event == "Deal.won"


def test_the_script_of_the_readme_runs_as_it_stands(data: Path) -> None:
    (script,) = _SCRIPT.findall((ROOT / "README.md").read_text())
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=data.parent, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.stdout, ran.stderr) == ("Sailing\n", "")


def _run(client: Client, text: str) -> None:
    for program in _PROGRAM.finditer(text):
        # Blank lines before it, so that an error names the line of the page.
        client.do("\n" * text.count("\n", 0, program.start(1)) + program[1])
