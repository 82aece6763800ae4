"""Values as a declaration writes them, in text: the `20` of `"int = 20"`, the `Open` of `"Open | Paid = Open"`."""

import re
from dataclasses import replace
from typing import Any

import msgspec

from runtime import values
from runtime.errors import ValidationFailed
from runtime.noun import Field

_NUMBER = re.compile(r"[+-]?\d{1,400}(?:\.\d{1,400})?(?:[eE][+-]?\d{1,3})?", re.ASCII)


def read_literal(field: Field, text: str, *, where: str) -> Any:
    """The stored value that `text` writes for `field`. Quotes around it are optional; a list is JSON or one item.

    Raises ValidationFailed where the text is no value of that type.
    """
    if field.many:
        if not text.startswith("["):
            return [_read_one(replace(field, many=False), text, where)]
        return values.parse(field, _json(field, text, where), where=where)
    return _read_one(field, text, where)


def _read_one(field: Field, text: str, where: str) -> Any:
    if field.type == "json":
        return values.parse(field, _json(field, text, where), where=where)
    quoted = len(text) >= 2 and text[0] in "\"'" and text[-1] == text[0]
    if quoted:
        text = text[1:-1]
    elif not text:
        raise ValidationFailed(f"{where} has '=' and nothing after it", hint='empty text is written ""')
    value: object = text
    if not quoted and field.type in ("number", "float", "int") and _NUMBER.fullmatch(text):
        value = float(text) if re.search(r"[.eE]", text) else int(text)
    elif not quoted and field.type == "boolean":
        value = {"true": True, "false": False}.get(text, text)
    return values.parse(field, value, where=where)


def _json(field: Field, text: str, where: str) -> object:
    try:
        return msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        kind = f"a JSON list of {field.type}" if field.many else "JSON"
        raise ValidationFailed(f"{where} must be {kind}, not {values.shown(text)}: {error}") from error
