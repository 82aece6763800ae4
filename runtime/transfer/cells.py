"""A cell of text as a value of its field's type, and a value as a cell.

Only what cannot be meant otherwise is read: "1,234" and "03/04/2026" stay text, and the field refuses them with their
line. An empty cell is an absent value: CSV has no other way to say it.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from runtime.noun import Field

_TRUE = frozenset(("true", "yes", "1", "on", "t", "y"))
_FALSE = frozenset(("false", "no", "0", "off", "f", "n"))
_INT = re.compile(r"[+-]?[0-9]{1,17}", re.ASCII)
_FLOAT = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)

Reader = Callable[[str], Any]


def reader_of(field: Field) -> Reader:
    """What turns a cell into a value of this field; what it cannot read it gives back as it was."""
    one = _words(field) if field.type == "enum" else _READERS.get(field.type, str.strip)
    return _listed(one) if field.many else one


def cell(value: Any) -> str:
    """A stored value as text that `reader_of` reads back: lists and JSON values as JSON."""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


def json_cell(value: Any) -> str:
    """A value of a field of type json, whose texts are quoted so that they stay texts."""
    return msgspec.json.encode(value).decode()


def _listed(one: Reader) -> Reader:
    def read(text: str) -> Any:
        stripped = text.strip()
        if stripped.startswith("["):
            try:
                return msgspec.json.decode(stripped)
            except msgspec.DecodeError:
                return text
        return [one(part.strip()) for part in stripped.split(";") if part.strip()]

    return read


def _words(field: Field) -> Reader:
    by_fold = {word.casefold(): word for word in field.values}

    def read(text: str) -> str:
        stripped = text.strip()
        return stripped if stripped in field.values else by_fold.get(stripped.casefold(), stripped)

    return read


def _number(text: str) -> Any:
    stripped = text.strip()
    if _INT.fullmatch(stripped):
        return int(stripped)
    # Whole numbers of more digits than a float holds stay text, and are refused as such.
    return float(stripped) if _FLOAT.fullmatch(stripped) and not stripped.lstrip("+-").isdigit() else text


def _boolean(text: str) -> Any:
    folded = text.strip().casefold()
    return True if folded in _TRUE else False if folded in _FALSE else text


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _as_it_is(text: str) -> str:
    return text


_READERS: Mapping[str, Reader] = {
    **dict.fromkeys(("string", "text", "markdown"), _as_it_is),
    **dict.fromkeys(("number", "float", "int"), _number),
    "boolean": _boolean,
    "json": _json,
}
