"""`verbena log --follow`: what happens, a line each, from the moment it is committed until somebody has seen enough."""

import contextlib
import os
import sys
from itertools import islice
from typing import Any

from typer.core import TyperGroup

from runtime import wire
from runtime.client import Connection
from runtime.errors import InvalidArguments
from runtime.following import Events
from server.cli import print_out

EVERYTHING = "*"


def follow(
    client: Connection, pattern: str, *, filter: str, since: int | None, limit: int | None, as_json: bool
) -> None:
    """Print events as they happen, `limit` of them or without end; Ctrl-C and a reader that goes away end it in peace."""
    given: dict[str, Any] = {"pattern": pattern}
    if filter:
        given["filter"] = _decoded(filter)
    if since is not None:
        given["since"] = since
    with contextlib.suppress(KeyboardInterrupt), Events(client, given) as events:
        try:
            for event in islice(events, limit):
                print_out.json(event) if as_json else print_out.event(event)
                sys.stdout.flush()  # into a pipe, it would wait for others
        except BrokenPipeError:
            # Nobody reads any more; what Python would still write at its end goes nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Followable(TyperGroup):
    """A group whose `--follow` may stand without a pattern, and then means everything."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given: list[str] = []
        for word, next_word in zip(args, [*args[1:], "-"], strict=True):
            given.append(word)
            if word == "--follow" and next_word.startswith("-"):
                given.append(EVERYTHING)
        return super().parse_args(ctx, given)


def _decoded(filter: str) -> Any:
    try:
        return wire.decode(filter)
    except ValueError as error:
        raise InvalidArguments(f"the filter is no JSON: {error}", hint='like \'{"stage": "Lead"}\'') from error
