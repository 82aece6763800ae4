"""The end of each log that somebody follows: its latest events, kept for a while, and who is woken by the next one.

Nothing here waits or reads: the writer comes by after every commit, leaves the rows and rings. Whoever is too slow for
what is kept reads the log instead.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice

import msgspec

from runtime.errors import LimitExceeded
from runtime.event_log import shown
from runtime.store import EventRow
from runtime.unit import Change

# Of one tenant, in memory, and their JSON beside it: what a follower missed beyond these is read from the log.
KEPT_EVENTS_MAX = 1_000
KEPT_CHARS_MAX = 1 << 20
# Of all tenants together: each is a connection and a thread of the daemon, which has 128.
FOLLOWERS_MAX = 64

# An event beyond this comes without its payload: it must fit into a frame (16 MiB), four bytes a character.
EVENT_CHARS_MAX = 2 << 20
_PAYLOAD = ("after", "changed", "input")

# Called in the writer's turn when there may be more: it must do no more than wake somebody.
Wake = Callable[[], None]


class Entry:
    """An event of a log, and, once the first follower wanted it, its JSON: many follow, and it is the same for all."""

    __slots__ = ("_json", "row")

    def __init__(self, row: EventRow) -> None:
        self.row = row
        self._json: msgspec.Raw | None = None

    @property
    def json(self) -> msgspec.Raw:
        """The event as every face gives it; of one that is too large, `omitted` tells how large its payload is."""
        if self._json is None:
            event = shown(self.row)
            payload = self.row.payload
            if payload is not None and len(payload) > EVENT_CHARS_MAX:
                event = {key: value for key, value in event.items() if key not in _PAYLOAD}
                event["omitted"] = len(payload)
            self._json = msgspec.Raw(msgspec.json.encode(event))
        return self._json


class Tail:
    """The latest events of one log, without a gap between them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[Entry] = deque()
        self._chars = 0
        self._head: int | None = None  # unknown as long as nothing was committed since somebody follows
        self.wakes: dict[object, Wake] = {}  # put in anew at every change: the writer may be going through it
        self.replaced = False  # the log is another one now: positions in it mean something else

    def after(self, seq: int, *, limit: int) -> list[Entry] | None:
        """The first events after a position; None where the log must be asked, since they are not kept."""
        with self._lock:
            if self._head is None:
                return None
            if seq >= self._head:
                return []
            if not self._entries or seq < self._entries[0].row.seq - 1:
                return None
            start = seq + 1 - self._entries[0].row.seq
            return list(islice(self._entries, start, start + limit))

    def grow(self, rows: Sequence[EventRow], *, keep: bool) -> None:
        """Take in what was committed, and wake everybody; with `keep` false nothing of the log is kept from before."""
        with self._lock:
            if not keep or self._head is None or rows[0].seq != self._head + 1:
                self._entries.clear()
                self._chars = 0
            self._head = rows[-1].seq
            if keep:
                for row in rows:
                    self._entries.append(Entry(row))
                    self._chars += len(row.payload or "")
                while len(self._entries) > KEPT_EVENTS_MAX or self._chars > KEPT_CHARS_MAX:
                    self._chars -= len(self._entries.popleft().row.payload or "")
        self.wake()

    def wake(self) -> None:
        """Wake everybody who follows."""
        for wake in self.wakes.values():
            wake()


class Tails:
    """The tails of all logs that somebody follows, by tenant. They outlive a tenant that is closed and opened again."""

    def __init__(self) -> None:
        self._tails: dict[str, Tail] = {}
        self._followers = 0
        self._lock = threading.Lock()

    def follow(self, tenant: str, follower: object, wake: Wake) -> Tail:
        """The tail of a tenant's log; `wake` is called after every commit until `follower` leaves.

        Raises LimitExceeded where too many follow already.
        """
        with self._lock:
            if self._followers >= FOLLOWERS_MAX:
                raise LimitExceeded(
                    f"{FOLLOWERS_MAX} subscriptions are open, and there may be no more", hint="close one of them"
                )
            tail = self._tails.setdefault(tenant, Tail())
            tail.wakes = {**tail.wakes, follower: wake}
            self._followers += 1
            return tail

    def leave(self, tenant: str, follower: object, tail: Tail) -> None:
        """Follow no longer; what was kept for the last follower goes."""
        with self._lock:
            if follower in tail.wakes:
                tail.wakes = {each: wake for each, wake in tail.wakes.items() if each is not follower}
                self._followers -= 1
            if not tail.wakes and self._tails.get(tenant) is tail:
                del self._tails[tenant]

    def committed(self, tenant: str, logged: Sequence[tuple[Change, EventRow]]) -> None:
        """Tell the followers of a tenant, in the writer's turn, what was committed."""
        tail = self._tails.get(tenant)
        if tail is not None and logged:
            # What is erased must not stay in memory, where it would be given out again.
            erased = any(change.verb.name == "erase" for change, _ in logged)
            tail.grow([row for _, row in logged], keep=not erased)

    def replaced(self, tenant: str) -> None:
        """Tell the followers of a tenant that its log is gone, and perhaps another one in its place."""
        with self._lock:
            tail = self._tails.pop(tenant, None)
        if tail is not None:
            tail.replaced = True
            tail.wake()
