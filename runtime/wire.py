"""How a face and the owner of a data folder talk: frames over a local socket, one question, one answer at a time.

A frame is four bytes of length and that many bytes of JSON. A question is `{call, tenant, arguments}`; an answer is `+` and
the result, or `-` and the error in its one shape.
"""

import hashlib
import os
import re
import socket
import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from runtime.errors import InvalidArguments, LimitExceeded, VerbenaError, from_dict

# Larger than any result that a tool may give (4 MiB) and any code it may be given.
FRAME_BYTES_MAX = 16 << 20
# What the kernel takes as the path of a local socket.
_SOCKET_PATH_BYTES_MAX = 100

TENANT_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
TENANT_NAME_HINT = "up to 63 lower-case letters, digits and hyphens, with a letter or digit at both ends"

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode


class Question(msgspec.Struct, forbid_unknown_fields=True):
    """One call of a face."""

    call: str
    tenant: str
    arguments: dict[str, Any]
    actor: str = "local"


decode_question = msgspec.json.Decoder(Question).decode


def socket_path(data: Path) -> Path:
    """Where the owner of a data folder listens: in the folder, or, where that path is too long, in a folder of the user."""
    path = data / "verbena.sock"
    if len(os.fsencode(path)) <= _SOCKET_PATH_BYTES_MAX:
        return path
    name = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"verbena-{os.getuid()}" / f"{name}.sock"


def private_folder(path: Path) -> None:
    """Make a folder that only its user can enter; refuse one that belongs to somebody else."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.stat()
    if found.st_uid != os.getuid():
        raise PermissionError(f"{path} belongs to another user")


def question(call: str, tenant: str, arguments: Mapping[str, Any]) -> bytes:
    """A call as a frame. Raises InvalidArguments for what JSON cannot carry."""
    try:
        return frame(encode({"call": call, "tenant": tenant, "arguments": arguments}))
    except (TypeError, ValueError, OverflowError, UnicodeEncodeError, RecursionError) as error:
        raise InvalidArguments(
            f"{call} takes plain JSON values: {str(error)[:200]}",
            hint="numbers, texts, lists and mappings, not too deep",
        ) from error


def frame(payload: bytes) -> bytes:
    """A payload with its length before it."""
    if len(payload) > FRAME_BYTES_MAX:
        raise LimitExceeded(
            f"{len(payload) >> 20} MB is more than the {FRAME_BYTES_MAX >> 20} MB that one message may have",
            hint="ask for fewer entities or fewer fields",
        )
    return struct.pack("!I", len(payload)) + payload


def length_of(header: bytes) -> int:
    """The length that four bytes announce; a frame beyond the bound is refused before it is read."""
    (length,) = struct.unpack("!I", header)
    if length > FRAME_BYTES_MAX:
        raise LimitExceeded(f"a message of {length >> 20} MB is too large")
    return length


def receive(connection: socket.socket) -> bytes | None:
    """The next frame's payload; None when the other side has closed."""
    header = _exactly(connection, 4)
    return None if header is None else _exactly(connection, length_of(header))


def result_of(answer: bytes) -> bytes:
    """The result in an answer, as JSON text; raises the error that it carries."""
    if answer[:1] == b"+":
        return answer[1:]
    raise from_dict(decode(answer[1:]))


def success(result: bytes) -> bytes:
    """An answer that carries a result."""
    return b"+" + result


def failure(error: VerbenaError) -> bytes:
    """An answer that carries an error."""
    return b"-" + encode(error.as_dict())


def _exactly(connection: socket.socket, count: int) -> bytes | None:
    received = bytearray()
    while len(received) < count:
        part = connection.recv(min(count - len(received), 1 << 20))
        if not part:
            return None
        received += part
    return bytes(received)
