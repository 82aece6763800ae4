"""Lives through the history of a seed in a folder of its own, and says what was found."""

import os
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.simulation.history import History

# The steps before a finding that are shown with it.
TOLD_MAX = 25
_SEEDS = Path(__file__).with_name("seeds.txt")
_MEMORY = Path("/dev/shm")  # files without a disk, where the platform has such a folder


def live(seed: int, tell: Callable[[str], None] | None = None) -> str | None:
    """None where everything was as promised, else what was not, how it came to that, and how to see it again."""
    with tempfile.TemporaryDirectory(prefix="simulation-", dir=_fast_folder()) as folder:
        history = History(seed, Path(folder))
        try:
            history.run()
        except Exception as finding:  # whatever ends a history, a finding or an error inside, its seed must be told
            last = traceback.format_exception(finding, limit=-4)
            return "\n".join(
                [
                    f"seed {seed}: {type(finding).__name__}: {finding}",
                    *(f"  {line}" for line in history.told[-TOLD_MAX:]),
                    *(f"  {line.rstrip()}" for line in last[1:-1]),
                    f"  again: python -m tests.simulation --seed {seed}",
                ]
            )
        finally:
            if tell is not None:
                for line in history.told:
                    tell(line)
    return None


def _fast_folder() -> Path | None:
    return _MEMORY if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) else None


def seeds_that_failed() -> list[int]:
    """The seeds that ended in a finding once, in the order in which they did."""
    lines = _SEEDS.read_text().splitlines()
    return [int(line.split()[0]) for line in lines if line.strip() and not line.startswith("#")]
