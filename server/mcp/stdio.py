"""Standard input and output as the SDK's message streams, read by the event loop itself.

The SDK reads and writes them in worker threads, three hand-overs a call, which is a fifth of what a call costs; and a
line that it cannot parse it drops, so that the caller waits for ever. Here every request gets an answer. Where the
standard streams are no pipes or sockets (a file, a terminal, Windows), the SDK's own way serves.
"""

import asyncio
import logging
import os
import re
import stat
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import msgspec
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp_types import PARSE_ERROR, JSONRPCResponse, jsonrpc_message_adapter

from runtime.errors import InvalidArguments, LimitExceeded, VerbenaError
from server.mcp.tool import refused

LINE_BYTES_MAX = 16 * 1024 * 1024  # one message from the client; asyncio holds at most twice that
HEAD_BYTES_MAX = 1024 * 1024  # how far into an unreadable message its id is looked for

log = logging.getLogger(__name__)


async def serve(server: Server[Any]) -> None:
    """Answer the client at the other end of standard input and output until it hangs up."""
    options = server.create_initialization_options()
    if not _are_pipes():
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, options)
        return
    async with _claimed() as (reader, writer):
        outgoing = Outgoing(writer)
        await server.run(Incoming(reader, outgoing), outgoing, options)


class Incoming:
    """The client's messages, one a line, in order."""

    def __init__(self, reader: asyncio.StreamReader, outgoing: "Outgoing") -> None:
        self._reader = reader
        self._outgoing = outgoing

    async def receive(self) -> SessionMessage | Exception:
        return await self.__anext__()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        while True:
            line, error = await self._line()
            if not line:
                raise StopAsyncIteration
            if error is None:
                try:
                    return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
                except ValueError as reason:
                    error = InvalidArguments(
                        f"the message is not readable JSON-RPC: {_why(reason)}",
                        hint="one message a line, in UTF-8 without lone surrogates, not nested without end",
                    )
            if line.strip():
                await self._outgoing.refuse(line, error)

    async def _line(self) -> tuple[bytes, VerbenaError | None]:
        """The next line, empty at the end; of one that is too long the beginning, and why the rest was left out."""
        try:
            return await self._reader.readuntil(b"\n"), None
        except asyncio.IncompleteReadError as rest:
            return rest.partial, None
        except asyncio.LimitOverrunError as over:
            head = (await self._reader.readexactly(over.consumed))[:HEAD_BYTES_MAX]
        while True:
            try:
                await self._reader.readuntil(b"\n")
                break
            except asyncio.IncompleteReadError:
                break
            except asyncio.LimitOverrunError as over:
                await self._reader.readexactly(over.consumed)
        return head, LimitExceeded(f"a message may have {LINE_BYTES_MAX} bytes", limit=LINE_BYTES_MAX)

    async def aclose(self) -> None:
        """Nothing: the pipe belongs to `_claimed`."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> bool | None:
        return None


class Outgoing:
    """Messages to the client, each written whole."""

    def __init__(self, writer: "Pipe") -> None:
        self._writer = writer

    async def send(self, item: SessionMessage, /) -> None:
        message = item.message
        if isinstance(message, JSONRPCResponse):
            encoded = msgspec.json.encode({"jsonrpc": "2.0", "id": message.id, "result": message.result})
        else:
            encoded = message.model_dump_json(by_alias=True, exclude_unset=True).encode()
        await self._writer.write(encoded + b"\n")

    async def refuse(self, line: bytes, error: VerbenaError) -> None:
        """Answer a request that could not be read, if its id can: a call of a tool in the shape that the model sees."""
        keys = _top_level(line[:HEAD_BYTES_MAX])
        if not isinstance(keys.get("id"), (str, int)):
            log.warning("left an unreadable message unanswered: %s", error.message)
            return
        if keys.get("method") == "tools/call":
            answer: dict[str, Any] = {"jsonrpc": "2.0", "id": keys["id"], "result": refused(error)}
        else:
            answer = {"jsonrpc": "2.0", "id": keys["id"], "error": {"code": PARSE_ERROR, "message": error.message}}
        await self._writer.write(msgspec.json.encode(answer) + b"\n")

    async def aclose(self) -> None:
        """Nothing: the pipe belongs to `_claimed`."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> bool | None:
        return None


class Pipe(asyncio.BaseProtocol):
    """A pipe that is written to, waiting where the other end is slow; asyncio says when."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._ready = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._ready.set()

    def pause_writing(self) -> None:
        self._ready.clear()

    def resume_writing(self) -> None:
        self._ready.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._ready.set()

    async def write(self, encoded: bytes) -> None:
        """Returns once the pipe takes more; what is written to a client that has gone is dropped."""
        if self._transport is not None:
            self._transport.write(encoded)
            await self._ready.wait()


def _are_pipes() -> bool:
    if sys.platform == "win32":
        return False
    modes = [os.fstat(descriptor).st_mode for descriptor in (0, 1)]
    return all(stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) for mode in modes)


@asynccontextmanager
async def _claimed() -> AsyncGenerator[tuple[asyncio.StreamReader, Pipe]]:
    """Both streams under descriptors of our own; whatever else prints goes to standard error, not into the protocol."""
    loop = asyncio.get_running_loop()
    private = os.fdopen(os.dup(0), "rb", buffering=0), os.fdopen(os.dup(1), "wb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    reader = asyncio.StreamReader(limit=LINE_BYTES_MAX)
    incoming, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), private[0])
    outgoing, pipe = await loop.connect_write_pipe(Pipe, private[1])
    try:
        yield reader, pipe
    finally:
        incoming.close()
        outgoing.close()


_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s"{}\[\]:,]+')


def _top_level(line: bytes) -> dict[str, Any]:
    """`id` and `method` of a JSON object that no parser took, found by counting brackets alone."""
    found: dict[str, Any] = {}
    depth, key, tokens = 0, b"", _TOKEN.finditer(line)
    previous = b""
    for match in tokens:
        token = match.group()
        if token in b"{[":
            depth += 1
        elif token in b"}]":
            depth -= 1
        elif token == b":" and depth == 1:
            key = previous
        elif depth == 1 and previous == b":" and key in (b'"id"', b'"method"'):
            try:
                found[key.decode().strip('"')] = msgspec.json.decode(token)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
        previous = token
    return found


def _why(reason: ValueError) -> str:
    """The parser's reason in one line, without what the message held."""
    text = str(reason).splitlines()
    about = next((line for line in text if "JSON" in line), text[0] if text else "")
    return about.split("[")[0].strip()[:200]
