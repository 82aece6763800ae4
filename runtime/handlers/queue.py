"""Which run comes next: within an entity in the order of the log and of registration, different entities side by side.

What waits stands in the ledger. Here is only its order, and of a long backlog only the beginning.
"""

import heapq
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from runtime.entity import Entity

# So many runs are kept in order in memory; the others are read when these have gone down to half.
IN_MEMORY_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Place:
    """A run that waits: its place among all runs, and what it must not be run beside."""

    number: int
    id: str
    key: str  # the entity that it is about; of a schedule or a watch, its handler


def place_of(run: Entity) -> Place:
    """The place of a run."""
    return Place(run.number, run.id, run.body.get("entity") or run.body.get("handler", run.id))


# Reads waiting runs from the ledger: those after a number, in order, so many at most.
Load = Callable[[int, int], Sequence[Place]]


class Queue:
    """The waiting runs of one tenant. The caller holds a lock around every call."""

    def __init__(self, load: Load, *, in_memory_max: int = IN_MEMORY_MAX) -> None:
        self._load = load
        self._in_memory_max = in_memory_max
        self._by_key: OrderedDict[str, deque[Place]] = OrderedDict()
        self._ready: deque[str] = deque()  # keys of which nothing runs, the one that waits longest first
        self._size = 0
        self._last = 0  # the number up to which the ledger was read
        self._beyond = 0  # the highest number that stands in the ledger only
        self._due: list[tuple[datetime, int, Place]] = []
        self._pending: set[str] = set()
        self._given_out: set[str] = set()
        self._once_more: set[str] = set()  # given out, and to be run again behind what waits for the same
        self.read_on()

    def __contains__(self, id: object) -> bool:
        return id in self._pending

    def add(self, places: Sequence[Place]) -> None:
        """Runs that were committed just now."""
        for place in places:
            if self._size >= self._in_memory_max or self._beyond > self._last:
                self._beyond = max(self._beyond, place.number)
            else:
                self._append(place)
                self._last = max(self._last, place.number)

    def again(self, place: Place) -> None:
        """A run that was set aside and is to be run now, behind what waits for the same.

        One that is given out has ended a moment ago, or is about to: what it waits for now may have come too late for it.
        """
        if place.id in self._given_out:
            self._once_more.add(place.id)
        elif place.id not in self._pending:
            self._append(place)

    def later(self, place: Place, at: datetime) -> None:
        """A run that waits for its time; others go on meanwhile."""
        heapq.heappush(self._due, (at, place.number, place))

    def wake(self, now: datetime) -> None:
        """What has become due waits like the others from now on."""
        while self._due and self._due[0][0] <= now:
            self.again(heapq.heappop(self._due)[2])

    def take(self) -> Place | None:
        """The run that comes next, or None. Nothing else of its key is given out until `done`."""
        if not self._ready:
            return None
        place = self._by_key[self._ready.popleft()][0]
        self._given_out.add(place.id)
        return place

    def done(self, place: Place) -> None:
        """A run that was given out has ended, whatever it came to."""
        waiting = self._by_key[place.key]
        waiting.popleft()
        self._pending.discard(place.id)
        self._given_out.discard(place.id)
        self._size -= 1
        if waiting:
            self._ready.append(place.key)
        else:
            del self._by_key[place.key]
        if place.id in self._once_more:
            self._once_more.discard(place.id)
            self._append(place)
        if self._beyond > self._last and self._size <= self._in_memory_max // 2:
            self.read_on()

    def ahead_of(self, place: Place) -> str | None:
        """The run that must end before this one may begin."""
        waiting = self._by_key.get(place.key)
        return waiting[0].id if waiting and waiting[0].id != place.id else None

    @property
    def has_ready(self) -> bool:
        """Whether something could be run now."""
        return bool(self._ready)

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits, now or for its time, and nothing runs."""
        return not self._size and not self._due

    def read_on(self) -> None:
        """Read more of the backlog from the ledger."""
        room = self._in_memory_max - self._size
        found = self._load(self._last, room)
        for place in found:
            if place.id not in self._pending:
                self._append(place)
            self._last = place.number
        if len(found) < room:
            self._last = max(self._last, self._beyond)
        else:  # as much as was asked for: nobody knows how long it goes on
            self._beyond = max(self._beyond, self._last + 1)

    def _append(self, place: Place) -> None:
        waiting = self._by_key.get(place.key)
        if waiting is None:
            waiting = self._by_key[place.key] = deque()
            self._ready.append(place.key)
        waiting.append(place)
        self._pending.add(place.id)
        self._size += 1
