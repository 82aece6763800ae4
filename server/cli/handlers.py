"""`verbena handlers`: the code that a tenant keeps, in the order in which it runs; switched off, on, or removed."""

from typing import Annotated, Any

import typer

from runtime.errors import InvalidArguments
from server.cli import print_out
from server.cli.session import Data, Json, Tenant, connected, refusals

# So many are asked for at once; a tenant has 1,000 at most.
PAGE = 100

Id = Annotated[str, typer.Argument(help="The handler: handler_…")]

app = typer.Typer(invoke_without_command=True, subcommand_metavar="[COMMAND] [ARGS]...")


@app.callback()
def handlers(
    context: typer.Context,
    kind: Annotated[str, typer.Option(help="Only before, after, schedule or watch.")] = "",
    tenant: Tenant = "",
    data: Data = "",
    as_json: Json = False,
) -> None:
    """List the code that runs by itself: before verbs, after events, at times, past thresholds; or look after it."""
    with refusals(as_json):
        if context.invoked_subcommand is not None:
            # They would be without effect there, and nobody would see it.
            if kind or tenant or data or as_json:
                raise InvalidArguments(
                    "options stand behind the command", hint=f"verbena handlers {context.invoked_subcommand} …"
                )
            return
        found = _all(kind, tenant, data)
        if as_json:
            print_out.json(found)
            return
        keys = ("$id", "status", "kind", "pattern", "name", "actor", "reason")
        print_out.rows(("id", *keys[1:]), ([each.get(key) for key in keys] for each in found))


@app.command()
def show(id: Id, tenant: Tenant = "", data: Data = "", as_json: Json = False) -> None:
    """Show one handler, with its source."""
    _ask("get", [id], tenant, data, as_json)


@app.command()
def disable(
    id: Id,
    reason: Annotated[str, typer.Option(help="Why; it stands beside the handler.")] = "",
    tenant: Tenant = "",
    data: Data = "",
    as_json: Json = False,
) -> None:
    """Let a handler rest: it misses what happens meanwhile, and its runs that wait go on waiting."""
    _ask("disable", [id, reason] if reason else [id], tenant, data, as_json)


@app.command()
def enable(id: Id, tenant: Tenant = "", data: Data = "", as_json: Json = False) -> None:
    """Let a handler run again, and what waits for it."""
    _ask("enable", [id], tenant, data, as_json)


@app.command()
def remove(id: Id, tenant: Tenant = "", data: Data = "", as_json: Json = False) -> None:
    """Remove a handler; the log keeps it, and what waits for it is released."""
    _ask("remove", [id], tenant, data, as_json)


def _ask(word: str, args: list[str], tenant: str, data: str, as_json: bool) -> None:
    with refusals(as_json), connected(tenant, data) as client:
        found = client.ask("$", {"path": ["handlers", word], "args": args, "kwargs": {}})
        print_out.json(found) if as_json else print_out.entity(found)


def _all(kind: str, tenant: str, data: str) -> list[dict[str, Any]]:
    """Every handler that is there, in the order in which they run."""
    filter: dict[str, Any] = {"status": {"$ne": "Removed"}} | ({"kind": kind} if kind else {})
    asked: dict[str, Any] = {"type": "Handler", "filter": filter, "sort": "position", "limit": PAGE, "total": False}
    found: list[dict[str, Any]] = []
    with connected(tenant, data) as client:
        while True:
            page = client.ask("search", asked)
            found += [row["entity"] for row in page["results"]]
            if "cursor" not in page:
                return found
            asked["cursor"] = page["cursor"]
