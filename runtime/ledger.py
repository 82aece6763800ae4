"""The ledger: every run of code, those that wait among them. Its rows stand beside the log, and are written with it.

What a handler's run came to is an event of the log too (`Run.succeeded`, `Run.failed`, …). A run that waits, and the run
of a `do`, are rows only: what they changed is in the log, and names them.
"""

import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from runtime.entity import Entity
from runtime.errors import LimitExceeded, VerbenaError
from runtime.graph import View
from runtime.handlers.handler_set import HandlerSet
from runtime.ids import NewId, event_id
from runtime.own_nouns import RUN
from runtime.sandbox.limits import BY_LEVEL, Outcome
from runtime.sql import Sql
from runtime.store import EventRow, TenantFile
from runtime.unit import Change, Origin
from runtime.values import format_datetime

# Whatever one thing set off, and what that set off, and so on, ends here.
DEPTH_MAX = 16
RUNS_OF_ONE_CAUSE_MAX = 1_000
# Runs of a `do` and of BEFORE handlers are written within a second, so many at once. What they changed is in the log before
# they are answered, and of a handler's run also how it ended; of a `do` that is all that a process loses which is killed in
# that second: how long it took and what it printed.
NOTED_AT_ONCE = 50
# What is looked through for runs of handlers whose rows were lost so: longer than that second, however busy the process.
LOST_SECONDS_MAX = 600
LOST_EVENTS_MAX = 10_000
NOTED_MAX = 1_000
# Runs that ended longer ago than this, or before so many others, are dropped; what they changed stays in the log.
KEPT = timedelta(days=90)
RUNS_MAX = 100_000
# That is looked at once an hour, and takes so many at a time.
LOOK_EVERY = timedelta(hours=1)
DROPPED_AT_ONCE = 10_000
_ROOTS_KEPT = 10_000
OUTPUT_CHARS_MAX = 20_000

_decode = msgspec.json.Decoder(dict[str, Any]).decode
TOUCHED_MAX = 200


def run_entity(id: str, now: datetime, actor: str, values: Mapping[str, Any]) -> Entity:
    """A run as a row of the ledger; version 0, since the log knows nothing of it yet."""
    stamp = format_datetime(now)
    body = {key: value for key, value in values.items() if value is not None}
    body |= {"$id": id, "$type": RUN.name, "$version": 0}
    body |= {"$createdAt": stamp, "$updatedAt": stamp, "$createdBy": actor}
    return Entity(RUN.name, id, 0, 0, body)


def told(outcome: Outcome, error: VerbenaError | None, *, level: int, touched: Iterable[str]) -> dict[str, Any]:
    """What a run came to, as its row keeps it; `touched` are the entities that it read by id or changed."""
    limits = BY_LEVEL[level]
    return {
        "level": level,
        "limits": {"seconds": limits.seconds, "memoryBytes": limits.memory_bytes, "calls": limits.calls},
        "output": outcome.output[:OUTPUT_CHARS_MAX] or None,
        "error": None if error is None else error.as_dict(),
        "seconds": round(outcome.seconds, 6),
        "calls": outcome.calls,
        "touched": sorted(id for id in touched if not id.startswith(f"{RUN.key}_"))[:TOUCHED_MAX] or None,
    }


class Ledger:
    """What is to be written to the ledger of one tenant, and how much each cause has set off."""

    def __init__(self, file: TenantFile, new_id: NewId) -> None:
        self._file = file
        self._new_id = new_id
        self._lock = threading.Lock()
        self._noted: deque[Entity] = deque(maxlen=NOTED_MAX)
        self._wanted = False
        self._roots: OrderedDict[str, int] = OrderedDict()
        self._looked_at: datetime | None = None
        table = file.table(RUN)
        last = file.rows(Sql(f'SELECT coalesce(max("$number"), 0) FROM {table}'))[0][0] if table else 0
        self._number: int = last

    def note(self, run: Entity) -> None:
        """Keep a run, to be written soon."""
        with self._lock:
            self._noted.append(run)

    @property
    def has_noted(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._noted)

    def write_soon(self) -> None:
        """Let the next commit take what was noted."""
        self._wanted = True

    def take(self) -> list[Entity]:
        """What is to be written now, numbered. The caller holds the writer's turn."""
        with self._lock:
            if not self._wanted and len(self._noted) < NOTED_AT_ONCE:
                return []  # a table more costs a commit a millisecond, and these can wait
            self._wanted = False
            taken = list(self._noted)
            self._noted.clear()
        return [self.numbered(run) for run in taken]

    def put_back(self, runs: Iterable[Entity]) -> None:
        """Keep what was taken: its commit failed."""
        with self._lock:
            self._noted.extendleft(reversed(list(runs)))

    def numbered(self, run: Entity) -> Entity:
        """The run with its place among all runs. The caller holds the writer's turn."""
        self._number += 1
        return Entity(run.noun, run.id, run.version, self._number, run.body)

    def note_lost(self, head: int, at: datetime) -> None:
        """Note the runs that the log has and the ledger has not, since a process ended before their rows were written.

        `head` and `at` are place and time of the latest event.
        """
        table = self._file.table(RUN)
        known = f'AND entity NOT IN (SELECT "$id" FROM {table})' if table else ""
        lost = f"""type = ? AND version = 1 AND verb = 'succeed' AND payload IS NOT NULL AND seq > ? AND "at" > ? {known}"""
        since = (at - timedelta(seconds=LOST_SECONDS_MAX)).replace(tzinfo=None)
        for row in self._file.events(Sql(lost, (RUN.name, head - LOST_EVENTS_MAX, since)), limit=LOST_EVENTS_MAX):
            self.note(Entity(RUN.name, row.entity, row.version, 0, _decode(row.payload or "")["after"]))

    def drop_old(self, now: datetime, *, runs_max: int = RUNS_MAX) -> list[str]:
        """Drop runs that ended long ago, and give their ids. The caller holds the writer's turn.

        What has not ended stays, and of each schedule the latest run: it tells what comes next.
        """
        table = self._file.table(RUN)
        if table is None or (self._looked_at is not None and abs(now - self._looked_at) < LOOK_EVERY):
            return []
        old = f"""status NOT IN ('Waiting', 'Retrying', 'Stuck') AND ("$updatedAt" < ? OR "$number" <= ?)
            AND "$number" NOT IN (SELECT max("$number") FROM {table} WHERE kind = 'schedule' GROUP BY handler)"""
        since = (now - KEPT).replace(tzinfo=None)
        sql = f'SELECT "$id" FROM {table} WHERE {old} ORDER BY "$number" LIMIT {DROPPED_AT_ONCE}'
        ids = [id for (id,) in self._file.rows(Sql(sql, (since, self._number - runs_max)))]
        if ids:
            self._file.execute(f'DELETE FROM {table} WHERE "$id" IN (SELECT unnest(?))', (ids,))
        if len(ids) < DROPPED_AT_ONCE:
            self._looked_at = now
        return ids

    def set_off(
        self, origin: Origin, now: datetime, change: Change, row: EventRow, handlers: HandlerSet, view: View
    ) -> list[Entity]:
        """The runs that an event sets off, waiting, in their order. The caller writes them with the event."""
        runs: list[Entity] = []
        for handler in handlers.after(change, view, now):
            # Of a bulk of changes each is a cause of its own: what is bounded is what one of them leads to.
            root, depth = origin.root or event_id(row.seq), origin.depth + 1
            values: dict[str, Any] = {
                "kind": handler.kind,
                "status": "Waiting",
                "handler": handler.id,
                "name": handler.name,
                "code": handler.hash,
                "cause": event_id(row.seq),
                "entity": change.entity.id,
                "parent": row.run,
                "root": root,
                "depth": depth,
                "actor": handler.actor,
                "level": handler.level,
                "attempts": 0,
            }
            try:
                self._count(root, depth)
            except LimitExceeded as error:
                if self._roots.get(root, 0) > RUNS_OF_ONE_CAUSE_MAX + 1:
                    continue  # it was told once
                values |= {"status": "Dead", "error": error.as_dict()}
            runs.append(self.numbered(run_entity(self._new_id(RUN.key), now, handler.actor, values)))
        return runs

    def _count(self, root: str, depth: int) -> None:
        """Count one more run that goes back to `root`. Raises LimitExceeded past the bounds; holds the writer's turn."""
        if depth > DEPTH_MAX:
            raise LimitExceeded(
                f"handlers set each other off {DEPTH_MAX} times in a row", hint="let one of them look before it writes"
            )
        known = self._roots.pop(root, None)
        if known is None:
            known = self._stored(root) if depth > 1 else 0
        self._roots[root] = known + 1
        while len(self._roots) > _ROOTS_KEPT:
            self._roots.popitem(last=False)
        if known >= RUNS_OF_ONE_CAUSE_MAX:
            raise LimitExceeded(
                f"one cause set off {RUNS_OF_ONE_CAUSE_MAX:,} runs", hint="do the work in one handler, or in several do"
            )

    def _stored(self, root: str) -> int:
        table = self._file.table(RUN)
        if table is None:
            return 0
        return self._file.rows(Sql(f"SELECT count(*) FROM {table} WHERE root = ?", (root,)))[0][0]
