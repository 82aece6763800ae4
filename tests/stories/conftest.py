"""The real door, twice: a client of the data folder, and MCP over stdio in lines of JSON that nothing checks first."""

import fcntl
import json
import re
import subprocess
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Protocol

import pytest

from runtime import Client, connect

ROOT = Path(__file__).parents[2]
PROTOCOL = "2025-11-25"
TENANT_CHARS_MAX = 63


class Shell(Protocol):
    """What the stories need of the fixture `verbena`."""

    data: Path

    def command(self, *words: str) -> list[str]: ...

    def environment(self) -> dict[str, str]: ...

    def __call__(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]: ...


class Door:
    """`verbena mcp` as a process, spoken to in lines of JSON: also what no client library would send."""

    def __init__(self, shell: Shell, tenant: str = "default") -> None:
        self._asked = 0
        self._process = subprocess.Popen(
            shell.command("mcp", "--tenant", tenant),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=shell.environment(),
            cwd=ROOT,
        )
        hello = {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": {"name": "story", "version": "1"}}
        self._ask("initialize", json.dumps(hello))
        self._tell('{"jsonrpc": "2.0", "method": "notifications/initialized"}')

    def __call__(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """What the tool answered; a refusal is `{"error": {code, message, hint?, details?}}`."""
        return self.raw(tool, json.dumps(arguments))

    def raw(self, tool: str, arguments: str) -> dict[str, Any]:
        """The same with the arguments as the JSON text that goes over the line."""
        answer = self._ask("tools/call", f'{{"name": {json.dumps(tool)}, "arguments": {arguments}}}')
        told = answer["result"]["structuredContent"]
        assert answer["result"].get("isError", False) == ("error" in told)
        return told

    def head(self) -> int:
        """How far the log has come."""
        events = self("do", code="$.events.list(limit=1)")["result"]
        return events[0]["seq"] if events else 0

    def close(self) -> None:
        """Hang up, and wait until the process is gone."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        assert self._process.wait(timeout=20) == 0
        self._process.stdout.close()

    def _ask(self, method: str, params: str) -> dict[str, Any]:
        self._asked += 1
        self._tell(f'{{"jsonrpc": "2.0", "id": {self._asked}, "method": "{method}", "params": {params}}}')
        assert self._process.stdout is not None
        while answer := self._process.stdout.readline():
            told = json.loads(answer)
            if told.get("id") == self._asked:
                return told
        raise AssertionError(f"the server hung up over {method}")

    def _tell(self, message: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(message + "\n")
        self._process.stdin.flush()


@pytest.fixture(scope="module")
def door(module_verbena: Shell) -> Generator[Door]:
    """One MCP session for the stories of a file."""
    session = Door(module_verbena)
    yield session
    session.close()


@pytest.fixture
def client(module_data: Path, request: pytest.FixtureRequest) -> Generator[Client]:
    """A client of an empty tenant, one for each test; one engine owns them all."""
    tenant = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    with connect(module_data, tenant[-TENANT_CHARS_MAX:].strip("-")) as connected:
        yield connected


@pytest.fixture
def stop(verbena: Shell) -> Callable[[], None]:
    """Ends the engine, and returns when it has let go of its files."""

    def stopped() -> None:
        assert verbena("stop").returncode == 0
        # Whoever owns the folder holds this lock until its process is gone.
        with (verbena.data / "verbena.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)

    return stopped
