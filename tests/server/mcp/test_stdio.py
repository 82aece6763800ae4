"""Standard input and output: every request that comes down the pipe is answered, and the next one too."""

import json
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import IO, Any

import pytest

from server.mcp.stdio import LINE_BYTES_MAX

HELLO = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}
READY = {"jsonrpc": "2.0", "method": "notifications/initialized"}


class Pipe:
    """A client that writes any bytes, right or wrong."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._to: IO[bytes] = process.stdin
        self._from: IO[bytes] = process.stdout
        self.send(HELLO)
        self.hello: dict[str, Any] = self.receive()["result"]
        self.send(READY)

    def send(self, message: dict[str, Any] | bytes) -> None:
        line = message if isinstance(message, bytes) else json.dumps(message).encode()
        self._to.write(line + b"\n")
        self._to.flush()

    def receive(self) -> dict[str, Any]:
        return json.loads(self._from.readline())

    def call(self, arguments: bytes, *, name: str = "do", identity: int = 1) -> dict[str, Any]:
        self.send(
            b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"%s","arguments":%s}}'
            % (identity, name.encode(), arguments)
        )
        return self.receive()


@pytest.fixture(scope="module")
def pipe(module_verbena: Any) -> Generator[Pipe]:
    """One server for all tests: what one of them sends wrong must not be felt by the next."""
    process = subprocess.Popen(
        module_verbena.command("mcp"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=module_verbena.environment()
    )
    with process:
        yield Pipe(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=20) == 0


def test_the_server_introduces_itself(pipe: Pipe) -> None:
    assert pipe.hello["serverInfo"] == {"name": "verbena", "title": "Verbena", "version": "0.1.0"}
    assert "tools" in pipe.hello["capabilities"]


def test_listing_the_tools_needs_no_engine(pipe: Pipe, module_data: Path) -> None:
    pipe.send({"jsonrpc": "2.0", "id": 5, "method": "tools/list"})
    assert [tool["name"] for tool in pipe.receive()["result"]["tools"]] == ["search", "fetch", "do"]
    assert not module_data.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        b'{"code": "\\ud800"}',
        b'{"data": ' + b'{"$not":' * 1000 + b"1" + b"}" * 1000 + b"}",
        b'{"code": "\xff"}',
        b'{"code": ',
        b'{"data": {"value": NaN}}',
        b'{"data": {"value": 1e400}}',
        b'{"data": [1,]}',
    ],
    ids=["lone surrogate", "nested a thousand deep", "no UTF-8", "cut off", "NaN", "infinity", "comma too many"],
)
def test_a_call_that_is_no_json_is_refused_and_the_next_is_answered(pipe: Pipe, arguments: bytes) -> None:
    answer = pipe.call(arguments, identity=7)
    assert answer["id"] == 7
    assert answer["result"]["isError"]
    assert answer["result"]["structuredContent"]["error"]["code"] == "invalid_arguments"
    assert pipe.call(b'{"kode": "1"}', identity=8)["id"] == 8


def test_a_message_beyond_the_bound_is_refused_and_the_next_is_answered(pipe: Pipe) -> None:
    answer = pipe.call(b'{"code": "' + b"x" * LINE_BYTES_MAX + b'"}', identity=7)
    assert answer["result"]["structuredContent"]["error"]["code"] == "limit_exceeded"
    assert pipe.call(b'{"kode": "1"}', identity=8)["id"] == 8


def test_a_broken_request_that_is_no_call_gets_a_protocol_error(pipe: Pipe) -> None:
    pipe.send(b'{"jsonrpc":"2.0","id":"a","method":"tools/list","params":{"cursor":"\\ud800"}}')
    answer = pipe.receive()
    assert (answer["id"], answer["error"]["code"]) == ("a", -32700)


def test_a_line_without_an_id_is_passed_over(pipe: Pipe) -> None:
    pipe.send(b"hello?")
    pipe.send(b"")
    assert pipe.call(b'{"kode": "1"}', identity=9)["id"] == 9


def test_a_file_as_standard_input_is_served_too(verbena: Any, tmp_path: Path) -> None:
    script = tmp_path / "requests"
    script.write_text("\n".join(json.dumps(message) for message in (HELLO, READY)) + "\n")
    with script.open("rb") as requests:
        done = subprocess.run(
            verbena.command("mcp"),
            stdin=requests,
            capture_output=True,
            env=verbena.environment(),
            timeout=20,
            check=False,
        )
    assert json.loads(done.stdout.splitlines()[0])["id"] == 0


def test_a_wrong_setting_ends_with_a_message(verbena: Any) -> None:
    done = verbena("mcp", "--tenant", "../other")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("invalid_arguments: '../other' cannot be the name of a tenant\n")
