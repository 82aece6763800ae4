"""Which events are meant: `Contact.qualified`, `Contact.*`, `Contact.<id>.*`, `*.created` or `*`."""

from dataclasses import dataclass

from runtime.conjugation import past_from_event
from runtime.errors import InvalidArguments, InvalidId, InvalidType, did_you_mean
from runtime.ids import prefix_of
from runtime.noun import Noun
from runtime.own_nouns import EFFECT, HANDLER, OWN_NOUNS, RUN
from runtime.sql import Sql
from runtime.vocabulary import Vocabulary

EXAMPLES = "Contact.qualified, Contact.*, Contact.contact_fX9bL5nRdK.*, *.created or *"
PATTERN_CHARS_MAX = 300  # a noun, an id and a word, each as long as they may be

# Whoever listens to everything must not set itself off: what handlers and runs do is heard only by name.
HEARD_BY_NAME = frozenset({HANDLER.name, RUN.name, EFFECT.name})


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPattern:
    """Some of a tenant's events. What is None is not asked for."""

    text: str
    noun: Noun | None  # None: any but those that are heard only by name
    entity: str | None
    events: frozenset[str] | None  # canonical names: Contact.qualified

    def matches(self, *, type: str, event: str, entity: str) -> bool:
        """Whether an event of that noun, canonical name and entity is among them."""
        if self.noun is None:
            if type in HEARD_BY_NAME:
                return False
        elif type != self.noun.name:
            return False
        return self.entity in (None, entity) and (self.events is None or event in self.events)

    def condition(self) -> Sql:
        """The same over the columns of the log."""
        if self.noun is None:
            parts = [Sql(f"type NOT IN ({_places(HEARD_BY_NAME)})", tuple(sorted(HEARD_BY_NAME)))]
        else:
            parts = [Sql("type = ?", (self.noun.name,))]
        if self.entity is not None:
            parts.append(Sql("entity = ?", (self.entity,)))
        if self.events is not None:
            parts.append(Sql(f"event IN ({_places(self.events)})", tuple(sorted(self.events))))
        return Sql.join(" AND ", parts)


def parse_pattern(given: object, vocabulary: Vocabulary) -> EventPattern:
    """The pattern that a text means; `Contact.Qualified` and `Contact.qualify` are `Contact.qualified`.

    Raises InvalidArguments for what has no such shape, InvalidType for a noun or an event that does not exist, with the
    nearest that does, and InvalidId for an id of another noun.
    """
    if not isinstance(given, str) or not given or len(given) > PATTERN_CHARS_MAX:
        raise InvalidArguments(f"a pattern of events is a text, not {given!r:.80}", hint=EXAMPLES)
    if given == "*":
        return EventPattern(text=given, noun=None, entity=None, events=None)
    name, *rest = given.split(".")
    if not rest or len(rest) > 2 or "" in (name, *rest):
        raise InvalidArguments(
            f"{given[:80]!r} is no pattern of events", hint=f"{given}.*" if given in vocabulary else EXAMPLES
        )
    word = rest[-1]
    if name == "*":
        if len(rest) == 2:
            raise InvalidArguments(f"{given[:80]!r} names an entity and no noun", hint=f"<Noun>.{rest[0][:80]}.*")
        return EventPattern(text=given, noun=None, entity=None, events=_of_any(word, vocabulary))
    noun = vocabulary.noun(name)
    entity = rest[0] if len(rest) == 2 else None
    if entity is not None and prefix_of(entity) != noun.key:
        raise InvalidId(f"{entity[:80]!r} is no id of a {noun.name}", hint=f"ids of {noun.name} begin with {noun.key}_")
    events = None if word == "*" else frozenset((f"{name}.{_past(noun, word, vocabulary)}",))
    return EventPattern(text=given, noun=noun, entity=entity, events=events)


def _of_any(word: str, vocabulary: Vocabulary) -> frozenset[str] | None:
    """The events of all nouns that a word names; None for all of them."""
    if word == "*":
        return None
    nouns = [vocabulary.noun(name) for name in (*vocabulary.names, *OWN_NOUNS) if name not in HEARD_BY_NAME]
    found: set[str] = set()
    for noun in nouns:
        try:
            found.add(f"{noun.name}.{_past(noun, word, vocabulary)}")
        except InvalidType:
            continue  # most nouns have no such verb
    if not found:
        pasts = {verb.past for noun in nouns for verb in noun.verbs.values() if verb.past}
        raise InvalidType(f"no noun has an event {word[:80]!r}", hint=did_you_mean(word, pasts))
    return frozenset(found)


def _past(noun: Noun, word: str, vocabulary: Vocabulary) -> str:
    """The name of the event that a word means: itself, its declared form, or the verb that makes it."""
    said = past_from_event(word)
    if any(verb.past == said for verb in noun.verbs.values()):
        return said  # before the verbs: an event may be called like another verb
    verb, form = vocabulary.verb(noun, said)
    if form not in ("verb", "past") or not verb.past:
        pasts = [f"{noun.name}.{verb.past}"] if verb.past else vocabulary.events(noun)[:3]
        raise InvalidType(f"{noun.name}.{word[:80]} is no event", hint="did you mean " + ", ".join(pasts) + "?")
    return verb.past


def _places(values: frozenset[str]) -> str:
    return ", ".join("?" * len(values))
