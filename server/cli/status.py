"""`verbena status`: how the business is doing, as a table for people, as JSON for programs."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from server.cli import print_out
from server.cli.session import Data, Json, Tenant, connected, refusals

PARTS = ("revenue", "pipeline", "support", "product")

AsOf = Annotated[str, typer.Option("--as-of", help='As it was: a time, "7d ago", or a position of the log.')]


def status(as_of: AsOf = "", tenant: Tenant = "", data: Data = "", as_json: Json = False) -> None:
    """Say how the business is doing: revenue, pipeline, support, product, and what to look at."""
    with refusals(as_json), connected(tenant, data) as client:
        moment = int(as_of) if as_of.isascii() and as_of.isdigit() else as_of
        found = client.ask("fetch", {"type": "Status", "asOf": moment} if as_of else {"type": "Status"})
        print_out.json(found) if as_json else _print(found)


def _print(found: Mapping[str, Any]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for head in ("part", "name", "value", "unit", ""):
        table.add_column(head, overflow="fold")
    for row in _rows(found):
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)
    for alert in found["alerts"]:
        print_out.line(f"{alert['severity']}: {alert['message']}")


def _rows(found: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """A row for each number, and of a measure with several currencies one for each."""
    units, why, several = (found.get(key, {}) for key in ("units", "why", "byCurrency"))
    for part in PARTS:
        for name, value in found[part].items():
            measure = part if name == "value" else name
            if measure in several:
                yield from ((part, name, str(each), currency, "") for currency, each in several[measure].items())
            else:
                told = "" if value is None else str(value)
                yield part, name, told, units.get(measure) or "", why.get(measure, "")
