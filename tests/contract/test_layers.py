"""The layers hold: server stands on connectors, connectors on runtime, never back."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_import_contract_is_kept() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    kept = subprocess.run(
        [str(linter), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert kept.returncode == 0, kept.stdout + kept.stderr


def test_only_the_settings_read_the_environment() -> None:
    readers = {
        str(path.relative_to(ROOT))
        for package in ("server", "connectors", "runtime")
        for path in (ROOT / package).rglob("*.py")
        if any(word in path.read_text() for word in ("os.environ", "os.getenv", "from os import environ"))
    }
    assert readers == {"server/settings.py"}
