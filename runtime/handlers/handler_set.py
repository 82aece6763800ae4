"""A tenant's handlers as they are at one moment: which of them run before a verb, and which after an event."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property

import structlog

from runtime.errors import InvalidArguments, VerbenaError
from runtime.event_log import event_name
from runtime.event_pattern import EventPattern, parse_pattern
from runtime.filters import matches, parse_filter
from runtime.graph import View
from runtime.handlers.handler import Handler
from runtime.neighbours import Neighbours
from runtime.noun import Noun, Verb
from runtime.unit import Change
from runtime.vocabulary import Vocabulary

log = structlog.get_logger()


class HandlerSet:
    """A value: who stores or changes a handler makes another one, and what runs now is not disturbed."""

    def __init__(self, handlers: Iterable[Handler], vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self.all: Mapping[str, Handler] = {each.id: each for each in sorted(handlers, key=_order)}
        active = [handler for handler in self.all.values() if handler.active]
        self._before: dict[tuple[str, str], list[Handler]] = {}
        self._after: list[tuple[EventPattern, Handler]] = []
        for handler in active:
            try:
                self._add(handler)
            except VerbenaError:  # stored in a version whose nouns had other words: the others must run all the same
                log.exception("a handler runs for nothing any more", handler=handler.id, pattern=handler.pattern)

    def changed(self, handlers: Iterable[Handler], vocabulary: Vocabulary) -> "HandlerSet":
        """These handlers with some of them stored or changed, in a tenant with these nouns."""
        return HandlerSet({**self.all, **{handler.id: handler for handler in handlers}}.values(), vocabulary)

    @cached_property
    def fingerprint(self) -> str:
        """Stands for what runs, and in which order; empty where nothing does."""
        active = [(each.id, each.hash, each.position) for each in self.all.values() if each.active]
        return hashlib.sha256(repr(active).encode()).hexdigest() if active else ""

    def before(self, noun: Noun, verb: Verb) -> Sequence[Handler]:
        """Those that run before a verb, in their order."""
        return self._before.get((noun.name, verb.name), ())

    def after(self, change: Change, view: View, now: datetime) -> list[Handler]:
        """Those that run after an event, in their order; relations that a filter walks are those of the view."""
        if not self._after:
            return []
        type, event, entity = change.noun.name, event_name(change), change.entity.id
        meant = [each for pattern, each in self._after if pattern.matches(type=type, event=event, entity=entity)]
        return [handler for handler in meant if self._wants(handler, change, view, now)]

    def _add(self, handler: Handler) -> None:
        if handler.kind == "before":
            noun, verb = parse_verb(handler.pattern, self._vocabulary)
            self._before.setdefault((noun.name, verb.name), []).append(handler)
        elif handler.kind == "after":
            self._after.append((parse_pattern(handler.pattern, self._vocabulary), handler))

    def _wants(self, handler: Handler, change: Change, view: View, now: datetime) -> bool:
        given = handler.options.get("filter")
        if given is None:
            return True
        try:
            filter = parse_filter(given, change.noun, self._vocabulary, now=now)
            return matches(filter, change.entity.body, Neighbours(self._vocabulary, view))
        except VerbenaError:  # the noun was changed since: what it asks for cannot be told, so it is asked itself
            log.warning("a handler's filter cannot be read any more", handler=handler.id)
            return True


def _order(handler: Handler) -> tuple[int, str]:
    return handler.position, handler.id


def parse_verb(text: object, vocabulary: Vocabulary) -> tuple[Noun, Verb]:
    """The noun and the verb that `Deal.close`, or a form of it, names. Raises InvalidArguments or InvalidType."""
    noun, dot, word = text.partition(".") if isinstance(text, str) else ("", "", "")
    if not dot:
        raise InvalidArguments(f"{text!r:.80} names no verb of a noun", hint='$.before("Deal.close", fn)')
    if "*" in (noun, word) or "." in word:
        raise InvalidArguments(
            f"{text!r:.80} is a pattern of events, and before a verb there is none yet",
            hint=f'one verb, $.before("Deal.close", fn); or after the events, $.on("{str(text)[:80]}", fn)',
        )
    verb, _ = vocabulary.verb(noun, word)
    return vocabulary.noun(noun), verb


def canonical(pattern: EventPattern) -> str:
    """A pattern in the one form in which it is stored."""
    if pattern.noun is None and pattern.events is None:
        return "*"
    parts = [pattern.noun.name if pattern.noun is not None else "*"]
    parts += [] if pattern.entity is None else [pattern.entity]
    return ".".join([*parts, "*" if pattern.events is None else min(pattern.events).partition(".")[2]])
