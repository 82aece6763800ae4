"""What `do` costs over stdio: the sandbox alone, against the floor, and twenty creates, against FastMCP's code mode."""

import itertools
import secrets
from pathlib import Path

from tests.bench import peers
from tests.bench.rounds import by_turns
from tests.bench.row import Effort, Row, Say, missing
from tests.bench.stdio import echo, owner, server, structured, verbena, written
from tests.bench.tenants import copied, stock

CREATES = 20
# Why the row may miss, and what was tried: it stands in the table beside the figure.
TWENTY = (
    "about half is the commit: BEGIN, three appenders (kept between commits, which saved a fifth) and COMMIT; the rest is "
    "the fork and twenty calls through the worker's socket"
)
TWENTY_CALLS = f"""\
for number in range({CREATES}):
    await call_tool("empty", {{}})
return {CREATES}
"""


async def nothing(folder: Path, effort: Effort, say: Say) -> list[Row]:
    """`1 + 1`: a sandbox made, entered and left."""
    small = stock(folder / "data", effort.small, texts=False, say=say)
    with owner(small.data):
        async with server(verbena(small.data, small.tenant)) as ours:
            answer = await ours.call("do", {"code": "1 + 1"})
            if structured(answer).get("result") != 2:
                raise RuntimeError("do of 1 + 1 is not 2")
            async with server(echo(written(folder / "payloads", "do", answer))) as theirs:

                async def do() -> None:
                    await ours.call("do", {"code": "1 + 1"})

                async def floor() -> None:
                    await theirs.call("echo", {})

                pairs = await by_turns(effort, do, floor)
    return [pairs.row("do of 1 + 1, vs echo", "<= 3", "ms")]


async def twenty(folder: Path, effort: Effort, say: Say) -> list[Row]:
    """Twenty entities made by one `do`, durable when it answers, against twenty calls of a tool that does nothing."""
    name, target = f"do creating {CREATES} entities, vs FastMCP code mode making {CREATES} empty calls", "<= 0.7"
    try:
        command = peers.code_mode(folder)
    except peers.NotInstallable as reason:
        return [missing(name, target, "ms", str(reason))]
    small = stock(folder / "data", effort.small, texts=False, say=say)
    with copied(folder, small) as data, owner(data):
        async with server(verbena(data, small.tenant)) as ours, server(command) as theirs:
            run, turns = secrets.token_hex(4), itertools.count()

            async def do() -> None:
                result = await ours.call("do", {"code": twenty_creates(f"{run}-{next(turns)}")})
                if structured(result).get("result") != CREATES:
                    raise RuntimeError(f"do did not make {CREATES} entities")

            async def execute() -> None:
                await theirs.call("execute", {"code": TWENTY_CALLS})

            pairs = await by_turns(effort, do, execute)
    return [pairs.row(name, target, "ms", TWENTY)]


def twenty_creates(turn: str) -> str:
    """Code that makes twenty contacts whose emails nobody has."""
    return f"""\
for number in range({CREATES}):
    $.Contact.create(name="Ada Lovelace " + str(number), email="ada-{turn}-" + str(number) + "@example.com")
{CREATES}
"""
