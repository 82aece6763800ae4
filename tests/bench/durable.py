"""A run whose calls to a service are kept, so that none is lost or made anew at will: beside Restate and DBOS."""

import http.client
import json
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from runtime.client import Connection
from tests.bench import peers
from tests.bench.rounds import Call, in_turns
from tests.bench.row import Effort, Pairs, Row, Say, missing
from tests.bench.stdio import owner, plain_environment
from tests.bench.tenants import ROOT

TARGET = "<= 1"
COUNTS = (0, 3, 9)
# So many times fewer calls a round: there are four sides, and some take long.
FEWER = 4
START_SECONDS_MAX = 60.0
END_SECONDS_MAX = 20.0
ORDER = '$.http.post("http://127.0.0.1:{port}/orders", json={{"sku": "engine"}})'
HANDLER = """
@$.Contact.created
def order(contact, $):
    for _ in range(contact.leadScore):
        if {order}.status != 201:
            raise RuntimeError("the shop refused")
"""
CODE = """
for _ in range({count}):
    if {order}.status != 201:
        raise RuntimeError("the shop refused")
{count}
"""
OURS = {"handler": "a handler's run with {} journaled calls, verb included", "do": "a do with {} journaled calls"}


# One run of so many calls; gives the seconds that count, or None for all it took.
Run = Callable[[int], float | None]


async def rows(folder: Path, effort: Effort, say: Say) -> list[Row]:
    """Each of ours at 0, 3 and 9 calls, against the better of the peers that could be had."""
    place = folder / "durable"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    said: list[str] = []
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, place, ignore_errors=True)
        port = stack.enter_context(_shop())
        theirs: dict[str, Run] = {}
        for name, peer in PEERS.items():
            try:
                theirs[name] = stack.enter_context(peer(folder, place, port))
            except peers.NotInstallable as reason:
                said.append(str(reason))
        if not theirs:
            return [missing(_name(kind, count), TARGET, "ms", "; ".join(said)) for count in COUNTS for kind in OURS]
        ours = stack.enter_context(_ours(place / "data", port))
        return [row for count in COUNTS for row in await _at(count, ours, theirs, effort, said)]


async def _at(
    count: int, ours: Mapping[str, Run], theirs: Mapping[str, Run], effort: Effort, said: list[str]
) -> list[Row]:
    sides = {**ours, **theirs}
    fewer = replace(effort, calls=max(5, effort.calls // FEWER))
    taken = dict(zip(sides, await in_turns(fewer, [_call(run, count) for run in sides.values()]), strict=True))
    better = min(theirs, key=lambda name: statistics.median(taken[name]))
    beside = [f"{name} {statistics.median(taken[name]):.1f} ms" for name in theirs if name != better]
    note = f"theirs is {better}; " + "; ".join([*beside, *said])
    return [Pairs(ours=taken[kind], theirs=taken[better]).row(_name(kind, count), TARGET, "ms", note) for kind in ours]


def _call(run: Run, count: int) -> Call:
    async def call() -> float | None:
        return run(count)

    return call


def _name(kind: str, count: int) -> str:
    return f"{OURS[kind].format(count)}, vs the better of Restate and DBOS"


# -- ours --------------------------------------------------------------------------------------------------------------


@contextmanager
def _ours(data: Path, port: int) -> Generator[dict[str, Run]]:
    """Both through the owner of a data folder. A call may be made again with its key, as the step of a peer may."""
    order, turn = ORDER.format(port=port), secrets.token_hex(4)
    with (
        owner(data, http_hosts=f"http://127.0.0.1:{port}=Idempotency-Key"),
        Connection(data, tenant="handled") as handled,
        Connection(data, tenant="plain") as plain,
    ):
        handled.ask("do", {"code": HANDLER.format(order=order)})

        def handler(count: int) -> None:
            values = {"name": f"Ada {turn}", "leadScore": count}
            answer = handled.ask("do", {"action": "create", "type": "Contact", "data": values})
            if [run["status"] for run in answer["handlers"]] != ["Succeeded"]:
                raise RuntimeError(f"a handler's run did not succeed: {answer['handlers']}")

        def do(count: int) -> None:
            if plain.ask("do", {"code": CODE.format(order=order, count=count)})["result"] != count:
                raise RuntimeError("a do did not make its calls")

        yield {"handler": handler, "do": do}


@contextmanager
def _shop() -> Generator[int]:
    """The service that all ask, in a process of its own: its port."""
    with _process([sys.executable, "-m", "tests.bench.shop"]) as shop:
        yield int(_line(shop))


# -- theirs ------------------------------------------------------------------------------------------------------------


@contextmanager
def _dbos(folder: Path, place: Path, port: int) -> Generator[Run]:
    """DBOS, embedded, where nobody is asked over a socket: it measures its workflows itself."""
    command = peers.dbos(folder)
    with _process([*command, str(place / "dbos.sqlite"), str(port)]) as job:

        def run(count: int) -> float:
            assert job.stdin is not None
            job.stdin.write(f"{count}\n")
            job.stdin.flush()
            return float(_line(job))

        yield run


@contextmanager
def _restate(folder: Path, place: Path, port: int) -> Generator[Run]:
    """A server of Restate as it comes, and a service of ours that it calls; asked over its ingress."""
    binary, service_command = peers.restate(folder)
    ingress, admin, node = _free_port(), _free_port(), _free_port()
    settings = {
        "RESTATE_BASE_DIR": str(place / "restate"),
        "RESTATE_DISABLE_TELEMETRY": "true",
        "RESTATE_BIND_ADDRESS": f"127.0.0.1:{node}",
        "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{ingress}",
        "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{admin}",
    }
    with _process([binary, "--no-logo"], settings, silent=True), _process([*service_command, str(port)]) as service:
        uri = f"http://127.0.0.1:{int(_line(service))}"
        _until_taken(admin, "/deployments", {"uri": uri})
        connection = http.client.HTTPConnection("127.0.0.1", ingress, timeout=START_SECONDS_MAX)

        def run(count: int) -> None:
            status, content = _posted(connection, "/Bench/orders", count)
            if (status, content) != (200, count):
                raise RuntimeError(f"Restate answered {status}: {content}")

        yield run
        connection.close()


PEERS: dict[str, Callable[[Path, Path, int], AbstractContextManager[Run]]] = {"Restate": _restate, "DBOS": _dbos}


def _until_taken(port: int, path: str, body: object) -> None:
    """Post something to a server that is about to start."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_SECONDS_MAX)
        try:
            status, content = _posted(connection, path, body)
            if status < 300:
                return
            reason = f"{status}: {content}"
        except OSError as error:
            reason = str(error)
        finally:
            connection.close()
        if time.monotonic() > deadline:
            raise RuntimeError(f"the peer did not start in {START_SECONDS_MAX:g} s: {reason}")
        time.sleep(0.1)


def _posted(connection: http.client.HTTPConnection, path: str, body: object) -> tuple[int, object]:
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextmanager
def _process(
    command: list[str], settings: Mapping[str, str] | None = None, *, silent: bool = False
) -> Generator[subprocess.Popen[str]]:
    """A process that ends with its standard input, or is ended."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL if silent else subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=plain_environment() | dict(settings or {}),
        cwd=ROOT,
    )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        if silent:
            process.terminate()  # it does not read
        try:
            process.wait(END_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{process.args} ended with {process.wait(END_SECONDS_MAX)} in the middle")
    return line
