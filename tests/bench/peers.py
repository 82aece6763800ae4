"""The peers that we are measured against, installed by name from whatever index the machine has."""

import shutil
import subprocess
import sys
from pathlib import Path

FASTMCP = "fastmcp[code-mode]"
ANATID = "anatid"
DBOS = "dbos"
RESTATE_SDK = ("restate_sdk", "hypercorn")
RESTATE_SERVER = "@restatedev/restate-server"
SERVER_MEMORY = "@modelcontextprotocol/server-memory"
INSTALL_SECONDS_MAX = 600.0


class NotInstallable(Exception):
    """A peer cannot be had on this machine; the message is the reason that its rows give."""


def code_mode(folder: Path) -> list[str]:
    """The command of a FastMCP server in code mode, with an environment of its own."""
    return [_python_with(FASTMCP, folder / "fastmcp"), str(Path(__file__).with_name("code_mode.py"))]


def anatid(folder: Path) -> list[str]:
    """The command of a process that does jobs with anatid, with an environment of its own; it takes a file's path."""
    return [_python_with(ANATID, folder / "anatid"), str(Path(__file__).with_name("anatid_job.py"))]


def dbos(folder: Path) -> list[str]:
    """The command of a process that runs workflows with DBOS; it takes a file's path and the shop's port."""
    return [_python_with(DBOS, folder / "dbos"), str(Path(__file__).with_name("dbos_job.py"))]


def restate(folder: Path) -> tuple[str, list[str]]:
    """A server of Restate, and the command of a service that it calls, which takes the shop's port."""
    modules = _node_with(RESTATE_SERVER, folder / "restate-server")
    # The program itself, of whichever platform npm chose: the script around it would have to be ended too.
    binary = next(modules.glob(f"{RESTATE_SERVER}-*/bin/restate-server"), None)
    if binary is None:
        raise NotInstallable(f"{RESTATE_SERVER} has no program for this platform")
    python = _python_with(RESTATE_SDK[0], folder / "restate", *RESTATE_SDK[1:])
    return str(binary), [python, str(Path(__file__).with_name("restate_job.py"))]


def server_memory(folder: Path) -> list[str]:
    """The command of the memory server; the variable MEMORY_FILE_PATH names its file."""
    modules = _node_with(SERVER_MEMORY, folder / "server-memory")
    return [_node(SERVER_MEMORY)[0], str(modules / SERVER_MEMORY / "dist" / "index.js")]


def _python_with(package: str, home: Path, *others: str) -> str:
    """The interpreter of an environment that has the package, others that it needs, and nothing of ours."""
    python = home / "bin" / "python"
    if not (home / "installed").exists():
        _run(package, [sys.executable, "-m", "venv", str(home)])
        _run(package, [str(python), "-m", "pip", "install", "--quiet", package, *others])
        (home / "installed").touch()
    return str(python)


def _node_with(package: str, home: Path) -> Path:
    """The folder of modules that has the package; nothing of a package is run while it is installed."""
    npm = _node(package)[1]
    if not (home / "installed").exists():
        home.mkdir(parents=True, exist_ok=True)
        options = ["--no-audit", "--no-fund", "--ignore-scripts"]
        _run(package, [npm, "install", "--prefix", str(home), *options, package])
        (home / "installed").touch()
    return home / "node_modules"


def _node(package: str) -> tuple[str, str]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NotInstallable(f"{package} needs Node and npm")
    return node, npm


def _run(name: str, command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS_MAX)
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout).strip().rsplit("\n", 1)[-1][:200]
        raise NotInstallable(f"{name} could not be installed: {said}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstallable(f"{name} could not be installed: {error}") from error
