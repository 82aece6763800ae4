"""The peer of an audited change: anatid, embedded, on a file of its own. Runs in an environment of its own.

Each line on standard input is one job; its seconds are written to standard output, one line each.
"""

import sys
import time
from typing import Any

from anatid import Anatid  # pyright: ignore[reportMissingImports, reportUnknownVariableType]


def job(memory: Any, turn: str) -> float:
    """Remember something of somebody, correct it three times, each correction durable, and read where it comes from."""
    began = time.perf_counter()
    name = f"Ada Lovelace {turn}"
    known = memory.remember(f"{name} is a Planner, score 10", entities=[name], writer="bench")
    for changed in ("is a Founder", "has the score 20", "is in Finance"):
        known = memory.supersede(known.memory_id, f"{name} {changed}", writer="bench")
    chain = memory.provenance(known.memory_id).chain
    taken_s = time.perf_counter() - began
    if len(chain) != 4:
        raise RuntimeError(f"anatid tells of {len(chain)} versions and not of 4")
    return taken_s


if __name__ == "__main__":
    with Anatid.open(sys.argv[1], tenant=1) as memory:  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        for line in sys.stdin:
            print(job(memory, line.strip()), flush=True)
