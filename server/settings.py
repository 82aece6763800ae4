"""What a person may set from outside, read once: the only place that looks at the environment."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runtime.client import BASE_URL, IDLE_SECONDS, OwnerOptions
from runtime.errors import InvalidArguments, did_you_mean
from runtime.outside.hosts import read_hosts
from runtime.wire import TENANT_NAME, TENANT_NAME_HINT

TENANT = "default"
LOG = "warning"
LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Each setting under the name of its environment variable; a command-line option of the same name goes first."""

    # VERBENA_DATA: the folder that holds all tenants. Default: the per-user data folder of the platform.
    data: Path
    # VERBENA_TENANT: whose business it is. Default: "default".
    tenant: str
    # VERBENA_BASE_URL: what the addresses of entities begin with. Default: this machine.
    base_url: str
    # VERBENA_IDLE_S: seconds without a caller after which the engine ends by itself. Default: 600.
    idle_s: float
    # VERBENA_HTTP_HOSTS: the hosts that code of tenants may ask with `$.http`, see `runtime.outside.hosts`. Default: none.
    http_hosts: str
    # VERBENA_ACCEPT_FEWER_WALLS: "yes" lets several tenants run code where the kernel has no walls between them and the
    # files of whoever runs this. Default: they may not.
    accept_fewer_walls: bool
    # VERBENA_LOG: how much is said on standard error: debug, info, warning or error. Default: warning.
    log: str

    @property
    def owner(self) -> OwnerOptions:
        """What the owner of the data folder is started with, where nobody owns it yet."""
        return OwnerOptions(
            idle_s=self.idle_s,
            base_url=self.base_url,
            http_hosts=self.http_hosts,
            accept_fewer_walls=self.accept_fewer_walls,
        )


# Setting → environment variable; the docs are held to it by a test.
VARIABLES = {
    "data": "VERBENA_DATA",
    "tenant": "VERBENA_TENANT",
    "base_url": "VERBENA_BASE_URL",
    "idle_s": "VERBENA_IDLE_S",
    "http_hosts": "VERBENA_HTTP_HOSTS",
    "accept_fewer_walls": "VERBENA_ACCEPT_FEWER_WALLS",
    "log": "VERBENA_LOG",
}


def read(environment: Mapping[str, str] | None = None, *, data: str = "", tenant: str = "") -> Settings:
    """The settings in force: an option, else its environment variable, else the default.

    Raises InvalidArguments for a value that cannot be one, and for a `VERBENA_…` variable that does not exist: a
    misspelt setting would otherwise be silently without effect.
    """
    given = os.environ if environment is None else environment
    for name in given:
        if name.startswith("VERBENA_") and name not in VARIABLES.values():
            raise InvalidArguments(f"there is no setting {name}", hint=did_you_mean(name, VARIABLES.values()))
    folder = data or given.get("VERBENA_DATA", "")
    return Settings(
        data=Path(folder).expanduser().absolute() if folder else per_user_folder(sys.platform, given, Path.home()),
        tenant=_tenant(tenant or given.get("VERBENA_TENANT", "") or TENANT),
        base_url=_base_url(given.get("VERBENA_BASE_URL", "") or BASE_URL),
        idle_s=_seconds(given.get("VERBENA_IDLE_S", "") or str(IDLE_SECONDS)),
        http_hosts=_hosts(given.get("VERBENA_HTTP_HOSTS", "")),
        accept_fewer_walls=_accepted(given.get("VERBENA_ACCEPT_FEWER_WALLS", "")),
        log=_level(given.get("VERBENA_LOG", "") or LOG),
    )


def per_user_folder(platform: str, environment: Mapping[str, str], home: Path) -> Path:
    """Where an application keeps a user's data, by the custom of `platform` (a value of `sys.platform`)."""
    if platform == "darwin":
        return home / "Library" / "Application Support" / "verbena"
    if platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local") / "verbena"
    return Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share") / "verbena"


def claude_desktop_config(platform: str, environment: Mapping[str, str], home: Path) -> Path:
    """Where Claude Desktop keeps the list of its MCP servers, by platform."""
    if platform == "darwin":
        folder = home / "Library" / "Application Support"
    elif platform == "win32":
        folder = Path(environment.get("APPDATA") or home / "AppData" / "Roaming")
    else:
        folder = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    return folder / "Claude" / "claude_desktop_config.json"


def claude_desktop_config_here() -> Path:
    """`claude_desktop_config` of the machine and user that this runs as."""
    return claude_desktop_config(sys.platform, os.environ, Path.home())


def _tenant(name: str) -> str:
    """A tenant names a file and stands in URLs, so it is one plain word in small letters."""
    if not TENANT_NAME.match(name):
        raise InvalidArguments(f"{name[:80]!r} cannot be the name of a tenant", hint=TENANT_NAME_HINT)
    return name


def _base_url(url: str) -> str:
    if not url.startswith(("http://", "https://")) or any(mark.isspace() for mark in url):
        raise InvalidArguments(
            f"VERBENA_BASE_URL is no web address: {url[:80]!r}", hint="such as https://verbena.example"
        )
    return url.rstrip("/")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 1 <= seconds <= 86_400:
        raise InvalidArguments(f"VERBENA_IDLE_S is not a number of seconds from 1 to 86400: {text[:80]!r}")
    return seconds


def _hosts(text: str) -> str:
    """The list as the owner of the folder reads it; a mistake in it is told here, where somebody looks."""
    try:
        read_hosts(text)
    except InvalidArguments as error:
        raise InvalidArguments(f"VERBENA_HTTP_HOSTS: {error.message}", hint=error.hint) from error
    return text.strip()


def _accepted(text: str) -> bool:
    if text not in ("", "yes"):
        raise InvalidArguments(
            f"VERBENA_ACCEPT_FEWER_WALLS knows no {text[:80]!r}",
            hint="yes, or leave it out; verbena doctor shows the walls",
        )
    return text == "yes"


def _level(text: str) -> str:
    level = text.lower()
    if level not in LOG_LEVELS:
        raise InvalidArguments(f"VERBENA_LOG knows no {text[:80]!r}", hint=did_you_mean(level, LOG_LEVELS))
    return level
