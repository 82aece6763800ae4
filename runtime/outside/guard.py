"""Which address a request may go to: a host is looked up once, every address of it is judged, and only those are used.

Whoever can make a server fetch a URL can make it fetch what only that server can reach: the metadata service of its
cloud, a database on its loopback, a printer in its network. So what is judged is the address and not the name, and the
connection goes to the address that was judged: a name that says something else a moment later says it to nobody.
"""

import ipaddress
import re
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import httpx2

from runtime.errors import InvalidArguments, PermissionDenied, VerbenaError
from runtime.outside.failures import Unreachable
from runtime.outside.hosts import DEFAULT_PORTS, PORT_MAX, Entry, Hosts, is_address

URL_CHARS_MAX = 8_192
ADDRESSES_MAX = 16  # of one name; a longer answer is refused whole, since every address must be judged
RESOLVE_SECONDS_MAX = 5.0

# Gives the addresses of a host and a port; raises OSError where there are none.
Resolve = Callable[[str, int], Sequence[str]]

_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_](?:[a-z0-9_-]{0,62}))*")

# What is not the public internet (IANA's special-purpose registries, and multicast). Written out, because what
# `ipaddress` calls global has changed from one patch of Python to the next.
_NOT_PUBLIC_4 = tuple(
    IPv4Network(each)
    for each in (
        "0.0.0.0/8",  # this network; Linux takes 0.0.0.0 for itself
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT, and a cloud's metadata service at 100.100.100.200
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, and most clouds' metadata service
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_PUBLIC_6 = IPv6Network("2000::/3")  # all that was ever given out; the rest is local, mapped, multicast or reserved
_NOT_PUBLIC_6 = tuple(
    IPv6Network(each)
    for each in (
        "2001::/23",  # Teredo, ORCHID, benchmarks
        "2001:db8::/32",
        "3fff::/20",
    )
)
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_6TO4 = IPv6Network("2002::/16")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a request goes: the host as it was asked for, and the addresses that were judged."""

    scheme: str
    host: str
    port: int
    addresses: tuple[str, ...]
    entry: Entry | None  # that allows it by name


def system_resolve(host: str, port: int) -> Sequence[str]:
    """What the system's resolver says."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Judges where a request may go. With `only_listed`, hosts that no entry allows are refused whatever they are."""

    hosts: Hosts
    only_listed: bool = False
    resolve: Resolve = system_resolve

    def target(self, url: httpx2.URL) -> Target:
        """Where this URL leads. Raises PermissionDenied for where it may not, Unreachable where the name has no address."""
        scheme, host, port = origin(url)
        entry = self.hosts.find(scheme, host, port)
        if entry is None and scheme != "https":
            raise PermissionDenied(f"{scheme}://{shown_host(host)} is not encrypted", hint="use https")
        if entry is None and self.only_listed:
            raise PermissionDenied(
                f"the host {shown_host(host)}, port {port}, is not among those that may be asked",
                hint=f"allowed: {', '.join(each.host for each in list(self.hosts)[:8])}; the operator sets VERBENA_HTTP_HOSTS",
            )
        addresses = (host,) if is_address(host) else tuple(dict.fromkeys(self._resolved(host, port)))
        if not 1 <= len(addresses) <= ADDRESSES_MAX:
            raise Unreachable(f"{host} has {len(addresses)} addresses", hint=f"from 1 to {ADDRESSES_MAX} are tried")
        for address in addresses:
            # All of them, not the first fit one: an answer that mixes the two is an attack or a mistake.
            if not is_public(address) and not _named(entry, host, address):
                raise PermissionDenied(  # without the address: inside names are nobody's business
                    f"{shown_host(host)} is not on the public internet",
                    hint="the operator can allow an address by naming it, such as http://127.0.0.1:4010",
                )
        return Target(scheme=scheme, host=host, port=port, addresses=addresses, entry=entry)

    def _resolved(self, host: str, port: int) -> Sequence[str]:
        """The addresses of a name; the resolver itself cannot be told a deadline, so nobody waits for it any longer."""
        found: list[Sequence[str]] = []

        def ask() -> None:
            try:
                found.append(self.resolve(host, port))
            except (OSError, UnicodeError):
                found.append(())

        asking = threading.Thread(target=ask, name="verbena-resolve", daemon=True)
        asking.start()
        asking.join(RESOLVE_SECONDS_MAX)
        if not found:
            raise Unreachable(f"{host} was not looked up within {RESOLVE_SECONDS_MAX:g} s", hint="try again later")
        if not found[0]:
            raise Unreachable(f"there is no host {host}", hint="check how it is spelled")
        return found[0]


def read_url(text: object) -> httpx2.URL:
    """A URL with scheme and host, without its fragment. Raises InvalidArguments; no message holds more than the host."""
    if not isinstance(text, str) or not 1 <= len(text) <= URL_CHARS_MAX:
        raise InvalidArguments(
            f"a URL is a text of at most {URL_CHARS_MAX:,} characters", hint="https://api.example.com/v1"
        )
    try:
        url = httpx2.URL(text)
        origin(url)
    except VerbenaError:
        raise
    except Exception as error:  # the parser's own error repeats the URL, and that may hold a secret
        raise InvalidArguments("that is no URL", hint="https://api.example.com/v1") from _without_text(error)
    if url.userinfo:
        raise InvalidArguments("a URL does not carry a user and a password", hint="put them into a header")
    return url.copy_with(fragment=None)


def origin(url: httpx2.URL) -> tuple[str, str, int]:
    """Scheme, host in small letters, and port of a URL. Raises InvalidArguments for what has none."""
    scheme, host = url.scheme, url.raw_host.decode("ascii").lower()
    if scheme not in DEFAULT_PORTS:
        raise InvalidArguments(f"a URL begins with https://, not {scheme[:16]!r}", hint="https://api.example.com/v1")
    port = DEFAULT_PORTS[scheme] if url.port is None else url.port
    if not 1 <= port <= PORT_MAX:
        raise InvalidArguments(f"{port} is no port", hint="from 1 to 65535")
    if is_address(host):
        if "%" in host:
            raise InvalidArguments("an address of one network card only cannot be asked")
        return scheme, str(ipaddress.ip_address(host)), port
    if not _NAME.fullmatch(host):
        raise InvalidArguments(f"{shown_host(host)!r} is no name of a host", hint="https://api.example.com/v1")
    return scheme, host, port


def is_public(address: str) -> bool:
    """Whether an address is on the public internet, by what it leads to: v4 inside of v6 is judged as v4."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, IPv6Address):
        inner = _inner(found)
        if inner is None:
            return found in _PUBLIC_6 and not any(found in network for network in _NOT_PUBLIC_6)
        found = inner
    return not any(found in network for network in _NOT_PUBLIC_4)


def shown_host(host: str) -> str:
    """A host as a message may show it."""
    return host[:80]


def _inner(address: IPv6Address) -> IPv4Address | None:
    """The v4 address that a v6 address stands for."""
    bits = int(address)
    if address in _MAPPED or address in _NAT64:
        return IPv4Address(bits & 0xFFFFFFFF)
    if address in _6TO4:
        return IPv4Address(bits >> 80 & 0xFFFFFFFF)
    return None


def _named(entry: Entry | None, host: str, address: str) -> bool:
    """Whether the operator named this very address, or `localhost` and this is it."""
    if entry is None or entry.host != host:
        return False
    return entry.host == address or (host == "localhost" and ipaddress.ip_address(address).is_loopback)


def _without_text(error: Exception) -> Exception:
    return ValueError(type(error).__name__)
