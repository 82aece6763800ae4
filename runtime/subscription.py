"""A subscription at the engine's side: the events of one tenant that somebody wants, page by page, from any position on.

There is one cursor and no second path: what was just committed comes from the tail that is kept in memory, everything
else from the log, both by the same position. So there is neither a gap nor a repeat where one goes over into the other.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import msgspec

from runtime.entity import renamed
from runtime.errors import Conflict, InvalidArguments, InvalidFilter, did_you_mean
from runtime.event_pattern import EventPattern, parse_pattern
from runtime.filters import matches, parse_filter
from runtime.ids import event_seq
from runtime.neighbours import Neighbours
from runtime.sql import Sql
from runtime.store import EventRow
from runtime.tail import Entry, Tails, Wake
from runtime.tenant import Tenant
from runtime.vocabulary import Vocabulary

# A page is as many events, or as many characters of them, whichever is less; but at least one event.
PAGE_EVENTS = 500
PAGE_CHARS = 1 << 20

ARGUMENTS = ("pattern", "filter", "since")

T = TypeVar("T")

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Reader(Protocol):
    """Runs something on the open tenant, and keeps it open meanwhile. Raises Unavailable where it cannot be had now."""

    def __call__(self, work: Callable[[Tenant], T], /) -> T: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Events in the order of the log, each as its JSON; `seq` is how far the log was read for them."""

    events: list[msgspec.Raw]
    seq: int
    more: bool  # whether there is something to read at once


class Subscription:
    """What somebody wants to hear, and how far they have heard it. For one thread; `wake` comes from others."""

    def __init__(self, tenant: str, given: Mapping[str, Any], *, tails: Tails, wake: Wake, read: Reader) -> None:
        """`given` is `{pattern, filter, since}`: without `since`, which is a position, only what is to come.

        Raises InvalidArguments, InvalidType, InvalidId or InvalidFilter for what cannot be subscribed to, and
        LimitExceeded where too many are subscribed.
        """
        for name in given:
            if name not in ARGUMENTS:
                raise InvalidArguments(f"nobody subscribes by {name[:80]!r}", hint=did_you_mean(name, ARGUMENTS))
        self._tenant = tenant
        self._given = given
        self._read = read
        self._tails = tails
        self._known: tuple[Vocabulary, EventPattern] | None = None
        self._tail = tails.follow(tenant, self, wake)  # before the log is looked at: nothing falls in between
        try:
            self.seq = read(self._begin)
        except BaseException:
            self.close()
            raise

    def page(self) -> Page:
        """What comes next; without events where there is nothing (yet) that is wanted.

        Raises Conflict where the log was replaced, and what `__init__` raises where a noun was changed so that the
        filter means nothing any more.
        """
        if self._tail.replaced:
            raise _replaced()
        kept = self._tail.after(self.seq, limit=PAGE_EVENTS)
        if kept == []:
            return Page(events=[], seq=self.seq, more=False)
        page = self._read(self._from_log) if kept is None else self._read(lambda tenant: self._from_tail(tenant, kept))
        self.seq = page.seq
        return page

    def close(self) -> None:
        """Hear nothing more."""
        self._tails.leave(self._tenant, self, self._tail)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self, tenant: Tenant) -> int:
        """The position after which it begins; whatever is wrong with what was asked is told here."""
        pattern = self._pattern(tenant)
        _wanted(tenant, pattern, self._given.get("filter"))
        head, since = tenant.writer.seq, self._given.get("since")
        if since is None:
            return head
        seq = since if type(since) is int else event_seq(since)
        if seq is None or not 0 <= seq < 1 << 62:
            raise InvalidArguments(
                f"since is a position in the log, not {since!r:.80}", hint="since=120, or an event's id"
            )
        if seq > head:
            raise InvalidArguments(
                f"the log ends at {head}, before {seq}", hint="since=0 begins with its first event", head=head
            )
        return seq

    def _from_log(self, tenant: Tenant) -> Page:
        head = tenant.writer.seq
        if self.seq > head:
            raise _replaced()
        pattern = self._pattern(tenant)
        where = Sql("seq > ? AND seq <= ? AND ", (self.seq, head)) + pattern.condition()
        sizes = tenant.file.rows(
            Sql(f"SELECT seq, length(payload) FROM {tenant.file.catalog}.events WHERE ")
            + where
            + f" ORDER BY seq LIMIT {PAGE_EVENTS}"
        )
        count, chars = 0, 0
        for _, size in sizes:
            chars += size or 0
            if count and chars > PAGE_CHARS:
                break
            count += 1
        rows = tenant.file.events(where, limit=count) if count else []
        reached = sizes[count - 1][0] if count < len(sizes) or count == PAGE_EVENTS else head
        return Page(events=self._chosen(tenant, pattern, map(Entry, rows)), seq=reached, more=reached < head)

    def _from_tail(self, tenant: Tenant, kept: Sequence[Entry]) -> Page:
        pattern = self._pattern(tenant)
        rows = ((entry, entry.row) for entry in kept)
        meant = [each for each, row in rows if pattern.matches(type=row.type, event=row.event, entity=row.entity)]
        events = self._chosen(tenant, pattern, meant) if meant else []
        return Page(events=events, seq=kept[-1].row.seq, more=len(kept) == PAGE_EVENTS)

    def _chosen(self, tenant: Tenant, pattern: EventPattern, entries: Iterable[Entry]) -> list[msgspec.Raw]:
        wanted = _wanted(tenant, pattern, self._given.get("filter"))
        return [entry.json for entry in entries if wanted(entry.row)]

    def _pattern(self, tenant: Tenant) -> EventPattern:
        """The pattern in the tenant's present words: a noun that was added since may be meant by it too."""
        vocabulary = tenant.vocabulary
        if self._known is None or self._known[0] is not vocabulary:
            self._known = vocabulary, parse_pattern(self._given.get("pattern", "*"), vocabulary)
        return self._known[1]


def _wanted(tenant: Tenant, pattern: EventPattern, given: object) -> Callable[[EventRow], bool]:
    """Whether an event's entity, as the event left it, is what a filter asks for; relations as they are now.

    Relative times count from now. Of an event whose payload was erased nothing can be told, so no filter takes it.
    """
    if given is None or given == {}:
        return lambda row: True
    noun = pattern.noun
    if noun is None:
        raise InvalidFilter(
            f"a filter asks for the fields of one noun, and {pattern.text[:80]!r} is about any", hint="like Contact.*"
        )
    asked = parse_filter(given, noun, tenant.vocabulary, now=tenant.clock())
    around = Neighbours(tenant.vocabulary, tenant.graph)

    def wanted(row: EventRow) -> bool:
        return row.payload is not None and matches(asked, renamed(noun, _decode(row.payload)["after"]), around)

    return wanted


def _replaced() -> Conflict:
    return Conflict(
        "the log was replaced while it was followed: the tenant was restored or deleted",
        hint="subscribe again, from a position of the log that is there now",
    )
