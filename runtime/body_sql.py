"""How SQL reads the columns of an entity out of its body, and writes a body from them."""

from collections.abc import Iterable
from dataclasses import replace

from runtime import values
from runtime.noun import Field, Noun
from runtime.sql import quoted


def value(noun: Noun, field: Field, body: str) -> str:
    """A key of the noun, also where it was written under a former name; `body` is SQL for the JSON."""
    keys = [field.name, *(former for former, present in noun.renamed.items() if present == field.name)]
    read = [_typed(field, key, body) for key in keys]
    return read[0] if len(read) == 1 else f"coalesce({', '.join(read)})"


def text(key: str, body: str) -> str:
    """A text that is its own column's value."""
    return f"json_extract_string({body}, {_path(key)})"


def time(key: str, body: str, kind: str = "TIMESTAMP") -> str:
    """A moment: text with `Z` in the body, without a zone in its column."""
    return f"TRY_CAST(rtrim({text(key, body)}, 'Z') AS {kind})"


def written(noun: Noun, keys: Iterable[str]) -> str:
    """The body that stands for a row with these keys, in its canonical form.

    Of what is rare, it writes some otherwise: texts with control characters, numbers with an exponent, an entity that was
    erased, or that was written before a key got its present name.
    """
    parts = {
        "$createdAt": _time_text('"$createdAt"'),
        "$createdBy": _text_of('"$createdBy"'),
        "$deletedAt": _time_text('"$deletedAt"'),
        "$id": _text_of('"$id"'),
        "$type": f"'\"{noun.name}\"'",
        "$updatedAt": _time_text('"$updatedAt"'),
        "$version": '"$version"',
    }
    parts |= {key: _written(noun.fields[key], quoted(key)) for key in keys}
    # What is NULL makes its part NULL, and concat leaves that out. The first key is in every body.
    listed = [f"""'{"," if place else "{"}"{key}":' || {parts[key]}""" for place, key in enumerate(sorted(parts))]
    return f"concat({', '.join(listed)}, '}}')"


def _written(field: Field, column: str) -> str:
    if not field.many:
        return _one_written(field, column)
    return f"'[' || array_to_string(list_transform({column}, lambda item: {_one_written(field, 'item')}), ',') || ']'"


def _one_written(field: Field, value: str) -> str:
    match values.sql_type(replace(field, many=False)):
        case "VARCHAR":
            return _text_of(value)
        case "TIMESTAMP":
            return _time_text(value)
        case "DOUBLE":
            whole = f"{value} = trunc({value}) AND abs({value}) < {values.INT_MAX}"
            return f"CASE WHEN {whole} THEN {value}::BIGINT::VARCHAR ELSE {value}::VARCHAR END"
        case "BIGINT" | "BOOLEAN" | "JSON":
            return f"{value}::VARCHAR"
        case _:  # dates and decimals are texts in a body
            return f"""'"' || {value}::VARCHAR || '"'"""


def _text_of(value: str) -> str:
    for mark, escaped in (("\\", "\\\\"), ('"', '\\"')):
        value = f"replace({value}, '{mark}', '{escaped}')"
    return f"""'"' || replace({value}, chr(10), '\\n') || '"'"""


def _time_text(value: str) -> str:
    fraction = f"CASE WHEN microsecond({value}) % 1000000 = 0 THEN '' ELSE strftime({value}, '.%f') END"
    return f"""'"' || strftime({value}, '%Y-%m-%dT%H:%M:%S') || {fraction} || 'Z"'"""


def _typed(field: Field, key: str, body: str) -> str:
    kind = values.sql_type(field)
    if field.type == "json" and not field.many:
        return f"json_extract({body}, {_path(key)})"
    if field.many:
        return f"TRY_CAST(json_extract({body}, {_path(key)}) AS {kind})"
    if field.type in ("datetime", "timestamp"):
        return time(key, body, kind)
    if kind == "VARCHAR":
        return text(key, body)
    return f"TRY_CAST({text(key, body)} AS {kind})"


def _path(key: str) -> str:
    return "'$.\"" + key.replace("'", "''") + "\"'"
