"""The guarded client against real services: what it sends, what it follows, and what it cuts off."""

import contextlib
import gzip
import json
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Generator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from runtime.errors import InvalidArguments, LimitExceeded, PermissionDenied, Unavailable, VerbenaError
from runtime.outside.failures import Unanswered, Unreachable
from runtime.outside.guard import Guard
from runtime.outside.hosts import read_hosts
from runtime.outside.http import Http
from runtime.outside.message import Answer, Caps, Request, request
from tests.runtime.outside.service import Heard, plain, says, service

CAPS = Caps(read_seconds=5.0)


def http(*addresses: str, caps: Caps = CAPS) -> Http:
    return Http(Guard(hosts=read_hosts(" ".join(addresses)), only_listed=True), caps)


def asked(method: str, url: str, **given: Any) -> Request:
    return request(method, url, caps=CAPS, **given)


def raw(body: bytes, *headers: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers, "", ""]).encode() + body


def test_a_call_arrives_as_it_was_asked_and_its_answer_as_it_was_given() -> None:
    with service(plain) as found:
        call = asked(
            "POST",
            f"{found.address}/things?a=1&b=x#part",
            headers={"X-Key": "k"},
            params={"b": ["y", True], "c": 3, "d": None},
            json={"name": "Ada"},
        )
        answer = http(found.address).send(call)
    (heard,) = found.heard
    assert (heard.method, heard.path, json.loads(heard.body)) == ("POST", "/things?a=1&b=y&b=true&c=3", {"name": "Ada"})
    assert {name: heard.headers[name] for name in ("host", "x-key", "content-type", "accept-encoding")} == {
        "host": found.address.removeprefix("http://"),
        "x-key": "k",
        "content-type": "application/json",
        "accept-encoding": "gzip, deflate",
    }
    shown = answer.shown()
    assert (shown["status"], shown["json"]) == (200, {"heard": "/things?a=1&b=y&b=true&c=3"})


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
def test_every_method_is_sent(method: str) -> None:
    with service(plain) as found:
        assert http(found.address).send(asked(method, found.address)).status == 200
    assert [each.method for each in found.heard] == [method]


def test_the_environment_sets_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with service(plain) as found:
        assert http(found.address).send(asked("GET", found.address)).status == 200


def test_a_cookie_is_neither_kept_nor_told() -> None:
    def reply(heard: Heard) -> tuple[int, dict[str, str], bytes]:
        return 200, {"Set-Cookie": "session=secret"}, b"ok"

    with service(reply) as found:
        client = http(found.address)
        answers = [client.send(asked("GET", found.address)).shown() for _ in range(2)]
    assert "secret" not in str(answers)
    assert ["cookie" in each.headers for each in found.heard] == [False, False]


# -- what an answer is ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "body", "shown"),
    [
        ("application/json", b'{"a": [1]}', {"json": {"a": [1]}}),
        ("application/problem+json; charset=utf-8", b"[]", {"json": []}),
        ("application/json", b"{torn", {"text": "{torn"}),
        ("application/json", b"[" * 100_000, {"text": "[" * 100_000}),
        ("application/json", b'{"a": NaN}', {"text": '{"a": NaN}'}),
        ("application/json", b"", {"text": ""}),
        ("text/plain; charset=latin-1", b"caf\xe9", {"text": "café"}),
        ("text/plain; charset=nonsense", "café".encode(), {"text": "café"}),
        ("text/plain; charset=base64", b"YQ==", {"text": "YQ=="}),
        ("image/png", b"\x89PNG", {"text": "\ufffdPNG"}),
    ],
)
def test_an_answer_is_json_where_it_says_so_and_text_otherwise(kind: str, body: bytes, shown: dict[str, Any]) -> None:
    answer = Answer(status=200, headers={"content-type": kind}, body=body)
    assert answer.shown() == {"status": 200, "headers": {"content-type": kind}, **shown}


# -- redirects -----------------------------------------------------------------------------------------------------


def test_a_read_follows_redirects_and_takes_its_secrets_to_no_other_host() -> None:
    with service(plain) as end:

        def away(heard: Heard) -> tuple[int, dict[str, str], bytes]:
            return 302, {"Location": f"{end.address}/end" if heard.path == "/again" else "/again"}, b""

        with service(away) as start:
            call = asked(
                "GET", start.address, headers={"Authorization": "secret", "X-Key": "secret", "Accept": "text/*"}
            )
            answer = http(start.address, end.address).send(call)
    assert answer.shown()["json"] == {"heard": "/end"}
    assert [each.headers["authorization"] for each in start.heard] == ["secret", "secret"]
    (heard,) = end.heard
    assert (heard.headers["accept"], "secret" in str(heard.headers)) == ("text/*", False)


def test_a_redirect_is_judged_like_the_first_address() -> None:
    with service(plain) as inside:
        for location in (f"{inside.address}/admin", "https://169.254.169.254/latest", "http://localhost/"):
            with (
                service(lambda heard, to=location: (302, {"Location": to}, b"")) as start,
                pytest.raises(PermissionDenied),
            ):
                http(start.address).send(asked("GET", start.address))
    assert inside.heard == []


@pytest.mark.parametrize("location", ["file:///etc/passwd", "https://user:pw@a.example/", "http://[::1", ""])
def test_a_redirect_to_what_is_no_address_is_the_answer(location: str) -> None:
    with service(lambda heard: (302, {"Location": location}, b"")) as start:
        assert http(start.address).send(asked("GET", start.address)).status == 302


def test_a_read_is_sent_on_five_times_and_no_more() -> None:
    with (
        service(lambda heard: (302, {"Location": heard.path + "x"}, b"")) as start,
        pytest.raises(LimitExceeded) as refused,
    ):
        http(start.address).send(asked("GET", f"{start.address}/"))
    assert (len(start.heard), refused.value.details) == (6, {"status": 302})


@pytest.mark.parametrize(("status", "calls"), [(301, 1), (302, 1), (303, 1), (307, 2), (308, 2)])
def test_a_write_is_sent_on_only_as_the_same_write(status: int, calls: int) -> None:
    def reply(heard: Heard) -> tuple[int, dict[str, str], bytes]:
        return (status, {"Location": "/new"}, b"") if heard.path == "/old" else (201, {}, b"")

    with service(reply) as found:
        answer = http(found.address).send(asked("POST", f"{found.address}/old", json={"a": 1}))
    assert answer.status == (201 if calls == 2 else status)
    assert [(each.method, each.body) for each in found.heard] == [("POST", b'{"a":1}')] * calls


def test_a_write_is_sent_on_to_no_other_host() -> None:
    with service(plain) as other, service(lambda heard: (307, {"Location": other.address}, b"")) as start:
        answer = http(start.address, other.address).send(asked("POST", start.address, json={"a": 1}))
    assert (answer.status, other.heard) == (307, [])


# -- bounds --------------------------------------------------------------------------------------------------------


def _bomb(pack: Any) -> bytes:
    made = b"".join(pack.compress(b"\0" * (1 << 20)) for _ in range(200))
    return made + pack.flush()


@pytest.mark.parametrize(("encoding", "wbits"), [("gzip", 31), ("deflate", 15), ("deflate", -15)])
def test_a_bomb_is_not_unpacked(encoding: str, wbits: int) -> None:
    bomb = _bomb(zlib.compressobj(9, zlib.DEFLATED, wbits))
    assert len(bomb) < 1 << 20
    with says(raw(bomb, f"Content-Encoding: {encoding}")) as address, pytest.raises(LimitExceeded) as refused:
        http(address).send(asked("GET", address))
    assert refused.value.details == {"status": 200}


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd", "compress", "identity, gzip"])
def test_an_encoding_that_nobody_asked_for_is_refused(encoding: str) -> None:
    body = gzip.compress(gzip.compress(b"x"))
    with says(raw(body, f"Content-Encoding: {encoding}")) as address, pytest.raises(LimitExceeded):
        http(address).send(asked("GET", address))


def test_what_cannot_be_unpacked_is_refused() -> None:
    with says(raw(b"no gzip at all", "Content-Encoding: gzip")) as address, pytest.raises(LimitExceeded):
        http(address).send(asked("GET", address))


def test_an_answer_of_the_greatest_size_is_given_whole_and_one_more_byte_is_not() -> None:
    caps = Caps(answer_bytes=10_000)
    with says(raw(b"x" * 10_000)) as address:
        assert len(http(address, caps=caps).send(asked("GET", address)).body) == 10_000
    with says(raw(b"x" * 10_001)) as address, pytest.raises(LimitExceeded):
        http(address, caps=caps).send(asked("GET", address))


def _forever(piece: bytes) -> Any:
    def send(connection: socket.socket) -> None:
        while True:
            connection.sendall(piece)

    return send


@pytest.mark.parametrize(
    ("begins", "goes_on"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 10_000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\n", b"\0\0\0\xff\xff" * 1000),  # unpacks to nothing
        (b"HTTP/1.1 200 OK\r\n", b"X-More: of them\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["body", "chunks", "nothing unpacked", "headers", "interim answers"],
)
def test_an_answer_without_end_is_cut_off(begins: bytes, goes_on: bytes) -> None:
    with says(begins, then=_forever(goes_on)) as address, pytest.raises(VerbenaError) as refused:
        http(address, caps=Caps(answer_bytes=100_000)).send(asked("GET", address))
    assert isinstance(refused.value, LimitExceeded | Unanswered)


def test_interim_answers_without_end_leave_the_outcome_unknown() -> None:
    with says(b"", then=_forever(b"HTTP/1.1 100 Continue\r\n\r\n")) as address, pytest.raises(Unanswered):
        http(address, caps=Caps(answer_bytes=100_000)).send(asked("POST", address, json=1))


def test_too_many_headers_are_refused() -> None:
    with says(raw(b"", *(f"X-{number}: 1" for number in range(150)))) as address, pytest.raises(LimitExceeded):
        http(address).send(asked("GET", address))
    with (
        says(raw(b"", *(f"X-{number}: {'v' * 9_000}" for number in range(4)))) as address,
        pytest.raises(LimitExceeded),
    ):
        http(address).send(asked("GET", address))


def test_a_service_that_drips_is_cut_off_at_the_whole_time() -> None:
    def drip(connection: socket.socket) -> None:
        while True:
            time.sleep(0.02)  # the service's own pace
            connection.sendall(b"x")

    caps = Caps(read_seconds=5.0, whole_seconds=0.3)
    with says(b"HTTP/1.1 200 OK\r\n\r\n", then=drip) as address, pytest.raises(Unavailable) as refused:
        http(address, caps=caps).send(asked("GET", address))
    assert refused.value.details == {"status": 200}


def test_a_service_that_says_nothing_leaves_the_outcome_unknown() -> None:
    def wait(connection: socket.socket) -> None:
        connection.recv(1)

    with says(b"", then=wait) as address, pytest.raises(Unanswered):
        http(address, caps=Caps(read_seconds=0.1)).send(asked("POST", address, json=1))


@pytest.mark.parametrize("answer", [b"", b"HTT", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 banana\r\n\r\n"])
def test_what_hangs_up_or_is_no_http_leaves_the_outcome_unknown(answer: bytes) -> None:
    with says(answer) as address, pytest.raises(Unanswered):
        http(address).send(asked("POST", address, json=1))


def test_an_answer_that_breaks_off_says_its_status() -> None:
    with (
        says(b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\nhalf") as address,
        pytest.raises(Unavailable) as refused,
    ):
        http(address).send(asked("POST", address, json=1))
    assert not isinstance(refused.value, Unanswered) and refused.value.details == {"status": 201}


def test_where_nobody_listens_nothing_has_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(Unreachable):
        http(address).send(asked("POST", address, json=1))


# -- what a caller may send ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        *({"Host": "b"}, {"content-length": "5"}, {"Transfer-Encoding": "chunked"}, {"Connection": "upgrade"}),
        *({"X-A": "secret\r\nX-B: c"}, {"X-A": "secret\0"}, {"X-A": "secret€"}, {"X A": "secret"}, {"": "secret"}),
        *({"X-A": 7}, {"X-A": None}, {"X-A": ["secret"]}, {"X:A": "secret"}, {"Proxy-Authorization": "secret"}),
    ],
)
def test_a_header_that_would_change_the_message_is_refused(headers: dict[str, Any]) -> None:
    with pytest.raises(InvalidArguments) as refused:
        asked("GET", "https://api.example.com", headers=headers)
    assert "secret" not in str(refused.value.as_dict())


def test_a_request_is_bounded() -> None:
    for given in (
        {"json": "x" * (1 << 20)},
        {"headers": {f"X-{number}": "1" for number in range(101)}},
        {"headers": {f"X-{number}": "v" * 1_000 for number in range(40)}},
    ):
        with pytest.raises(LimitExceeded):
            asked("POST", "https://api.example.com", **given)
    for params in ({"a": "x" * 9_000}, {"a": {"b": 1}}, {"a": [None]}):
        with pytest.raises(InvalidArguments):
            asked("GET", "https://api.example.com", params=params)


def test_neither_a_message_nor_a_request_shows_what_may_be_secret() -> None:
    call = asked(
        "POST",
        "https://api.example.com/services/T01/B02/k3yk3yk3yk3yk3yk3y/ada@example.com/orders/42?token=secret",
        headers={"Authorization": "secret"},
        json={"password": "secret"},
    )
    assert call.shown_path == "/services/T01/B02/…/…/orders/42"
    assert "secret" not in repr(call) + call.shown and "k3y" not in repr(call) + call.shown


def test_the_id_of_an_entity_stands_in_no_path_that_is_kept() -> None:
    # An id need not have a digit, and then it looks like a word.
    call = asked("GET", "https://shop.example.com/payment_intents/contact_xWQnpqoiSK/orders")
    assert call.shown_path == "/payment_intents/…/orders"


# -- to the address that was judged --------------------------------------------------------------------------------


def test_a_name_that_says_something_else_a_moment_later_is_not_asked_again() -> None:
    with service(plain) as found:
        port = int(found.address.rpartition(":")[2])
        said: list[tuple[str, int]] = []

        def rebinding(host: str, at: int) -> Sequence[str]:
            said.append((host, at))
            return ["8.8.8.8"] if len(said) == 1 else ["127.0.0.1"]

        guard = Guard(hosts=read_hosts(f"https://rebinding.example:{port}"), only_listed=True, resolve=rebinding)
        with pytest.raises(VerbenaError):  # it goes to 8.8.8.8, or nowhere
            Http(guard, Caps(connect_seconds=0.2)).send(asked("GET", f"https://rebinding.example:{port}/"))
    assert (said, found.heard) == ([("rebinding.example", port)], [])


def _certificate(folder: Path, name: str) -> ssl.SSLContext:
    """A server's side of TLS, with a certificate for this name that it made itself: `server.pem`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "server.pem").write_bytes(made.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "key.pem")
    return context


@contextlib.contextmanager
def _encrypted(context: ssl.SSLContext, heard: list[str]) -> Generator[str]:
    """A service that speaks TLS, and the names and requests that it heard."""
    context.sni_callback = lambda _, name, __: heard.append(name)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as line:
                heard.append(line.recv(65_536).decode().splitlines()[1])
                line.sendall(raw(b"ok"))

        serving = threading.Thread(target=serve)
        serving.start()
        yield f"https://localhost:{listener.getsockname()[1]}"
        serving.join()


def _trusting(folder: Path, address: str) -> Http:
    """A client that trusts the certificate in `folder`, and nobody else."""
    guard = Guard(hosts=read_hosts(address), only_listed=True, resolve=lambda host, port: ["127.0.0.1"])
    return Http(guard, CAPS, lambda: ssl.create_default_context(cafile=folder / "server.pem"))


def test_the_name_that_was_asked_for_is_the_one_that_is_vouched_for(tmp_path: Path) -> None:
    heard: list[str] = []
    with _encrypted(_certificate(tmp_path, "localhost"), heard) as address:
        assert _trusting(tmp_path, address).send(asked("GET", address)).body == b"ok"
    assert heard == ["localhost", f"Host: {address.removeprefix('https://')}"]


def test_a_certificate_for_another_name_is_refused_before_anything_is_said(tmp_path: Path) -> None:
    heard: list[str] = []
    with (
        _encrypted(_certificate(tmp_path, "elsewhere.example"), heard) as address,
        pytest.raises(Unreachable) as refused,
    ):
        _trusting(tmp_path, address).send(asked("POST", address, json="secret"))
    assert (heard, "certificate is not good" in refused.value.message) == (["localhost"], True)


def test_a_certificate_that_nobody_vouches_for_is_refused_before_anything_is_said(tmp_path: Path) -> None:
    heard: list[str] = []
    with _encrypted(_certificate(tmp_path, "localhost"), heard) as address, pytest.raises(Unreachable) as refused:
        http(address).send(asked("POST", address, json="secret"))
    assert (heard, "certificate is not good" in refused.value.message) == (["localhost"], True)
