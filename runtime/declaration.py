"""The language in which nouns are written: `declare("Deal", {"name": "string!", "close": "Closed", …})`.

The value of a key says what the key is, tried in this order: None disables a built-in verb; an arrow makes a relation;
`|` or `enum(…)` an enum; a PascalCase word a verb; anything else is a field. Every refusal names the noun, the key, and
the nearest word that would have been valid.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from runtime import values
from runtime.conjugation import event_of, gerund, past_from_event, spellings
from runtime.effect_notation import check_effect, parse_effect
from runtime.errors import ValidationFailed, did_you_mean
from runtime.field_notation import enum, is_enum, modified, scalar, split_default, with_default
from runtime.noun import CRUD_VERBS, READ_VERBS, Field, Inverse, Noun, Transition, Verb
from runtime.transition_notation import clauses_of, parse_transitions

NAME_CHARS_MAX = 64
KEYS_MAX = 200
INPUTS_MAX = 50  # of one verb
VALUE_CHARS_MAX = 20_000  # of one key's text; room for an enum of long words
PARTS = ("name", "keys", "transitions", "inputs", "effects", "gerunds", "renamed", "order")

_NOUN_NAME = re.compile(r"[A-Z][A-Za-z0-9]*", re.ASCII)
_KEY = re.compile(r"[a-z][A-Za-z0-9]*", re.ASCII)
_EVENT = _NOUN_NAME
_ARROW = re.compile(r"->|<-|~>|<~")
_RELATION = re.compile(
    r"(?P<before>[^<>~-]*)(?P<arrow>->|<-|~>|<~)\s*(?P<target>[A-Za-z0-9_]*)\s*(?:\.\s*(?P<key>[A-Za-z0-9_]*))?"
    r"(?P<modifiers>[^A-Za-z0-9_.]*)"
)
_DISABLING = ("create", "update", "delete")
# What goes with a verb that is disabled: nobody can upsert without update, or bring back what cannot be deleted.
_GOES_WITH: Mapping[str, tuple[str, ...]] = {
    "create": ("create", "upsert"),
    "update": ("update", "upsert", "rollback"),
    "delete": ("delete", "restore"),
}
_NOTHING: Mapping[str, Any] = {}


def declare(
    name: str,
    keys: Mapping[str, str | None],
    *,
    transitions: Mapping[str, str | Sequence[str]] = _NOTHING,
    inputs: Mapping[str, Mapping[str, str]] = _NOTHING,
    effects: Mapping[str, Mapping[str, str]] = _NOTHING,
    gerunds: Mapping[str, str] = _NOTHING,
    renamed: Mapping[str, str] = _NOTHING,
) -> Noun:
    """The noun that the declaration describes; `keys` in their order.

    `transitions` is per state field (`runtime.transition_notation` has the notation), `inputs` and `effects` per verb,
    `gerunds` overrides the rules, `renamed` leads from former keys to present ones. Targets of relations are not looked
    up here: that takes a vocabulary. Raises ValidationFailed.
    """
    _check_name(name, keys)
    reading = _Reading(name)
    for key, value in keys.items():
        reading.read(key, value)
    verbs = reading.verbs(inputs, effects, gerunds)
    return Noun(
        name=name,
        fields=reading.fields,
        inverses=reading.inverses,
        verbs=verbs,
        transitions=_transitions(name, reading.fields, verbs, transitions),
        renamed=_renamed(name, reading.fields, keys, renamed),
        declaration={
            "name": name,
            "keys": dict(keys),
            "transitions": {field: list(clauses_of(written)) for field, written in transitions.items()},
            "inputs": {verb: dict(given) for verb, given in inputs.items()},
            "effects": {verb: dict(given) for verb, given in effects.items()},
            "gerunds": dict(gerunds),
            "renamed": dict(renamed),
            # Canonical JSON sorts keys, and people want to see them as they were written.
            "order": list(keys),
        },
    )


def from_data(data: Mapping[str, Any]) -> Noun:
    """The noun of a declaration that came as data: `{name, keys, transitions?, inputs?, effects?, gerunds?, renamed?}`.

    `order?` lists keys that come first, where the mapping itself may have lost its order.
    `from_data(noun.declaration) == noun`. Raises ValidationFailed, for parts of the wrong shape too.
    """
    for part in data:
        if part not in PARTS:
            raise ValidationFailed(f"a noun has no part {part!r}", hint=did_you_mean(str(part), PARTS))
    name = data.get("name")
    if not isinstance(name, str):
        raise ValidationFailed(f"the name of a noun must be text, not {values.shown(name)}")
    keys = _texts(data.get("keys"), f"{name}.keys", none_allowed=True)
    order = data.get("order", ())
    if not isinstance(order, list | tuple):
        raise ValidationFailed(f"{name}.order must be a list of keys, not {values.shown(order)}")
    first = [key for key in cast("Sequence[object]", order) if isinstance(key, str) and key in keys]
    keys = {key: keys[key] for key in (*first, *keys)}
    transitions = _mapping(data.get("transitions", _NOTHING), f"{name}.transitions")
    for field, written in transitions.items():
        clauses: list[object] = [written] if isinstance(written, str) else _items(written)
        if not clauses or not all(isinstance(clause, str) for clause in clauses):
            raise ValidationFailed(f"{name}.transitions.{field} must be text or a list of texts")
    inputs, effects = (
        {
            verb: cast("Mapping[str, str]", _texts(given, f"{name}.{part}.{verb}"))
            for verb, given in _mapping(data.get(part, _NOTHING), f"{name}.{part}").items()
        }
        for part in ("inputs", "effects")
    )
    gerunds, renamed = (
        cast("Mapping[str, str]", _texts(data.get(part, _NOTHING), f"{name}.{part}")) for part in ("gerunds", "renamed")
    )
    return declare(
        name, keys, transitions=transitions, inputs=inputs, effects=effects, gerunds=gerunds, renamed=renamed
    )


class _Reading:
    """The keys of one noun as they are read, in order."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.fields: dict[str, Field] = {}
        self.inverses: dict[str, Inverse] = {}
        self.events: dict[str, str] = {}
        self.disabled: set[str] = set()
        self._by_lower: dict[str, str] = {}

    def read(self, key: str, value: str | None) -> None:
        """Sort one key into what its value says that it is."""
        where = f"{self.name}.{key}"
        if value is None:
            if key not in _DISABLING:
                raise ValidationFailed(
                    f"{where} is null, and only {', '.join(_DISABLING)} can be disabled",
                    hint=did_you_mean(key, _DISABLING),
                )
            self.disabled.update(_GOES_WITH[key])
            return
        self._check_key(key, where)
        if len(value) > VALUE_CHARS_MAX:
            raise ValidationFailed(f"{where} is longer than {VALUE_CHARS_MAX} characters")
        text = value.strip()
        if _ARROW.search(text):
            self._relation(key, text, where)
        elif is_enum(text):
            self.fields[key] = enum(key, text, where)
        elif _EVENT.fullmatch(text):
            if text.lower() in values.SCALAR_TYPES:
                raise ValidationFailed(f"{where}: types are written small", hint=f"did you mean {text.lower()!r}?")
            if len(text) > NAME_CHARS_MAX:
                raise ValidationFailed(f"{where}: an event has at most {NAME_CHARS_MAX} characters")
            self.events[key] = text
        else:
            self.fields[key] = scalar(key, text, where)

    def verbs(
        self,
        inputs: Mapping[str, Mapping[str, str]],
        effects: Mapping[str, Mapping[str, str]],
        gerunds: Mapping[str, str],
    ) -> dict[str, Verb]:
        """Every verb that may be asked, built-in ones first."""
        for part, given in (("inputs", inputs), ("effects", effects), ("gerunds", gerunds)):
            for verb in given:
                if verb not in self.events:
                    raise ValidationFailed(
                        f"{self.name}.{part}: {verb!r} is no verb that is declared here",
                        hint=did_you_mean(verb, self.events),
                    )
        for default in self.fields.values():
            self._check_default_source(default)
        verbs = {name: _built_in(name) for name in CRUD_VERBS if name not in self.disabled}
        for name, event in self.events.items():
            where = f"{self.name}.{name}"
            takes = self._inputs(inputs.get(name, _NOTHING), where)
            verbs[name] = Verb(
                name=name,
                event=event,
                past=past_from_event(event),
                gerund=self._gerund(name, gerunds),
                inputs=takes,
                effects=self._effects(effects.get(name, _NOTHING), takes, where),
            )
        self._check_forms(verbs)
        return verbs

    def _relation(self, key: str, text: str, where: str) -> None:
        head, default = split_default(text, where)
        found = _RELATION.fullmatch(head)
        if found is None or found["before"].strip():
            raise ValidationFailed(
                f"{where}: {values.shown(text)} is no relation",
                hint="write '-> Organization', '-> Organization.contacts' or '<- Lead.contact[]'",
            )
        target, far_key = found["target"], found["key"]
        if not _NOUN_NAME.fullmatch(target):
            raise ValidationFailed(
                f"{where}: a relation leads to a noun, and {target!r} is no name of one",
                hint="nouns are written in PascalCase",
            )
        if far_key is not None and not _KEY.fullmatch(far_key):
            raise ValidationFailed(f"{where}: {far_key!r} is no key", hint="keys are written in camelCase")
        if found["arrow"] in ("->", "~>"):
            field = Field(name=key, type="relation", target=target, inverse=far_key)
            self.fields[key] = with_default(modified(field, found["modifiers"], where), default, where)
            return
        if far_key is None:
            raise ValidationFailed(
                f"{where}: '<-' needs the key that leads here",
                hint=f"write '<- {target}.{self.name[0].lower()}{self.name[1:]}[]'",
            )
        if default is not None or found["modifiers"].strip() not in ("", "[]"):
            raise ValidationFailed(f"{where}: '<-' is computed and takes no modifier but '[]'")
        self.inverses[key] = Inverse(name=key, source=target, key=far_key, many=bool(found["modifiers"].strip()))

    def _check_key(self, key: str, where: str) -> None:
        if key.startswith("$"):
            raise ValidationFailed(f"{where}: keys that begin with '$' belong to every entity", hint=f"{key[1:]!r}")
        if not _KEY.fullmatch(key) or len(key) > NAME_CHARS_MAX:
            raise ValidationFailed(
                f"{self.name}: {values.shown(key)} is no key",
                hint=f"keys are camelCase: a small letter, then letters and digits, at most {NAME_CHARS_MAX}",
            )
        taken = next((word for word in (*CRUD_VERBS, *READ_VERBS) if word.lower() == key.lower()), None)
        if taken is not None:
            raise ValidationFailed(f"{where} would hide the {taken} that every noun has", hint="choose another key")
        other = self._by_lower.setdefault(key.lower(), key)
        if other != key:
            raise ValidationFailed(f"{where} and {self.name}.{other} differ only in case")

    def _check_default_source(self, field: Field) -> None:
        if not values.is_default_function(field, field.default) or field.type in values.TIME_TYPES:
            return
        source = values.default_source(field.default) or ""
        if source not in self.fields or self.fields[source].type not in values.STRING_TYPES or source == field.name:
            texts = [key for key, other in self.fields.items() if other.type in values.STRING_TYPES]
            raise ValidationFailed(
                f"{self.name}.{field.name}: {source!r} is no other text field", hint=did_you_mean(source, texts)
            )

    def _inputs(self, given: Mapping[str, str], where: str) -> dict[str, Field]:
        if len(given) > INPUTS_MAX:
            raise ValidationFailed(f"{where} has {len(given)} inputs; at most {INPUTS_MAX} are allowed")
        takes: dict[str, Field] = {}
        for key, value in given.items():
            input_where = f"{where}({key})"
            if not _KEY.fullmatch(key) or len(key) > NAME_CHARS_MAX:
                raise ValidationFailed(f"{where}: {values.shown(key)} is no key", hint="keys are camelCase")
            if key in self.fields or key in self.inverses:
                raise ValidationFailed(f"{input_where}: {key!r} is a key of {self.name}, which its verbs take anyway")
            text = value.strip()
            if _ARROW.search(text) or _EVENT.fullmatch(text):
                raise ValidationFailed(
                    f"{input_where}: an input is a field or an enum, not {values.shown(text)}",
                    hint=did_you_mean(text, values.SCALAR_TYPES),
                )
            takes[key] = (enum if is_enum(text) else scalar)(key, text, input_where)
        return takes

    def _effects(self, given: Mapping[str, str], inputs: Mapping[str, Field], where: str) -> dict[str, str]:
        for key, text in given.items():
            if key not in self.fields:
                raise ValidationFailed(
                    f"{where} sets {key!r}, which is no field of {self.name}", hint=did_you_mean(key, self.fields)
                )
            field, effect_where = self.fields[key], f"{where}, effect on {key}"
            effect = parse_effect(text, field=field, where=effect_where)
            check_effect(effect, field=field, fields=self.fields, inputs=inputs, where=effect_where)
        return dict(given)

    def _gerund(self, verb: str, gerunds: Mapping[str, str]) -> str:
        form = gerunds.get(verb) or gerund(verb)
        if not _KEY.fullmatch(form):
            raise ValidationFailed(f"{self.name}.gerunds: {form!r} is no camelCase word")
        return form

    def _check_forms(self, verbs: Mapping[str, Verb]) -> None:
        """Refuse a verb whose form is also a key, or a form of another verb: `$.Deal.closed` must mean one thing."""
        owners = {word: f"the {word} that every noun has" for word in READ_VERBS}
        owners.update((verb, f"the verb {verb}") for verb in verbs)
        keys = {key: f"the key {key}" for key in (*self.fields, *self.inverses)}
        for verb in verbs.values():
            for form in {verb.gerund, verb.past} - {"", verb.name}:
                for word in spellings(form):
                    # A field `created` is fine: nobody reads it off the noun. A verb's own forms must be free.
                    other = owners.get(word) or (None if verb.built_in else keys.get(word))
                    if other is not None and other != f"the verb {verb.name}":
                        raise ValidationFailed(
                            f"{self.name}.{verb.name}: its form {form!r} is also {other}",
                            hint="choose another event, or a gerund through `gerunds`",
                        )
                    owners[word] = f"the verb {verb.name}"


def _check_name(name: str, keys: Mapping[str, str | None]) -> None:
    if not _NOUN_NAME.fullmatch(name) or len(name) > NAME_CHARS_MAX:
        raise ValidationFailed(
            f"{values.shown(name)} is no name of a noun",
            hint=f"nouns are PascalCase: a capital, then letters and digits, at most {NAME_CHARS_MAX}",
        )
    if len(keys) > KEYS_MAX:
        raise ValidationFailed(f"{name} has {len(keys)} keys; at most {KEYS_MAX} are allowed")


def _built_in(name: str) -> Verb:
    event = event_of(name)
    return Verb(
        name=name,
        event=event,
        past=past_from_event(event),
        gerund=gerund(name) if event else "",
        built_in=True,
    )


def _transitions(
    name: str, fields: Mapping[str, Field], verbs: Mapping[str, Verb], written: Mapping[str, str | Sequence[str]]
) -> tuple[Transition, ...]:
    """The declared transitions, then those that follow from a verb's event being a word of exactly one enum."""
    enums = {key: field for key, field in fields.items() if field.type == "enum" and not field.many}
    asked = {verb: form for verb, form in verbs.items() if not form.built_in}
    found: list[Transition] = []
    for key, clauses in written.items():
        if key not in enums:
            raise ValidationFailed(f"{name}.transitions: no enum {key!r}", hint=did_you_mean(key, enums))
        where = f"{name}.{key}"
        read = parse_transitions(enums[key], clauses_of(clauses), verbs=asked, where=where)
        initial = enums[key].default
        starts = {transition.target for transition in read if transition.verb == "create"}
        if initial is not None and not starts:
            read.insert(0, Transition(field=key, verb="create", sources=None, target=initial))
        elif initial is not None and initial not in starts:
            raise ValidationFailed(f"{where} starts in {initial} by default, and create leads only to {sorted(starts)}")
        found.extend(read)
    named = {transition.verb for transition in found}
    implied = [
        Transition(field=homes[0], verb=verb.name, sources=None, target=verb.event)
        for verb in asked.values()
        if verb.name not in named
        and len(homes := [key for key, field in enums.items() if verb.event in field.values]) == 1
    ]
    return (*found, *implied, *_free_moves(enums, written, implied))


def _free_moves(
    enums: Mapping[str, Field], written: Iterable[str], implied: Sequence[Transition]
) -> Iterable[Transition]:
    """Where only verbs' events make transitions, update leads from anywhere to the states that no verb leads to."""
    for key in dict.fromkeys(transition.field for transition in implied):
        if key in written:
            continue
        by_verb = {transition.target for transition in implied if transition.field == key}
        for word in enums[key].values:
            if word not in by_verb:
                yield Transition(field=key, verb="update", sources=None, target=word)


def _renamed(
    name: str, fields: Mapping[str, Field], keys: Mapping[str, str | None], renamed: Mapping[str, str]
) -> dict[str, str]:
    if len(renamed) > KEYS_MAX:
        raise ValidationFailed(f"{name}.renamed has {len(renamed)} keys; at most {KEYS_MAX} are allowed")
    for former, present in renamed.items():
        if not _KEY.fullmatch(former) or len(former) > NAME_CHARS_MAX:
            raise ValidationFailed(f"{name}.renamed: {values.shown(former)} is no key", hint="keys are camelCase")
        if former in keys:
            raise ValidationFailed(f"{name}.renamed: {former!r} is still a key of {name}")
        if present not in fields:
            raise ValidationFailed(
                f"{name}.renamed: {former!r} leads to {present!r}, which is no field",
                hint=did_you_mean(present, fields),
            )
    return dict(renamed)


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValidationFailed(f"{where} must be a mapping, not {values.shown(value)}")
    for key in cast("Mapping[object, object]", value):
        if not isinstance(key, str):
            raise ValidationFailed(f"{where}: keys are text, not {values.shown(key)}")
    return cast("Mapping[str, Any]", value)


def _texts(value: object, where: str, *, none_allowed: bool = False) -> Mapping[str, str | None]:
    texts = _mapping(value, where)
    for key, text in texts.items():
        if not isinstance(text, str) and not (text is None and none_allowed):
            raise ValidationFailed(f"{where}.{key} must be text{' or null' if none_allowed else ''}")
    return texts


def _items(value: object) -> list[object]:
    return list(cast("Sequence[object]", value)) if isinstance(value, list | tuple) else []
