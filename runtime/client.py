"""How scripts and faces reach a data folder: through its owner, which is started when nobody owns it yet."""

import asyncio
import contextlib
import fcntl
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import msgspec

from runtime import wire
from runtime.errors import Unavailable

START_SECONDS_MAX = 30.0
LINES_MAX = 32  # connections of one face; each carries one question at a time
IDLE_SECONDS = 600.0
# Calls that change nothing: asked again by themselves when the owner ended in the middle.
READING = frozenset({"search", "fetch", "nouns", "events", "doctor", "import-start", "export-start", "export"})
BASE_URL = "http://localhost:4747"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerOptions:
    """What the owner of a data folder is started with by whoever finds that nobody owns it; one that runs keeps its own."""

    idle_s: float = IDLE_SECONDS  # without a caller, after which it ends by itself; infinity is never
    base_url: str = BASE_URL  # what the addresses of entities begin with
    http_hosts: str = ""  # that code of tenants may ask, as text, see `runtime.outside.hosts`
    accept_fewer_walls: bool = False  # several tenants run code also where the kernel has no walls between them

    @classmethod
    def from_argument(cls, text: str) -> Self:
        """What `as_argument` wrote. Raises ValueError."""
        return msgspec.convert(json.loads(text), cls)

    def as_argument(self) -> str:
        """As one argument of a command. Not by `wire.encode`, which knows no infinity."""
        return json.dumps(asdict(self))


class Line:
    """Asks the owner of a data folder from an event loop."""

    def __init__(
        self,
        data: Path,
        *,
        tenant: str = "default",
        options: OwnerOptions | None = None,
    ) -> None:
        self._data = data
        self._tenant = tenant
        self._options = options or OwnerOptions()
        self._free: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()
        self._places = asyncio.Semaphore(LINES_MAX)
        self._starting = asyncio.Lock()

    async def ask(self, call: str, arguments: Mapping[str, Any]) -> bytes:
        """The result of a call, as compact JSON text; raises the VerbenaError that it ended in."""
        question = wire.question(call, self._tenant, arguments)
        async with self._places:
            try:
                answer = await self._exchange(question)
            except HungUp:
                if call not in READING:
                    raise
                answer = await self._exchange(question)
        return wire.result_of(answer)

    async def close(self) -> None:
        """Hang up."""
        while self._free:
            self._free.pop()[1].close()

    async def _exchange(self, question: bytes) -> bytes:
        while self._free:  # a line that was kept may be dead by now: its owner ended when idle, or was killed
            reader, writer = self._free.pop()
            if reader.at_eof() or writer.is_closing() or _has_news(writer):
                writer.close()
                continue
            return await self._converse(reader, writer, question)
        reader, writer = await self._connect()
        return await self._converse(reader, writer, question)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, question: bytes) -> bytes:
        try:
            writer.write(question)
            answer = await reader.readexactly(wire.length_of(await reader.readexactly(4)))
        except (OSError, asyncio.IncompleteReadError) as error:
            writer.close()
            raise _hung_up() from error
        except BaseException:
            writer.close()  # given up in the middle: the next question must not read this one's answer
            raise
        self._free.append((reader, writer))
        return answer

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        path = str(wire.socket_path(self._data))
        try:
            return await asyncio.open_unix_connection(path)
        except OSError:
            pass
        async with self._starting:
            deadline = time.monotonic() + START_SECONDS_MAX
            started: subprocess.Popen[bytes] | None = None
            while True:
                try:
                    return await asyncio.open_unix_connection(path)
                except OSError as error:
                    started = _start_again(started, self._data, self._options)
                    if time.monotonic() > deadline:
                        raise _does_not_start(self._data) from error
                await asyncio.sleep(0.02)


class Connection:
    """Asks the owner of a data folder from ordinary code, one question at a time."""

    def __init__(self, data: Path, *, tenant: str, options: OwnerOptions | None = None) -> None:
        self.data = data
        self.tenant = tenant
        self.options = options or OwnerOptions()
        self._socket: socket.socket | None = None

    def ask(self, call: str, arguments: Mapping[str, Any]) -> Any:
        """The result of a call; raises the VerbenaError that it ended in."""
        return wire.decode(self.ask_text(call, arguments))

    def ask_text(self, call: str, arguments: Mapping[str, Any]) -> bytes:
        """The result of a call, as compact JSON text."""
        question = wire.question(call, self.tenant, arguments)
        line = self._kept() or reach(self.data, self.options)
        self._socket = None  # given back only after a whole answer
        try:
            line.sendall(question)
            answer = wire.receive(line)
        except OSError as error:
            line.close()
            raise _hung_up() from error
        except BaseException:
            line.close()
            raise
        if answer is None:
            line.close()
            raise _hung_up()
        self._socket = line
        return wire.result_of(answer)

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _kept(self) -> socket.socket | None:
        """The connection of the last question, unless its owner has hung up since: it ends when nobody asks."""
        line = self._socket
        if line is None:
            return None
        try:
            line.setblocking(False)
            gone = not line.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            gone = False
        except OSError:
            gone = True
        if gone:
            line.close()
            return None
        line.setblocking(True)
        return line


def knock(data: Path) -> socket.socket | None:
    """A connection to the owner of a data folder; None where nobody owns it at this moment."""
    line = socket.socket(socket.AF_UNIX)
    try:
        line.connect(str(wire.socket_path(data)))
    except OSError:
        line.close()
        return None
    return line


def reach(data: Path, options: OwnerOptions) -> socket.socket:
    """A connection to the owner of a data folder, which is started where nobody owns it. Raises Unavailable."""
    deadline = time.monotonic() + START_SECONDS_MAX
    started: subprocess.Popen[bytes] | None = None
    while (line := knock(data)) is None:
        started = _start_again(started, data, options)
        if time.monotonic() > deadline:
            raise _does_not_start(data)
        time.sleep(0.02)
    return line


def is_owned(data: Path) -> bool:
    """Whether somebody answers for a data folder at this moment."""
    line = knock(data)
    if line is not None:
        line.close()
    return line is not None


def wait_until_free(data: Path) -> None:
    """Return when the owner of a data folder, which was asked to end, has let go of its files."""
    deadline = time.monotonic() + START_SECONDS_MAX
    with (data / "verbena.lock").open() as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError as error:
                if time.monotonic() > deadline:
                    raise Unavailable(f"the owner of {data} is still at work", hint="try again in a moment") from error
            time.sleep(0.02)


def start_owner(data: Path, options: OwnerOptions) -> subprocess.Popen[bytes]:
    """Start the owner of a data folder as a process that outlives this one."""
    wire.private_folder(data)
    return subprocess.Popen(
        [sys.executable, "-I", "-m", "runtime.daemon", str(data), options.as_argument()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/" if os.name == "posix" else None,
    )


def _start_again(started: subprocess.Popen[bytes] | None, data: Path, options: OwnerOptions) -> subprocess.Popen[bytes]:
    """Start an owner unless one is starting; one that ended at once lost the race to another, which may end too."""
    if started is not None and started.poll() is None:
        return started
    if started is not None and started.returncode:
        raise _does_not_start(data)
    return start_owner(data, options)


def _has_news(writer: asyncio.StreamWriter) -> bool:
    """Whether there is something to read on a line that nobody asked on: its end, of which the loop may not know yet."""
    waiting = select.poll()
    waiting.register(writer.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(waiting.poll(0))


class HungUp(Unavailable):
    """The owner ended between a question and its answer."""


def _hung_up() -> HungUp:
    return HungUp(
        "the owner of the data folder ended in the middle of the call",
        hint="it may or may not have been carried out: look before you try again",
    )


def _does_not_start(data: Path) -> Unavailable:
    said = ""
    with contextlib.suppress(OSError):
        said = (data / "daemon.log").read_text(errors="replace").strip().rsplit("\n", 1)[-1][:300]
    return Unavailable(f"the owner of {data} does not start{': ' + said if said else ''}", hint="run: verbena doctor")
