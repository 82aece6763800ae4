"""The HTTP face: MCP at `/mcp`, `/livez` beside it, on loopback unless somebody insists."""

import ipaddress
import signal
import socket
from contextlib import suppress
from urllib.parse import urlsplit

import structlog
import uvicorn
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse

from runtime.errors import InvalidArguments, Unavailable
from server.mcp.server import VerbenaServer

BODY_BYTES_MAX = 4 * 1024 * 1024  # one request
BACKLOG_MAX = 128  # connections that wait to be taken
KEEP_ALIVE_S = 30  # an idle connection
STOP_S_MAX = 10  # what requests in flight get after a signal before they are cut off
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

log = structlog.stdlib.get_logger(__name__)


def app(server: VerbenaServer, *, host: str, base_url: str) -> Starlette:
    """The ASGI application; requests that name another host than these are refused (DNS rebinding)."""
    server.custom_route("/livez", methods=["GET"])(_livez)
    return server.streamable_http_app(
        streamable_http_path="/mcp",
        # Both eras answer one request with one JSON body: no session to keep, and the fastest that the SDK has.
        json_response=True,
        stateless_http=True,
        max_request_body_size=BODY_BYTES_MAX,
        transport_security=_transport_security(host, base_url),
        host=host,
    )


def bind(host: str, port: int, *, allow_remote: bool) -> socket.socket:
    """A listening socket; port 0 takes any free one.

    Raises InvalidArguments for a host that others can reach, unless `allow_remote`; Unavailable for a taken port.
    """
    if not allow_remote and not _is_loopback(host):
        raise InvalidArguments(
            f"{host} can be reached by others, and nobody is asked who they are yet",
            hint="leave --host at 127.0.0.1 and put a proxy that signs people in before it, or add --allow-remote",
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        # A port left in TIME_WAIT by the server before us is free; on Windows the option would share it instead.
        with suppress(AttributeError):
            listening.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR), 1)
        listening.bind((host, port))
        listening.listen(BACKLOG_MAX)
    except (OSError, OverflowError) as reason:
        listening.close()
        raise Unavailable(f"cannot listen on {host}:{port}: {reason}", hint="another port: --port 4748") from reason
    return listening


async def serve(application: Starlette, listening: socket.socket) -> None:
    """Answer until SIGTERM or SIGINT, then let what is in flight finish, for STOP_S_MAX seconds."""
    config = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_S_MAX,
    )
    # uvicorn repeats the signal that it stopped for, once it has stopped; that would end us as if we had been killed.
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, lambda _number, _frame: None)
    log.info("serving", address=listening.getsockname()[:2])
    await uvicorn.Server(config).serve(sockets=[listening])
    log.info("stopped")


async def _livez(_request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


def _transport_security(host: str, base_url: str) -> TransportSecuritySettings:
    # Said explicitly: the SDK checks nothing by itself once the host is no loopback name.
    names = {*LOOPBACK, f"[{host}]" if ":" in host else host, urlsplit(base_url).hostname or "localhost"}
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=[form for name in sorted(names) for form in (name, f"{name}:*")],
        allowed_origins=[
            f"{scheme}://{name}{port}" for name in sorted(names) for scheme in ("http", "https") for port in ("", ":*")
        ],
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
