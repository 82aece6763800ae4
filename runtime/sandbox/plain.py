"""Any value of a program as plain JSON, or a refusal that says which part of it is not data."""

import datetime
import decimal
import itertools
import json
import math
import types
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any

from runtime.sandbox.frames import FRAME_BYTES_MAX
from runtime.sandbox.moment import Moment
from runtime.sandbox.proxy import Dollar, DollarError, Path, Registering, called
from runtime.sandbox.texts import text_of

DEPTH_MAX = 100  # nested lists and mappings; deeper than any entity, and well below what JSON readers take
INTEGER_MAX = 2**53  # beyond it JSON readers round
_EMPTY = dict[str, str]()
_VIEWS: tuple[type, ...] = (type(_EMPTY.keys()), type(_EMPTY.values()), type(_EMPTY.items()))
_SEQUENCES: tuple[type, ...] = (list, tuple, set, frozenset, deque, range, *_VIEWS)
_ITERATORS: tuple[type, ...] = (
    map,
    filter,
    zip,
    enumerate,
    reversed,
    types.GeneratorType,
    itertools.chain,
    itertools.islice,
)
_LISTED = (*_SEQUENCES, *_ITERATORS)


class NotPlain(Exception):
    """A value that JSON cannot carry."""

    def __init__(self, message: str, hint: str) -> None:
        self.message = message
        self.hint = hint
        super().__init__(message)


Function = Callable[[types.FunctionType], Any]


def encoded(frame: dict[str, Any], *, what: str) -> bytes:
    """The JSON of a frame whose values are plain already.

    Raises DollarError `limit_exceeded`, which names `what` ("the result"), where it is larger than a frame may be.
    """
    text = json.dumps(frame, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        payload = text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which no JSON reader takes
        payload = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
    if len(payload) > FRAME_BYTES_MAX:
        limit = FRAME_BYTES_MAX // 2**20
        message = f"{what} is {len(payload) / 2**20:.1f} MB, the limit is {limit} MB"
        raise DollarError("limit_exceeded", message, "return ids, fewer fields or fewer entities")
    return payload


def plain(value: Any, function: Function | None = None, *, exact: bool = False) -> Any:
    """The value as JSON has it. `function` says what stands for a function of the program; without it they are refused.

    Half a surrogate pair, which no reader takes, becomes U+FFFD, or is refused where `exact` text is wanted.

    Times are ISO texts (UTC where they have a zone), sets and iterators lists, whole decimals numbers.
    Raises `NotPlain` with the place in the value.
    """
    return _Plain(function, exact=exact).of(value, "")


class _Plain:
    def __init__(self, function: Function | None, *, exact: bool) -> None:
        self.function = function
        self.exact = exact
        self.open: set[int] = set()  # the containers that we are inside of

    def of(self, value: Any, place: str) -> Any:
        if type(value) is str:
            return self._text(value, place)
        if value is None or type(value) is bool:
            return value
        if type(value) is int:
            if -INTEGER_MAX <= value <= INTEGER_MAX:
                return value
            raise NotPlain(
                f"{_at(place)} is an integer beyond 2^53, which JSON readers round", "give it as text: str(n)"
            )
        if type(value) is float:
            if math.isfinite(value):
                return value
            raise NotPlain(f"{_at(place)} is {value}, which JSON does not have", "give None, or leave it out")
        if isinstance(value, dict):
            return self._inside(value, place, self._mapping)
        if isinstance(value, _LISTED):
            return self._inside(value, place, self._list)
        return self._scalar(value, place)

    def _inside(self, value: Any, place: str, read: Callable[[Any, str], Any]) -> Any:
        if id(value) in self.open:
            raise NotPlain(f"{_at(place)} contains itself", "give ids in place of the things themselves")
        if len(self.open) >= DEPTH_MAX:
            raise NotPlain(f"the value is nested deeper than {DEPTH_MAX}", "give a flatter one")
        self.open.add(id(value))
        try:
            return read(value, place)
        finally:
            self.open.discard(id(value))

    def _mapping(self, value: dict[Any, Any], place: str) -> dict[str, Any]:
        return {(name := self._key(key, place)): self.of(item, f"{place}.{name}") for key, item in value.items()}

    def _list(self, value: Any, place: str) -> list[Any]:
        return [self.of(item, f"{place}[{index}]") for index, item in enumerate(value)]

    def _text(self, text: str, place: str) -> str:
        if self.exact and not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise NotPlain(
                    f"{_at(place)} holds a lone surrogate, half a character that no reader takes", "leave it out"
                ) from error
        return text

    def _key(self, key: Any, place: str) -> str:
        if type(key) is str:
            return self._text(key, place)
        if key is None or isinstance(key, (bool, int, float)):
            return json.dumps(key)
        plain_key = self.of(key, place) if isinstance(key, (datetime.date, decimal.Decimal, uuid.UUID)) else None
        if plain_key is None:
            hint = "make it text, or give a list of pairs"
            raise NotPlain(f"a key of {_at(place)} is a {type(key).__name__}; JSON keys are text", hint)
        return str(plain_key)

    def _scalar(self, value: Any, place: str) -> Any:
        if isinstance(value, datetime.datetime):
            return value.isoformat() if value.tzinfo is None else Moment.read(value.isoformat()).isoformat()
        if isinstance(value, (datetime.date, datetime.time)):
            return value.isoformat()
        if isinstance(value, datetime.timedelta):
            return value.total_seconds()
        if isinstance(value, decimal.Decimal):
            return self._decimal(value, place)
        if isinstance(value, uuid.UUID):
            return str(value)
        if isinstance(value, Exception):
            return text_of(value)
        if isinstance(value, int):  # a flag of `re`
            return int(value)
        if isinstance(value, types.FunctionType) and self.function is not None:
            return self.function(value)
        raise NotPlain(f"{_at(place)} is {_called(value)}, not data", _hint(value))

    def _decimal(self, value: decimal.Decimal, place: str) -> Any:
        if not value.is_finite():
            raise NotPlain(f"{_at(place)} is {value}, which JSON does not have", "give None, or leave it out")
        if value == value.to_integral_value() and abs(value) <= INTEGER_MAX:
            return int(value)
        # A float that is written with the same digits says the same; any other would be another amount.
        number = float(value)
        return number if decimal.Decimal(repr(number)) == value else str(value)


def _at(place: str) -> str:
    return f"`{place.removeprefix('.')}`" if place else "the value"


def _called(value: Any) -> str:
    if isinstance(value, Path):
        return f"{value!r}, which was not called"
    if isinstance(value, Registering):
        return f"{value!r} without its function"
    if isinstance(value, Dollar):
        return "`$` itself"
    if callable(value):
        return "a class" if isinstance(value, type) else "a function"
    return f"a {type(value).__name__}"


def _hint(value: Any) -> str:
    if isinstance(value, Path):
        return f"call it: {called(value)}"
    if isinstance(value, Registering):
        return f"give it one: {value!r}, or write @ before it over a def"
    if isinstance(value, bytes):
        return "decode it: data.decode()"
    if callable(value) and not isinstance(value, (type, Dollar)):
        return "call it, or leave it out"
    return "give plain values: text, numbers, lists and dicts"
