"""What all tests share: a data folder whose engine ends with the test, a service, the specs, and the rule on skips."""

import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from runtime.client import Connection, is_owned
from runtime.errors import VerbenaError
from tests.runtime.outside.service import Service, service

ROOT = Path(__file__).parents[1]
# The only skip that a full run allows: the folder is no part of the project, and a fresh clone has none.
NO_SHARED = "needs the folder `shared` beside the checkout"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="fail the run when a test was skipped for want of a tool")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for reason in _skips(terminalreporter, config):
        terminalreporter.write_line(f"skipped, and may not be: {reason}", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if isinstance(reporter, pytest.TerminalReporter) and _skips(reporter, session.config) and not session.exitstatus:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _skips(reporter: pytest.TerminalReporter, config: pytest.Config) -> list[str]:
    if not config.getoption("--no-skips"):
        return []
    reports = [report for report in reporter.getreports("skipped") if isinstance(report, pytest.TestReport)]
    return [str(report.longrepr) for report in reports if NO_SHARED not in str(report.longrepr)]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of specs and vectors beside the checkout."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(NO_SHARED)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Generator[Path]:
    """An empty data folder; the engine that a test starts on it is told to end."""
    folder = tmp_path / "data"
    yield folder
    end_engine(folder)


@pytest.fixture(scope="module")
def module_data(tmp_path_factory: pytest.TempPathFactory) -> Generator[Path]:
    """One data folder for all tests of a file: they may read what others wrote, and count nothing."""
    folder = tmp_path_factory.mktemp("verbena") / "data"
    yield folder
    end_engine(folder)


@pytest.fixture
def shop() -> Generator[Service]:
    """A service on the loopback that honours keys."""
    with service() as shop:
        yield shop


def end_engine(folder: Path) -> None:
    """Ask the engine of a data folder to end, if there is one."""
    if folder.is_dir() and is_owned(folder):
        with Connection(folder, tenant="default") as connection:
            try:
                connection.ask("end", {})
            except VerbenaError:
                return  # it ended before it could answer


class Shell:
    """Runs `verbena` as a person would, with nothing of the machine's own settings."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("VERBENA_")}
        return {**kept, "VERBENA_DATA": str(self.data), "NO_COLOR": "1", "COLUMNS": "200"}

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "server", *words]

    def __call__(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=ROOT,
            env=self.environment(),
        )


@pytest.fixture(scope="module")
def module_verbena(module_data: Path) -> Shell:
    """The command line on the data folder of the file."""
    return Shell(module_data)


@pytest.fixture
def verbena(data: Path) -> Shell:
    """The command line on an empty data folder."""
    return Shell(data)
