"""`verbena log`: what happened, and that nobody changed it since. `verbena verify`: one event of it, checked offline."""

import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from runtime.client import Connection
from runtime.errors import InvalidArguments, LimitExceeded, Unavailable, ValidationFailed
from runtime.proofs import proof
from runtime.proofs.merkle import TILE_LEAVES
from runtime.proofs.note import NOTE_CHARS_MAX, Checkpoint, Note
from runtime.proofs.verify import Trust, Verified
from runtime.proofs.verify import verify as checked
from server.cli import print_out
from server.cli.follow import Followable, follow
from server.cli.session import Data, Json, Tenant, connected, refusals
from server.faults import EXIT_REFUSED

# Faults beyond these are counted and not shown.
FAULTS_SHOWN = 20
FAULTS_KEPT = 1_000
# As many events are asked about at once: the bar moves some times a second, and the engine answers others in between.
PIECE = 8_192

Since = Annotated[str, typer.Option("--since", help="File with an earlier checkpoint.")]
Output = Annotated[str, typer.Option("--output", "-o", help="File to write; else standard output.")]

# A listing shows as many, unless it is told otherwise; whoever follows sees all.
LISTED = 50

app = typer.Typer(cls=Followable, invoke_without_command=True, subcommand_metavar="[COMMAND] [ARGS]...")


@app.callback()
def events(
    context: typer.Context,
    noun: Annotated[str, typer.Option("--type", help="Only events of this noun.")] = "",
    entity: Annotated[str, typer.Option(help="Only events of this entity.")] = "",
    after: Annotated[
        int | None, typer.Option("--after", "--since", help="Only events after this position.", min=0)
    ] = None,
    limit: Annotated[int | None, typer.Option(help=f"Events, else {LISTED}; at most 1000 at once.", min=1)] = None,
    following: Annotated[
        str,
        typer.Option(
            "--follow",
            metavar="[PATTERN]",
            help="Go on with what happens: Contact.*, *.created, Contact.qualified, else everything.",
        ),
    ] = "",
    filter_: Annotated[str, typer.Option("--filter", help="With --follow: of the entity, as JSON.")] = "",
    tenant: Tenant = "",
    data: Data = "",
    as_json: Json = False,
) -> None:
    """Show what happened, in order; go on with what happens; or check and prove it."""
    given: dict[str, Any] = {"type": noun, "entity": entity, "after": after, "limit": limit}
    given = {name: value for name, value in given.items() if value not in ("", None)}
    with refusals(as_json):
        if context.invoked_subcommand is not None:
            # They would be without effect there, and nobody would see it.
            if given or following or filter_ or tenant or data or as_json:
                raise InvalidArguments(
                    "options stand behind the command", hint=f"verbena log {context.invoked_subcommand} …"
                )
            return
        if following and (noun or entity):
            raise InvalidArguments("whoever follows says in the pattern what", hint=f"--follow {noun or 'Contact'}.*")
        if filter_ and not following:
            raise InvalidArguments("a filter goes with --follow", hint="--follow Contact.* --filter …")
        with connected(tenant, data) as client:
            if following:
                follow(client, following, filter=filter_, since=after, limit=limit, as_json=as_json)
                return
            found = client.ask("events", {"after": 0, "limit": LISTED, **given})
            print_out.json(found) if as_json else print_out.events(found)


@app.command(name="verify")
def verify_log(since: Since = "", tenant: Tenant = "", data: Data = "", as_json: Json = False) -> None:
    """Check every event against the tree, the signed heads and the tables; with --since, those after a checkpoint."""
    with refusals(as_json), connected(tenant, data) as client, _progress(as_json) as progress:
        faults: list[dict[str, Any]] = []
        count, size = 0, 0
        for reached, size, found in _pieces(client, _text(since) if since else None):
            progress(reached, size)
            count += len(found)
            faults += found[: FAULTS_KEPT - len(faults)]
    if as_json:
        print_out.json({"size": size, "faults": faults, "count": count})
    elif not faults:
        print_out.line(
            f"{size} events, all as they were logged" + (", and they extend the checkpoint" if since else "")
        )
    else:
        for fault in faults[:FAULTS_SHOWN]:
            print_out.line(f"at {fault['seq']}: {fault['what']}" if fault["seq"] is not None else fault["what"])
        if count > FAULTS_SHOWN:
            print_out.line(f"… and {count - FAULTS_SHOWN} more")
    if faults:
        sys.exit(EXIT_REFUSED)


@app.command()
def prove(
    id: Annotated[str, typer.Argument(help="An entity's id, for its latest event; or an event's.")],
    version: Annotated[int, typer.Option(help="Of the entity; else the latest.", min=0)] = 0,
    since: Since = "",
    output: Output = "",
    tenant: Tenant = "",
    data: Data = "",
    as_json: Json = False,
) -> None:
    """Write a proof that the log holds an event, for `verbena verify`; with --since, also that the log extends that."""
    given: dict[str, Any] = {"id": id}
    if version:
        given["version"] = version
    with refusals(as_json):
        if since:
            size = Checkpoint.parse(Note.parse(_text(since)).text).size
            given |= {"from": size} if size else {}
        with connected(tenant, data) as client:
            made = client.ask("prove", given)
        write(output, written_out(made, as_json=as_json))


def written_out(proof: Any, *, as_json: bool = False) -> str:
    """A proof as it stands in its file: JSON, a key a line or, for programs, all in one."""
    text = msgspec.json.encode(proof)
    return (text if as_json else msgspec.json.format(text, indent=1)).decode() + "\n"


@app.command()
def checkpoint(output: Output = "", tenant: Tenant = "", data: Data = "", as_json: Json = False) -> None:
    """Print the signed head of the log: keep it elsewhere, and --since tells later whether the log still extends it."""
    with refusals(as_json), connected(tenant, data) as client:
        made = client.ask("checkpoint", {})
        write(output, msgspec.json.encode(made).decode() + "\n" if as_json else made["checkpoint"])


@app.command()
def key(output: Output = "", tenant: Tenant = "", data: Data = "", as_json: Json = False) -> None:
    """Print the key that signs the log's heads, and which keys it replaced: hand it to whoever checks proofs."""
    with refusals(as_json), connected(tenant, data) as client:
        made = client.ask("key", {})
        text = "\n".join([made["key"] + "\n", *made["rotations"]])
        write(output, msgspec.json.encode(made).decode() + "\n" if as_json else text)


@app.command()
def rotate_key(tenant: Tenant = "", data: Data = "", as_json: Json = False) -> None:
    """Replace the signing key of the installation; what the former one signed can still be checked."""
    with refusals(as_json), connected(tenant, data) as client:
        made = client.ask("rotateKey", {})
        if as_json:
            print_out.json(made)
        else:
            print_out.line(f"was {made['former']}\nnow {made['key']}")


def verify(
    file: Annotated[str, typer.Argument(metavar="PROOF", help="A proof, or - for standard input.")],
    trusted: Annotated[
        str, typer.Option("--key", help="The key that you trust, or a file that `verbena log key` wrote.")
    ] = "",
    since: Since = "",
    as_json: Json = False,
) -> None:
    """Check a proof, with nothing but the proof: no server, no data folder."""
    with refusals(as_json):
        read = proof.parse(proof.decoded(_bytes(file, proof.PROOF_BYTES_MAX)))
        trust = Trust.parse(_text(trusted) if Path(trusted).is_file() else trusted) if trusted else None
        found = checked(read, trusted=trust, since=_text(since) if since else None)
    if as_json:
        print_out.json(found)
    else:
        _show(found)


def _show(found: Verified) -> None:
    event = found.event or {}
    print_out.line(f"proven: event {found.seq} of {found.size} in the log {found.origin}")
    if found.since is not None:
        print_out.line(f"the log extends the checkpoint over {found.since} events")
    if found.trusted:
        print_out.line("signed by the key that you trust, or one that leads to it")
    else:
        print_out.line(
            f"signed by {found.key}\nThat key came with the proof: compare it with one that you trust, or give it as --key."
        )
    if found.event is None or found.payload is None:
        print_out.line("what it said was erased: something was here, and nobody can put another thing in its place")
    print_out.entity({**event, **(found.payload or {})})


def _pieces(client: Connection, since: str | None) -> Iterator[tuple[int, int, list[dict[str, Any]]]]:
    """Every piece of the check, as `(reached, size, faults)`: the log from its beginning on, and the tables."""
    checked_until = 0
    if since is not None:
        Checkpoint.parse(Note.parse(since).text)  # what is none is refused, and is no fault of the log
        try:
            checked_until = client.ask("verify", {"since": since})["reached"]
        except (ValidationFailed, Unavailable) as error:
            yield 0, 0, [{"seq": error.details.get("seq"), "what": error.message}]
    # What the checkpoint covers was checked then: its hashes are enough to know that it is still the same.
    known = checked_until // TILE_LEAVES * TILE_LEAVES
    reached, size = 0, None
    while size is None or reached < size:
        given: dict[str, Any] = {"after": reached, "limit": PIECE}
        given |= {} if size is None else {"size": size}
        given |= {"leavesOnly": True, "limit": min(PIECE, known - reached)} if reached < known else {}
        piece = client.ask("verify", given)
        reached, size = piece["reached"], piece["size"]
        yield reached, size, piece["faults"]
    yield size, size, client.ask("verify", {"tables": True})["faults"]


@contextmanager
def _progress(quiet: bool) -> Generator[Callable[[int, int], None]]:
    """Shows how far it has come, on standard error, where a person is looking."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield _silent
        return
    columns = (TextColumn("checking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("events")

        def show(reached: int, size: int) -> None:
            bar.update(task, completed=reached, total=size)

        yield show


def _silent(reached: int, size: int) -> None:
    """Shows nothing."""


def _bytes(name: str, bytes_max: int) -> bytes:
    """What a file, or standard input, holds, up to a bound."""
    try:
        if name == "-":
            found = sys.stdin.buffer.read(bytes_max + 1)
        else:
            with Path(name).open("rb") as file:
                found = file.read(bytes_max + 1)
    except OSError as error:
        raise InvalidArguments(f"{name} cannot be read: {error.strerror or error}") from error
    if len(found) > bytes_max:
        raise LimitExceeded(f"{name} has more than {bytes_max} bytes")
    return found


def _text(name: str) -> str:
    try:
        return _bytes(name, NOTE_CHARS_MAX).decode()
    except UnicodeDecodeError as error:
        raise InvalidArguments(f"{name} is no UTF-8 text") from error


def write(name: str, text: str) -> None:
    if not name:
        sys.stdout.write(text)
        return
    try:
        Path(name).write_text(text)
    except OSError as error:
        raise InvalidArguments(f"{name} cannot be written: {error.strerror or error}") from error
