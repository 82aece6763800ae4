"""RFC 8785 bytes, whichever of the two encoders wrote them, and the refusal of what JSON cannot say."""

import math
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.canonical import INT_MAX, canonical, check_plain
from runtime.errors import ValidationFailed

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12)
# Characters on both sides of the surrogates, where the order of UTF-8 is not the order of UTF-16.
EDGES = st.text(alphabet='ab\x00\x1f"\\/\u007f\u2028\ue000\ufb33\uffff\U00010000\U0001f600', max_size=4)
NUMBERS = st.integers(-INT_MAX, INT_MAX) | st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT | EDGES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT | EDGES, inner, max_size=6),
    max_leaves=20,
)


@settings(max_examples=600, deadline=None)
@given(PLAIN)
def test_any_plain_value_has_the_bytes_of_the_reference_encoder(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(TEXT, st.floats(allow_nan=False, allow_infinity=False) | TEXT, max_size=5))
def test_the_bytes_read_back_to_a_value_with_the_same_bytes(value: Any) -> None:
    checked = {key: inner for key, inner in value.items() if isinstance(inner, str) or _comes_back(inner)}
    assert canonical(msgspec.json.decode(canonical(checked))) == canonical(checked)


def _comes_back(number: float) -> bool:
    return abs(number) <= INT_MAX or abs(number) >= 1e21


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"b": 1, "a": [True, None, "x"]}, b'{"a":[true,null,"x"],"b":1}'),
        ([1.0, -0.0, 1e21, 1e-7, 0.00001, 1e16], b"[1,0,1e+21,1e-7,0.00001,10000000000000000]"),
        ({"\ufb33": 1, "\U0001f600": 2}, b'{"\xf0\x9f\x98\x80":2,"\xef\xac\xb3":1}'),
        ("\x08\x0c\n\x1f\u007f", b'"\\b\\f\\n\\u001f\x7f"'),
        (7, b"7"),
    ],
)
def test_numbers_keys_and_escapes_are_written_as_the_rfc_says(value: Any, written: bytes) -> None:
    assert canonical(value) == written


@pytest.mark.parametrize("value", [math.nan, [math.inf], {"a": -math.inf}, ["\ud800"], [2**53], [-(2**53)], [10**30]])
def test_what_json_cannot_say_has_no_bytes(value: Any) -> None:
    with pytest.raises(ValidationFailed):
        canonical(value)


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def _cyclic() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (math.nan, "finite"),
        ({"a": [math.inf]}, "finite"),
        ("\udc00 half", "half a character"),
        ({"\ud800": 1}, "half a character"),
        ([2**53], "lose digits"),
        ([1e16], "lose digits"),
        ({1: "a"}, "key of type int"),
        ({"a": (1, 2)}, "tuple"),
        ([b"bytes"], "bytes"),
        (_nested(65), "deeper than 64"),
        (_nested(100_000), "deeper than 64"),
        (_cyclic(), "deeper than 64"),
        ([[0] * 1000] * 501, "more than 500000"),
    ],
)
def test_what_is_not_plain_is_refused_by_name(value: Any, named: str) -> None:
    with pytest.raises(ValidationFailed, match=named) as refused:
        check_plain(value, where="Event.data")
    assert refused.value.message.startswith("Event.data")


@settings(max_examples=100, deadline=None)
@given(PLAIN)
def test_plain_values_pass(value: Any) -> None:
    def too_big(inner: Any) -> bool:
        if isinstance(inner, dict):
            return any(map(too_big, inner.values()))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        if isinstance(inner, list):
            return any(map(too_big, inner))  # pyright: ignore[reportUnknownArgumentType]
        return isinstance(inner, float) and not _comes_back(inner)

    if not too_big(value):
        check_plain(value, where="here")


def test_the_deepest_allowed_value_passes() -> None:
    check_plain(_nested(64), where="here")
