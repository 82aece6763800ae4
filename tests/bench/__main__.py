"""`python -m tests.bench [NAME…]`: ours against a floor or a peer in the same run; leaves build/bench.json."""

import argparse
import asyncio
import sys
import traceback
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.bench import (
    audited,
    dos,
    durable,
    handlers,
    memory,
    proofs,
    reads,
    sandbox,
    starts,
    subscriptions,
    times,
    transfer,
    writes,
)
from tests.bench.row import QUICK, Effort, Row, Say
from tests.bench.table import keep, table
from tests.bench.tenants import ROOT

Rows = Callable[[Path, Effort, Say], Coroutine[Any, Any, list[Row]]]

# Name on the command line → the rows that it measures. What waits for a process to start comes last.
GROUPS: dict[str, Rows] = {
    "fetch": reads.fetch,
    "search-filter": reads.search_by_filter,
    "search-words": reads.search_by_words,
    "do": dos.nothing,
    "do-twenty": dos.twenty,
    "walls": sandbox.walls,
    "gets": sandbox.gets,
    "executions": sandbox.many,
    "memory": memory.rows,
    "writes": writes.rows,
    "import": transfer.rows,
    "proofs": proofs.rows,
    "as-of": times.as_of,
    "dry-run": times.dry_run,
    "audited": audited.rows,
    "rebuild": times.rebuild,
    "before": handlers.before,
    "drain": handlers.drained,
    "durable": durable.rows,
    "subscriptions": subscriptions.rows,
    "opening": starts.opening,
    "listing": starts.listing,
}


def main() -> int:
    """0 where every row was measured, whether or not it reached its target; 1 where one failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these: {', '.join(GROUPS)}")
    parser.add_argument("--quick", action="store_true", help="small tenants, few rounds: shows that it runs")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in GROUPS]
    if unknown:
        parser.error(f"no rows are named {unknown[0]!r}; there are {', '.join(GROUPS)}")
    console = Console()
    effort = QUICK if given.quick else Effort()
    build = ROOT / "build"
    rows: list[Row] = []
    failed = False
    for name in given.names or GROUPS:
        console.log(name)
        try:
            measured = asyncio.run(GROUPS[name](build / "bench", effort, console.log))
        except Exception:  # a row that fails must not cost the others
            traceback.print_exc(file=sys.stderr)
            failed = True
            continue
        rows += measured
        keep(build / ("bench-quick.json" if given.quick else "bench.json"), measured)
    console.print(table(rows))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
