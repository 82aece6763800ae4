"""A tool as a value: what it takes, what the model reads about it, and how its answer looks on the wire.

Arguments are read here and not by the SDK, which ignores unknown ones in silence and answers wrong ones in its own
words; a caller of Verbena gets the one error shape, with the nearest valid word.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec

from runtime.errors import InvalidArguments, LimitExceeded, VerbenaError, did_you_mean

DEPTH_MAX = 100  # nesting of an argument; the engine's own bounds on filters and data are lower


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One argument: the kinds of JSON it may be, by preference: string integer boolean object array strings."""

    kinds: tuple[str, ...]
    description: str = ""
    more: Mapping[str, Any] = field(default_factory=dict[str, Any])  # further words of its JSON Schema

    def schema(self) -> dict[str, Any]:
        kinds = [_SCHEMAS[kind] for kind in self.kinds]
        # `anyOf` and not a list of types: several hosts translate schemas for models that know no such lists.
        shape: dict[str, Any] = dict(kinds[0]) if len(kinds) == 1 else {"anyOf": kinds}
        return {**shape, **({"description": self.description} if self.description else {}), **self.more}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool. `call` is the engine's name for it, and its arguments go there under their own names."""

    name: str
    title: str
    description: str
    arguments: Mapping[str, Argument]
    output: Mapping[str, Any]  # JSON Schema of the result
    read_only: bool

    def listed(self) -> dict[str, Any]:
        """The tool as `tools/list` shows it."""
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "inputSchema": {
                "type": "object",
                "properties": {name: argument.schema() for name, argument in self.arguments.items()},
                "additionalProperties": False,
            },
            "outputSchema": dict(self.output),
            "annotations": {
                "title": self.title,
                "readOnlyHint": self.read_only,
                "destructiveHint": not self.read_only,
                "idempotentHint": self.read_only,
                "openWorldHint": not self.read_only,
            },
        }

    def read(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments that were given, each of its kind; null and empty text count as not given.

        Raises InvalidArguments for an unknown argument, a wrong kind, NaN and infinity; LimitExceeded past DEPTH_MAX.
        """
        arguments: dict[str, Any] = {}
        for name, value in given.items():
            argument = self.arguments.get(name)
            if argument is None:
                raise InvalidArguments(
                    f"{self.name} takes no argument {name[:80]!r}",
                    hint=did_you_mean(name, self.arguments),
                    argument=name[:80],
                    allowed=list(self.arguments),
                )
            if value is None or value == "":
                continue
            arguments[name] = self._value(name, argument, value)
        return arguments

    def _value(self, name: str, argument: Argument, value: Any) -> Any:
        for kind in argument.kinds:
            fits, read = _READERS[kind](value)
            if fits:
                _check_plain(read, name)
                return read
        wanted = " or ".join(_WORDS[kind] for kind in argument.kinds)
        raise InvalidArguments(
            f"{name} of {self.name} is {wanted}, not {_word(value)}", argument=name, hint=argument.description or None
        )


def answered(body: bytes) -> dict[str, Any]:
    """The wire form of a success: the engine's compact JSON as text, and the same as structured content."""
    return {
        "content": [{"type": "text", "text": body.decode()}],
        "structuredContent": msgspec.json.decode(body),
        "isError": False,
        "resultType": "complete",
    }


def refused(error: VerbenaError) -> dict[str, Any]:
    """The wire form of a refusal: `{"error": {code, message, hint?, details?}}`, as text and structured."""
    shape = {"error": error.as_dict()}
    return {
        "content": [{"type": "text", "text": msgspec.json.encode(shape).decode()}],
        "structuredContent": shape,
        "isError": True,
        "resultType": "complete",
    }


def _text(value: Any) -> tuple[bool, Any]:
    return isinstance(value, str), value


def _integer(value: Any) -> tuple[bool, Any]:
    if isinstance(value, float) and value.is_integer():
        return True, int(value)
    return isinstance(value, int) and not isinstance(value, bool), value


def _boolean(value: Any) -> tuple[bool, Any]:
    return isinstance(value, bool), value


def _object(value: Any) -> tuple[bool, Any]:
    value = _unwrapped(value, "{")
    return isinstance(value, dict), value


def _array(value: Any) -> tuple[bool, Any]:
    value = _unwrapped(value, "[")
    return isinstance(value, list), value


def _strings(value: Any) -> tuple[bool, Any]:
    value = _unwrapped(value, "[")
    if isinstance(value, str):
        return True, [part.strip() for part in value.split(",") if part.strip()]
    return isinstance(value, list) and all(isinstance(part, str) for part in cast("list[Any]", value)), cast(
        "Any", value
    )


def _unwrapped(value: Any, opening: str) -> Any:
    """Some hosts send an object or a list as a string of JSON; the first mark tells, and text that is no JSON stays."""
    if not isinstance(value, str) or not value.lstrip().startswith(opening):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return value


def _check_plain(value: Any, name: str) -> None:
    """JSON as the standard has it: finite numbers, text in Unicode, and not nested without end."""
    level = [value]
    for _ in range(DEPTH_MAX):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(cast("dict[str, Any]", item).values())
            elif isinstance(item, list):
                below.extend(cast("list[Any]", item))
            elif isinstance(item, float) and not math.isfinite(item):
                raise InvalidArguments(f"{name} holds a number that JSON cannot carry: {item}", argument=name)
        if not below:
            return
        level = below
    raise LimitExceeded(f"{name} is nested deeper than {DEPTH_MAX} levels", argument=name, limit=DEPTH_MAX)


def _word(value: Any) -> str:
    if isinstance(value, str) and (opening := value.lstrip()[:1]) in ("{", "[") and _unwrapped(value, opening) is value:
        return "a text that is no JSON"  # such as one with a bracket too few
    for kind in ("boolean", "integer", "string", "array", "object"):
        if type(value) is _TYPES[kind]:
            return _WORDS[kind]
    return "a number"


_READERS: Mapping[str, Callable[[Any], tuple[bool, Any]]] = {
    "string": _text,
    "integer": _integer,
    "boolean": _boolean,
    "object": _object,
    "array": _array,
    "strings": _strings,
}
_TYPES: Mapping[str, type[Any]] = {"boolean": bool, "integer": int, "string": str, "array": list, "object": dict}
_SCHEMAS: Mapping[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "object": {"type": "object"},
    "array": {"type": "array"},
    "strings": {"type": "array", "items": {"type": "string"}},
}
_WORDS: Mapping[str, str] = {
    "string": "a text",
    "integer": "a whole number",
    "boolean": "true or false",
    "object": "an object",
    "array": "a list",
    "strings": "a list of texts",
}
