"""`verbena import`, `export`, `backup`, `restore` and `tenant`: what goes into the folder of tenants, and out of it."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from runtime.errors import InvalidArguments, NotFound
from runtime.transfer.rows import FORMATS, Format, format_of
from server.cli import print_out
from server.cli.session import Data, Json, Tenant, connection, refusals, settings
from server.faults import EXIT_REFUSED

# Each command loads what it needs when it runs: the database alone would cost every other command a tenth of a second.
if TYPE_CHECKING:
    from runtime.transfer.backups import Backup
    from runtime.transfer.importing import Imported

_FORMATS = "|".join(FORMATS)
# Behind the name of a file, for its bad rows.
_BAD_ROWS = {"csv": ".errors.csv"}
_BAD_ROWS_ELSE = ".errors.ndjson"

Noun = Annotated[str, typer.Option("--type", help="Noun, such as Contact.")]
FormatName = Annotated[str, typer.Option("--format", help=f"{_FORMATS}; else by the ending of the file's name.")]

app = typer.Typer(help="List the tenants of the data folder, or delete one.", no_args_is_help=True)


def import_(
    file: Annotated[Path, typer.Argument(help="CSV, JSON, NDJSON or Parquet; or a whole tenant that was exported.")],
    noun: Noun = "",
    by: Annotated[str, typer.Option(help="Field by which a row finds its entity, to change it instead.")] = "",
    map_: Annotated[
        list[str] | None, typer.Option("--map", help='Column and field, such as "E-mail=email"; may be repeated.')
    ] = None,
    ignore: Annotated[bool, typer.Option("--ignore", help="Leave out columns that are no field.")] = False,
    keep_ids: Annotated[bool, typer.Option("--keep-ids", help="New entities take the $id of their row.")] = False,
    errors: Annotated[str, typer.Option(help="File for the rows that are not taken; else beside FILE.")] = "",
    format: FormatName = "",
    encoding: Annotated[str, typer.Option(help="Of CSV, such as cp1252; else by its mark, else UTF-8.")] = "",
    delimiter: Annotated[str, typer.Option(help="Of CSV; else the one that the first line has most of.")] = "",
    tenant: Tenant = "",
    data: Data = "",
    as_json: Json = False,
) -> None:
    """Take in a file, a row an entity. What cannot be taken goes to a file with line and reason; ends with 1 if there
    is any.

    The same command again goes on where it was cut off. With --by it may be repeated whenever: what is the same makes
    no event.
    """
    from runtime.transfer.archive import import_tenant, is_archive
    from runtime.transfer.importing import Import, import_file

    with refusals(as_json):
        given = settings(tenant, data)
        if not file.exists():
            raise NotFound(f"there is no file {file}")
        with connection(given) as client, _progress(as_json) as progress:
            bar = _Rows(progress)
            if is_archive(file):
                if noun or by or map_ or format:
                    raise InvalidArguments("a whole tenant is imported as it is", hint="only --errors goes with it")
                bad_rows = Path(errors) if errors else file.with_name(file.name + ".errors")
                told = import_tenant(client, given.data, given.tenant, file, bad_rows, bar.noun)
            else:
                if not noun:
                    raise InvalidArguments("which noun are the rows?", hint="--type Contact")
                if not file.is_file():
                    raise InvalidArguments(f"{file} is no file", hint="nor a whole tenant: tenant.json is not in it")
                kind = format_of(file, format)
                bad_rows = Path(errors) if errors else file.with_name(file.name + _BAD_ROWS.get(kind, _BAD_ROWS_ELSE))
                asked = Import(
                    file=file,
                    type=noun,
                    format=kind,
                    bad_rows=bad_rows,
                    by=by or None,
                    mapped=tuple(map_ or ()),
                    ignore_unknown=ignore,
                    keep_ids=keep_ids,
                    encoding=encoding,
                    delimiter=delimiter,
                )
                done = import_file(client, given.data, given.tenant, asked, lambda so_far: bar.noun(noun, so_far))
                told = {noun: done}
        bad = sum(each.bad for each in told.values())
        _say_imported(told, bad_rows if bad else None, as_json)
    if bad:
        sys.exit(EXIT_REFUSED)


def export(
    noun: Noun = "",
    output: Annotated[str, typer.Option("--output", "-o", help="File; for a whole tenant a folder, or a .zip.")] = "",
    format: FormatName = "",
    filter_: Annotated[str, typer.Option("--filter", help='Filter as JSON, such as \'{"stage": "Lead"}\'.')] = "",
    as_of: Annotated[str, typer.Option("--as-of", help="A time, or a position in the log.")] = "",
    tenant: Tenant = "",
    data: Data = "",
    as_json: Json = False,
) -> None:
    """Write the entities of a noun to a file, or, without --type, the whole tenant: nouns, entities and log."""
    from runtime.transfer.archive import export_tenant
    from runtime.transfer.exporting import Export, export_file, export_stream

    with refusals(as_json):
        given = settings(tenant, data)
        moment: str | int | None = int(as_of) if as_of.isdigit() else as_of or None
        to = Path(output)
        if not noun and (filter_ or format or not output):
            raise InvalidArguments(
                "a whole tenant goes to a folder or a .zip, without filter and format", hint="-o acme.zip, or --type"
            )
        if output and not to.absolute().parent.is_dir():
            raise InvalidArguments(f"there is no folder {to.absolute().parent}", hint="make it first")
        with connection(given) as client:
            if not noun:
                with _progress(as_json) as progress:
                    bar = _Rows(progress)
                    manifest = export_tenant(client, given.tenant, to, bar.count, as_of=moment)
                told: dict[str, Any] = {"file": str(to), "seq": manifest.seq, "entities": manifest.entities}
                shown = f"{sum(manifest.entities.values()):,} entities and {manifest.seq:,} events in {to}"
            else:
                kind: Format = format_of(to, format) if format or output else "ndjson"
                asked = Export(type=noun, format=kind, filter=_filter(filter_), as_of=moment)
                if not output:
                    export_stream(client, asked, sys.stdout.buffer, lambda count: None)
                    sys.stdout.flush()
                    return
                with _progress(as_json) as progress:
                    bar = _Rows(progress)
                    count = export_file(client, asked, to, lambda count: bar.count(noun, count))
                told = {"file": str(to), "entities": {noun: count}}
                shown = f"{count:,} {noun} in {to}"
        print_out.json(told) if as_json else print_out.line(shown)


def backup(
    output: Annotated[str, typer.Option("--output", "-o", help="File; else one in the data folder.")] = "",
    tenant: Tenant = "",
    data: Data = "",
    as_json: Json = False,
) -> None:
    """Copy the tenant's file while it is in use, and check the copy against its log."""
    from runtime.transfer.backups import back_up

    with refusals(as_json):
        given = settings(tenant, data)
        with connection(given) as client, _progress(as_json) as progress:
            made = back_up(client, given.data, given.tenant, Path(output) if output else None, _Checked(progress).heard)
        told = msgspec.to_builtins(made)
        print_out.json(told) if as_json else print_out.line(f"{made.file}: {made.seq:,} events, checked")


def backups(
    of_tenant: Annotated[str, typer.Option("--tenant", help="Only of this tenant.")] = "",
    data: Data = "",
    as_json: Json = False,
) -> None:
    """List the backups that were made and are still there, and the files that restores put aside."""
    from runtime.transfer.backups import kept

    with refusals(as_json):
        found = kept(settings("", data).data, of_tenant or None)
        if as_json:
            print_out.json(msgspec.to_builtins(found))
            return
        for each in found:
            print_out.line(f"{each.at}  {each.tenant}  {_state(each)}  {each.file}")


def restore(
    file: Annotated[Path, typer.Argument(help="A backup.")],
    force: Annotated[bool, typer.Option("--force", help="Also in the place of a tenant that has events.")] = False,
    tenant: Tenant = "",
    data: Data = "",
    as_json: Json = False,
) -> None:
    """Check a backup and put it in a tenant's place. What was there is kept beside it."""
    from runtime.transfer.backups import restore as put_back

    with refusals(as_json):
        given = settings(tenant, data)
        with connection(given) as client, _progress(as_json) as progress:
            heard = _Checked(progress).heard
            done = put_back(client, given.data, given.tenant, file, force=force, heard=heard)
        if as_json:
            print_out.json({"tenant": done.tenant, "seq": done.seq, "former": done.former})
            return
        print_out.line(f"{done.tenant} is as it was at event {done.seq:,}")
        if done.former:
            print_out.line(f"what was there is kept in {done.former}")


@app.command("list")
def list_(data: Data = "", as_json: Json = False) -> None:
    """List the tenants of the data folder."""
    with refusals(as_json), connection(settings("", data)) as client:
        found = client.ask("tenants", {})
        if as_json:
            print_out.json(found)
            return
        for each in found:
            print_out.line(f"{each['name']}  {each['bytes']:,} bytes  {each['changedAt']}")


@app.command()
def delete(
    name: Annotated[str, typer.Argument(help="Tenant.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: Data = "",
    as_json: Json = False,
) -> None:
    """Delete a tenant: its entities, its log, its index, everything but its backups."""
    from runtime.transfer.backups import kept

    with refusals(as_json):
        given = settings(name, data)
        if not yes:
            if as_json or not sys.stdin.isatty():
                raise InvalidArguments(f"{name} would be gone for good", hint="--yes, to delete it without being asked")
            if not typer.confirm(f"Delete {name} for good?", default=False):
                sys.exit(EXIT_REFUSED)
        with connection(given) as client:
            told = client.ask("delete-tenant", {})
        left = [each.file for each in kept(given.data, name)]
        if as_json:
            print_out.json({**told, "backups": left})
            return
        print_out.line(f"{name} is deleted" if told["deleted"] else f"there is no tenant {name}")
        for each in left:
            print_out.line(f"a backup still holds it: {each}")


class _Rows:
    """A bar for each noun, moved by how much of it went in or out."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, Any] = {}

    def noun(self, name: str, so_far: "Imported") -> None:
        bar = self._bar(name, total=1.0)
        bad = f", {so_far.bad:,} bad" if so_far.bad else ""
        self._progress.update(bar, completed=so_far.done, description=f"{name}: {so_far.rows:,} rows{bad}")

    def count(self, name: str, count: int) -> None:
        bar = self._bar(name, total=None)
        self._progress.update(bar, completed=count, description=f"{name}: {count:,}")

    def _bar(self, name: str, *, total: float | None) -> Any:
        if name not in self._bars:
            self._bars[name] = self._progress.add_task(name, total=total)
        return self._bars[name]


class _Checked:
    """A bar over the events that were checked."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bar: Any = None

    def heard(self, done: int, total: int) -> None:
        if self._bar is None:
            self._progress.columns = (TextColumn("checking"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._bar = self._progress.add_task("checking", total=total)
        self._progress.update(self._bar, completed=done)


@contextmanager
def _progress(as_json: bool) -> Generator[Progress]:
    """On standard error, where somebody looks at it."""
    console = Console(stderr=True)
    shown = console.is_terminal and not as_json
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not shown, transient=True) as progress:
        yield progress


def _say_imported(told: "dict[str, Imported]", bad_rows: Path | None, as_json: bool) -> None:
    if as_json:
        shape: dict[str, Any] = {
            name: {
                "rows": each.rows,
                "created": each.created,
                "updated": each.updated,
                "unchanged": each.unchanged,
                "bad": each.bad,
                "resumedAt": each.resumed_at,
            }
            for name, each in told.items()
        }
        print_out.json({"imported": shape, "errors": None if bad_rows is None else str(bad_rows)})
        return
    for name, each in told.items():
        parts = [f"{each.created:,} created", f"{each.updated:,} updated", f"{each.unchanged:,} unchanged"]
        resumed = f" (went on behind row {each.resumed_at:,})" if each.resumed_at else ""
        print_out.line(f"{name}: {each.rows:,} rows: {', '.join(parts)}, {each.bad:,} bad{resumed}")
    if bad_rows is not None:
        print_out.line(f"what was not taken, and why: {bad_rows}")


def _state(made: "Backup") -> str:
    if ".before-restore-" in made.file:
        return "put aside by a restore"
    return f"{made.seq:,} events, checked" if made.sha256 else f"{made.seq:,} events, not checked"


def _filter(text: str) -> dict[str, Any] | None:
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise InvalidArguments(f"--filter is no JSON object: {error}", hint='--filter \'{"stage": "Lead"}\'') from error
