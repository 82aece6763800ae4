"""`verbena install claude-desktop`: enter ourselves in the client's configuration, asking first and keeping a copy."""

import os
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, cast

import msgspec
import typer

from runtime.errors import InvalidArguments, Unavailable, VerbenaError
from server.cli import print_out
from server.faults import EXIT_REFUSED, in_words
from server.settings import claude_desktop_config_here, read

CONFIG_BYTES_MAX = 1024 * 1024

app = typer.Typer(help="Enter Verbena in the configuration of a client.", no_args_is_help=True)


@app.callback()
def clients() -> None:
    """Enter Verbena in the configuration of a client."""


@app.command()
def claude_desktop(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be written.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    tenant: Annotated[str, typer.Option(help="Whose business.")] = "",
    data: Annotated[str, typer.Option(help="Folder of the tenants.")] = "",
    config: Annotated[str, typer.Option(help="The configuration file, where it is not in its usual place.")] = "",
) -> None:
    """Enter Verbena in Claude Desktop's list of MCP servers."""
    try:
        settings = read(data=data, tenant=tenant)
        path = Path(config).expanduser().absolute() if config else claude_desktop_config_here()
        now = read_config(path)
        entry = {
            "command": str(console_script()),
            "args": ["mcp", "--tenant", settings.tenant, "--data", str(settings.data)],
        }
        new = with_server(now, entry, path=path)
        print_out.line(f"{path}:\n{_pretty({'mcpServers': {'verbena': entry}})}")
        if new == now:
            print_out.line("It is there already; nothing to do.")
            return
        if dry_run:
            print_out.line("Nothing was written.")
            return
        if not yes and not typer.confirm("Write this?", default=False):
            print_out.line("Nothing was written.")
            sys.exit(EXIT_REFUSED)
        copy = write_config(path, new, at=datetime.now(UTC))
        kept = f" The former configuration is kept in {copy}." if copy else ""
        print_out.line(f"Written.{kept} Restart Claude Desktop to see the tools.")
    except VerbenaError as error:
        print(in_words(error), file=sys.stderr)
        sys.exit(EXIT_REFUSED)


def console_script() -> Path:
    """The absolute path of `verbena`: Claude Desktop starts servers with a bare PATH and an unknown folder."""
    beside_python = Path(sys.executable).with_name("verbena.exe" if sys.platform == "win32" else "verbena")
    if beside_python.is_file():
        return beside_python.absolute()
    found = shutil.which("verbena")
    if found is None:
        raise Unavailable("the console script verbena is not installed", hint="make setup, then .venv/bin/verbena")
    return Path(found).absolute()


def read_config(path: Path) -> dict[str, Any]:
    """The configuration as it is, empty where there is none.

    Raises InvalidArguments where it is not one JSON object: writing over somebody's broken file would lose it.
    """
    try:
        with path.open("rb") as file:
            text = file.read(CONFIG_BYTES_MAX + 1)
    except FileNotFoundError:
        return {}
    except OSError as reason:
        raise Unavailable(f"cannot read {path}: {reason}") from reason
    if not text.strip():
        return {}
    try:
        config = msgspec.json.decode(text.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as reason:
        raise InvalidArguments(
            f"{path} is not valid JSON: {reason}", hint="mend it first; nothing was touched"
        ) from reason
    if len(text) > CONFIG_BYTES_MAX or not isinstance(config, dict):
        raise InvalidArguments(f"{path} is not one JSON object", hint="mend it first; nothing was touched")
    return cast("dict[str, Any]", config)


def with_server(config: dict[str, Any], entry: dict[str, Any], *, path: Path) -> dict[str, Any]:
    """`config` with Verbena among its servers, everything else as it was."""
    servers = config.get("mcpServers", {})
    if not isinstance(servers, dict):
        raise InvalidArguments(f"mcpServers in {path} is not an object", hint="mend it first; nothing was touched")
    return {**config, "mcpServers": {**cast("dict[str, Any]", servers), "verbena": entry}}


def write_config(path: Path, config: dict[str, Any], *, at: datetime) -> Path | None:
    """Put `config` in place whole, and say where the former one is kept; None where there was none."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        copy = None
        if path.exists():
            copy = path.with_name(f"{path.name}.bak-{at:%Y%m%dT%H%M%S%fZ}")
            shutil.copy2(path, copy)
        # Written beside and moved into place, so that no half file is ever read.
        with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=path.name, delete=False) as file:
            file.write(_pretty(config).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, file.name)
        os.replace(file.name, path)
    except OSError as reason:
        raise Unavailable(f"cannot write {path}: {reason}") from reason
    return copy


def _pretty(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
