"""`verbena`: the command line. `mcp` starts without loading what only people need; the rest is in `commands.py`."""

import sys
from collections.abc import Sequence


def main() -> None:
    """The console script."""
    options = _mcp_options(sys.argv[1:])
    if options is not None:
        from server.cli.stdio import run

        run(**options)
        return
    from server.cli.commands import app

    app()


def _mcp_options(words: Sequence[str]) -> dict[str, str] | None:
    """The options of a plain `verbena mcp`; None for anything else, which gets the full command line and its messages.

    A client starts this process and waits for it: the full command line would cost it a tenth of a second.
    """
    if not words or words[0] != "mcp":
        return None
    options: dict[str, str] = {}
    rest = list(words[1:])
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if name not in ("--tenant", "--data") or (not equals and not rest):
            return None
        options[name[2:]] = value if equals else rest.pop(0)
    return options
