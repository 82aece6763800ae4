"""The nouns of one tenant side by side: relations lead somewhere, and changes keep what is stored readable.

A vocabulary is a value. Adding or changing a noun gives another one; whoever holds the old one is not disturbed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from runtime import habits, values
from runtime.conjugation import spellings
from runtime.declaration import from_data
from runtime.errors import InvalidType, LimitExceeded, ValidationFailed, did_you_mean, nearest
from runtime.noun import READ_VERBS, Field, Inverse, Noun, Verb
from runtime.own_nouns import OWN_NOUNS

Form = Literal["verb", "gerund", "past", "by"]

NOUNS_MAX = 500  # of one tenant

# What a tenant's noun may not be called, in any case. The connectors stand here by name although the runtime knows
# none of them: a noun defined today must not stand in the way of a connector installed tomorrow.
RESERVED = frozenset(
    {
        # the specials of fetch, and the prefix of event ids
        *("Schema", "Status", "Measure", "LogEvent", "Evt"),
        # the runtime's own nouns, and what may become one
        *(*OWN_NOUNS, "Effect"),
        # the members of $
        *("search", "fetch", "do", "events", "on", "before", "after", "every", "at", "status", "nouns", "define"),
        *("handlers", "runs", "integrations", "now", "log", "progress", "undo", "batch", "tenant", "http"),
        # what the store keeps beside the nouns
        *("unique", "outbox", "journal", "checkpoints", "leaves", "migrations", "meta"),
        # the shipped connectors
        *("AWS", "Dropbox", "ExactOnline", "GitHub", "Gmail", "Google", "GoogleCalendar", "GoogleDrive"),
        *("GoogleSheets", "HubSpot", "Jira", "Linear", "MicrosoftTeams", "Notion", "PayPal", "Pipedrive", "Postmark"),
        *("Resend", "S3", "Salesforce", "SendGrid", "Sentry", "Shopify", "Slack", "Square", "Stripe", "Teams"),
        *("Twilio", "Visma", "Webhook", "Xero", "Zapier", "Zendesk"),
    }
)
_RESERVED_LOWER = {word.lower(): word for word in RESERVED}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The nouns of a tenant, each with the inverses that others' relations give it."""

    _declared: Mapping[str, Noun]
    _nouns: Mapping[str, Noun]

    @staticmethod
    def of(nouns: Iterable[Noun]) -> "Vocabulary":
        """The vocabulary of these nouns. Raises ValidationFailed where two disagree or a relation leads nowhere."""
        declared: dict[str, Noun] = {}
        by_lower: dict[str, str] = {}
        for noun in nouns:
            other = by_lower.setdefault(noun.name.lower(), noun.name)
            if noun.name in declared or other != noun.name:
                raise ValidationFailed(f"there are two nouns {noun.name} and {other}; names differ in more than case")
            declared[noun.name] = noun
        if len(declared) > NOUNS_MAX:
            raise LimitExceeded(f"a tenant has at most {NOUNS_MAX} nouns, not {len(declared)}")
        return Vocabulary(declared, _resolved(declared))

    @property
    def names(self) -> tuple[str, ...]:
        """Every noun's name, sorted."""
        return tuple(sorted(self._nouns))

    def __contains__(self, name: object) -> bool:
        return name in self._nouns

    def noun(self, name: str) -> Noun:
        """The noun of exactly that name, also of the runtime's own. Raises InvalidType with the nearest one."""
        found = self._nouns.get(name) or OWN_NOUNS.get(name)
        if found is None:
            raise InvalidType(f"no noun {str(name)[:80]!r}", hint=did_you_mean(str(name), self._nouns))
        return found

    def with_noun(self, noun: Noun) -> "Vocabulary":
        """This vocabulary with `noun` added, or changed in a way that keeps what is stored readable.

        Raises ValidationFailed for reserved names, relations that lead nowhere, and changes that would lose data.
        """
        return self.with_nouns((noun,))

    def with_nouns(self, nouns: Iterable[Noun]) -> "Vocabulary":
        """As `with_noun`, for several that may relate to each other."""
        declared = dict(self._declared)
        for noun in nouns:
            before = declared.get(noun.name)
            if before is not None:
                declared[noun.name] = changed(before, noun)
                continue
            reserved = _RESERVED_LOWER.get(noun.name.lower())
            if reserved is not None:
                raise ValidationFailed(f"the name {noun.name} is reserved for {reserved}", hint="choose another name")
            declared[noun.name] = noun
        return Vocabulary.of(declared.values())

    def verb(self, noun: Noun | str, word: str) -> tuple[Verb, Form]:
        """The verb that `word` is a form of, and which: qualify "verb", qualifying "gerund", qualified "past",
        qualifiedBy "by". Other spellings count. Where past and verb are one word the form is "verb".

        Raises InvalidType with the nearest of the noun's words. `get`, `find` and the like are no verbs.
        """
        found = self.noun(noun) if isinstance(noun, str) else noun
        if word in found.verbs:
            return found.verbs[word], "verb"
        for accepted in (_is, _is_spelling_of):
            for verb in found.verbs.values():
                if accepted(word, verb.gerund):
                    return verb, "gerund"
                if accepted(word, verb.past):
                    return verb, "past"
                if word.endswith("By") and accepted(word[:-2], verb.past):
                    return verb, "by"
                if accepted(word, verb.name):
                    return verb, "verb"
        raise InvalidType(f"{found.name} has no verb {str(word)[:80]!r}", hint=_verb_hint(found, str(word)))

    def inverses(self, noun: Noun | str) -> Mapping[str, Inverse]:
        """The computed relations of a noun, declared there or given by others."""
        return (self.noun(noun) if isinstance(noun, str) else noun).inverses

    def events(self, noun: Noun | str) -> tuple[str, ...]:
        """The canonical names of everything that can happen to a noun's entities: "Deal.created", "Deal.closed"."""
        found = self.noun(noun) if isinstance(noun, str) else noun
        return tuple(dict.fromkeys(f"{found.name}.{verb.past}" for verb in found.verbs.values() if verb.past))


def changed(before: Noun, after: Noun) -> Noun:
    """`after`, with the renamings of `before` carried on, where it only adds to or loosens what `before` holds.

    Allowed: new keys that are optional or have a default, which entities take with their next change where the key is
    required; required made optional, more enum words, renamed keys, new verbs and inputs, other indexes, defaults,
    transitions, effects and gerunds. Raises ValidationFailed, which names the key, for anything else: what is stored must
    stay what it was.
    """
    renamed = {former: after.renamed.get(present, present) for former, present in before.renamed.items()}
    renamed |= after.renamed
    if renamed != dict(after.renamed):
        after = from_data({**after.declaration, "renamed": renamed})
    kept: set[str] = set()
    for key, field in before.fields.items():
        present = renamed.get(key, key)
        where = f"{before.name}.{key}"
        if present not in after.fields:
            raise ValidationFailed(
                f"{where} is stored and cannot be removed", hint="make it optional, or rename it through `renamed`"
            )
        if present in kept:
            raise ValidationFailed(f"{where} would become {present!r}, which another key already is")
        kept.add(present)
        _check_field_change(field, after.fields[present], where)
        if after.fields[present].required and field.default is not None and after.fields[present].default is None:
            raise ValidationFailed(
                f"{where} is required, and entities from before it was there take its default",
                hint="keep a default, or make it optional",
            )
    for key, field in after.fields.items():
        # What `first(…)` reads may be absent, and then there is no default.
        sure = field.default is not None and (
            not values.is_default_function(field, field.default) or field.type in values.TIME_TYPES
        )
        if key not in kept and field.required and not sure:
            raise ValidationFailed(
                f"{before.name}.{key} is new and required, and entities that exist have none",
                hint="make it optional or give it a default",
            )
    for key, inverse in before.inverses.items():
        now = after.inverses.get(key)
        if now is None or replace(now, key=inverse.key) != inverse:
            raise ValidationFailed(f"{before.name}.{key} cannot be removed or lead elsewhere")
    for name, verb in before.verbs.items():
        now_verb = after.verbs.get(name)
        if now_verb is None or now_verb.event != verb.event:
            raise ValidationFailed(f"{before.name}.{name} has made events and cannot be removed or make others")
        for key, given in verb.inputs.items():
            now_input = now_verb.inputs.get(key)
            if now_input is None:
                raise ValidationFailed(f"{before.name}.{name}({key}) stands in events and cannot be removed")
            _check_field_change(given, now_input, f"{before.name}.{name}({key})")
    return after


def _check_field_change(before: Field, after: Field, where: str) -> None:
    if (before.type, before.many, before.precision, before.scale) != (
        after.type,
        after.many,
        after.precision,
        after.scale,
    ):
        raise ValidationFailed(
            f"{where} is {_type_text(before)} and cannot become {_type_text(after)}", hint="add another key for it"
        )
    if after.required and not before.required:
        raise ValidationFailed(f"{where} is optional, and entities without it exist", hint="leave it optional")
    if after.unique != before.unique:
        raise ValidationFailed(f"{where} cannot {'become' if after.unique else 'stop being'} unique (##)")
    lost = [word for word in before.values if word not in after.values]
    if lost:
        raise ValidationFailed(f"{where} cannot lose {', '.join(lost)}: entities may hold it", hint="keep the word")
    if before.target != after.target:
        raise ValidationFailed(f"{where} leads to {before.target} and cannot lead to {after.target}")
    if before.inverse is not None and before.inverse != after.inverse:
        raise ValidationFailed(f"{where} cannot change its way back {before.inverse!r}")


def _type_text(field: Field) -> str:
    one = f"decimal({field.precision},{field.scale})" if field.type == "decimal" else field.type
    return f"{one}[]" if field.many else one


def _resolved(declared: Mapping[str, Noun]) -> dict[str, Noun]:
    """Every noun with the inverses that other nouns' relations give it, all checked to agree."""
    given: dict[str, dict[str, Inverse]] = {}
    for source in declared.values():
        for field in source.fields.values():
            if field.type != "relation":
                continue
            where = f"{source.name}.{field.name}"
            target = _target(declared, field.target or "", where)
            if field.inverse is None:
                continue
            known = target.inverses.get(field.inverse)
            if known is not None:
                if (known.source, known.key) != (source.name, field.name):
                    raise ValidationFailed(
                        f"{where} leads to {target.name}.{field.inverse}, which is '<- {known.source}.{known.key}'",
                        hint=f"write '<- {source.name}.{field.name}[]' there",
                    )
                continue
            if clash := next((key for key in _words(target) if key.lower() == field.inverse.lower()), None):
                raise ValidationFailed(
                    f"{where} would give {target.name} a relation {field.inverse!r}, and it has a key {clash!r}",
                    hint="choose another name for the way back",
                )
            # A unique key has one holder at most, so the way back leads to one.
            inverse = Inverse(name=field.inverse, source=source.name, key=field.name, many=not field.unique)
            others = given.setdefault(target.name, {})
            other = next((seen for seen in others.values() if seen.name.lower() == inverse.name.lower()), None)
            if other is not None:
                raise ValidationFailed(
                    f"{where} and {other.source}.{other.key} both lead to {target.name}.{field.inverse}",
                    hint="each relation needs its own way back",
                )
            others[inverse.name] = inverse
    for noun in declared.values():
        for inverse in noun.inverses.values():
            _check_declared_inverse(declared, noun, inverse)
    return {
        name: replace(noun, inverses={**noun.inverses, **given[name]}) if name in given else noun
        for name, noun in declared.items()
    }


def _check_declared_inverse(declared: Mapping[str, Noun], noun: Noun, inverse: Inverse) -> None:
    where = f"{noun.name}.{inverse.name}"
    source = _target(declared, inverse.source, where)
    field = source.fields.get(inverse.key)
    relations = [key for key, other in source.fields.items() if other.type == "relation" and other.target == noun.name]
    if field is None or field.type != "relation" or field.target != noun.name:
        raise ValidationFailed(
            f"{where}: {source.name}.{inverse.key} is no relation to {noun.name}",
            hint=did_you_mean(inverse.key, relations),
        )
    if field.inverse is not None and field.inverse != inverse.name:
        raise ValidationFailed(
            f"{where} is '<- {source.name}.{inverse.key}', which leads to {noun.name}.{field.inverse}",
            hint="give both the same name",
        )


def _target(declared: Mapping[str, Noun], name: str, where: str) -> Noun:
    if name not in declared:
        raise ValidationFailed(f"{where} leads to {name!r}, which is no noun", hint=did_you_mean(name, declared))
    return declared[name]


def _verb_hint(noun: Noun, word: str) -> str:
    forms = [form for verb in noun.verbs.values() for form in (verb.name, verb.gerund, verb.past) if form]
    habit = habits.for_method(noun.name, word)
    if habit is not None:
        return habit
    near = nearest(word, (*forms, *READ_VERBS))
    if near is not None:
        return f"did you mean {near!r}?"
    own = [verb.name for verb in noun.verbs.values() if not verb.built_in]
    built_in = [verb.name for verb in noun.verbs.values() if verb.built_in]
    return f"there is: {', '.join([*own, *READ_VERBS[:5], *built_in][:16])}"


def _words(noun: Noun) -> Iterable[str]:
    return (*noun.fields, *noun.verbs, *READ_VERBS, *(verb.gerund for verb in noun.verbs.values() if not verb.built_in))


def _is(word: str, form: str) -> bool:
    return word == form and form != ""


def _is_spelling_of(word: str, form: str) -> bool:
    return form != "" and word in spellings(form)
