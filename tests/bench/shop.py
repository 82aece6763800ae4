"""`python -m tests.bench.shop`: the service that durable runs ask. It says its port, and ends with its standard input."""

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Shop(BaseHTTPRequestHandler):
    """Takes every order, at once."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # the whole answer in one piece
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        content = b'{"order": 7}'
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


if __name__ == "__main__":
    shop = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    threading.Thread(target=shop.serve_forever, daemon=True).start()
    print(shop.server_port, flush=True)
    sys.stdin.read()
