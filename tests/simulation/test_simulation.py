"""A thousand random histories, and every one that ever failed, keep all promises of log, tables, plans and answers."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.lives import live, seeds_that_failed

ROOT = Path(__file__).parents[2]
HISTORIES = 1_000
PROCESSES = 2
SECONDS_MAX = 900


@pytest.mark.timeout(SECONDS_MAX)
def test_seeds_that_failed_once_end_as_promised() -> None:
    assert [finding for seed in seeds_that_failed() if (finding := live(seed)) is not None] == []


@pytest.mark.timeout(SECONDS_MAX)
def test_a_thousand_random_histories_end_as_promised() -> None:
    each = HISTORIES // PROCESSES
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.simulation", "--from", str(number * each), "--histories", str(each)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    told = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * PROCESSES, "\n".join(told)
