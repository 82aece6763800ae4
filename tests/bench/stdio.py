"""Servers at the other end of standard input and output, ours and others', all reached by the same official client."""

import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult, TextContent

from runtime.client import Connection, OwnerOptions, is_owned, start_owner
from runtime.errors import VerbenaError
from tests.bench.tenants import ROOT

CALL_SECONDS_MAX = 60.0
OWNER_SECONDS_MAX = 60.0


class Server:
    """A server that answers calls of its tools."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def call(self, tool: str, arguments: dict[str, Any]) -> CallToolResult:
        """The answer of a tool; a refusal ends the run, for its time says nothing."""
        result = await self._client.call_tool(tool, arguments, read_timeout_seconds=CALL_SECONDS_MAX)
        if result.is_error:
            raise RuntimeError(f"{tool} was refused: {text_of(result)[:500]}")
        return result

    async def list_tools(self) -> None:
        """The tools, asked for afresh."""
        await self._client.list_tools()


@asynccontextmanager
async def server(command: list[str], environment: Mapping[str, str] | None = None) -> AsyncGenerator[Server]:
    """Start a server and shake hands with it; it is stopped at the end."""
    parameters = StdioServerParameters(
        command=command[0], args=command[1:], env=plain_environment() | dict(environment or {}), cwd=str(ROOT)
    )
    async with Client(parameters) as client:
        yield Server(client)


def verbena(data: Path, tenant: str) -> list[str]:
    """The command that serves a tenant."""
    return [sys.executable, "-m", "server", "mcp", "--data", str(data), "--tenant", tenant]


def echo(payload: Path) -> list[str]:
    """The command of the floor: a server of one tool that gives what is in a file."""
    return [sys.executable, "-m", "tests.bench.floor", str(payload)]


def written(folder: Path, name: str, result: CallToolResult) -> Path:
    """What a tool gave, in a file for the floor to give."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(structured(result), ensure_ascii=False))
    return path


def structured(result: CallToolResult) -> dict[str, Any]:
    """What a program would read of an answer."""
    return result.structured_content or {}


def text_of(result: CallToolResult) -> str:
    """What a model would read of an answer."""
    return "\n".join(part.text for part in result.content if isinstance(part, TextContent))


def plain_environment() -> dict[str, str]:
    """The environment without any setting of ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith("VERBENA_")}


@contextmanager
def owner(data: Path, *, http_hosts: str = "") -> Generator[subprocess.Popen[bytes]]:
    """The process that owns a data folder, started here and ended here, so that its files are whole afterwards."""
    process = start_owner(data, OwnerOptions(http_hosts=http_hosts, accept_fewer_walls=True))
    try:
        _await_owner(data, process)
        yield process
    finally:
        end(data, process)


def end(data: Path, process: subprocess.Popen[bytes]) -> None:
    """Ask an owner to end, and end it where it does not."""
    try:
        if is_owned(data):
            with Connection(data, tenant="default") as connection:
                connection.ask("end", {})
        process.wait(OWNER_SECONDS_MAX)
    except (VerbenaError, subprocess.TimeoutExpired):
        process.terminate()
        process.wait(OWNER_SECONDS_MAX)


def _await_owner(data: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + OWNER_SECONDS_MAX
    while not is_owned(data):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the owner of {data} did not start; its daemon.log says why")
        time.sleep(0.01)
