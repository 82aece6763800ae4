"""`dbos_job.py FILE PORT`: the peer of a durable run, DBOS on a SQLite file as it comes. Runs in an environment of its own.

Each line on standard input is one workflow of so many steps; its seconds are written to standard output, one line each.
"""

import sys
import time

from dbos import DBOS  # pyright: ignore[reportMissingImports, reportUnknownVariableType]
from orders import Shop  # pyright: ignore[reportMissingImports, reportUnknownVariableType]

file, port = sys.argv[1:]
DBOS(  # pyright: ignore[reportUnknownVariableType]
    config={
        "name": "bench",
        "system_database_url": f"sqlite:///{file}",
        "run_admin_server": False,
        "log_level": "ERROR",
    }
)
shop = Shop(int(port))  # pyright: ignore[reportUnknownVariableType]


@DBOS.step()  # pyright: ignore[reportUnknownMemberType, reportUntypedFunctionDecorator]
def order(key: str) -> int:
    """One durable step."""
    return shop.order(key)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


@DBOS.workflow()  # pyright: ignore[reportUnknownMemberType, reportUntypedFunctionDecorator]
def orders(calls: int) -> int:
    """So many steps, one after another."""
    return sum(order(str(number)) > 0 for number in range(calls))


if __name__ == "__main__":
    DBOS.launch()  # pyright: ignore[reportUnknownMemberType]
    for line in sys.stdin:
        calls = int(line)
        began = time.perf_counter()
        if orders(calls) != calls:
            raise RuntimeError("an order was not made")
        print(time.perf_counter() - began, flush=True)
    DBOS.destroy()  # pyright: ignore[reportUnknownMemberType]
