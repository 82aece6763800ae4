"""One DuckDB instance, to which the tenants' files are attached."""

import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from runtime.errors import Timeout, Unavailable
from runtime.sql import Sql, quoted

# A query is interrupted after this, whoever asked; a caller with less time left says so.
QUERY_SECONDS_MAX = 30.0
_WATCH_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceLimits:
    """What the instance may use: bounds the whole process, whatever the size of its tenants."""

    memory_mb: int = 192
    threads: int = 2


class Instance:
    """An in-memory DuckDB with attached files; every thread reads through a cursor of its own."""

    def __init__(self, limits: InstanceLimits | None = None, *, spill: Path | None = None) -> None:
        """What does not fit into memory is spilled into the folder `spill`, which is emptied here and at the end."""
        limits = limits or InstanceLimits()
        if spill is not None:
            shutil.rmtree(spill, ignore_errors=True)
        self._spill = spill or Path(tempfile.mkdtemp(prefix="verbena-"))
        self._root = duckdb.connect(":memory:")
        self._root.execute(f"SET threads={limits.threads}")
        self._root.execute(f"SET memory_limit='{limits.memory_mb}MB'")
        # The default would be a folder where the process was started.
        self._root.execute(f"SET temp_directory='{_literal(self._spill)}'")
        # The default checkpoints on the estimate of every scattered update: over a second each at a million rows.
        self._root.execute("SET checkpoint_threshold='1GB'")
        self._root.execute("SET TimeZone='UTC'")
        self._root.execute("SET autoinstall_known_extensions=false")
        self._root.execute("SET autoload_known_extensions=false")
        self._attach = threading.Lock()
        self._local = threading.local()
        self._cursors: list[weakref.ref[duckdb.DuckDBPyConnection]] = []
        self._watch = _Watch()

    def attach(self, path: Path, name: str, *, logged: bool = True) -> str:
        """Attach a file, made when it is missing, and return its catalog as it stands in SQL.

        Without `logged` there is no WAL: what is written lasts from the next checkpoint on, and before that is nothing.
        """
        catalog = quoted(name)
        options = "BLOCK_SIZE 16384" + ("" if logged else ", RECOVERY_MODE no_wal_writes")
        with self._attach:
            try:
                self._root.execute(f"ATTACH '{_literal(path)}' AS {catalog} ({options})")
            except duckdb.Error as error:
                raise _cannot_open(path, error) from error
        return catalog

    def detach(self, catalog: str) -> None:
        """Let go of a file; its lock and its memory are free afterwards."""
        with self._attach:
            self._root.execute(f"DETACH {catalog}")

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """This thread's cursor: DuckDB refuses one that two threads share."""
        found: duckdb.DuckDBPyConnection | None = getattr(self._local, "cursor", None)
        if found is None:
            found = self._local.cursor = self.cursor_apart()
        return found

    def cursor_apart(self) -> duckdb.DuckDBPyConnection:
        """A cursor for whoever sees to it that one thread uses it at a time, and closes it."""
        cursor = self._root.cursor()
        self._cursors = [known for known in self._cursors if known() is not None]  # threads come and go
        self._cursors.append(weakref.ref(cursor))
        return cursor

    def rows(self, sql: Sql, *, timeout_s: float = QUERY_SECONDS_MAX) -> list[tuple[Any, ...]]:
        """Everything that a query gives; interrupted, and refused as `timeout`, when it takes longer than `timeout_s`."""
        cursor = self.cursor()
        with self._watch.limit(cursor, timeout_s):
            return cursor.execute(sql.text, list(sql.parameters)).fetchall()

    def close(self) -> None:
        """Checkpoint and close every attached file."""
        self._watch.close()
        for reference in self._cursors:
            cursor = reference()
            if cursor is not None:
                cursor.close()
        self._root.close()
        shutil.rmtree(self._spill, ignore_errors=True)


class _Watch:
    """One thread that interrupts the cursors whose time is over; to be watched costs a dictionary entry."""

    def __init__(self) -> None:
        self._deadlines: dict[int, tuple[float, duckdb.DuckDBPyConnection]] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        threading.Thread(target=self._run, name="verbena-query-watch", daemon=True).start()

    @contextmanager
    def limit(self, cursor: duckdb.DuckDBPyConnection, seconds: float) -> Generator[None]:
        self._deadlines[id(cursor)] = (time.monotonic() + seconds, cursor)
        try:
            yield
        except duckdb.InterruptException as error:
            raise Timeout(
                f"the query took longer than {seconds:g} s", hint="filter on fewer entities or ask for fewer"
            ) from error
        finally:
            with self._lock:  # never interrupt the cursor's next query for the sake of this one
                self._deadlines.pop(id(cursor), None)

    def _run(self) -> None:
        while not self._closed.wait(_WATCH_SECONDS):
            now = time.monotonic()
            with self._lock:
                for deadline, cursor in list(self._deadlines.values()):
                    if deadline < now:
                        cursor.interrupt()

    def close(self) -> None:
        self._closed.set()


def _literal(path: Path) -> str:
    return str(path).replace("'", "''")


def _cannot_open(path: Path, error: duckdb.Error) -> Unavailable:
    said = str(error).split("\n")[0][:300]
    if "set lock on file" in said.lower() or "conflicting lock" in said.lower():
        return Unavailable(
            f"{path.name} is open in another process", hint="end that process, or use the same data folder through it"
        )
    if "newer" in said.lower() or "version" in said.lower():
        return Unavailable(
            f"{path.name} was written by a newer version and was left as it is",
            hint="update verbena, then open it again",
        )
    return Unavailable(
        f"{path.name} cannot be read as a tenant's file and was left as it is: {said}",
        hint="put a backup in its place; the file itself was not changed",
    )
