"""`verbena runs` and `verbena run`: what ran, how it ended, why it waits; and what failed, tried again or given up."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from runtime.errors import InvalidArguments
from server.cli import print_out
from server.cli.session import Data, Json, Tenant, connected, refusals

# A listing shows as many, unless it is told otherwise; so many at once at most.
LISTED = 20
LISTED_MAX = 100

Id = Annotated[str, typer.Argument(help="The run: run_…")]

app = typer.Typer(invoke_without_command=True, subcommand_metavar="[COMMAND] [ARGS]...")


@app.callback()
def runs(
    context: typer.Context,
    status: Annotated[
        str, typer.Option(help="Only Waiting, Retrying, Stuck, Succeeded, Failed, Rejected, Dead …")
    ] = "",
    kind: Annotated[str, typer.Option(help="Only do, before, after, schedule or watch.")] = "",
    handler: Annotated[str, typer.Option(help="Only runs of this handler: handler_…")] = "",
    entity: Annotated[str, typer.Option(help="Only runs that something about this entity set off.")] = "",
    limit: Annotated[int, typer.Option(help="Runs.", min=1, max=LISTED_MAX)] = LISTED,
    cursor: Annotated[str, typer.Option(help="From the page before.")] = "",
    tenant: Tenant = "",
    data: Data = "",
    as_json: Json = False,
) -> None:
    """List the runs of code, the newest first; try one that failed again, or give it up."""
    filter = {"status": status, "kind": kind, "handler": handler, "entity": entity}
    filter = {name: value for name, value in filter.items() if value}
    with refusals(as_json):
        if context.invoked_subcommand is not None:
            # They would be without effect there, and nobody would see it.
            if filter or cursor or limit != LISTED or tenant or data or as_json:
                raise InvalidArguments(
                    "options stand behind the command", hint=f"verbena runs {context.invoked_subcommand} …"
                )
            return
        asked: dict[str, Any] = {"type": "Run", "filter": filter, "limit": limit}
        with connected(tenant, data) as client:
            found = client.ask("search", {**asked, "cursor": cursor} if cursor else asked)
        if as_json:
            print_out.json(found)
            return
        print_out.rows(
            ("id", "status", "kind", "name", "cause", "entity", "error"), (_row(each) for each in found["results"])
        )
        if found.get("cursor"):
            print_out.line(f"more with --cursor {found['cursor']}")


def run(id: Id, tenant: Tenant = "", data: Data = "", as_json: Json = False) -> None:
    """Show one run: its code, what set it off, what it printed and changed, how it ended, why it waits."""
    _show("get", id, tenant, data, as_json)


@app.command()
def retry(id: Id, tenant: Tenant = "", data: Data = "", as_json: Json = False) -> None:
    """Run a handler's run again that failed; what set it off is not done again."""
    _show("retry", id, tenant, data, as_json)


@app.command()
def release(id: Id, tenant: Tenant = "", data: Data = "", as_json: Json = False) -> None:
    """Give up a run that waits, failed or is stuck."""
    _show("release", id, tenant, data, as_json)


def _show(word: str, id: str, tenant: str, data: str, as_json: bool) -> None:
    with refusals(as_json), connected(tenant, data) as client:
        found = client.ask("$", {"path": ["runs", word], "args": [id], "kwargs": {}})
        print_out.json(found) if as_json else print_out.entity(found)


def _row(found: Mapping[str, Any]) -> tuple[Any, ...]:
    entity = found["entity"]
    told = (entity.get(key) for key in ("status", "kind", "name", "cause", "entity"))
    return (found["id"], *told, entity["error"]["message"] if "error" in entity else None)
