"""`verbena mcp`: the three tools over standard input and output, for a client that starts us."""

import asyncio
import logging
import sys

from runtime.client import Line
from runtime.errors import VerbenaError
from server.faults import EXIT_USAGE, in_words
from server.mcp.server import VerbenaServer
from server.settings import Settings, read


def run(*, data: str = "", tenant: str = "") -> None:
    """Serve until the client hangs up; exits with 2 where a setting is wrong."""
    try:
        settings = read(data=data, tenant=tenant)
    except VerbenaError as error:
        print(in_words(error), file=sys.stderr)
        sys.exit(EXIT_USAGE)
    logging.basicConfig(level=settings.log.upper(), stream=sys.stderr)
    try:
        asyncio.run(_serve(settings))
    except KeyboardInterrupt:
        sys.exit(130)


async def _serve(settings: Settings) -> None:
    line = Line(settings.data, tenant=settings.tenant, options=settings.owner)
    try:
        await VerbenaServer(line).run_stdio_async()
    finally:
        await line.close()
