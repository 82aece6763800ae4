"""A filter over a tenant's unique values: says at once that a value is free, without asking the database."""

import hashlib
import struct

from runtime.sql import Sql
from runtime.store.instance import Instance

Key = tuple[str, str, str]  # noun, field, value

# 2^25 bits are 4 MB. With two hashes, at a million values one free value in three hundred still costs a look-up; past
# that it grows slowly towards a look-up each, and never gives a wrong answer.
BITS = 1 << 25
# Below this many values the filter is filled from their text, which is quicker than a bit string of 2^25.
FEW = 50_000
_PAIR = struct.Struct("!II")


def key_text(key: Key) -> str:
    """A unique value as it stands in the table. Neither nouns nor fields have a dot or an equals sign."""
    noun, field, value = key
    return f"{noun}.{field}={value}"


def key_of(text: str) -> Key:
    """The unique value that a text of the table stands for."""
    where, _, value = text.partition("=")
    noun, _, field = where.partition(".")
    return noun, field, value


class KeyFilter:
    """A Bloom filter with two hashes: `may_hold` is False only for values that nobody has."""

    def __init__(self, instance: Instance, catalog: str) -> None:
        table = f'{catalog}."unique"'
        (count,) = instance.rows(Sql(f"SELECT count(*) FROM {table}"))[0]
        if count > FEW:
            self._bits = _summed(instance, table)
            return
        self._bits = bytearray(BITS // 8)
        for (text,) in instance.rows(Sql(f"SELECT key FROM {table}")):
            self._set(text)

    def add(self, key: Key) -> None:
        """Remember a value that is about to be written. A value that is freed later only costs a look-up."""
        self._set(key_text(key))

    def may_hold(self, key: Key) -> bool:
        """Whether somebody may have this value."""
        first, second = _positions(key_text(key))
        return bool(self._bits[first >> 3] & (0x80 >> (first & 7)) and self._bits[second >> 3] & (0x80 >> (second & 7)))

    def _set(self, text: str) -> None:
        for position in _positions(text):
            self._bits[position >> 3] |= 0x80 >> (position & 7)


def _positions(text: str) -> tuple[int, int]:
    first, second = _PAIR.unpack_from(hashlib.md5(text.encode(), usedforsecurity=False).digest())
    return first % BITS, second % BITS


def _summed(instance: Instance, table: str) -> bytearray:
    # The same positions, computed by DuckDB in one pass.
    summed = [
        f"bitstring_agg(('0x' || substr(md5(key), {start}, 8))::UINTEGER % {BITS}, 0, {BITS - 1})" for start in (1, 9)
    ]
    return bytearray(instance.rows(Sql(f"SELECT ({summed[0]} | {summed[1]})::BLOB FROM {table}"))[0][0])
