"""The whole server on machines that have fewer walls, or on which one of them cannot be raised."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.sandbox.nursery import can_fork
from tests.stories.conftest import ROOT, Shell

pytestmark = pytest.mark.skipif(not can_fork(), reason="walls of the kernel are for Linux alone")
CONTAINER = str(ROOT / "tests" / "runtime" / "sandbox" / "of_container.py")
Under = Callable[..., subprocess.CompletedProcess[str]]
FAULT = "the walls of the sandbox do not hold: landlock failed ("
WITHOUT = "without landlock, code of one tenant that got past the language could read every file"


@pytest.fixture
def under(verbena: Shell) -> Under:
    """Runs `verbena` under a filter that forbids one system call; the engine that it starts is under it too."""

    def run(forbidden: str, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, CONTAINER, forbidden, *verbena.command(*words)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=ROOT,
            env=verbena.environment() | variables,
        )

    return run


def test_a_wall_that_cannot_be_raised_stops_the_start_and_the_doctor_says_which(
    under: Under, stop: Callable[[], None]
) -> None:
    served = under("landlock_restrict_self", "serve", "--port", "0")
    assert (served.returncode, served.stdout) == (1, "")
    assert served.stderr.startswith(f"unavailable: {FAULT}")
    asked = under("landlock_restrict_self", "do", "1 + 1")
    assert asked.returncode == 1
    assert FAULT in asked.stderr and "hint: verbena doctor shows them all" in asked.stderr
    report = under("landlock_restrict_self", "doctor")
    assert report.returncode == 1
    assert "wall landlock" in report.stdout and "FAULT 1" in report.stdout
    stop()


def test_without_landlock_one_tenant_is_served_and_several_where_that_is_accepted(
    under: Under, verbena: Shell, stop: Callable[[], None]
) -> None:
    def do(tenant: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return under("landlock_create_ruleset", "do", "1 + 1", "--tenant", tenant, **variables)

    assert do("acme").stdout == "2\n"
    refused = do("rival")
    assert refused.returncode == 1
    assert refused.stderr == (
        f"unavailable: a second tenant beside acme is not made here: {WITHOUT}\n"
        "  hint: a data folder for each, or VERBENA_ACCEPT_FEWER_WALLS=yes\n"
    )
    stop()
    accepted = {"VERBENA_ACCEPT_FEWER_WALLS": "yes"}
    assert [do(tenant, **accepted).stdout for tenant in ("acme", "rival")] == ["2\n", "2\n"]
    assert Path(verbena.data / "tenants" / "rival.duckdb").exists()
    stop()
