"""The Merkle tree of one tenant's log: the hashes of its full tiles in memory and on disk, everything else from the log.

A tile is a subtree of 256 leaves. What a proof needs above the tiles is folded from their hashes, what it needs below
is read from `events.leaf`; so a million events are 125 KB here, and 20 MB are enough for 160 million. No commit waits for this:
tiles are added when somebody asks, or when the tenant rests, and those that a crash lost are made again.
"""

import threading
from collections.abc import Mapping

from runtime.errors import Unavailable
from runtime.proofs import merkle
from runtime.proofs.merkle import HASH_BYTES, TILE_LEAVES, TILE_LEVEL, Subtrees
from runtime.sql import Sql
from runtime.store import TenantFile

# The log is read in pieces of this many tiles: half a megabyte of leaves.
TILES_READ_MAX = 64


class Tree:
    """The tree over the log of one tenant, at any of its sizes."""

    def __init__(self, file: TenantFile) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._loaded = False
        self._stored = 0  # tiles that are in the file
        self._tiles = bytearray()  # level 8
        self._tops = bytearray()  # level 16: each over 256 tiles

    def root(self, size: int) -> bytes:
        """The root over the first `size` events. Raises Unavailable where the log has not that many, or a hole."""
        return merkle.root(size, self.subtrees(size))

    def inclusion(self, seq: int, size: int) -> list[bytes]:
        """The proof that the event at position `seq` is among the first `size`."""
        return merkle.inclusion(seq - 1, size, self.subtrees(size))

    def consistency(self, former: int, size: int) -> list[bytes]:
        """The proof that the log of `size` events begins with that of `former`."""
        return merkle.consistency(former, size, self.subtrees(size))

    def subtrees(self, size: int, known: Mapping[int, list[bytes]] | None = None) -> Subtrees:
        """What the proofs of `merkle` are made from; `known` holds leaves by tile, for whoever has read them already."""
        self.extend(size)
        read: dict[int, list[bytes]] = dict(known or {})

        def subtree(level: int, index: int) -> bytes:
            first, count = index << level, 1 << level
            if level >= 2 * TILE_LEVEL:
                return merkle.folded(_hashes(self._tops, first >> 2 * TILE_LEVEL, count >> 2 * TILE_LEVEL))
            if level >= TILE_LEVEL:
                return merkle.folded(_hashes(self._tiles, first >> TILE_LEVEL, count >> TILE_LEVEL))
            tile, place = divmod(first, TILE_LEAVES)
            if tile not in read:
                read[tile] = self._leaves(tile * TILE_LEAVES, min(size, (tile + 1) * TILE_LEAVES))
            return merkle.folded(read[tile][place : place + count])

        return subtree

    def tile(self, index: int) -> bytes:
        """The hash over a full tile."""
        return _hashes(self._tiles, index, 1)[0]

    def extend(self, size: int) -> None:
        """Have every full tile of the first `size` events."""
        full = size >> TILE_LEVEL
        if self._loaded and len(self._tiles) >= full * HASH_BYTES:
            return
        with self._lock:
            self._load()
            while (had := len(self._tiles) // HASH_BYTES) < full:
                until = min(full, had + TILES_READ_MAX)
                leaves = self._leaves(had * TILE_LEAVES, until * TILE_LEAVES)
                for begin in range(0, len(leaves), TILE_LEAVES):
                    self._add(merkle.folded(leaves[begin : begin + TILE_LEAVES]))

    def behind(self, size: int) -> int:
        """How many full tiles of the first `size` events are not in the file yet."""
        with self._lock:
            self._load()
        return (size >> TILE_LEVEL) - self._stored

    def keep(self) -> None:
        """Write the tiles that are only in memory to the file. The caller holds the writer's lock."""
        with self._lock:
            had, have = self._stored, len(self._tiles) // HASH_BYTES
            if had == have:
                return
            table = f'{self._file.catalog}."$tiles"'
            # Rows from there on, if there are any, are of a log that went another way: see `_load`.
            self._file.execute(f"DELETE FROM {table} WHERE tile >= ?", (had,))
            fresh = _hashes(self._tiles, had, have - had)
            self._file.execute(
                f"INSERT INTO {table} SELECT unnest(?::BIGINT[]), unnest(?::BLOB[])", (list(range(had, have)), fresh)
            )
            self._stored = have

    def _load(self) -> None:
        """Take over the tiles in the file, as far as they are whole and the log has their events."""
        if self._loaded:
            return
        size, _ = self._file.head()
        rows = self._file.rows(
            Sql(
                f'SELECT tile, hash FROM {self._file.catalog}."$tiles" WHERE tile < ? ORDER BY tile',
                (size >> TILE_LEVEL,),
            )
        )
        for place, (tile, hash) in enumerate(rows):
            if tile != place or len(hash) != HASH_BYTES:
                break
            self._add(hash)
        self._stored = len(self._tiles) // HASH_BYTES
        self._loaded = True

    def _add(self, hash: bytes) -> None:
        tiles = len(self._tiles) // HASH_BYTES + 1
        if tiles % TILE_LEAVES == 0:
            # Before the tile itself: whoever sees that tile without taking the lock must find what stands above it.
            self._tops += merkle.folded([*_hashes(self._tiles, tiles - TILE_LEAVES, TILE_LEAVES - 1), hash])
        self._tiles += hash

    def _leaves(self, begin: int, end: int) -> list[bytes]:
        """The hashes of the leaves from `begin` up to `end`, counted from 0."""
        rows = self._file.rows(
            Sql(
                f"SELECT seq, leaf FROM {self._file.catalog}.events WHERE seq > ? AND seq <= ? ORDER BY seq",
                (begin, end),
            )
        )
        for place, (seq, leaf) in enumerate(rows, begin + 1):
            if seq != place or len(leaf) != HASH_BYTES:
                raise broken_at(min(seq, place))
        if len(rows) != end - begin:
            raise broken_at(begin + len(rows) + 1)
        return [leaf for _, leaf in rows]


def broken_at(seq: int) -> Unavailable:
    """The refusal to prove anything about a log that is not whole."""
    return Unavailable(
        f"the log is not whole at position {seq}, so nothing about it can be proven",
        hint="verbena log verify tells where and what",
        seq=seq,
    )


def _hashes(level: bytearray, begin: int, count: int) -> list[bytes]:
    return [
        bytes(level[at : at + HASH_BYTES]) for at in range(begin * HASH_BYTES, (begin + count) * HASH_BYTES, HASH_BYTES)
    ]
