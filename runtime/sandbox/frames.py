"""One frame of the talk between pool and worker: four bytes of length, then that many bytes of JSON.

parent → worker   a job      {"code", "filename", "deadline_ms", "memory_bytes", "now", "seed", "names"}, and "probe" where
                             the worker is to try a wall
worker → parent   a call     {"t": "call", "p": ["Deal", "find"], "a": [...], "k": {...}}
parent → worker   its answer {"ok": ...} or {"error": {"code", "message", "hint", "details"}}
worker → parent   the end    {"t": "done", "ok": ..., "error": ..., "out": "..."}
"""

import os
import struct

HEADER = struct.Struct("!I")
FRAME_BYTES_MAX = 4 * 1024 * 1024  # both ways; a thousand entities are about 1 MB
CODE_BYTES_MAX = 256 * 1024  # a long program is 20 KB; a larger one only feeds the compiler
OUTPUT_CHARS_MAX = 64_000  # what a model can read of a print at all
PATH_WORDS_MAX = 8  # `$.a.b.c`; the longest that means anything has four
WORD_CHARS_MAX = 80
_READ_BYTES = 64 * 1024


class Closed(Exception):
    """The other side has gone."""


def packed(payload: bytes) -> bytes:
    """The frame that carries `payload`."""
    return HEADER.pack(len(payload)) + payload


class Channel:
    """The worker's end: blocking reads and writes of whole frames on one descriptor."""

    def __init__(self, fileno: int) -> None:
        self.fileno = fileno
        self._buffer = bytearray()

    def send(self, payload: bytes) -> None:
        """Writes one frame. Raises `Closed` when nobody listens."""
        rest = memoryview(packed(payload))
        try:
            while rest:
                rest = rest[os.write(self.fileno, rest) :]
        except OSError as error:
            raise Closed from error

    def receive(self) -> bytes:
        """The payload of the next frame. Raises `Closed` when there will be none."""
        buffer = self._buffer
        while len(buffer) < HEADER.size:
            self._read_into(buffer)
        end = HEADER.size + HEADER.unpack_from(buffer)[0]
        while len(buffer) < end:
            self._read_into(buffer)
        payload = bytes(buffer[HEADER.size : end])
        del buffer[:end]
        return payload

    def _read_into(self, buffer: bytearray) -> None:
        try:
            piece = os.read(self.fileno, _READ_BYTES)
        except OSError as error:
            raise Closed from error
        if not piece:
            raise Closed
        buffer += piece
