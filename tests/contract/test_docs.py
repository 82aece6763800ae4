"""What a caller meets is in the docs: tools, arguments, members of `$`, error codes, settings, commands and options.

What the docs point at is there: pages, their headings, and files and folders of the project.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from runtime.catalogue import shipped
from runtime.errors import BY_CODE
from runtime.noun import READ_VERBS
from server.cli.commands import app
from server.mcp import TOOLS
from server.mcp.tool import Tool
from server.settings import VARIABLES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
# These go with every command that they fit, and are told of once.
EVERYWHERE = {"--tenant", "--data", "--json"}
MEMBERS = sorted(set(re.findall(r'case \["(\w+)"', (ROOT / "runtime" / "calls" / "dollar.py").read_text())))
METHODS = sorted({*READ_VERBS, *(verb.name for verb in shipped().noun("Deal").verbs.values() if verb.built_in)})


def _options(command: Any, *path: str) -> Iterator[tuple[str, set[str]]]:
    """Every command below one, by its whole name, with its long options."""
    below: dict[str, Any] = getattr(command, "commands", {})
    for name, each in below.items():
        yield from _options(each, *path, name)
    if path and (not below or command.invoke_without_command):
        named = {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
        yield " ".join(path), named - EVERYWHERE


COMMANDS = dict(_options(typer.main.get_command(app)))


@pytest.fixture(scope="module")
def docs() -> str:
    return "\n".join(path.read_text() for path in sorted(DOCS.glob("*.md")))


@pytest.mark.parametrize("tool", TOOLS, ids=[tool.name for tool in TOOLS])
def test_a_tool_and_its_arguments_are_documented(docs: str, tool: Tool) -> None:
    missing = {name for name in (tool.name, *tool.arguments) if f"`{name}`" not in docs}
    assert missing == set()


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_an_error_code_is_documented(docs: str, code: str) -> None:
    assert f"`{code}`" in docs


@pytest.mark.parametrize("variable", sorted(VARIABLES.values()))
def test_a_setting_is_documented(docs: str, variable: str) -> None:
    assert f"`{variable}`" in docs


@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_of_dollar_is_documented(docs: str, member: str) -> None:
    assert f"`$.{member}" in docs


@pytest.mark.parametrize("method", METHODS)
def test_a_method_of_a_noun_is_documented(docs: str, method: str) -> None:
    assert f"`{method}(" in docs


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_a_command_and_its_options_are_documented_in_one_place(docs: str, command: str) -> None:
    told = [line for line in docs.splitlines() if f"`verbena {command}" in line]
    assert [line for line in told if all(option in line for option in COMMANDS[command])] != []


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_what_a_page_links_to_is_there(page: Path) -> None:
    nowhere: list[str] = []
    for link in _LINK.findall(_prose(page)):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if ":" not in path and not (target.exists() and (not anchor or anchor in _anchors(target))):
            nowhere.append(link)
    assert nowhere == []


def _prose(page: Path) -> str:
    """A page without its blocks of code, in which `#` begins a comment and `](` may be Python."""
    return _FENCED.sub("", page.read_text())


def _anchors(page: Path) -> set[str]:
    """Where a page can be pointed at: its headings, as GitHub names them."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(_prose(page))}
