"""The MCP server before an engine of the test's own making."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, TypeVar

import pytest
from mcp import Client
from mcp.types import CallToolResult

from runtime.errors import InvalidTransition
from server.mcp.server import Line, VerbenaServer


class Recording:
    """An engine that remembers what it was asked and always says the same."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    async def ask(self, call: str, arguments: Mapping[str, Any]) -> bytes:
        self.asked.append((call, arguments))
        return self.answer


class Refusing:
    """An engine that allows nothing."""

    async def ask(self, call: str, arguments: Mapping[str, Any]) -> bytes:
        raise InvalidTransition(f"{call} is not possible", hint="reopen it first", allowed=["reopen"])


Result = TypeVar("Result")
Era = Literal["auto", "legacy"]
ERAS: tuple[Era, ...] = ("auto", "legacy")


class Failing:
    """An engine that cannot be reached."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def ask(self, call: str, arguments: Mapping[str, Any]) -> bytes:
        raise self.error


def with_client(line: Line, story: Callable[[Client], Awaitable[Result]], *, mode: Era = "auto") -> Result:
    async def run() -> Result:
        async with Client(VerbenaServer(line), mode=mode) as client:
            return await story(client)

    return asyncio.run(run())


@pytest.mark.parametrize("mode", ERAS)
def test_a_call_reaches_the_engine_under_its_own_name(mode: Era) -> None:
    engine = Recording(b'{"results":[],"total":0,"hasMore":false}')

    async def story(client: Client) -> CallToolResult:
        return await client.call_tool("search", {"type": "Deal", "limit": 3})

    result = with_client(engine, story, mode=mode)
    assert engine.asked == [("search", {"type": "Deal", "limit": 3})]
    assert result.structured_content == {"results": [], "total": 0, "hasMore": False}
    assert not result.is_error


@pytest.mark.parametrize("mode", ERAS)
def test_a_refusal_is_a_tool_result_that_the_model_sees(mode: Era) -> None:
    async def story(client: Client) -> CallToolResult:
        return await client.call_tool("do", {"action": "win", "type": "Deal", "id": "deal_1"})

    result = with_client(Refusing(), story, mode=mode)
    assert result.is_error
    assert result.structured_content == {
        "error": {
            "code": "invalid_transition",
            "message": "do is not possible",
            "hint": "reopen it first",
            "details": {"allowed": ["reopen"]},
        }
    }


@pytest.mark.parametrize(
    ("error", "code"), [(PermissionError("no entry"), "unavailable"), (ZeroDivisionError("secret"), "execution_error")]
)
def test_what_fails_inside_is_a_refusal_too_and_keeps_its_secrets(error: Exception, code: str) -> None:
    async def story(client: Client) -> CallToolResult:
        return await client.call_tool("do", {"code": "1"})

    result = with_client(Failing(error), story)
    assert result.structured_content is not None
    assert result.structured_content["error"]["code"] == code
    assert "secret" not in str(result.structured_content)


def test_an_unknown_argument_never_reaches_the_engine() -> None:
    engine = Recording(b"{}")

    async def story(client: Client) -> CallToolResult:
        return await client.call_tool("fetch", {"identifier": "deal_1"})

    result = with_client(engine, story)
    assert result.is_error and engine.asked == []


def test_an_unknown_tool_is_answered_with_the_nearest() -> None:
    async def story(client: Client) -> CallToolResult:
        return await client.call_tool("serch", {})

    result = with_client(Recording(b"{}"), story)
    assert result.structured_content == {
        "error": {"code": "invalid_arguments", "message": "there is no tool 'serch'", "hint": "did you mean 'search'?"}
    }


def test_the_tools_say_what_they_may_break() -> None:
    async def story(client: Client) -> dict[str, tuple[Any, ...]]:
        listed = await client.list_tools()
        return {
            tool.name: (
                tool.annotations.read_only_hint,
                tool.annotations.destructive_hint,
                tool.annotations.idempotent_hint,
                tool.annotations.open_world_hint,
            )
            for tool in listed.tools
            if tool.annotations and tool.title and tool.output_schema
        }

    assert with_client(Recording(b"{}"), story) == {
        "search": (True, False, True, False),
        "fetch": (True, False, True, False),
        "do": (False, True, False, True),
    }
