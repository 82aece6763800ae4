"""Where a request may go: the addresses that are refused, the ways to spell them, and what an operator allows."""

import socket
from collections.abc import Sequence

import pytest

from runtime.errors import InvalidArguments, PermissionDenied, VerbenaError
from runtime.outside.failures import Unreachable
from runtime.outside.guard import Guard, Resolve, Target, is_public, read_url
from runtime.outside.hosts import Entry, Hosts, read_hosts

NOT_PUBLIC = (
    *("0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254", "169.254.169.254"),
    *("172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1"),
    *("198.51.100.1", "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "64:ff9b::127.0.0.1"),
    *("64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "2002:a00:1::1"),
    *("3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%lo", "fec0::1", "ff02::1", "no address"),
)
PUBLIC = (
    "1.1.1.1",
    "8.8.8.8",
    "172.32.0.1",
    "100.128.0.1",
    "2606:4700:4700::1111",
    "64:ff9b::808:808",
    "::ffff:8.8.8.8",
)


def at(*addresses: str) -> Resolve:
    return lambda host, port: addresses


PUBLIC_ONE = at("93.184.215.14")


def guard(text: str = "", resolve: Resolve = PUBLIC_ONE, *, only_listed: bool = False) -> Guard:
    return Guard(hosts=read_hosts(text), only_listed=only_listed, resolve=resolve)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(PermissionDenied) as refused:
        guard(resolve=at(address)).target(read_url("https://api.example.com/v1?token=secret"))
    assert address not in refused.value.message and "secret" not in str(refused.value.as_dict())


@pytest.mark.parametrize("address", PUBLIC)
def test_a_name_that_leads_to_the_public_internet_is_allowed(address: str) -> None:
    target = guard(resolve=at(address)).target(read_url("https://API.example.com/v1"))
    assert target == Target(scheme="https", host="api.example.com", port=443, addresses=(address,), entry=None)


def test_one_address_inside_among_many_is_enough_to_be_refused() -> None:
    with pytest.raises(PermissionDenied):
        guard(resolve=at("8.8.8.8", "10.0.0.1")).target(read_url("https://api.example.com"))


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0"),
        *("[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[fe80::1%25lo]", "localhost", "LOCALHOST", "localhost."),
        *(
            "[example.com]",
            "ex%61mple.com",
            "a b.com",
            "\uff11\uff12\uff17.0.0.1",
            "",
            "-a.com",
            "a..com",
            "127.0.0.1%00.a.com",
        ),
    ],
)
def test_no_spelling_of_the_loopback_and_no_strange_one_gets_through(host: str) -> None:
    real = Guard(hosts=Hosts())  # with the system's own resolver
    with pytest.raises(VerbenaError) as refused:
        real.target(read_url(f"https://{host}/"))
    assert isinstance(refused.value, PermissionDenied | InvalidArguments | Unreachable)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://api.example.com",
            "ftp://api.example.com",
            "file:///etc/passwd",
            "//api.example.com",
            "api.example.com",
        ),
        *("https://user:secret@api.example.com", "https://api.example.com:0", "https://api.example.com:70000"),
        *("https://api.example.com\r\nHost: b", "https://a\\b.com", "https:///x", "gopher://a/secret", "", 7, None),
        "https://a.com/" + "x" * 9_000,
    ],
)
def test_what_is_no_address_of_a_service_is_refused_without_being_repeated(url: object) -> None:
    with pytest.raises(VerbenaError) as refused:
        guard().target(read_url(url))
    assert "secret" not in str(refused.value.as_dict())


def test_a_host_without_an_address_is_unreachable_and_not_forbidden() -> None:
    def nothing(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror("nodename nor servname provided")

    with pytest.raises(Unreachable):
        guard(resolve=nothing).target(read_url("https://nowhere.example.com"))
    with pytest.raises(Unreachable):
        guard(resolve=at(*(f"8.8.8.{number}" for number in range(17)))).target(read_url("https://many.example.com"))


def test_an_operator_allows_a_host_by_scheme_name_and_port() -> None:
    allowed = guard("api.example.com, *.shop.example:8443 http://plain.example=Idempotency-Key", only_listed=True)
    assert allowed.target(read_url("https://api.example.com/x")).entry == Entry(
        scheme="https", host="api.example.com", port=443, key_header=None
    )
    assert allowed.target(read_url("https://eu.shop.example:8443")).port == 8443
    assert allowed.target(read_url("http://plain.example")).entry == Entry(
        scheme="http", host="plain.example", port=80, key_header="Idempotency-Key"
    )
    for other in ("http://api.example.com", "https://api.example.com:8443", "https://shop.example:8443"):
        with pytest.raises(PermissionDenied):
            allowed.target(read_url(other))
    for other in ("https://evilapi.example.com", "https://api.example.com.evil.com", "https://8.8.8.8"):
        with pytest.raises(PermissionDenied):
            allowed.target(read_url(other))


def test_an_allowed_name_still_leads_nowhere_inside() -> None:
    with pytest.raises(PermissionDenied):
        guard("api.example.com, *", at("169.254.169.254"), only_listed=True).target(read_url("https://api.example.com"))
    with pytest.raises(PermissionDenied):  # a star covers names, and no addresses
        guard("*", only_listed=True).target(read_url("https://10.0.0.1"))


def test_an_address_inside_is_allowed_by_being_named_and_no_other_with_it() -> None:
    named = guard("http://127.0.0.1:4010 http://[::1]:4011 http://localhost:4012", at("127.0.0.1"))
    assert named.target(read_url("http://127.0.0.1:4010/x")).addresses == ("127.0.0.1",)
    assert named.target(read_url("http://[::1]:4011")).addresses == ("::1",)
    assert named.target(read_url("http://localhost:4012")).addresses == ("127.0.0.1",)
    for other in ("http://127.0.0.1:4013", "http://127.0.0.2:4010", "https://127.0.0.1:4010", "http://127.1:4010"):
        with pytest.raises(PermissionDenied):
            named.target(read_url(other))


def test_localhost_that_leads_elsewhere_is_refused() -> None:
    with pytest.raises(PermissionDenied):
        guard("http://localhost:4012", at("10.0.0.1")).target(read_url("http://localhost:4012"))


@pytest.mark.parametrize(
    "entry", ["http://*", "ftp://a.com", "a.com/path", "a.com:0", "a.com:99999", "user@a.com", "300.1.1.1", "a=b c=d=e"]
)
def test_what_is_no_entry_is_refused(entry: str) -> None:
    with pytest.raises(InvalidArguments):
        read_hosts(entry)


def test_no_entry_is_no_host() -> None:
    assert not read_hosts(" , ")
