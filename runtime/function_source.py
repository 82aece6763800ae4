"""A function of a script as a handler: its source is sent, since it runs where the data is and not here."""

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

from runtime.errors import InvalidArguments
from runtime.sandbox.functions import Functions
from runtime.sandbox.proxy import DollarError
from runtime.sandbox.syntax import parse

FILE_BYTES_MAX = 4 << 20


def sent(value: Any) -> Any:
    """A function as `{"$function": {name, source, line, parameters}}`, anything else as it is.

    Raises InvalidArguments for what has no source to send, or leans on names that the source does not carry.
    """
    if not callable(value):
        return value
    if not isinstance(value, FunctionType):
        name = getattr(value, "__qualname__", type(value).__qualname__)
        raise InvalidArguments(f"{name[:80]} is no function with a source", hint="a def or a lambda of a file")
    try:
        lines, _ = inspect.findsource(value)
    except (OSError, TypeError) as error:
        raise InvalidArguments(
            f"the source of {value.__name__} cannot be found",
            hint='define it in a file, or send it as text: client.do("@$.Deal.closed\\ndef …")',
        ) from error
    text = "".join(lines)
    if len(text) > FILE_BYTES_MAX:
        raise InvalidArguments(
            f"{value.__name__} stands in a file of more than 4 MB", hint="keep handlers in small files"
        )
    try:
        return Functions(parse(text)).shape(value)
    except DollarError as error:
        raise InvalidArguments(str(error), hint=error.hint) from error


class Registering:
    """`client.on("Deal.*")` over a `def`: what is called is sent when the function is there."""

    def __init__(self, send: Callable[[Any], Any]) -> None:
        self._send = send

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Store the function, which stays what it is."""
        self._send(function)
        return function
