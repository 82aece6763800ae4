"""Values as text, without addresses.

The repr of a function or an iterator holds its address, and the layout of memory is shared by all workers of a zygote.
"""

import datetime
import decimal
import re
from typing import Any

from runtime.sandbox.moment import Moment

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_WITHOUT_ADDRESS = frozenset({str, int, float, bool, type(None), datetime.date, datetime.datetime, Moment})
_FORMATTED = _WITHOUT_ADDRESS | {decimal.Decimal, complex, datetime.time, datetime.timedelta}


def text_of(value: Any) -> str:
    """`str(value)`, without addresses."""
    return str(value) if type(value) in _WITHOUT_ADDRESS else without_addresses(str(value))


def repr_of(value: Any) -> str:
    """`repr(value)`, without addresses."""
    return repr(value) if type(value) in _WITHOUT_ADDRESS else without_addresses(repr(value))


def ascii_of(value: Any) -> str:
    """`ascii(value)`, without addresses."""
    return without_addresses(ascii(value))


def format_of(value: Any, spec: str = "") -> str:
    """`format(value, spec)`, without addresses."""
    return format(shown(value), spec)


def shown(value: Any) -> Any:
    """What an f-string formats: data as it is, so that its format works; anything else as text."""
    return value if type(value) in _FORMATTED else text_of(value)


def without_addresses(text: str) -> str:
    """The text, with ` at 0x…` left out."""
    return _ADDRESS.sub("", text) if " at 0x" in text else text
