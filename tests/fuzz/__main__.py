"""`python -m tests.fuzz`: new inputs for every target in turn, until the time is up; a finding is printed in its smallest form."""

import argparse
import itertools
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.errors import HypothesisWarning

from tests.fuzz.targets import TARGETS, target
from tests.runtime.door import Door

SECONDS_DEFAULT = 60.0
EXAMPLES_A_ROUND = 400
FINDINGS_MAX = 20


def main() -> int:
    """0 where every input was as it should be; 1 where one was not."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS_DEFAULT)
    parser.add_argument("--seed", type=int, default=time.time_ns(), help="of the first round")
    parser.add_argument("--target", choices=TARGETS, action="append", help="by default all")
    given = parser.parse_args()
    warnings.simplefilter("ignore", HypothesisWarning)  # that what it prints of a finding is long
    began, findings, rounds = time.monotonic(), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        door = Door(Path(folder) / "data")
        chosen = given.target or TARGETS
        for name in itertools.cycle(chosen):
            if time.monotonic() - began > given.seconds or findings == FINDINGS_MAX:
                break
            round_seed = given.seed + rounds
            try:
                _ROUND(seed(round_seed)(target(name, door)))()
            except Exception:
                findings += 1
                print(f"target {name}, seed {round_seed}\n{traceback.format_exc()}", flush=True)
            rounds += 1
            if rounds % (25 * len(chosen)) == 0:
                print(f"{rounds} rounds, {findings} findings, {time.monotonic() - began:.0f} s", flush=True)
        door.engine.close()
    inputs = rounds * EXAMPLES_A_ROUND
    print(
        f"{rounds} rounds of {EXAMPLES_A_ROUND} ({inputs:,} inputs), {findings} findings, {time.monotonic() - began:.0f} s"
    )
    return int(findings > 0)


_ROUND = settings(
    max_examples=EXAMPLES_A_ROUND,
    database=None,
    deadline=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large),
)


if __name__ == "__main__":
    sys.exit(main())
