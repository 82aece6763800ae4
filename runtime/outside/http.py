"""The guarded HTTP client: each hop is judged by the guard, and everything that comes back is bounded.

A call has a connection of its own. One that was kept open may be closed by the service at the very moment at which a
write goes out on it, and then nobody knows what became of the write.
"""

import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import httpcore2
import httpx2

from runtime.errors import InvalidArguments, LimitExceeded, Unavailable, VerbenaError
from runtime.outside.failures import Unanswered, Unreachable
from runtime.outside.guard import Guard, Target, origin, read_url
from runtime.outside.message import HEADER_BYTES_MAX, HEADERS_MAX, Answer, Caps, Request

REDIRECTS_MAX = 5
# What may be said to a host that the caller did not name; any other header may be a secret.
_HARMLESS_HEADERS = frozenset(("accept", "accept-language", "content-type", "user-agent"))
# Cookies would have to be kept, and a proxy's words are not for us.
_UNTOLD_HEADERS = frozenset(("set-cookie", "set-cookie2", "proxy-authenticate"))
_ENCODINGS = ("", "identity", "gzip", "deflate")  # one at most: several in a row multiply what a bomb unpacks to
_AGENT = "verbena"


def system_certificates() -> ssl.SSLContext:
    """TLS that trusts whom the system trusts, whatever the environment says."""
    return httpx2.create_ssl_context(trust_env=False)


@dataclass(frozen=True)
class Http:
    """Asks, on connections that the guard allows. It keeps nothing between two calls, and reads no environment."""

    guard: Guard
    caps: Caps = field(default_factory=Caps)
    vouched: Callable[[], ssl.SSLContext] = system_certificates

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Made once: the certificates of a system are a file of 200 KB."""
        return self.vouched()

    def target(self, request: Request) -> Target:
        """Where a call would go, for who must know that it may before anything else; see `Guard.target`."""
        return self.guard.target(request.url)

    def send(self, request: Request, *, target: Target | None = None, seconds: float | None = None) -> Answer:
        """The answer to a call, after the redirects that a call may follow.

        Reads follow up to five, each judged like the first, and to another host they take no header that may be a
        secret. A write follows a redirect only where it stays what it is, at the host where it was sent; any other is
        the answer. Raises Unreachable where nothing has left, Unanswered where nobody knows what became of it, and
        another error, with `details.status`, where there was an answer that cannot be given.
        """
        until = time.monotonic() + min(seconds or self.caps.whole_seconds, self.caps.whole_seconds)
        asked, at, hops = request, target, 0
        while True:
            answer, at = self._once(asked, at or self.target(asked), until), None
            following = _redirected(asked, answer)
            if following is None:
                return answer
            asked, hops = following, hops + 1
            if hops > REDIRECTS_MAX:
                raise LimitExceeded(
                    f"{request.shown} was sent on more than {REDIRECTS_MAX} times",
                    hint="ask the address that it ends at",
                    status=answer.status,
                )

    def _once(self, request: Request, target: Target, until: float) -> Answer:
        """One hop, on a connection of its own."""
        ready = httpx2.Request(
            request.method, request.url, headers=_with_own(request.headers), content=request.body or None
        )
        caps, status = self.caps, None
        timeouts = {"connect": caps.connect_seconds, "read": caps.read_seconds, "write": caps.read_seconds, "pool": 1.0}
        line = _Line(target, until, caps.wire_bytes)
        tls = self._tls if target.scheme == "https" else None
        url = httpcore2.URL(scheme=target.scheme, host=target.host, port=target.port, target=ready.url.raw_path)
        try:
            with (
                httpcore2.ConnectionPool(ssl_context=tls, network_backend=line, max_connections=1) as pool,
                pool.stream(
                    request.method,
                    url,
                    headers=ready.headers.raw,
                    content=request.body,
                    extensions={"timeout": timeouts},
                ) as came,
            ):
                status = came.status
                return self._read(request, came)
        except httpcore2.ConnectTimeout as error:
            raise Unreachable(f"{request.shown} took no connection in time", hint="try again later") from _bare(error)
        except httpcore2.ConnectError as error:
            raise Unreachable(f"{request.shown} took no connection: {_why(error)}", hint="try again later") from _bare(
                error
            )
        except httpcore2.LocalProtocolError as error:
            raise InvalidArguments(f"{request.shown} cannot be asked like that", hint="check its headers") from _bare(
                error
            )
        except (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError) as error:
            if status is not None:
                if line.full:
                    raise _too_big(request, caps.answer_bytes, status) from _bare(error)
                raise Unavailable(
                    f"{request.shown} answered {status}, and the rest did not come: {_why(error)}", status=status
                ) from _bare(error)
            raise Unanswered(
                f"{request.shown} was sent and not answered: {_why(error)}",
                hint="it may have been carried out all the same",
            ) from _bare(error)

    def _read(self, request: Request, came: httpcore2.Response) -> Answer:
        """The whole answer, unpacked piece by piece."""
        raw = came.headers
        if len(raw) > HEADERS_MAX or sum(len(name) + len(value) for name, value in raw) > HEADER_BYTES_MAX:
            raise LimitExceeded(f"{request.shown} answered with too many headers", status=came.status)
        unpacking = httpx2.Response(came.status, headers=raw, stream=_Stream(came.iter_stream()))
        if unpacking.headers.get("content-encoding", "").strip().lower() not in _ENCODINGS:
            raise LimitExceeded(f"{request.shown} answered in an encoding that nobody asked for", status=came.status)
        body = bytearray()
        try:
            for piece in unpacking.iter_bytes():
                body += piece
                if len(body) > self.caps.answer_bytes:
                    raise _too_big(request, self.caps.answer_bytes, came.status)
        except httpx2.DecodingError as error:
            raise LimitExceeded(
                f"{request.shown} answered with what cannot be unpacked", status=came.status
            ) from _bare(error)
        told = {name: value for name, value in unpacking.headers.items() if name not in _UNTOLD_HEADERS}
        return Answer(status=came.status, headers=told, body=bytes(body))


class _Line(httpcore2.NetworkBackend):
    """Connects to the addresses that were judged and to nothing else, until a deadline, for a bounded number of bytes."""

    def __init__(self, target: Target, until: float, bytes_max: int) -> None:
        self._target = target
        self._until = until
        self.bytes_left = bytes_max
        self._system = httpcore2.SyncBackend()

    @property
    def full(self) -> bool:
        """Whether as much came as may come."""
        return self.bytes_left <= 0

    def left(self, timeout: float | None, error: type[httpcore2.TimeoutException]) -> float:
        """Seconds for the next step; raises `error` where the whole time is over."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise error("its time is over")
        return left if timeout is None else min(left, timeout)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        last: Exception = httpcore2.ConnectError("it has no address")
        for address in self._target.addresses:
            wait = self.left(timeout, httpcore2.ConnectTimeout)
            try:
                return _Bounded(self._system.connect_tcp(address, port, wait, None, socket_options), self)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                last = error
        raise last


class _Bounded(httpcore2.NetworkStream):
    """A connection whose every step ends by the deadline."""

    def __init__(self, stream: httpcore2.NetworkStream, line: _Line) -> None:
        self._stream = stream
        self._line = line

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        wait = self._line.left(timeout, httpcore2.ReadTimeout)
        if self._line.full:
            raise httpcore2.ReadError("more came than may come")
        piece = self._stream.read(max_bytes, wait)
        self._line.bytes_left -= len(piece)
        return piece

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._line.left(timeout, httpcore2.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        wait = self._line.left(timeout, httpcore2.ConnectTimeout)
        return _Bounded(self._stream.start_tls(ssl_context, server_hostname, wait), self._line)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Stream(httpx2.SyncByteStream):
    """The packed body, for the library that unpacks it."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces


def _redirected(request: Request, answer: Answer) -> Request | None:
    """The call to make next; None where this answer is the last."""
    location = answer.headers.get("location")
    if answer.status not in (301, 302, 303, 307, 308) or not location:
        return None
    try:
        url = read_url(str(request.url.join(location)))
    except (VerbenaError, httpx2.InvalidURL, ValueError):
        return None
    same = origin(url) == origin(request.url)
    if request.writes:
        # 301, 302 and 303 would make a read of it: then it was carried out, and this is the answer to it.
        return (
            Request(method=request.method, url=url, headers=request.headers, body=request.body)
            if (same and answer.status in (307, 308))
            else None
        )
    kept = {name: value for name, value in request.headers.items() if same or name.lower() in _HARMLESS_HEADERS}
    return Request(method=request.method, url=url, headers=kept)


def _too_big(request: Request, bytes_max: int, status: int) -> VerbenaError:
    return LimitExceeded(
        f"{request.shown} answered with more than {bytes_max:,} bytes", hint="ask for a page at a time", status=status
    )


def _with_own(given: Mapping[str, str]) -> dict[str, str]:
    """The caller's headers, and ours where the caller says nothing."""
    said = {name.lower() for name in given}
    ours = {"Accept": "application/json, */*;q=0.5", "User-Agent": _AGENT}
    headers = {name: value for name, value in ours.items() if name.lower() not in said}
    return {**headers, **given, "Accept-Encoding": "gzip, deflate", "Connection": "close"}


def _why(error: Exception) -> str:
    """What went wrong, without the words of the other side."""
    cause = error.args[0] if error.args else None  # the library carries it there
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not good ({cause.verify_message})"
    if isinstance(cause, ssl.SSLError):
        return "it speaks no TLS that is safe"
    if isinstance(error, httpcore2.TimeoutException):
        return "it took too long"
    if isinstance(cause, ConnectionRefusedError):
        return "it refuses"
    return "the connection broke off" if not isinstance(error, httpcore2.ProtocolError) else "what came is no HTTP"


def _bare(error: Exception) -> Exception:
    """Stands for the cause in a traceback: the cause itself may repeat what was sent."""
    return RuntimeError(type(error).__name__)
