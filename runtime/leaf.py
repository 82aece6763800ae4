"""What a leaf of the log commits to: everything in an event, its payload only as a salted hash.

The log writes leaves by this, and whoever checks them needs nothing but the values.
"""

import hashlib

import msgspec

# In place of the salt of an event whose payload was erased: the salted hash itself, so that the rest can be checked.
ERASED_BYTES = 32


class Envelope(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An event without its payload. The fields stand in the order of RFC 8785, and none holds a number with a fraction,
    so the quick encoder writes the canonical form."""

    actor: str
    at: str
    cause: str | None = None
    entity: str
    event: str
    payload: str  # SHA-256 of salt and payload, as hex
    run: str | None = None
    seq: int
    type: str
    verb: str
    version: int
    via: str | None = None


_encode = msgspec.json.Encoder().encode


def leaf_of(envelope: Envelope) -> bytes:
    """The hash of the leaf (RFC 9162 §2.1): over a zero byte and the envelope in its canonical form."""
    return hashlib.sha256(b"\0" + _encode(envelope)).digest()


def payload_hash(payload: bytes, salt: bytes) -> str:
    """The salted hash of a payload in its canonical form, as hex."""
    return hashlib.sha256(salt + payload).hexdigest()


def stored_payload_hash(payload: str | None, salt: bytes | None) -> str | None:
    """The same from what the log holds; None where it was erased without leaving even the hash."""
    if payload is not None and salt is not None:
        return payload_hash(payload.encode(), salt)
    if payload is None and salt is not None and len(salt) == ERASED_BYTES:
        return salt.hex()
    return None
