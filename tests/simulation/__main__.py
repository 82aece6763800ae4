"""`python -m tests.simulation`: lives through many histories, each under a seed of its own, and prints every finding."""

import argparse
import sys
import time

from tests.simulation.lives import live

HISTORIES_DEFAULT = 1_000
FINDINGS_MAX = 20


def main() -> int:
    """0 where every history went as promised; 1 where one did not."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="only the history of this seed, told step by step")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--histories", type=int, default=HISTORIES_DEFAULT)
    parser.add_argument("--seconds-max", type=float, default=float("inf"), help="begin no history after this long")
    given = parser.parse_args()
    if given.seed is not None:
        finding = live(given.seed, tell=print)
        print(finding or f"seed {given.seed}: as promised")
        return int(finding is not None)
    began, found, done = time.monotonic(), 0, 0
    for seed in range(given.first, given.first + given.histories):
        if time.monotonic() - began > given.seconds_max or found == FINDINGS_MAX:
            break
        finding = live(seed)
        done += 1
        if finding is not None:
            found += 1
            print(finding, flush=True)
        if done % 500 == 0:
            print(f"{done} histories, {found} findings, {time.monotonic() - began:.0f} s", flush=True)
    print(f"{done} histories from seed {given.first}, {found} findings, {time.monotonic() - began:.0f} s")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
