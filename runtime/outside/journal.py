"""What was asked of the outside, on disk before it leaves: intents, outcomes, and the answers that a run was given.

One file a tenant, beside its DuckDB file, made with the first call. A commit of DuckDB costs milliseconds and comes with
the unit, which may be dropped; an intent must be there before its call leaves, whatever becomes of the unit. So it is
appended here and synced, and folded into the log later, see `runtime.outside.effect_event`.

What the end of the machine left half written at the end of the file is cut off when it is opened. Damage in the middle is
not: what stood there may have been an intent, and the call would be made twice.
"""

import contextlib
import os
import threading
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec

from runtime.errors import LimitExceeded, Unavailable
from runtime.folder import sync_folder
from runtime.outside import records
from runtime.outside.records import Ended, Folded, Intent, Outcome, ReadAnswer, Record
from runtime.writer import Step, no_step

SUFFIX = ".effects"
# A tenant whose runs wait for retries keeps their calls; past this, no further call is made for it.
JOURNAL_BYTES_MAX = 32 << 20
# Past this, what nobody needs any more is dropped; below it, the file is left as it is.
COMPACT_BYTES = 1 << 20
# A recorded answer holds at most this much of a body.
ANSWER_BYTES_MAX = 64 << 10


class Call(msgspec.Struct, kw_only=True):
    """One call of a run, as far as it is known."""

    intent: Intent | None = None
    outcome: Outcome | None = None
    read: ReadAnswer | None = None


class _Run(msgspec.Struct, kw_only=True):
    calls: dict[int, Call] = msgspec.field(default_factory=dict[int, Call])
    ended: bool = False
    folded: bool = True

    @property
    def needed(self) -> bool:
        return not self.ended or (not self.folded and any(call.intent for call in self.calls.values()))


class Journal:
    """The journal of one tenant. Every method may be called from any thread."""

    def __init__(self, path: Path, tenant: str, *, step: Step = no_step) -> None:
        """Read what is there. Where it cannot be read, `intend` and `keep` raise and everything else goes on."""
        self.path = path
        self._tenant = tenant
        self._step = step
        self._lock = threading.RLock()
        self._file: int | None = None
        self._bytes = 0
        self._runs: dict[str, _Run] = {}
        self._broken: str | None = None
        self._closed = False
        path.with_name(path.name + ".new").unlink(missing_ok=True)
        if path.exists():
            self._open()

    # -- what a run does -------------------------------------------------------------------------------------------

    def intend(self, intent: Intent) -> None:
        """Record a write before it leaves; on disk when this returns."""
        self._append(intent, sync=True)

    def settle(self, outcome: Outcome, *, sync: bool = True) -> None:
        """Record what became of a write; with `sync` on disk when this returns, else with whatever is synced next.

        The end of the process loses neither. The end of the machine may lose one that was not synced: right for a call that
        may be sent twice, since it is asked again with its key and gets its answer.
        """
        self._append(outcome, sync=sync)

    def keep(self, answer: ReadAnswer) -> None:
        """Record the answer to a read. It is on disk with the next intent, which is when it may matter."""
        self._append(answer, sync=False)

    def call(self, run: str, position: int) -> Call | None:
        """What is known of one call of a run."""
        with self._lock:
            found = self._runs.get(run)
            return None if found is None else found.calls.get(position)

    def end(self, run: str) -> None:
        """The run will not be tried again: what is kept for it can go, once the log has it."""
        with self._lock:
            if run in self._runs and not self._runs[run].ended:
                self._append(Ended(run=run), sync=False)

    # -- what the log takes over -----------------------------------------------------------------------------------

    def calls(self, run: str) -> list[Call]:
        """The writes of a run, in order."""
        with self._lock:
            found = self._runs.get(run)
            return [] if found is None else [call for _, call in sorted(found.calls.items()) if call.intent]

    def is_unfolded(self, run: str) -> bool:
        """Whether the log does not know everything yet of the writes of a run."""
        with self._lock:
            return run in self._runs and not self._runs[run].folded

    def unfolded(self) -> list[str]:
        """The runs of whose writes the log does not know everything yet."""
        with self._lock:
            return [run for run, each in self._runs.items() if not each.folded]

    def folded(self, run: str) -> None:
        """The log has everything that is known of the run by now."""
        with self._lock:
            if run in self._runs and not self._runs[run].folded:
                self._append(Folded(run=run), sync=False)

    def open_runs(self) -> dict[str, bool]:
        """Every run that has not ended, and whether it may be tried again."""
        with self._lock:
            return {
                run: any(call.read or (call.intent and call.intent.again) for call in each.calls.values())
                for run, each in self._runs.items()
                if not each.ended
            }

    # -- the file --------------------------------------------------------------------------------------------------

    def compact(self, *, least_bytes: int = COMPACT_BYTES) -> bool:
        """Write the file anew without the runs that ended and that the log has, if it has grown past `least_bytes`."""
        with self._lock:
            if self._file is None or self._broken or self._bytes <= least_bytes:
                return False
            kept = {run: each for run, each in self._runs.items() if each.needed}
            if len(kept) == len(self._runs):
                return False
            self._write_anew(kept)
            return True

    def _make_room(self) -> None:
        """Drop what nobody needs, and if that is not enough, the oldest runs of which the log has what they wrote.

        Those can still be tried again, and then hear that their answers are not kept any more; nothing is sent twice.
        """
        self.compact(least_bytes=0)
        if self._bytes <= JOURNAL_BYTES_MAX // 2:
            return
        kept = dict(self._runs)
        bytes = self._bytes
        for run, each in self._runs.items():
            if each.folded and bytes > JOURNAL_BYTES_MAX // 2:
                bytes -= sum(len(records.framed(record)) for record in _records(run, each))
                del kept[run]
        if len(kept) < len(self._runs):
            self._write_anew(kept)

    def forget(self, runs: Collection[str], holding: Collection[str] = ()) -> None:
        """Write the file anew without what these runs were answered, and those whose records hold one of these texts.

        That a call was made stays, or a retry would make it again; what it said and what it was answered goes. Runs that
        have ended go altogether.
        """
        with self._lock:
            if self._file is None or self._broken:
                return
            kept: dict[str, _Run] = {}
            for run, each in self._runs.items():
                if not each.needed:
                    continue
                gone = run in runs or any(records.holds(record, holding) for record in _records(run, each))
                kept[run] = _bare(each) if gone else each
            self._write_anew(kept)

    @property
    def bytes(self) -> int:
        """How long the file is."""
        return self._bytes

    @property
    def broken(self) -> str | None:
        """Why no call can be made, where the file cannot be trusted."""
        return self._broken

    def close(self) -> None:
        """Let go of the file; what was appended stays."""
        with self._lock:
            self._closed = True
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def _append(self, record: Record, *, sync: bool) -> None:
        with self._lock:
            if self._closed:
                raise Unavailable("the tenant was closed in the middle of the call", hint="try again")
            if self._broken:
                raise Unavailable(f"no call can be made to the outside: {self._broken}", hint=_BROKEN_HINT)
            if self._file is None:
                self._create()
            framed = records.framed(record)
            if isinstance(record, Intent | ReadAnswer) and self._bytes + len(framed) > JOURNAL_BYTES_MAX:
                self._make_room()
                if self._bytes + len(framed) > JOURNAL_BYTES_MAX:
                    raise LimitExceeded(
                        f"the calls of runs that wait fill {JOURNAL_BYTES_MAX >> 20} MB",
                        hint="release or retry the runs that wait; no further call is made until then",
                    )
            assert self._file is not None
            try:
                _write_all(self._file, framed)
                if sync:
                    os.fdatasync(self._file)
            except OSError as error:
                # What is on disk now is unknown: nothing may be appended behind it.
                self._broken = (
                    f"{self.path.name} could not be written ({error.strerror}); the engine must be started again"
                )
                raise Unavailable(f"no call can be made to the outside: {self._broken}", hint=_BROKEN_HINT) from error
            self._bytes += len(framed)
            self._learn(record)

    def _learn(self, record: Record) -> None:
        run = self._runs.setdefault(record.run, _Run())
        match record:
            case Intent():
                # Also a second one, after a try of which nothing had left.
                call = run.calls.setdefault(record.position, Call())
                call.intent, call.outcome = record, None
                run.folded = False
            case Outcome():
                run.calls.setdefault(record.position, Call()).outcome = record
                run.folded = False
            case ReadAnswer():
                run.calls.setdefault(record.position, Call()).read = record
            case Ended():
                run.ended = True
            case Folded():
                run.folded = True

    def _create(self) -> None:
        header = records.header(self._tenant)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        _write_all(self._file, header)
        os.fdatasync(self._file)
        sync_folder(self.path.parent)
        self._bytes = len(header)

    def _open(self) -> None:
        content = self.path.read_bytes() if self.path.stat().st_size <= 2 * JOURNAL_BYTES_MAX else b""
        found = records.read(content)
        if content == b"" or (header := next(found, None)) is None:
            if len(content) < len(records.header(self._tenant)) and records.header(self._tenant).startswith(content):
                self.path.unlink()  # cut off while it was made: nothing has left yet
                return
            self._broken = f"{self.path.name} is no journal of this version"
            return
        if header[1].tenant != self._tenant:
            self._broken = f"{self.path.name} is the journal of the tenant {header[1].tenant[:63]!r}"
            return
        end = header[0]
        for place, record in found:
            end = place
            self._learn(record)
        if end < len(content):
            if records.whole_after(content, end):
                self._broken = f"{self.path.name} is damaged at byte {end}"
                return
            with open(self.path, "r+b") as torn:
                torn.truncate(end)
                os.fsync(torn.fileno())
        self._file = os.open(self.path, os.O_RDWR | os.O_APPEND)
        self._bytes = end

    def _write_anew(self, kept: dict[str, _Run]) -> None:
        new = self.path.with_name(self.path.name + ".new")
        with contextlib.suppress(FileNotFoundError):
            new.unlink()
        file = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            content = records.header(self._tenant) + b"".join(
                records.framed(record) for run, each in kept.items() for record in _records(run, each)
            )
            _write_all(file, content)
            os.fsync(file)
            self._step("before rename")
            os.replace(new, self.path)
        except BaseException:
            os.close(file)
            raise
        assert self._file is not None
        os.close(self._file)
        self._file, self._bytes, self._runs = file, len(content), kept
        sync_folder(self.path.parent)


_BROKEN_HINT = "move the file away once every call in it was looked into; the log has those that were folded"


def _records(run: str, each: _Run) -> Iterator[Record]:
    for _, call in sorted(each.calls.items()):
        yield from (record for record in (call.intent, call.outcome, call.read) if record is not None)
    if each.folded:
        yield Folded(run=run)
    if each.ended:
        yield Ended(run=run)


def _bare(run: _Run) -> _Run:
    """The run without what its calls said and were answered."""
    calls: dict[int, Call] = {}
    for position, call in run.calls.items():
        if call.intent is not None:
            intent = msgspec.structs.replace(call.intent, path="", salt="", fingerprint="")
            outcome = call.outcome and msgspec.structs.replace(
                call.outcome, answer=None, error=None, cut=False, forgotten=True
            )
            calls[position] = Call(intent=intent, outcome=outcome)
    return _Run(calls=calls, ended=run.ended, folded=run.folded)


def _write_all(file: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]
