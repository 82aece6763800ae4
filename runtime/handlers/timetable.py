"""The schedules of one tenant: which of them are due. What each ran for last is read from the ledger."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import structlog

from runtime.handlers.handler import Handler
from runtime.handlers.watches import moves_by_time
from runtime.own_nouns import HANDLER, RUN
from runtime.schedule import Due, Every, Once, Schedule, believed, due, from_data
from runtime.sql import Sql
from runtime.tenant import Tenant
from runtime.values import format_datetime, parse_datetime

log = structlog.get_logger()

_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class _Entry:
    handler: Handler
    schedule: Schedule
    last: datetime
    next: datetime | None


class Timetable:
    """When the tenant's schedules run. For one thread at a time."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._handlers: object = None  # the set that was read
        self._entries: dict[str, _Entry] = {}
        self._ran: dict[str, datetime] | None = None  # handler → the time that it ran for last
        self._looked_at = _BEFORE_ALL

    def due(self, now: datetime) -> list[tuple[Handler, Due]]:
        """What is to be run now, in the order of registration; it stays due until `ran`."""
        handlers = self._tenant.handlers
        if handlers is not self._handlers:
            self._read(handlers.all.values(), now)
            self._handlers = handlers
        elif now < self._looked_at:  # the clock was put back
            for entry in self._entries.values():
                self._ran_for(entry, believed(entry.schedule, last=entry.last, now=now))
        self._looked_at = now
        found = [
            (entry.handler, due(entry.schedule, last=entry.last, now=now))
            for entry in self._entries.values()
            if entry.next is not None and entry.next <= now
        ]
        return [(handler, each) for handler, each in found if each is not None]

    def ran(self, handler: Handler, at: datetime) -> None:
        """Note that a run for this time stands in the ledger."""
        if self._ran is not None:
            self._ran[handler.id] = at
        entry = self._entries.get(handler.id)
        if entry is not None:
            self._ran_for(entry, at)

    def _read(self, handlers: Iterable[Handler], now: datetime) -> None:
        scheduled = [each for each in handlers if each.kind == "schedule" and each.active]
        if scheduled and self._ran is None:
            self._ran = self._in_ledger()
        self._entries = {}
        for handler in scheduled:
            try:
                self._entries[handler.id] = self._entry(handler, now)
            except (KeyError, ValueError):  # such as a time zone that this machine does not know: the others must run
                log.exception("a schedule cannot be read", handler=handler.id, pattern=handler.pattern)

    def _entry(self, handler: Handler, now: datetime) -> _Entry:
        stored = self._tenant.graph.get(HANDLER, handler.id)
        assert stored is not None
        schedule = from_data(handler.options)
        ran = (self._ran or {}).get(handler.id, _BEFORE_ALL)
        if isinstance(schedule, Once):
            last = ran
        else:
            # Times at which it was disabled were not missed. Stored again, it goes on in the same rhythm.
            last = max(ran, parse_datetime(stored.body["$updatedAt"]))
            if isinstance(schedule, Every):
                schedule = replace(schedule, since=parse_datetime(stored.body["$createdAt"]))
        last = believed(schedule, last=last, now=now)
        return _Entry(handler, schedule, last, schedule.next_after(last))

    def _ran_for(self, entry: _Entry, at: datetime) -> None:
        entry.last, entry.next = at, entry.schedule.next_after(at)

    def _in_ledger(self) -> dict[str, datetime]:
        table = self._tenant.file.table(RUN)
        if table is None:
            return {}
        sql = f"""SELECT handler, arg_max(input ->> 'at', "$number") FROM {table}
            WHERE kind = 'schedule' GROUP BY handler"""
        return {handler: parse_datetime(at) for handler, at in self._tenant.file.rows(Sql(sql))}


def given(found: Due) -> dict[str, Any]:
    """What a scheduled function gets: the time that it runs for, and whether earlier ones were missed."""
    return {"at": format_datetime(found.at), "missed": found.missed}


def is_awaited(handler: Handler, now: datetime) -> bool:
    """Whether a handler is one that runs by itself at a time to come, or might."""
    if handler.kind == "watch":
        return moves_by_time(handler)
    return handler.kind == "schedule" and handler.active and from_data(handler.options).next_after(now) is not None
