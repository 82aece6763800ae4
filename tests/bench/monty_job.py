"""A peer of the sandbox: pydantic-monty with a warm pool of its workers. Runs in an environment of its own.

For each line on standard input it takes a worker, has it run `1 + 1`, and prints the seconds that this took.
"""

import importlib
import sys
import time

if __name__ == "__main__":
    with importlib.import_module("pydantic_monty").Monty(min_processes=2) as pool:
        for _ in sys.stdin:
            began = time.perf_counter()
            with pool.checkout() as session:
                if session.feed_run("1 + 1") != 2:
                    raise RuntimeError("1 + 1 is not 2")
            print(time.perf_counter() - began, flush=True)
