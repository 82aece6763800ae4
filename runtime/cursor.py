"""Cursors: where a page ended, as an opaque word that only the query which gave it can go on from.

A cursor holds no secret and grants nothing: it carries the last row's own sort values, every one of which goes back
into SQL as a parameter. Its checksum keeps out damage and guesses, not somebody who computes one; that gives rows which
could have been asked for anyway.
"""

import base64
import binascii
import hashlib
from datetime import datetime
from typing import Any

import msgspec

from runtime.errors import InvalidCursor

# The longest that we make: five sort values of 200 characters, each up to 12 bytes as JSON, and the rest.
CHARS_MAX = 20_000
_VERSION = 1
_CHECKSUM_BYTES = 6


class Cursor(msgspec.Struct, frozen=True, array_like=True, kw_only=True, forbid_unknown_fields=True):
    """The row that a page ended with: its sort values in stored form, and its `$number`.

    `binding` stands for the query; `now` is what its relative times count from and `as_of` the position in the log that
    it reads at, both of them as on its first page.
    """

    version: int = _VERSION
    binding: str
    now: datetime
    as_of: int | None
    values: tuple[Any, ...]
    number: int


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Cursor)


def seal(cursor: Cursor) -> str:
    """The cursor as a word of letters, digits, `-` and `_`."""
    payload = _ENCODER.encode(cursor)
    return base64.urlsafe_b64encode(_checksum(payload) + payload).decode().rstrip("=")


def unseal(word: object) -> Cursor:
    """The cursor that `seal` made a word of; its binding is the caller's to check. Raises InvalidCursor."""
    if not isinstance(word, str) or len(word) > CHARS_MAX:
        raise broken()
    try:
        sealed = base64.b64decode(word + "=" * (-len(word) % 4), altchars=b"-_", validate=True)
        payload = sealed[_CHECKSUM_BYTES:]
        if sealed[:_CHECKSUM_BYTES] != _checksum(payload):
            raise broken()
        cursor = _DECODER.decode(payload)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise broken() from error
    if cursor.version != _VERSION or cursor.now.tzinfo is None or not 0 <= cursor.number < 2**63:
        raise broken()
    return cursor


def broken() -> InvalidCursor:
    """The refusal of what is no cursor of ours."""
    return InvalidCursor(
        "that is no cursor of ours", hint="leave it out for the first page, and pass it on as it was given"
    )


def of_another_query() -> InvalidCursor:
    """The refusal of a cursor that some other query gave."""
    return InvalidCursor(
        "the cursor is of another query",
        hint="type, filter, sort and asOf must be those of the page that gave it; leave the cursor out to start anew",
    )


def _checksum(payload: bytes) -> bytes:
    return hashlib.sha256(b"cursor\0" + payload).digest()[:_CHECKSUM_BYTES]
