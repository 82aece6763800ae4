"""Programs of the tests that kill themselves at a named step, and how they are run until they have."""

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECONDS_MAX = 60  # a program that is still there by then did not come to its step


def until_killed(program: Path, *words: object) -> str:
    """What a program printed until it ended itself with kill -9, as it must have."""
    ended = until_ended(program, *words)
    assert ended.returncode == -signal.SIGKILL, ended.stderr[-2_000:]
    return ended.stdout


def until_ended(program: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """A program that has ended, in whichever way. It may import the tests."""
    return subprocess.run(
        [sys.executable, str(program), *map(str, words)],
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
