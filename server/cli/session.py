"""What every command shares: whose business and which folder, the connection to its engine, and how a refusal ends."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated

import msgspec
import typer

from runtime.client import Connection
from runtime.errors import InvalidArguments, Unavailable, VerbenaError
from server.faults import EXIT_REFUSED, EXIT_USAGE, in_words
from server.settings import Settings, read

Tenant = Annotated[str, typer.Option("--tenant", help="Whose business; else VERBENA_TENANT, else default.")]
Data = Annotated[str, typer.Option("--data", help="Folder of the tenants; else VERBENA_DATA, else a per-user folder.")]
Json = Annotated[bool, typer.Option("--json", help="Plain JSON on standard output, for programs.")]


@contextmanager
def refusals(as_json: bool = False) -> Generator[None]:
    """A refusal ends the command: one line and a hint (or the error as JSON) on standard error, and an exit code."""
    try:
        try:
            yield
        except OSError as reason:
            raise Unavailable(
                f"the data folder cannot be reached: {reason}", hint="--data or VERBENA_DATA names a folder of yours"
            ) from reason
    except VerbenaError as error:
        print(msgspec.json.encode({"error": error.as_dict()}).decode() if as_json else in_words(error), file=sys.stderr)
        sys.exit(EXIT_USAGE if isinstance(error, InvalidArguments) else EXIT_REFUSED)


@contextmanager
def connected(tenant: str, data: str) -> Generator[Connection]:
    """A connection to the engine of the data folder, which is started where none runs."""
    with connection(settings(tenant, data)) as client:
        yield client


def connection(given: Settings) -> Connection:
    """To the engine of the data folder, which is started where none runs."""
    return Connection(given.data, tenant=given.tenant, options=given.owner)


def settings(tenant: str, data: str) -> Settings:
    """The settings in force, with what the command was given."""
    return read(data=data, tenant=tenant)
