"""The worker: jobs of one tenant, one after another, an answer each, and the end of the process."""

import datetime
import json
import os
import random
import signal
import sys
import time
import warnings
from collections.abc import Mapping
from types import FrameType, FunctionType, TracebackType
from typing import Any, NoReturn

from runtime.sandbox import faults, namespaces, probes, walls
from runtime.sandbox.frames import OUTPUT_CHARS_MAX, Channel, Closed
from runtime.sandbox.functions import Functions
from runtime.sandbox.guards import Return, namespace
from runtime.sandbox.hints import hint_for_nothing
from runtime.sandbox.moment import Moment
from runtime.sandbox.plain import NotPlain, encoded, plain
from runtime.sandbox.policy import RESULT, compiled
from runtime.sandbox.proxy import Answers, Dollar, DollarError
from runtime.sandbox.syntax import Source, parse
from runtime.sandbox.texts import text_of


def serve(
    channel: Channel, base_bytes: int, around: walls.Walls, found: walls.Survey, *, run: "type[Run] | None" = None
) -> NoReturn:
    """Raises the walls, says so, runs the jobs that come, and ends the process. It never returns.

    `base_bytes` is what the process had mapped before; the jobs' memory comes on top. `around` stands already, `found` is
    what can be raised, `run` what becomes of a job. Nothing is carried from one job to the next but what the process
    itself holds, and all of them are of one tenant: the parent sees to that.
    """
    try:
        raised = walls.raise_walls(around, found)
        touch()
        channel.send(ready(raised))
        while True:
            (run or Run)(channel.receive(), channel, base_bytes).perform()
    except Closed:
        pass  # the pool has gone, or wants nothing any more
    finally:
        os._exit(0)


def ready(raised: walls.Walls) -> bytes:
    """The frame that says which walls stand."""
    told = {"walls": raised.standing, "missing": raised.missing, "failed": raised.failed}
    return json.dumps({"t": "ready", **told}).encode()


class Run:
    """One job, from its frame to the frame that says how it ended."""

    def __init__(self, job: bytes, channel: Channel, base_bytes: int) -> None:
        self.answers = Answers(self.ask)
        self.job = self.answers.read(job)
        self.channel = channel
        self.base_bytes = base_bytes
        self.now = Moment.read(self.job["now"])
        self.output = Output()
        self.seconds = self.job["deadline_ms"] / 1000 if hasattr(signal, "setitimer") else 0.0
        self.source: Source | None = None
        self.functions: Functions | None = None  # of a program that hands some to `$`
        self.hint_for_nothing: str | None = None
        self.returned: TracebackType | None = None  # where the program left with `return`

    def perform(self) -> None:
        """Runs the code within its bounds and sends how it ended."""
        self.bound()
        try:
            value = plain(self.value())
            gave_nothing = value is None and self.returned is None and self.output.is_empty()
            hint = self.hint_for_nothing if gave_nothing else None
            told = {"ok": value, "error": None, "out": self.output.text(), "hint": hint}
            last = encoded({"t": "done", **told}, what="the result")
        except BaseException as error:
            last = self._failed(error)
        self._pause()
        self.channel.send(last)

    def ask(self, words: tuple[str, ...], arguments: tuple[Any, ...], named: Mapping[str, Any]) -> Any:
        """One call on `$`: its answer, with records for mappings. Raises DollarError with what the parent refused."""
        if words == ("now",):
            return self.now
        if words == ("log",):
            return self.output.write(" ".join(map(text_of, arguments)) + "\n")
        call = encoded(self._call(words, arguments, named), what="what the call carries")
        seconds_left = self._pause()  # the parent's time is the parent's to bound
        self.channel.send(call)
        answer = self.channel.receive()
        self._resume(seconds_left)
        read = self.answers.read(answer)
        if "error" not in read:
            return read["ok"]
        error = read["error"]
        raise DollarError(error["code"], error["message"], error.get("hint"), error.get("details"))

    def value(self) -> Any:
        """What the job's code comes to. It raises whatever the code raises."""
        if "probe" in self.job:
            return probes.tried(self.job["probe"], self.channel.fileno)
        filename = self.job["filename"]
        self.source = parse(self.job["code"], filename)
        self.hint_for_nothing = hint_for_nothing(self.source)  # now, for the policy uses the tree up
        program = compiled(self.source, filename)
        chance = random.Random(self.job["seed"])
        guarded = namespace(dollar=Dollar(self.ask), write=self.output.write, now=self.now, chance=chance)
        names = {**self.job["names"], **guarded}
        try:
            exec(program, names)  # the author's code, behind its guards: what this process is for
        except Return as returned:
            self.returned = returned.__traceback__
            return returned.value
        return names.get(RESULT, names.get("result"))

    def _call(self, words: tuple[str, ...], arguments: tuple[Any, ...], named: Mapping[str, Any]) -> dict[str, Any]:
        try:
            given = [plain(argument, self._function, exact=True) for argument in arguments]
            return {"t": "call", "p": words, "a": given, "k": plain(dict(named), self._function, exact=True)}
        except NotPlain as refusal:
            path = f"$.{'.'.join(words)}"
            raise DollarError("invalid_arguments", f"{path}: {refusal.message}", refusal.hint) from None

    def _function(self, function: FunctionType) -> dict[str, Any]:
        if self.functions is None:
            # Parsed again: the policy has used up the first tree, and few programs come here.
            self.functions = Functions(parse(self.job["code"], self.job["filename"]))
        return self.functions.shape(function)

    def _failed(self, error: BaseException) -> bytes:
        try:
            walls.free_reserve()
            shape = faults.shape(error, self.source, self.job["code"], self.job["filename"], self.returned)
            error.__traceback__ = None  # its frames hold whatever filled the memory
            return encoded({"t": "done", "ok": None, "error": shape, "out": self.output.text()}, what="the error")
        except BaseException:
            return _MEMORY_FULL if isinstance(error, MemoryError) else _UNTOLD

    def bound(self) -> None:
        """Sets the bounds of the job that the process itself holds."""
        if self.job["memory_bytes"]:
            walls.bound_memory(self.base_bytes, self.job["memory_bytes"])
        if self.seconds:
            walls.bound_processor(self.seconds)
            signal.signal(signal.SIGALRM, self._stop)
            self._resume(self.seconds)

    def _stop(self, _: int, frame: FrameType | None) -> NoReturn:
        """The soft deadline. It reports and ends the process, so no `except` and no `finally` can outlive it."""
        try:
            walls.free_reserve()
            shape = faults.deadline(self.seconds, frame, self.source, self.job["filename"])
            self.channel.send(json.dumps({"t": "done", "ok": None, "error": shape, "out": self.output.text()}).encode())
        finally:
            os._exit(0)

    def _pause(self) -> float:
        return signal.setitimer(signal.ITIMER_REAL, 0)[0] if self.seconds else 0.0

    def _resume(self, seconds: float) -> None:
        if self.seconds:
            signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.000_001))  # zero would switch the timer off


_MEMORY_FULL = (
    b'{"t":"done","ok":null,"error":{"code":"memory_exceeded","message":"the code used all its memory"},"out":""}'
)
_UNTOLD = b'{"t":"done","ok":null,"error":{"code":"execution_error","message":"the code failed"},"out":""}'


class Output:
    """What the program printed, up to `OUTPUT_CHARS_MAX` characters and a note that there was more."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._chars = 0

    def write(self, text: str) -> None:
        """Keeps the text as far as there is room."""
        room = OUTPUT_CHARS_MAX - self._chars
        if room > 0:
            self._pieces.append(text[:room])
        self._chars += len(text)

    def is_empty(self) -> bool:
        """Whether nothing was printed."""
        return not self._chars

    def text(self) -> str:
        """All of it, as text that JSON can carry."""
        text = "".join(self._pieces).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        cut = self._chars - OUTPUT_CHARS_MAX
        return f"{text}\n… {cut:,} characters more were cut\n" if cut > 0 else text


def warm() -> None:
    """Loads and runs everything once, so that a forked worker has nothing left to import, open or compile."""
    warnings.simplefilter("ignore")  # of the author's syntax; told to nobody, after a search for source files
    _live_in_utc()
    datetime.datetime.strptime("2026", "%Y").strftime("%Y")  # loads what both import when they are first called
    failing = (
        "x = = 1",
        "x.y",
        "x = 1\nx.__y",
        "import os",
        "$.Deal.find(1)",
        "$.Deal.on(lambda deal: 1)",
        "1 / 0",
        "{(): 1}",
    )
    for code in (_WARM_UP, *failing):
        _perform(code)


def touch() -> None:
    """Copies the pages that every program writes to, before there is one: that is most of a short run's time."""
    _perform("deal = $.Deal.get('deal_1')\nprint(deal.name)\ndeal.value + 1", _Somebody())


def _perform(code: str, parent: "_Nobody | None" = None) -> None:
    """Runs a program of ours, and tells nobody what it came to."""
    unbound = {"deadline_ms": 0, "memory_bytes": 0}
    job: dict[str, Any] = {
        "code": code,
        "filename": "<do>",
        **unbound,
        "now": "2026-01-01T00:00:00Z",
        "seed": 1,
        "names": {},
    }
    Run(json.dumps(job).encode(), parent or _Nobody(), 0).perform()


def _live_in_utc() -> None:
    """A worker has no file that would tell the machine's time zone, and should not have its own opinion."""
    if hasattr(time, "tzset"):
        os.putenv("TZ", "UTC0")
        time.tzset()
        os.unsetenv("TZ")


_WARM_UP = """
import json, re, statistics
from datetime import datetime, timedelta
def total(values, *, start=0):
    for key, value in values.items():
        start += value
    return start
rows = [{"n": n, "at": $.now() - timedelta(days=n)} for n in range(3)]
rows[0]["n"] += total({"a": 1})
print(f"{rows[0]['n']:>4} {json.dumps([1.5, None])}", datetime.strptime("2026-01-02", "%Y-%m-%d").date(), "%s" % 1)
sorted(rows, key=lambda row: row["n"])
"""


class _Nobody(Channel):
    """A parent that knows nothing, to warm up with."""

    def __init__(self) -> None:
        super().__init__(-1)

    def send(self, payload: bytes) -> None:
        pass

    def receive(self) -> bytes:
        return b'{"error":{"code":"not_found","message":"nothing here"}}'


class _Somebody(_Nobody):
    """A parent that knows one deal."""

    def receive(self) -> bytes:
        return b'{"ok":{"$id":"deal_1","$type":"Deal","name":"Acme","value":1}}'


def main() -> NoReturn:
    """A worker of its own, for platforms without a zygote: `python -I -m runtime.sandbox.child <descriptor>`."""
    warm()
    walls.go_first()
    base_bytes, found = walls.mapped_bytes(), walls.survey()
    alone = "a worker that was spawned has none"
    around = walls.Walls().with_wall("namespaces", alone).with_wall("empty_root", alone)
    around = around.with_wall("no_privileges", namespaces.drop_rights())
    descriptor = int(sys.argv[1])
    walls.close_all_but(descriptor)
    serve(Channel(descriptor), base_bytes, around, found)


if __name__ == "__main__":
    main()
