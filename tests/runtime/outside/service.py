"""Services on the loopback, as a test needs them: one that counts, and one that says whatever bytes it is told to."""

import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Heard:
    """One request, as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


# Gives status, headers and body for what was heard.
Reply = Callable[[Heard], tuple[int, dict[str, str], bytes]]


def plain(heard: Heard) -> tuple[int, dict[str, str], bytes]:
    """Says that it heard."""
    return 200, {"Content-Type": "application/json"}, json.dumps({"heard": heard.path}).encode()


@dataclass
class Service:
    """What a service heard, and how often each key was carried out: a repeated one gets its first answer."""

    address: str = ""
    heard: list[Heard] = field(default_factory=list[Heard])
    done: Counter[str] = field(default_factory=Counter[str])

    def keyed(self, heard: Heard) -> tuple[int, dict[str, str], bytes]:
        key = heard.headers.get("idempotency-key", "")
        if not self.done[key]:
            self.done[key] += 1
        return 201, {"Content-Type": "application/json"}, json.dumps({"key": key}).encode()


@contextmanager
def service(reply: Reply | None = None, *, port: int = 0) -> Generator[Service]:
    """A service that answers with `reply`, else as one that honours keys; at a port of its own, or at this one."""
    found = Service()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with lock:
                heard = Heard(self.command, self.path, headers, body)
                found.heard.append(heard)
                status, said, content = (reply or found.keyed)(heard)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **said}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    serving.start()
    found.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        serving.join()


@contextmanager
def says(content: bytes, *, then: Callable[[socket.socket], None] | None = None) -> Generator[str]:
    """The address of something that answers each connection with these bytes, does `then` with it, and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(10)
                try:
                    connection.recv(65_536)
                    connection.sendall(content)
                    if then is not None:
                        then(connection)
                except OSError:
                    pass  # the caller hung up

    serving = threading.Thread(target=serve, daemon=True)
    serving.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        serving.join()
