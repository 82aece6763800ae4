"""Every command of `verbena`: tables for people, `--json` for programs, refusals on standard error."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from runtime.client import is_owned, wait_until_free
from runtime.errors import InvalidArguments, InvalidId, LimitExceeded
from server.cli import handlers, install, log, print_out, runs, status, transfer
from server.cli.session import Data, Json, Tenant, connected, connection, refusals, settings
from server.faults import EXIT_REFUSED
from server.mcp import DO, FETCH, SEARCH
from server.mcp.tool import Tool
from server.version import VERSION

CODE_BYTES_MAX = 4 * 1024 * 1024  # read from a file or standard input; the engine's own bound is lower
PATH_CHARS_MAX = 1024

AsOf = Annotated[str, typer.Option("--as-of", help='As it was: a time, "7d ago", or a position of the log.')]

app = typer.Typer(
    name="verbena",
    help="A business for agents to work on.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(install.app, name="install")
app.add_typer(log.app, name="log")
app.command()(log.verify)
app.command()(status.status)
app.add_typer(handlers.app, name="handlers")
app.add_typer(runs.app, name="runs")
app.command()(runs.run)
app.command("import")(transfer.import_)
app.command()(transfer.export)
app.command()(transfer.backup)
app.command()(transfer.backups)
app.command()(transfer.restore)
app.add_typer(transfer.app, name="tenant")


@app.command()
def mcp(tenant: Tenant = "", data: Data = "") -> None:
    """Serve the tools over standard input and output, for an MCP client that starts this."""
    from server.cli.stdio import run

    run(data=data, tenant=tenant)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes any free one.", min=0, max=65_535)] = 4747,
    demo: Annotated[bool, typer.Option("--demo", help="Serve the tenant demo, filled with a small business.")] = False,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Listen where others can reach it. Nobody is asked who they are!")
    ] = False,
    tenant: Tenant = "",
    data: Data = "",
) -> None:
    """Serve the tools over HTTP at /mcp, with /livez beside it."""
    from server.cli.serve import run

    with refusals():
        run(settings("demo" if demo else tenant, data), host=host, port=port, demo=demo, allow_remote=allow_remote)


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="Words to look for.")] = "",
    noun: Annotated[str, typer.Option("--type", help="Noun, such as Contact.")] = "",
    filter_: Annotated[str, typer.Option("--filter", help='Filter as JSON, such as \'{"stage": "Lead"}\'.')] = "",
    sort: Annotated[str, typer.Option(help='Such as "-createdAt".')] = "",
    limit: Annotated[int, typer.Option(help="Rows, 1 to 100.")] = 10,
    cursor: Annotated[str, typer.Option(help="From the page before.")] = "",
    fields: Annotated[str, typer.Option(help="Only these, joined by commas.")] = "",
    include: Annotated[str, typer.Option(help="Relations to bring along, joined by commas.")] = "",
    total: Annotated[bool, typer.Option("--total/--no-total", help="Count all matches, exact up to 1000.")] = True,
    as_of: AsOf = "",
    tenant: Tenant = "",
    data: Data = "",
    as_json: Json = False,
) -> None:
    """Find entities by words, by filter, or both."""
    given = {
        "query": query,
        "type": noun,
        "filter": filter_,
        "sort": sort,
        "limit": limit,
        "cursor": cursor,
        "fields": fields,
        "include": include,
        "total": total,
        "asOf": _moment(as_of),
    }
    with refusals(as_json):
        found = _ask(SEARCH, given, tenant, data)
        print_out.json(found) if as_json else print_out.found(found, fields=fields)


@app.command()
def fetch(
    id: Annotated[
        str, typer.Argument(help="Id of an entity; with --type Schema a noun, with --type Measure its name.")
    ] = "",
    noun: Annotated[str, typer.Option("--type", help="Noun or special, such as Schema.")] = "",
    fields: Annotated[str, typer.Option(help="Only these, joined by commas.")] = "",
    include: Annotated[str, typer.Option(help="Relations to bring along, joined by commas.")] = "",
    as_of: AsOf = "",
    proof: Annotated[str, typer.Option(help="File to write: the proof of what is shown, for verbena verify.")] = "",
    tenant: Tenant = "",
    data: Data = "",
    as_json: Json = False,
) -> None:
    """Read one entity, or one of the specials."""
    with refusals(as_json):
        given = {"id": id, "type": noun, "fields": fields, "include": include, "asOf": _moment(as_of)}
        entity = _ask(FETCH, given | ({"proof": True} if proof else {}), tenant, data)
        if proof:
            log.write(proof, log.written_out(entity["proof"]))
        if as_json:
            print_out.json(entity)
        else:
            print_out.entity({key: value for key, value in entity.items() if key != "proof"})


@app.command()
def do(
    code: Annotated[str, typer.Argument(help="Python with $, a file that holds it, or - for standard input.")] = "",
    action: Annotated[str, typer.Option(help="Instead of code: a verb, batch, upsert or undo.")] = "",
    noun: Annotated[str, typer.Option("--type", help="Noun of the action.")] = "",
    id: Annotated[str, typer.Option("--id", help="Entity of the action; for undo the run.")] = "",
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data", help="Values of the action as JSON; anything that is no JSON object or list: the folder."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and its hash; change nothing.")] = False,
    expect: Annotated[str, typer.Option(help="Commit exactly the plan with this hash, or nothing.")] = "",
    idempotency_key: Annotated[str, typer.Option(help="The same call with the same key gives its first answer.")] = "",
    tenant: Tenant = "",
    as_json: Json = False,
) -> None:
    """Change the business: all of it, or nothing."""
    # `data` is an argument of the tool and the folder of every command: how it begins tells them apart.
    values = [text for text in data or [] if text.lstrip().startswith(("{", "["))]
    folders = [text for text in data or [] if text not in values]
    with refusals(as_json):
        if len(values) > 1 or len(folders) > 1:
            raise InvalidArguments("--data was given twice", hint="once with JSON, once with a folder")
        given = {
            "code": _code(code),
            "action": action,
            "type": noun,
            "id": id,
            "data": "".join(values),
            "dryRun": dry_run or None,
            "expect": expect,
            "idempotencyKey": idempotency_key,
        }
        done = _ask(DO, given, tenant, "".join(folders))
        print_out.json(done) if as_json else print_out.done(done)


@app.command()
def nouns(
    name: Annotated[str, typer.Argument(help="One noun, with fields, verbs and states.")] = "",
    tenant: Tenant = "",
    data: Data = "",
    as_json: Json = False,
) -> None:
    """List the nouns of the tenant, or show one."""
    with refusals(as_json), connected(tenant, data) as client:
        shown = client.ask("fetch", {"type": "Schema", "id": name}) if name else client.ask("nouns", {})
        if as_json:
            print_out.json(shown)
        elif name:
            print_out.entity(shown)
        else:
            print_out.nouns(shown)


@app.command()
def rebuild(
    replace: Annotated[
        bool, typer.Option("--replace", help="Put the rows that the log gives in place of others.")
    ] = False,
    tenant: Tenant = "",
    data: Data = "",
    as_json: Json = False,
) -> None:
    """Fold the tables from the log alone and compare; ends with 1 where they differ and were not replaced."""
    with refusals(as_json), connected(tenant, data) as client:
        found = client.ask("rebuild", {"replace": replace})
        if as_json:
            print_out.json(found)
        else:
            for difference in found["differences"]:
                print_out.line(difference)
            same = "every table is what the log gives" if not found["differences"] else "the tables differ from the log"
            print_out.line(f"{found['events']:,} events: {same}{'; replaced' if found['replaced'] else ''}")
        if found["differences"] and not found["replaced"]:
            sys.exit(EXIT_REFUSED)


@app.command()
def erase(
    id: Annotated[str, typer.Argument(help="The entity to erase for good.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    tenant: Tenant = "",
    data: Data = "",
    as_json: Json = False,
) -> None:
    """Remove an entity's data from log, tables, index and file for good; names the backups that still hold it."""
    with refusals(as_json), connected(tenant, data) as client:
        kinds = client.ask("nouns", {})
        noun = next(
            (each["name"] for each in kinds if id.startswith(f"{each['name'][0].lower()}{each['name'][1:]}_")), None
        )
        if noun is None:
            raise InvalidId(f"{id[:80]!r} is no id", hint="ids look like contact_fX9bL5nRdK")
        if not yes:
            if as_json or not sys.stdin.isatty():
                raise InvalidArguments(f"{id} would be gone for good", hint="--yes, to erase it without being asked")
            if not typer.confirm(f"Erase the {noun} {id}? It cannot be brought back.", default=False):
                sys.exit(EXIT_REFUSED)
        erased = client.ask("$", {"path": [noun, "erase"], "args": [id], "kwargs": {}})
        if as_json:
            print_out.json(erased)
            return
        print_out.line(f"erased {id}")
        for file in erased["heldBy"]:
            print_out.line(f"a backup still holds it: {file}")


@app.command()
def doctor(tenant: Tenant = "", data: Data = "", as_json: Json = False) -> None:
    """Say whether everything that Verbena needs is in order, and which walls stand."""
    with refusals(as_json), connected(tenant, data) as client:
        report = client.ask("doctor", {})
        print_out.json(report) if as_json else print_out.entity(_line_by_line(report))
        if report["faults"]:
            sys.exit(EXIT_REFUSED)


@app.command()
def stop(data: Data = "", as_json: Json = False) -> None:
    """Ask the engine that owns the data folder to finish what it does and end."""
    with refusals(as_json):
        found = settings("", data)
        running = is_owned(found.data)
        if running:
            with connection(found) as client:
                client.ask("end", {})
            wait_until_free(found.data)
        if as_json:
            print_out.json({"stopped": running})
        else:
            print_out.line(f"stopped the engine of {found.data}" if running else f"none runs on {found.data}")


@app.command()
def version(as_json: Json = False) -> None:
    """Say which Verbena this is."""
    print_out.json({"version": VERSION}) if as_json else print_out.line(f"verbena {VERSION}")


def _line_by_line(report: dict[str, Any]) -> dict[str, Any]:
    """The report of the doctor with a line for each wall and each probe."""
    lines = {name: value for name, value in report.items() if name not in ("walls", "probes", "faults")}
    lines |= {f"wall {name}": state for name, state in report["walls"].items()}
    lines |= {f"probe {name}": state for name, state in report["probes"].items()}
    return lines | {f"FAULT {number}": fault for number, fault in enumerate(report["faults"], 1)}


def _moment(as_of: str) -> str | int | None:
    """A position of the log is a number; everything else is for the engine to read."""
    return int(as_of) if as_of.isascii() and as_of.isdigit() else as_of or None


def _ask(tool: Tool, given: dict[str, Any], tenant: str, data: str) -> Any:
    """The same arguments, read the same way, as the tool of that name."""
    arguments = tool.read(given)
    with connected(tenant, data) as client:
        return client.ask(tool.name, arguments)


def _code(given: str) -> str:
    """The code itself, or what the named file or standard input holds."""
    if given == "-":
        source = sys.stdin.buffer.read(CODE_BYTES_MAX + 1)
    elif _names_a_file(given):
        with Path(given).open("rb") as file:
            source = file.read(CODE_BYTES_MAX + 1)
    else:
        return given
    if len(source) > CODE_BYTES_MAX:
        raise LimitExceeded(f"that is more than {CODE_BYTES_MAX} bytes of code", limit=CODE_BYTES_MAX)
    try:
        return source.decode()
    except UnicodeDecodeError as reason:
        raise InvalidArguments("the code is not UTF-8 text") from reason


def _names_a_file(given: str) -> bool:
    if "\n" in given or len(given) > PATH_CHARS_MAX:
        return False
    with suppress(OSError, ValueError):
        if Path(given).is_file():
            return True
    if given.endswith(".py"):
        raise InvalidArguments(f"there is no file {given}")
    return False
