"""An entity made, changed three times, and asked for its history: ours beside anatid, each write durable by itself."""

import itertools
import secrets
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from runtime.client import Connection
from tests.bench import peers
from tests.bench.rounds import by_turns
from tests.bench.row import Effort, Row, Say, missing
from tests.bench.stdio import owner, plain_environment

TENANT = "audited"
CHANGES = ({"title": "Founder"}, {"leadScore": 20}, {"department": "Finance"})
PEER_SECONDS_MAX = 60.0


async def rows(folder: Path, effort: Effort, say: Say) -> list[Row]:
    """Both begin with an empty file: ours through the process that owns it, theirs embedded, where nobody is asked."""
    name, target = "an audited change: create, change 3 fields, read history, vs anatid", "<= 0.5"
    try:
        command = peers.anatid(folder)
    except peers.NotInstallable as reason:
        return [missing(name, target, "ms", str(reason))]
    place = folder / "audited"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    run, turns = secrets.token_hex(4), itertools.count()
    try:
        data = place / "data"
        with (
            owner(data),
            Connection(data, tenant=TENANT) as connection,
            _peer([*command, str(place / "memory.anatid")]) as peer,
        ):

            async def ours() -> None:
                _job(connection, f"{run}-{next(turns)}")

            async def theirs() -> float:
                return _asked(peer, f"{run}-{next(turns)}")

            pairs = await by_turns(effort, ours, theirs)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return [pairs.row(name, target, "ms")]


def _job(connection: Connection, turn: str) -> None:
    values = {
        "name": f"Ada Lovelace {turn}",
        "email": f"ada-{turn}@example.com",
        "title": "Planner",
        "leadScore": 10,
    }
    made = connection.ask("do", {"action": "create", "type": "Contact", "data": values})
    id = made["result"]["$id"]
    for changed in CHANGES:
        connection.ask("do", {"action": "update", "type": "Contact", "id": id, "data": changed})
    history = connection.ask("$", {"path": ["Contact", "history"], "args": [id]})
    if len(history) != 1 + len(CHANGES):
        raise RuntimeError(f"the history of an entity has {len(history)} events and not {1 + len(CHANGES)}")


@contextmanager
def _peer(command: list[str]) -> Generator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # it says at length that it has no text index here, which this job does not ask for
        text=True,
        env=plain_environment(),
    )
    try:
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(PEER_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _asked(peer: subprocess.Popen[str], turn: str) -> float:
    """The seconds of one job, as the peer itself has measured them."""
    assert peer.stdin is not None and peer.stdout is not None
    peer.stdin.write(turn + "\n")
    peer.stdin.flush()
    answer = peer.stdout.readline()
    if not answer:
        raise RuntimeError(f"anatid ended with {peer.wait(PEER_SECONDS_MAX)} in the middle of a job")
    return float(answer)
