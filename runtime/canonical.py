"""RFC 8785: one sequence of bytes for one JSON value, so that hashes and comparisons mean something.

Values are plain: dict with str keys, list, str, int, float, bool, None. `check_plain` makes sure of it for anything
that comes from outside.
"""

import math
import re
from typing import Any, cast

import msgspec
import rfc8785

from runtime.errors import ValidationFailed

INT_MAX = 2**53 - 1  # beyond it readers of JSON disagree about the digits (RFC 8785 §3.1, RFC 7493 §2.2)
EXPONENT_MIN = 1e21  # from here on ECMAScript, and so RFC 8785, writes numbers with an exponent
NODES_MAX = 500_000  # as many as a megabyte of JSON can hold
DEPTH_MAX = 64

_ENCODER = msgspec.json.Encoder(order="sorted")

# What the fast encoder may write differently from RFC 8785: numbers with an exponent, with `.0` or past 2^53; NaN and
# the infinities, which it writes as null; and the order of keys where a character of U+E000-U+FFFF (bytes EE, EF)
# meets one beyond (F0-F4): UTF-8 sorts those two the other way round than UTF-16 does. A match inside text costs time
# and nothing else.
_DOUBTFUL = re.compile(rb"[:,\[](?:null|-?(?:[0-9]{16}|[0-9.]+(?:e|(?<=\.0)[,\]}])))")
_FEW_DIGITS = 10**15
_BEFORE_SURROGATES = re.compile(rb"[\xee\xef]")
_BEYOND_SURROGATES = re.compile(rb"[\xf0-\xf4]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def canonical(value: Any) -> bytes:
    """The RFC 8785 bytes of a plain JSON value.

    Raises ValidationFailed for what JSON cannot say: NaN, infinities, lone surrogates, integers beyond ±(2^53-1).
    """
    if isinstance(value, dict | list):
        try:
            fast = _ENCODER.encode(value)
        except (UnicodeEncodeError, TypeError, ValueError, RecursionError):
            return _canonical_slowly(value)
        if (_is_flat(value) or not _DOUBTFUL.search(fast)) and (
            fast.isascii() or not (_BEFORE_SURROGATES.search(fast) and _BEYOND_SURROGATES.search(fast))
        ):
            return fast
    return _canonical_slowly(value)


def _is_flat(value: Any) -> bool:
    """Whether this is a mapping of nothing but text and whole numbers of few digits, as most entities are, and no number
    in it can be doubtful."""
    if type(value) is not dict:
        return False
    for each in cast("dict[str, object]", value).values():
        kind = type(each)
        if kind is not str and (kind is not int or not -_FEW_DIGITS < cast(int, each) < _FEW_DIGITS):
            return False
    return True


def check_plain(value: object, *, where: str, depth_max: int = DEPTH_MAX) -> None:
    """Refuse, with ValidationFailed, whatever is no plain JSON value, or is nested deeper than `depth_max`.

    Walks with a list of its own, so no depth of nesting can exhaust Python's stack, and no cycle can keep it.
    """
    pending: list[tuple[object, int]] = [(value, 0)]
    nodes = 0
    while pending:
        node, depth = pending.pop()
        nodes += 1
        if nodes > NODES_MAX:
            raise ValidationFailed(f"{where} holds more than {NODES_MAX} values", field=where)
        if node is None or isinstance(node, bool):
            continue
        if isinstance(node, str):
            check_text(node, where=where)
        elif isinstance(node, int | float):
            check_number(node, where=where)
        elif isinstance(node, dict | list):
            if depth >= depth_max:
                raise ValidationFailed(f"{where} is nested deeper than {depth_max}", field=where)
            if isinstance(node, dict):
                members = cast("dict[object, object]", node)
                for key in members:
                    if not isinstance(key, str):
                        raise ValidationFailed(
                            f"{where} has a key of type {type(key).__name__}; the keys of JSON are text", field=where
                        )
                    check_text(key, where=where)
                pending.extend((member, depth + 1) for member in members.values())
            else:
                pending.extend((item, depth + 1) for item in cast("list[object]", node))
        else:
            raise ValidationFailed(
                f"{where} holds a {type(node).__name__}; JSON has text, numbers, true, false, null, lists and mappings",
                field=where,
            )


def check_text(text: str, *, where: str) -> None:
    """Refuse text with a lone surrogate: half a character, which has no UTF-8."""
    if not text.isascii() and (found := _SURROGATE.search(text)):
        raise ValidationFailed(
            f"{where} has half a character (a lone surrogate) at position {found.start()}; send whole characters",
            field=where,
        )


def check_number(number: float, *, where: str) -> None:
    """Refuse numbers that would not come back as they went in: NaN, infinities, whole numbers that lose digits.

    Canonical JSON writes whole numbers below 1e21 as digits; beyond ±(2^53-1) readers disagree about those.
    """
    if isinstance(number, float):
        if not math.isfinite(number):
            raise ValidationFailed(f"{where} must be a finite number, not {number!r}", field=where)
        if abs(number) <= INT_MAX or abs(number) >= EXPONENT_MIN:
            return
    elif -INT_MAX <= number <= INT_MAX:
        return
    raise ValidationFailed(
        f"{where} is beyond ±{INT_MAX}, where JSON numbers lose digits", hint="write it as text or decimal", field=where
    )


def _canonical_slowly(value: Any) -> bytes:
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeEncodeError) as error:
        raise ValidationFailed(f"this value has no canonical JSON: {error}") from error
