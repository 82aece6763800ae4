"""The peers that we are measured against, installed by name from whatever index the machine has."""

import shutil
import subprocess
import sys
from pathlib import Path

FASTMCP = "fastmcp[code-mode]"
ANATID = "anatid"
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


def server_memory(folder: Path) -> list[str]:
    """The command of the memory server; the variable MEMORY_FILE_PATH names its file."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NotInstallable(f"{SERVER_MEMORY} needs Node and npm")
    home = folder / "server-memory"
    if not (home / "installed").exists():
        home.mkdir(parents=True, exist_ok=True)
        _run(SERVER_MEMORY, [npm, "install", "--prefix", str(home), "--no-audit", "--no-fund", SERVER_MEMORY])
        (home / "installed").touch()
    return [node, str(home / "node_modules" / SERVER_MEMORY / "dist" / "index.js")]


def _python_with(package: str, home: Path) -> str:
    """The interpreter of an environment that has the package and nothing of ours."""
    python = home / "bin" / "python"
    if not (home / "installed").exists():
        _run(package, [sys.executable, "-m", "venv", str(home)])
        _run(package, [str(python), "-m", "pip", "install", "--quiet", package])
        (home / "installed").touch()
    return str(python)


def _run(name: str, command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS_MAX)
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout).strip().rsplit("\n", 1)[-1][:200]
        raise NotInstallable(f"{name} could not be installed: {said}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstallable(f"{name} could not be installed: {error}") from error
