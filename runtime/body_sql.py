"""How SQL reads the parts of an entity out of its body, as the types of its noun's columns."""

from runtime import values
from runtime.noun import Field, Noun


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
