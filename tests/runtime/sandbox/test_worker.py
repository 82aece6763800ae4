"""What the parent makes of a worker that lies."""

import socket
import time

import pytest

from runtime.sandbox.frames import FRAME_BYTES_MAX, HEADER, packed
from runtime.sandbox.worker import Call, DeadlinePassed, Done, Fault, ProtocolBroken, Worker, WorkerDied


def receive(sent: bytes, *, closed: bool = True, seconds: float = 5.0) -> object:
    """The frame that a worker's bytes come to."""
    ours, theirs = socket.socketpair()
    worker = Worker(connection=ours, pid=0, handle=None)
    with theirs:
        theirs.sendall(sent)
        if closed:
            theirs.shutdown(socket.SHUT_WR)
        try:
            return worker.receive(time.monotonic() + seconds)
        finally:
            worker.end()


def test_an_honest_call_and_an_honest_end_are_read() -> None:
    assert receive(packed(b'{"t":"call","p":["Deal","find"],"a":[1],"k":{"b":2}}')) == Call(
        ["Deal", "find"], [1], {"b": 2}
    )
    assert receive(packed(b'{"t":"done","ok":1,"error":null,"out":"x"}')) == Done(1, None, "x")
    told = receive(packed(b'{"t":"done","ok":null,"error":{"code":"timeout","message":"m"},"out":""}'))
    assert told == Done(None, Fault("timeout", "m"), "")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'{"t":"else"}',
        b'{"p":["a"],"a":[],"k":{}}',
        b'{"t":"call","p":[],"a":[],"k":{}}',
        b'{"t":"call","p":"Deal","a":[],"k":{}}',
        b'{"t":"call","p":[1],"a":[],"k":{}}',
        b'{"t":"call","p":["a","a","a","a","a","a","a","a","a"],"a":[],"k":{}}',
        b'{"t":"call","p":["' + b"a" * 100 + b'"],"a":[],"k":{}}',
        b'{"t":"call","p":["a"],"a":[],"k":{},"tenant":"other"}',
        b'{"t":"call","p":["a"],"a":[NaN],"k":{}}',
        b'{"t":"call","p":["a"],"a":' + b"[" * 100_000 + b"]" * 100_000 + b',"k":{}}',
        b'{"t":"done","ok":1,"error":{"code":1,"message":""},"out":""}',
        b'{"t":"done","ok":1,"error":{"code":"a","message":"b","actor":"c"},"out":""}',
        b'{"t":"done","ok":1,"error":null,"out":"' + b"x" * 70_000 + b'"}',
    ],
)
def test_a_frame_that_no_honest_worker_sends_is_refused(payload: bytes) -> None:
    with pytest.raises(ProtocolBroken):
        receive(packed(payload))


def test_a_frame_larger_than_allowed_is_refused_by_its_header() -> None:
    with pytest.raises(ProtocolBroken):
        receive(HEADER.pack(FRAME_BYTES_MAX + 1))


@pytest.mark.parametrize("sent", [b"", b"\x00", HEADER.pack(10) + b"{"])
def test_a_worker_that_ends_in_the_middle_has_died(sent: bytes) -> None:
    with pytest.raises(WorkerDied):
        receive(sent)


def test_a_worker_that_says_nothing_is_given_up() -> None:
    with pytest.raises(DeadlinePassed):
        receive(HEADER.pack(10) + b"{", closed=False, seconds=0.01)
