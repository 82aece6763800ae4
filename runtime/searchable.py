"""What of an entity is found by free text: its title, and the rest of what people wrote in it."""

import re
from collections.abc import Mapping
from typing import Any

from runtime.noun import Noun

# Which key is the title of an entity, in this order; without any of them, the first text that it has.
TITLE_KEYS = ("name", "title", "subject", "displayName", "label", "number", "email", "slug", "key")
# More text than this says nothing more about what an entity is, and would only make the index slow.
TEXT_CHARS_MAX = 20_000

# Links and ids are fetched, not searched: their parts ("https", "www", "com") would be found everywhere.
_TYPES = frozenset({"string", "text", "markdown", "email", "enum"})
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def text_of(noun: Noun, entity: Mapping[str, Any]) -> tuple[str, str]:
    """`(title, rest)`: the words by which the entity is found; those of the title weigh more."""
    key = title_key(noun, entity)
    title = str(entity[key]) if key is not None else ""
    rest: list[str] = []
    room = TEXT_CHARS_MAX
    for field in noun.fields.values():
        held = entity.get(field.name)
        if field.name == key or field.type not in _TYPES or held is None:
            continue
        for text in held if field.many else (held,):
            if room <= 0:
                break
            # "DecisionMaker" is found as one word and as two.
            part = f"{text} {_HUMP.sub(' ', text)}" if field.type == "enum" and _HUMP.search(text) else text[:room]
            rest.append(part)
            room -= len(part)
    return title[:TEXT_CHARS_MAX], "\n".join(rest)


def title_key(noun: Noun, entity: Mapping[str, Any]) -> str | None:
    """The key whose text is the entity's title; None for an entity without any text."""
    texts = [
        field.name for field in noun.fields.values() if field.type in _TYPES and not field.many and field.type != "enum"
    ]
    for key in (*TITLE_KEYS, *texts):
        if key in texts and entity.get(key):
            return key
    return None
