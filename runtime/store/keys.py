"""A filter over a tenant's unique values: says at once that a value is free, without asking the database."""

import hashlib

from runtime.sql import Sql
from runtime.store.instance import Instance

# 2^25 bits are 4 MB. At a million values one free value in thirty still costs a look-up; past that it grows slowly
# towards a look-up each, and never gives a wrong answer.
BITS = 1 << 25
# Below this many values the filter is filled from their text, which is quicker than the bit string of 2^25.
FEW = 50_000


class KeyFilter:
    """A Bloom filter with one hash: `may_hold` is False only for values that nobody has."""

    def __init__(self, instance: Instance, catalog: str) -> None:
        table = f'{catalog}."unique"'
        (count,) = instance.rows(Sql(f"SELECT count(*) FROM {table}"))[0]
        if count <= FEW:
            self._bits = bytearray(BITS // 8)
            for noun, field, value in instance.rows(Sql(f"SELECT noun, field, value FROM {table}")):
                self.add(noun, field, value)
        else:
            self._bits = _summed(instance, table)

    def add(self, noun: str, field: str, value: str) -> None:
        """Remember a value that is about to be written. A value that is freed later only costs a look-up."""
        position = _position(noun, field, value)
        self._bits[position >> 3] |= 0x80 >> (position & 7)

    def may_hold(self, noun: str, field: str, value: str) -> bool:
        """Whether somebody may have this value."""
        position = _position(noun, field, value)
        return bool(self._bits[position >> 3] & (0x80 >> (position & 7)))


def _position(noun: str, field: str, value: str) -> int:
    digest = hashlib.md5(f"{noun}\0{field}\0{value}".encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:4], "big") % BITS


def _summed(instance: Instance, table: str) -> bytearray:
    # The same position, computed by DuckDB in one pass: the first four bytes of the same digest.
    position = f"('0x' || left(md5(noun || chr(0) || field || chr(0) || value), 8))::UINTEGER % {BITS}"
    return bytearray(instance.rows(Sql(f"SELECT bitstring_agg({position}, 0, {BITS - 1})::BLOB FROM {table}"))[0][0])
