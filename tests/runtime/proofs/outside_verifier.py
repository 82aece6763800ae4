"""A verifier of our checkpoints and proofs that shares no code with us: the specifications, `cryptography`, and nothing else.

Written from RFC 9162 §2.1, C2SP signed-note, tlog-checkpoint and tlog-proof, and docs/proofs.md.
"""

import base64
import hashlib
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def canonical(value: Any) -> bytes:
    """RFC 8785, for values without fractions and with keys of the basic plane."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def open_note(note: str, vkey: str) -> str:
    """The text of a note, if the key signed it."""
    name, key_id, encoded = vkey.split("+", 2)
    key = base64.b64decode(encoded)
    assert sha256(name.encode() + b"\n" + key)[:4].hex() == key_id and key[0] == 1
    text, _, lines = note.rpartition("\n\n")
    for line in lines.splitlines():
        dash, signer, value = line.split(" ")
        signature = base64.b64decode(value)
        if dash == "\u2014" and signer == name and signature[:4].hex() == key_id:
            Ed25519PublicKey.from_public_bytes(key[1:]).verify(signature[4:], (text + "\n").encode())
            return text + "\n"
    raise AssertionError("the note is not signed by that key")


def open_checkpoint(note: str, vkey: str) -> tuple[str, int, bytes]:
    """Origin, size and root."""
    origin, size, root = open_note(note, vkey).splitlines()
    return origin, int(size), base64.b64decode(root)


def root_by_path(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root that a leaf and its path give; recursive, unlike the loop of the RFC."""
    if size == 1:
        assert path == []
        return leaf
    split = 1
    while split * 2 < size:
        split *= 2
    if index < split:
        return sha256(b"\1" + root_by_path(leaf, index, split, path[:-1]) + path[-1])
    return sha256(b"\1" + path[-1] + root_by_path(leaf, index - split, size - split, path[:-1]))


def roots_by_consistency(
    first: int, second: int, path: list[bytes], known: bytes, whole: bool = True
) -> tuple[bytes, bytes]:
    """The former and the present root that a consistency proof gives."""
    if first == second:
        if whole:
            assert path == []
            return known, known
        (node,) = path
        return node, node
    split = 1
    while split * 2 < second:
        split *= 2
    if first <= split:
        former, present = roots_by_consistency(first, split, path[:-1], known, whole)
        return former, sha256(b"\1" + present + path[-1])
    former, present = roots_by_consistency(first - split, second - split, path[:-1], known, False)
    return sha256(b"\1" + path[-1] + former), sha256(b"\1" + path[-1] + present)


def check_proof(proof: dict[str, Any], vkey: str) -> dict[str, Any]:
    """The payload of the event that a proof file proves, all of it checked."""
    head, _, checkpoint = "\n".join([*proof["proof"], ""]).partition("\n\n")
    magic, index, *hashes = head.splitlines()
    assert magic == "c2sp.org/tlog-proof@v1" and index.startswith("index ")
    _, size, root = open_checkpoint(checkpoint, vkey)
    assert sha256(bytes.fromhex(proof["salt"]) + canonical(proof["payload"])).hex() == proof["event"]["payload"]
    leaf = sha256(b"\0" + canonical(proof["event"]))
    path = [base64.b64decode(each) for each in hashes]
    assert root_by_path(leaf, int(index.removeprefix("index ")), size, path) == root
    return proof["payload"]


def check_extends(former: str, answer: dict[str, Any], vkey: str) -> None:
    """That the log of the answer's checkpoint begins with the log of an earlier one."""
    _, first, first_root = open_checkpoint(former, vkey)
    _, second, second_root = open_checkpoint(answer["checkpoint"], vkey)
    path = [base64.b64decode(each) for each in answer["hashes"]]
    assert roots_by_consistency(first, second, path, first_root) == (first_root, second_root)
