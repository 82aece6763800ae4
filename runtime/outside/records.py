"""What stands in a journal: intents, outcomes and answers, and how each is framed, so that a torn end is told from a whole one.

header   8 bytes of magic, then a record {tenant}
record   length (4), CRC-32 of what follows (4), JSON; numbers are little-endian
"""

import struct
import zlib
from collections.abc import Collection, Iterator
from typing import Any

import msgspec

from runtime.errors import LimitExceeded

MAGIC = b"vrbneff1"
RECORD_BYTES_MAX = 1 << 20

_FRAME = struct.Struct("<II")


class Intent(msgspec.Struct, frozen=True, kw_only=True, tag="intent"):
    """A write that is about to leave."""

    run: str
    position: int  # which call of the run it is, from 1
    key: str  # the idempotency key of its place
    header: str | None  # that carries the key; the service answers a repeated one with its first answer
    repeatable: bool  # it may be sent twice
    again: bool  # its run may be tried again
    method: str
    host: str
    path: str
    salt: str
    fingerprint: str  # of the whole request, salted
    bytes: int
    at: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True, tag="outcome"):
    """What became of an intent. Without one nobody knows."""

    run: str
    position: int
    status: int  # 0: nothing has left
    answer: Any = None  # as the code was given it; None where it got an error
    error: dict[str, Any] | None = None
    cut: bool = False  # the body is not whole
    forgotten: bool = False  # it was erased
    bytes: int = 0
    at: str


class ReadAnswer(msgspec.Struct, frozen=True, kw_only=True, tag="read"):
    """What a read was answered, kept so that its run sees the same when it is tried again."""

    run: str
    position: int
    method: str
    host: str
    path: str
    salt: str
    fingerprint: str
    answer: Any
    at: str


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag="ended"):
    """The run will not be tried again."""

    run: str


class Folded(msgspec.Struct, frozen=True, kw_only=True, tag="folded"):
    """The log has these positions of the run, as far as they are known here."""

    run: str


Record = Intent | Outcome | ReadAnswer | Ended | Folded


class _Header(msgspec.Struct, frozen=True):
    tenant: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode
_decode_header = msgspec.json.Decoder(_Header).decode


def header(tenant: str) -> bytes:
    """What a tenant's journal begins with."""
    return MAGIC + framed(_Header(tenant))


def framed(record: Record | _Header) -> bytes:
    """A record as it stands in the file. Raises LimitExceeded for one that is too long."""
    payload = _encode(record)
    if len(payload) > RECORD_BYTES_MAX:
        raise LimitExceeded(f"a record of {len(payload):,} bytes does not fit into the journal")
    return _FRAME.pack(len(payload), zlib.crc32(payload)) + payload


def _payload(content: bytes, at: int) -> bytes | None:
    """The payload of the whole record at a place; None where there is none."""
    if at + _FRAME.size > len(content):
        return None
    length, checksum = _FRAME.unpack_from(content, at)
    # An empty one would have the checksum 0, and a run of zeros would look like many of them.
    if not 0 < length <= min(RECORD_BYTES_MAX, len(content) - at - _FRAME.size):
        return None
    payload = content[at + _FRAME.size : at + _FRAME.size + length]
    return payload if zlib.crc32(payload) == checksum else None


def read(content: bytes) -> Iterator[tuple[int, Any]]:
    """The header and every whole record, each with the place behind it, until one is not whole."""
    if not content.startswith(MAGIC):
        return
    at, decode = len(MAGIC), _decode_header
    while (payload := _payload(content, at)) is not None:
        try:
            record = decode(payload)
        except (msgspec.DecodeError, ValueError):
            return
        at, decode = at + _FRAME.size + len(payload), _decode
        yield at, record


def whole_after(content: bytes, at: int) -> bool:
    """Whether anything whole stands behind a place where nothing whole begins: then it is damage, and no torn end."""
    return any(_payload(content, place) is not None for place in range(at + 1, len(content) - _FRAME.size))


def holds(record: Record, texts: Collection[str]) -> bool:
    """Whether one of these texts stands anywhere in the record."""
    said = _encode(record)
    return any(text.encode() in said for text in texts)
