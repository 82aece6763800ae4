"""The HTTP face: loopback by default, bounded bodies, no other host's requests, a clean end."""

import http.client
import json
import signal
import socket
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from server.http import BODY_BYTES_MAX, bind

ROOT = Path(__file__).parents[2]
JSON = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


@pytest.fixture(scope="module")
def port(module_verbena: Any) -> Generator[int]:
    with subprocess.Popen(
        module_verbena.command("serve", "--port", "0"),
        stdout=subprocess.PIPE,
        text=True,
        env=module_verbena.environment(),
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline().rsplit(":", 1)[1].removesuffix("/mcp\n"))
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


def ask(port: int, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body, {**JSON, **headers})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_livez_says_that_the_server_lives(port: int) -> None:
    assert ask(port, "GET", "/livez") == (200, b'{"status":"ok"}')


def test_the_tools_are_listed_in_one_json_answer(port: int) -> None:
    status, body = ask(port, "POST", "/mcp", json.dumps(LIST).encode())
    assert (status, [tool["name"] for tool in json.loads(body)["result"]["tools"]]) == (200, ["search", "fetch", "do"])


def test_an_unknown_argument_is_refused_in_the_one_shape(port: int) -> None:
    call: dict[str, Any] = {**LIST, "method": "tools/call", "params": {"name": "search", "arguments": {"filtre": {}}}}
    status, body = ask(port, "POST", "/mcp", json.dumps(call).encode())
    assert (status, json.loads(body)["result"]["structuredContent"]["error"]["code"]) == (200, "invalid_arguments")


def test_a_request_under_another_hosts_name_is_refused(port: int) -> None:
    assert ask(port, "POST", "/mcp", json.dumps(LIST).encode(), Host="evil.example")[0] == 421


def test_a_request_from_another_sites_page_is_refused(port: int) -> None:
    assert ask(port, "POST", "/mcp", json.dumps(LIST).encode(), Origin="https://evil.example")[0] == 403


def test_a_body_beyond_the_bound_is_refused(port: int) -> None:
    assert ask(port, "POST", "/mcp", b" " * (BODY_BYTES_MAX + 1))[0] == 413


def test_an_unknown_path_is_not_found(port: int) -> None:
    assert ask(port, "GET", "/other")[0] == 404


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "verbena.example"])
def test_a_host_that_others_reach_must_be_asked_for(verbena: Any, host: str) -> None:
    done = verbena("serve", "--host", host, "--port", "0")
    assert done.returncode == 2
    assert "nobody is asked who they are yet" in done.stderr and "--allow-remote" in done.stderr


def test_a_taken_port_is_named(verbena: Any) -> None:
    with bind("127.0.0.1", 0, allow_remote=False) as taken:
        port = taken.getsockname()[1]
        done = verbena("serve", "--port", str(port))
    assert done.returncode == 1
    assert done.stderr.startswith(f"unavailable: cannot listen on 127.0.0.1:{port}")


def test_any_free_port_will_do() -> None:
    with bind("127.0.0.1", 0, allow_remote=False) as listening, socket.create_connection(listening.getsockname()):
        assert listening.getsockname()[1] > 0
