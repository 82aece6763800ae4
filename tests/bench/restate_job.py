"""`restate_job.py PORT`: the peer of a durable run, a service of Restate. Runs in an environment of its own.

It says its own port when it serves; the server that is told of it calls it there. It ends with its standard input.
"""

import asyncio
import socket
import sys
from typing import Any

import restate  # pyright: ignore[reportMissingImports]
from hypercorn.asyncio import serve  # pyright: ignore[reportMissingImports, reportUnknownVariableType]
from hypercorn.config import Config  # pyright: ignore[reportMissingImports, reportUnknownVariableType]
from orders import Shop  # pyright: ignore[reportMissingImports, reportUnknownVariableType]

shop = Shop(int(sys.argv[1]))  # pyright: ignore[reportUnknownVariableType]
bench = restate.Service("Bench")  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]


@bench.handler()  # pyright: ignore[reportUnknownMemberType, reportUntypedFunctionDecorator]
async def orders(ctx: Any, calls: int) -> int:
    """So many durable steps, one after another."""
    made = 0
    for number in range(calls):

        async def order(key: str = str(number)) -> int:
            return shop.order(key)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]

        made += await ctx.run(f"order {number}", order) > 0
    return made


async def main() -> None:
    """Serve until standard input ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = Config()  # pyright: ignore[reportUnknownVariableType]
    config.bind = [f"fd://{listener.fileno()}"]
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    print(listener.getsockname()[1], flush=True)
    app = restate.app([bench])  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    await serve(app, config, shutdown_trigger=lambda: ended)  # pyright: ignore[reportUnknownArgumentType]


if __name__ == "__main__":
    asyncio.run(main())
