"""The engine of Verbena, and what scripts import: `from runtime import connect, Noun`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime.declaration import declare as Noun
    from runtime.errors import VerbenaError
    from runtime.scripting import Client, Record, connect

__all__ = ["Client", "Noun", "Record", "VerbenaError", "connect"]

_ORIGIN = {
    "Client": ("runtime.scripting", "Client"),
    "Noun": ("runtime.declaration", "declare"),
    "Record": ("runtime.scripting", "Record"),
    "VerbenaError": ("runtime.errors", "VerbenaError"),
    "connect": ("runtime.scripting", "connect"),
}


def __getattr__(name: str) -> Any:
    # Found when asked for: every worker of the sandbox imports this package, and must not carry a client with it.
    if name not in _ORIGIN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, member = _ORIGIN[name]
    return getattr(import_module(module), member)
