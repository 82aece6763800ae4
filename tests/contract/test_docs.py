"""What a caller meets is in the docs: tools, arguments, error codes, settings, commands."""

from pathlib import Path

import pytest

from runtime.errors import BY_CODE
from server.cli.commands import app
from server.mcp import TOOLS
from server.mcp.tool import Tool
from server.settings import VARIABLES

DOCS = Path(__file__).parents[2] / "docs"
COMMANDS = sorted(
    [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
    + [group.name for group in app.registered_groups if group.name]
)


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


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_documented(docs: str, command: str) -> None:
    assert f"`verbena {command}" in docs or f"\nverbena {command}" in docs
