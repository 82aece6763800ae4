"""`$.http`: the calls of code to hosts that the operator allows, each of them on the record of its run."""

from collections.abc import Mapping, Sequence
from typing import Any

from runtime.calls import arguments
from runtime.errors import InvalidArguments, InvalidType, did_you_mean
from runtime.outside.effects import Effects
from runtime.outside.message import READS, request

METHODS = {"get": "GET", "head": "HEAD", "post": "POST", "put": "PUT", "patch": "PATCH", "delete": "DELETE"}
_OPTIONS = ("params", "headers", "json", "idempotent")
# What other clients call it.
_HABITS = {
    "data": "json={…}",
    "body": "json={…}",
    "content": "json={…}",
    "query": "params={…}",
    "auth": 'headers={"Authorization": "…"}',
    "timeout": "leave it out: every call is bounded",
    "follow_redirects": "leave it out: reads follow redirects, writes do not",
    "verify": "leave it out: certificates are always checked",
}
KEY_HEADER_CHARS_MAX = 64


def call(effects: object, word: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """`{status, headers, json | text}`; what the service answered, whatever its status. `effects` are those of the unit that asks.

    `idempotent` is True where the service carries a repeated call out once by itself, or the name of the header from which
    it reads a key; then a call whose outcome nobody knows is made again when its run is tried again.
    """
    if not isinstance(effects, Effects):
        raise InvalidType("$.http is there for code, which has a run to record its calls with", hint='do(code="…")')
    method = METHODS.get(word)
    if method is None:
        raise InvalidType(f"$.http has no {word[:40]!r}", hint=did_you_mean(word, METHODS))
    form = f'$.http.{word}("https://api.example.com/v1"' + (", json={…})" if method not in READS else ", params={…})")
    (url,) = arguments.exactly(1, args, form)
    unknown = next((name for name in kwargs if name not in _OPTIONS), None)
    if unknown is not None:
        raise InvalidArguments(
            f"$.http.{word} takes no {unknown[:40]!r}", hint=_HABITS.get(unknown) or did_you_mean(unknown, _OPTIONS)
        )
    if method in READS and kwargs.get("json") is not None:
        raise InvalidArguments(f"$.http.{word} sends no body", hint="params={…} go into the URL")
    asked = request(
        method,
        url,
        headers=_mapping(word, "headers", kwargs),
        params=_mapping(word, "params", kwargs),
        json=kwargs.get("json"),
        caps=effects.http.caps,
    )
    repeatable, key_header = _idempotent(kwargs.get("idempotent", False))
    return effects.call(asked, idempotent=repeatable, key_header=key_header)


def _mapping(word: str, name: str, kwargs: Mapping[str, Any]) -> Mapping[str, Any] | None:
    given = kwargs.get(name)
    if given is None:
        return None
    read = arguments.mapping(given)
    if read is None:
        raise InvalidArguments(f"{name} of $.http.{word} is a mapping", hint=f'{name}={{"name": "value"}}')
    return read


def _idempotent(given: Any) -> tuple[bool, str | None]:
    if isinstance(given, bool):
        return given, None
    words = given.split("-") if isinstance(given, str) and len(given) <= KEY_HEADER_CHARS_MAX else [""]
    if not all(word.isascii() and word.isalnum() for word in words):
        raise InvalidArguments(
            "idempotent is True, or the name of the header that takes a key", hint='idempotent="Idempotency-Key"'
        )
    return False, given
