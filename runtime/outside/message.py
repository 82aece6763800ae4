"""A call to the outside as it is asked for, and what was answered: read, bounded, and shown without what may be secret."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import httpx2
import msgspec

from runtime.errors import InvalidArguments, LimitExceeded
from runtime.outside.guard import origin, read_url

READS = ("GET", "HEAD")
PATH_CHARS_MAX = 500  # of one that is kept
HEADERS_MAX = 100
HEADER_BYTES_MAX = 32 << 10  # of all headers of a message together

# The framing of a message and the way to it are the client's own; a caller who could set them could smuggle a second
# request, or one for another host.
_OWN_HEADERS = frozenset(
    (
        *("host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade"),
        *("expect", "accept-encoding", "proxy-authorization", "proxy-connection"),
    )
)
# As `runtime.ids` makes them; a word such as payment_intents is none.
_ENTITY_ID = re.compile(r"[a-z][A-Za-z0-9]*_(?=[a-z]*[A-Z1-9])[1-9A-HJ-NP-Za-km-z]{10}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e\t\x80-\xff]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """The bounds of one call."""

    connect_seconds: float = 5.0
    read_seconds: float = 20.0  # between two pieces of the answer
    whole_seconds: float = 30.0  # with all redirects
    request_bytes: int = 1 << 20
    answer_bytes: int = 1 << 20  # unpacked

    @property
    def wire_bytes(self) -> int:
        """As much is read from a connection, framing included."""
        return self.answer_bytes + (256 << 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A call, read and bounded. `repr` shows neither headers nor body nor query, which may hold secrets."""

    method: str
    url: httpx2.URL = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def writes(self) -> bool:
        return self.method not in READS

    @property
    def shown(self) -> str:
        """The call as a message may show it: `POST https://api.example.com`."""
        scheme, host, port = origin(self.url)
        return f"{self.method} {scheme}://{host}" + (f":{port}" if self.url.port else "")

    @property
    def shown_path(self) -> str:
        """The path as it may be kept: what looks like a secret or a person in it is left out.

        A token stands in the path of a Slack webhook and of every call to Telegram.
        """
        words = self.url.path.split("/")
        return "/".join("…" if _is_private(word) else word for word in words)[:PATH_CHARS_MAX]

    def fingerprint(self, salt: str) -> str:
        """Stands for what is asked, headers aside, since a token in them may be another one by the next try.

        Salted, so that nobody who has it can try out what was asked.
        """
        hashed = hashlib.sha256(f"{salt} {self.method} {self.url} ".encode())
        hashed.update(self.body)
        return hashed.hexdigest()

    def with_header(self, name: str, value: str) -> "Request":
        """The same call with one more header, in the place of one that the caller set."""
        kept = {key: given for key, given in self.headers.items() if key.lower() != name.lower()}
        return Request(method=self.method, url=self.url, headers={**kept, name: value}, body=self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a service answered, unpacked."""

    status: int
    headers: Mapping[str, str]  # names in small letters; several of one name joined by commas
    body: bytes = field(repr=False)

    def shown(self) -> dict[str, Any]:
        """`{status, headers, json}`, or `text` in the place of `json` where the answer is no JSON."""
        shape: dict[str, Any] = {"status": self.status, "headers": dict(self.headers)}
        kind, _, rest = self.headers.get("content-type", "").partition(";")
        if self.body and (kind.strip().lower().endswith(("/json", "+json")) or not kind):
            try:
                return {**shape, "json": msgspec.json.decode(self.body)}
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
                pass
        charset = re.search(r"charset=\"?([A-Za-z0-9_-]{1,32})", rest)
        try:
            return {**shape, "text": self.body.decode(charset[1] if charset else "utf-8", "replace")}
        except (LookupError, ValueError):  # a charset that does not exist, or is none for text
            return {**shape, "text": self.body.decode("utf-8", "replace")}


def request(
    method: str,
    url: object,
    *,
    headers: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    json: Any = None,
    caps: Caps,
) -> Request:
    """A call as it is asked for. Raises InvalidArguments or LimitExceeded; no message holds a value of the caller's."""
    read = read_url(url)
    if params:
        read = read_url(str(read.copy_merge_params(_params(params))))
    body = b""
    given = _headers(headers or {})
    if json is not None:
        body = msgspec.json.encode(json)
        if not any(name.lower() == "content-type" for name in given):
            given["Content-Type"] = "application/json"
    if len(body) > caps.request_bytes:
        raise LimitExceeded(
            f"the body is {len(body):,} bytes, at most {caps.request_bytes:,} are sent", hint="send it in pieces"
        )
    return Request(method=method, url=read, headers=given, body=body)


def _is_private(word: str) -> bool:
    """Whether a part of a path names a person, one of our entities, or looks like a token."""
    mixed = bool(re.search("[0-9]", word)) and bool(re.search("[A-Za-z]", word))
    return "@" in word or bool(_ENTITY_ID.fullmatch(word)) or (len(word) >= 16 and mixed)


def _headers(given: Mapping[str, Any]) -> dict[str, str]:
    if len(given) > HEADERS_MAX:
        raise LimitExceeded(f"at most {HEADERS_MAX} headers are sent, not {len(given)}")
    read: dict[str, str] = {}
    for name, value in given.items():
        if not _HEADER_NAME.fullmatch(name):
            raise InvalidArguments(f"{name[:40]!r} is no name of a header", hint="letters, digits and hyphens")
        if name.lower() in _OWN_HEADERS:
            raise InvalidArguments(f"the header {name} is not the caller's to set", hint="leave it out")
        if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
            raise InvalidArguments(f"the value of the header {name} is no text of one line")
        read[name] = value.strip()
    if sum(len(name) + len(value) for name, value in read.items()) > HEADER_BYTES_MAX:
        raise LimitExceeded(f"the headers are longer than {HEADER_BYTES_MAX >> 10} KB together")
    return read


def _params(given: Mapping[str, Any]) -> dict[str, str | list[str]]:
    return {name: [_word(name, each) for each in _listed(value)] for name, value in given.items() if value is not None}


def _listed(value: Any) -> Sequence[Any]:
    return cast("Sequence[Any]", value) if isinstance(value, list | tuple) else [value]


def _word(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise InvalidArguments(f"the parameter {name[:40]} is no text or number", hint="a list sends it several times")
