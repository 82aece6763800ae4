"""The hosts that the operator allows tenants to ask, as a list of short entries."""

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass

from runtime.errors import InvalidArguments

ENTRIES_MAX = 200
PORT_MAX = 65_535
DEFAULT_PORTS = {"https": 443, "http": 80}

# `https://api.example.com:8443=Idempotency-Key`: everything but the host may be left out.
_ENTRY = re.compile(
    r"(?:(?P<scheme>https?)://)?(?P<host>\[[0-9a-f:.]+\]|(?:\*\.)?[a-z0-9._-]+|\*)(?::(?P<port>[0-9]{1,5}))?"
    r"(?:=(?P<key>[a-z0-9-]{1,64}))?",
    re.IGNORECASE,
)
_HINT = "such as api.example.com, *.example.com, http://127.0.0.1:4010 or api.example.com=Idempotency-Key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One allowed host. `http` and addresses that are not public are allowed only where an entry names them."""

    scheme: str
    host: str  # in small letters, `*` for any, `*.example.com` for any below it
    port: int
    key_header: str | None  # the service answers a repeated key with its first answer, and reads it from this header

    def covers(self, scheme: str, host: str, port: int) -> bool:
        if (scheme, port) != (self.scheme, self.port):
            return False
        if self.host.startswith("*"):
            return host.endswith(self.host[1:]) and not is_address(host)
        return host == self.host


@dataclass(frozen=True, slots=True)
class Hosts:
    """Every allowed host. None at all means that tenants have no `$.http`."""

    entries: tuple[Entry, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def find(self, scheme: str, host: str, port: int) -> Entry | None:
        """The entry that allows this host; one that names it goes before one with a star."""
        found = [entry for entry in self.entries if entry.covers(scheme, host, port)]
        return min(found, key=lambda entry: entry.host.startswith("*"), default=None)


def read_hosts(text: str) -> Hosts:
    """The list that entries parted by commas or blanks make. Raises InvalidArguments for what is no entry."""
    entries = tuple(_entry(each) for each in re.split(r"[,\s]+", text) if each)
    if len(entries) > ENTRIES_MAX:
        raise InvalidArguments(f"at most {ENTRIES_MAX} hosts can be allowed, not {len(entries)}")
    return Hosts(entries)


def is_address(host: str) -> bool:
    """Whether this is an IP address, and not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _entry(text: str) -> Entry:
    found = _ENTRY.fullmatch(text)
    if found is None:
        raise InvalidArguments(f"{text[:80]!r} is no host that can be allowed", hint=_HINT)
    scheme = (found["scheme"] or "https").lower()
    host = found["host"].lower().strip("[]")
    port = int(found["port"] or DEFAULT_PORTS[scheme])
    if not 1 <= port <= PORT_MAX:
        raise InvalidArguments(f"{port} is no port", hint=_HINT)
    if host.startswith("*") and scheme == "http":
        raise InvalidArguments(
            f"{text[:80]!r} would allow plain http to any host", hint="name each host that speaks it"
        )
    if ":" in host or re.fullmatch(r"[0-9.]+", host):
        try:
            host = str(ipaddress.ip_address(host))
        except ValueError as error:
            raise InvalidArguments(f"{host[:80]!r} is no address", hint=_HINT) from error
    return Entry(scheme=scheme, host=host, port=port, key_header=found["key"])
