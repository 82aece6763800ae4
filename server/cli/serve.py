"""`verbena serve`: HTTP until a signal, with a word on how to connect."""

import asyncio
import logging
import sys
from pathlib import Path
from socket import socket

import structlog

from runtime.client import Connection, Line
from runtime.errors import Unavailable
from server import demo as demo_tenant
from server import http
from server.cli import print_out
from server.cli.session import connection
from server.mcp.server import VerbenaServer
from server.settings import Settings


def run(settings: Settings, *, host: str, port: int, demo: bool, allow_remote: bool) -> None:
    """Serve until SIGTERM or SIGINT; raises VerbenaError where it cannot begin."""
    _log_to_standard_error(settings.log)
    listening = http.bind(host, port, allow_remote=allow_remote)
    with listening:
        with connection(settings) as client:
            _refuse_without_walls(client)
            if demo and demo_tenant.fill(client):
                print_out.line("The demo tenant is filled.")
        address = f"http://{_in_url(host)}:{listening.getsockname()[1]}"
        print_out.line(how_to_connect(address, settings=settings, script=Path(sys.argv[0]).absolute()))
        sys.stdout.flush()
        asyncio.run(_serve(settings, listening=listening, host=host))


def _refuse_without_walls(client: Connection) -> None:
    """Raises Unavailable where code would have to run behind walls that do not hold."""
    faults = client.ask("doctor", {})["faults"]
    if faults:
        raise Unavailable(
            f"the walls of the sandbox do not hold: {'; '.join(faults)}", hint="verbena doctor shows them all"
        )


def how_to_connect(address: str, *, settings: Settings, script: Path) -> str:
    """What a person pastes where."""
    return f"""\
Verbena serves tenant {settings.tenant} at {address}/mcp

  Claude Code     claude mcp add --transport http verbena {address}/mcp
  Claude Desktop  {script} install claude-desktop --tenant {settings.tenant}
  curl            curl -s {address}/mcp -H 'Content-Type: application/json' \\
                    -H 'Accept: application/json, text/event-stream' \\
                    -d '{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"search",\
"arguments":{{"type":"Deal"}}}}}}'

  Data in {settings.data}. Ctrl-C stops."""


async def _serve(settings: Settings, *, listening: socket, host: str) -> None:
    line = Line(settings.data, tenant=settings.tenant, options=settings.owner)
    try:
        await http.serve(http.app(VerbenaServer(line), host=host, base_url=settings.base_url), listening)
    finally:
        await line.close()


def _log_to_standard_error(level: str) -> None:
    logging.basicConfig(level=level.upper(), stream=sys.stderr, format="%(message)s")
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
