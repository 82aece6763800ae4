"""How SQL reads the columns of an entity out of its body, and writes a body from them."""

from collections.abc import Iterable
from dataclasses import replace

from runtime import values
from runtime.noun import Field, Noun
from runtime.sql import quoted


class Pieces:
    """What is read out of the JSON in `json`, whose member `inside` is the body, in one pass for all columns.

    A function of JSON parses all of it, and holds a few megabytes for each of its calls and threads: thirty calls, one a
    column, took all the memory that the store may use. Here there are two, and columns are members of what they give.
    """

    def __init__(self, json: str, inside: str) -> None:
        self._json = json
        self._inside = inside
        self._pieces: list[str] = []
        self._texts: list[str] = []

    def piece(self, key: str | None = None) -> str:
        """A value as JSON, or without `key` the body."""
        self._pieces.append(self._path(key))
        return f"pieces[{len(self._pieces)}]"

    def text(self, key: str) -> str:
        """A value as text: what a string says, and anything else as it is written."""
        self._texts.append(self._path(key))
        return f"texts[{len(self._texts)}]"

    def time(self, key: str, kind: str = "TIMESTAMP") -> str:
        """A moment: text with `Z` in the body, without a zone in its column."""
        return f"TRY_CAST(rtrim({self.text(key)}, 'Z') AS {kind})"

    def value(self, noun: Noun, field: Field) -> str:
        """A key of the noun as its column's type, also where it was written under a former name."""
        keys = [field.name, *(former for former, present in noun.renamed.items() if present == field.name)]
        read = [self._typed(field, key) for key in keys]
        return read[0] if len(read) == 1 else f"coalesce({', '.join(read)})"

    def read(self) -> str:
        """The two columns, `pieces` and `texts`, that everything asked for until now is a member of."""
        pieces, texts = ", ".join(self._pieces), ", ".join(self._texts)
        return (
            f"json_extract({self._json}, [{pieces}]) AS pieces, json_extract_string({self._json}, [{texts}]) AS texts"
        )

    def _typed(self, field: Field, key: str) -> str:
        kind = values.sql_type(field)
        if field.type == "json" and not field.many:
            return self.piece(key)
        if field.many:
            return f"TRY_CAST({self.piece(key)} AS {kind})"
        if field.type in ("datetime", "timestamp"):
            return self.time(key, kind)
        return self.text(key) if kind == "VARCHAR" else f"TRY_CAST({self.text(key)} AS {kind})"

    def _path(self, key: str | None) -> str:
        member = "" if key is None else '."' + key.replace("'", "''") + '"'
        return f"'$.{self._inside}{member}'"


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
