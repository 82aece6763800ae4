"""The notation of what a key stores: `string!##`, `decimal(10,2) = 0`, `int[]`, `Open | Paid = Open`, `enum(a,b)#`.

Modifiers stand after the type or the words, in any order, and before `= default`:
`!` required, `?` optional (as without it), `#` indexed, `##` unique and indexed, `[]` list.
"""

import re
from dataclasses import replace

from runtime import values
from runtime.errors import ValidationFailed, did_you_mean
from runtime.literals import read_literal
from runtime.noun import Field

ENUM_WORDS_MAX = 200

_TYPE = re.compile(r"(?P<type>[A-Za-z][A-Za-z0-9_]*)\s*(?P<size>\([^()]*\))?\s*(?P<modifiers>.*)", re.DOTALL)
_SIZE = re.compile(r"\(\s*(\d{1,3})\s*(?:,\s*(\d{1,3})\s*)?\)", re.ASCII)
_ENUM_CALL = re.compile(r"enum\s*\((?P<words>[^()]*)\)(?P<modifiers>[!?#\[\]\s]*)")
_ENUM_WORD = re.compile(r"[^\s|,()=!?#\[\]\"'*;<>](?:[^|,()=!?#\[\]\"'*;<>\n]{0,62}[^\s|,()=!?#\[\]\"'*;<>])?")
_MODIFIER = re.compile(r"\[\s*\]|##|#|!|\?")
_TRAILING_MODIFIERS = re.compile(r"[!?#\[\]\s]*$")


def is_enum(text: str) -> bool:
    """Whether text is to be read as an enum, right or wrong."""
    return "|" in text or re.match(r"enum\s*\(", text) is not None


def scalar(key: str, text: str, where: str) -> Field:
    """The field of a type with its modifiers and default. Raises ValidationFailed with the nearest type."""
    head, default = split_default(text, where)
    found = _TYPE.fullmatch(head)
    name = found["type"] if found else head
    if found is None or name not in values.SCALAR_TYPES:
        raise ValidationFailed(f"{where}: no type {values.shown(name)}", hint=did_you_mean(name, values.SCALAR_TYPES))
    field = modified(Field(name=key, type=name), found["modifiers"], where)
    if found["size"] is not None:
        field = _sized(field, found["size"], where)
    return with_default(field, default, where)


def enum(key: str, text: str, where: str) -> Field:
    """The field of an enum, `A | B` or `enum(a,b)`, with its modifiers and default."""
    head, default = split_default(text, where)
    if call := _ENUM_CALL.fullmatch(head):
        separated, modifiers = call["words"].replace("|", ","), call["modifiers"]
        words = [word.strip().strip("\"'").strip() for word in separated.split(",")]
    else:
        trailing = _TRAILING_MODIFIERS.search(head)
        modifiers = trailing[0] if trailing else ""
        words = [word.strip() for word in head[: len(head) - len(modifiers)].split("|")]
    if len(words) > ENUM_WORDS_MAX:
        raise ValidationFailed(f"{where} has {len(words)} words; at most {ENUM_WORDS_MAX} are allowed")
    for position, word in enumerate(words):
        if not _ENUM_WORD.fullmatch(word):
            raise ValidationFailed(
                f"{where}: {values.shown(word)} is no word of an enum", hint="write 'Open | Paid | Void = Open'"
            )
        if word in words[:position]:
            raise ValidationFailed(f"{where}: {word!r} stands twice")
    field = modified(Field(name=key, type="enum", values=tuple(words)), modifiers, where)
    return with_default(field, default, where)


def split_default(text: str, where: str) -> tuple[str, str | None]:
    """What stands before `=`, and after it, if there is one."""
    head, equals, default = text.partition("=")
    if equals and not default.strip():
        raise ValidationFailed(f"{where} has '=' and nothing after it", hint='empty text is written ""')
    return head.strip(), default.strip() if equals else None


def modified(field: Field, modifiers: str, where: str) -> Field:
    """The field as its modifiers make it. Raises ValidationFailed where one is unknown, doubled or contradicted."""
    written: list[str] = []
    rest = modifiers.strip()
    while rest:
        found = _MODIFIER.match(rest)
        if found is None:
            raise ValidationFailed(
                f"{where}: {values.shown(rest)} is no modifier",
                hint="there is: ! required, ? optional, # indexed, ## unique, [] list, = default",
            )
        written.append("[]" if found[0].startswith("[") else found[0])
        rest = rest[found.end() :].lstrip()
    for modifier in written:
        if written.count(modifier) > 1:
            raise ValidationFailed(f"{where} has {modifier!r} twice", hint="once is enough")
    if "!" in written and "?" in written:
        raise ValidationFailed(f"{where} is both required (!) and optional (?)", hint="keep one of them")
    if "#" in written and "##" in written:
        raise ValidationFailed(f"{where} has '#' and '##'", hint="'##' is unique and indexed already")
    return replace(
        field,
        required="!" in written,
        indexed="#" in written or "##" in written,
        unique="##" in written,
        many="[]" in written,
    )


def with_default(field: Field, default: str | None, where: str) -> Field:
    """The field with the default that the text writes, which must be a value of it or one of its functions."""
    if default is None:
        return field
    if values.is_default_function(field, default):
        return replace(field, default=default)
    return replace(field, default=read_literal(field, default, where=f"{where}, default"))


def _sized(field: Field, size: str, where: str) -> Field:
    found = _SIZE.fullmatch(size)
    if field.type != "decimal" or found is None:
        raise ValidationFailed(f"{where}: no type {field.type + size!r}", hint="did you mean 'decimal(10,2)'?")
    precision, scale = int(found[1]), int(found[2] or 0)
    if not 1 <= precision <= values.DECIMAL_DIGITS_MAX or scale > precision:
        raise ValidationFailed(
            f"{where}: decimal({precision},{scale}) is not possible",
            hint=f"1 to {values.DECIMAL_DIGITS_MAX} digits in all, of which no more than all after the point",
        )
    return replace(field, precision=precision, scale=scale)
