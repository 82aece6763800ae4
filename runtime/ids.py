"""Ids: the noun in lower camel case, an underscore, ten random base-58 characters; random so that nobody can count."""

import re
import secrets
import struct
from collections.abc import Callable

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
SUFFIX_CHARS = 10  # 58^10 = 4e17: at a billion entities of one noun, a new id is taken with a chance of 2e-9

_DRAWN = struct.Struct(f"!{SUFFIX_CHARS}H")
_SHAPE = re.compile(r"([a-z][A-Za-z0-9]{0,63})_([1-9A-HJ-NP-Za-km-z]{6,32})\Z")

NewId = Callable[[str], str]


def new_id(prefix: str) -> str:
    """A fresh id, such as `contact_fX9bL5nRdK` for the prefix `contact`."""
    drawn = _DRAWN.unpack(secrets.token_bytes(_DRAWN.size))
    # 16 bits for one of 58: the bias is below 0.1 % and costs no entropy that would matter here.
    return prefix + "_" + "".join([ALPHABET[number % 58] for number in drawn])


def prefix_of(id: object) -> str | None:
    """The prefix of what looks like an id; None for everything else."""
    found = _SHAPE.match(id) if isinstance(id, str) and len(id) <= 100 else None
    return found[1] if found else None


def event_id(seq: int) -> str:
    """The id of the event at a log position."""
    return f"evt_{seq}"


def event_seq(id: object) -> int | None:
    """The log position that an event's id names; None for everything else."""
    if isinstance(id, str) and id.startswith("evt_") and id[4:].isascii() and id[4:].isdigit() and len(id) <= 22:
        return int(id[4:])
    return None
