"""What it costs to prove one event of a large log, and to check all of it."""

import itertools
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from runtime.client import Connection
from runtime.engine import Engine
from runtime.proofs import proof
from runtime.proofs.verify import verify
from runtime.wire import Question, decode
from tests.bench.row import Effort, Row, Say, against_bound
from tests.bench.stdio import plain_environment
from tests.bench.tenants import Stock, copied, stock

PROOF_MS = 50.0
VERIFY_SECONDS = 30.0
# A whole check takes so long that more rounds of it would tell nothing new.
VERIFY_ROUNDS = 3
PIECE = 8_192
SHELL_SECONDS_MAX = 600.0


async def rows(folder: Path, effort: Effort, say: Say) -> list[Row]:
    """At the large tenant: proofs of random entities, warm; every event, every head, every table; and that by the shell."""
    held = stock(folder / "data", effort.large, texts=False, say=say)
    with copied(folder, held) as data:
        engine = Engine(data)
        try:
            proofs = [_proofs_ms(engine, held, effort.calls, turn) for turn in range(effort.rounds + 1)]
            checks = [_check(engine, held) for _ in range(min(effort.rounds, VERIFY_ROUNDS))]
        finally:
            engine.close()
        shell = [_by_shell(data, held) for _ in range(min(effort.rounds, VERIFY_ROUNDS))]
    size = f"{held.size:,} events"
    note = f"the log {statistics.median(log for log, _ in checks):.1f} s, the tables against it the rest"
    return [
        against_bound(
            f"a proof at {size}, with its signed head", proofs[1:], PROOF_MS, "ms", f"the first {proofs[0]:.0f} ms"
        ),
        against_bound(
            f"verifying the whole log of {size}", [log + tables for log, tables in checks], VERIFY_SECONDS, "s", note
        ),
        against_bound(
            f"`verbena log verify` of {size}, from its start to its end",
            shell,
            VERIFY_SECONDS,
            "s",
            "with the start of the owning process, and the progress shown",
        ),
    ]


def _proofs_ms(engine: Engine, held: Stock, calls: int, turn: int) -> float:
    """The median milliseconds of a proof; one of them is checked, since a quick answer that is wrong is none."""
    taken: list[float] = []
    last: Any = None
    for id in itertools.islice(itertools.cycle(held.ids), turn * calls, (turn + 1) * calls):
        began = time.perf_counter()
        last = _ask(engine, held, "prove", id=id)
        taken.append(1000 * (time.perf_counter() - began))
    verify(proof.parse(last))
    return taken[0] if turn == 0 else statistics.median(taken)


def _check(engine: Engine, held: Stock) -> tuple[float, float]:
    """The seconds that the log took, and those that the tables did."""
    began = time.perf_counter()
    reached, size = 0, 1
    while reached < size:
        piece = _ask(engine, held, "verify", after=reached, limit=PIECE)
        _nothing_wrong(piece["faults"])
        reached, size = piece["reached"], piece["size"]
    log_s = time.perf_counter() - began
    _nothing_wrong(_ask(engine, held, "verify", tables=True)["faults"])
    return log_s, time.perf_counter() - began - log_s


def _by_shell(data: Path, held: Stock) -> float:
    """The seconds of the command, in a data folder that nobody owns yet."""
    command = [sys.executable, "-m", "server", "log", "verify", "--data", str(data), "--tenant", held.tenant]
    began = time.perf_counter()
    done = subprocess.run(
        command, capture_output=True, text=True, env=plain_environment(), timeout=SHELL_SECONDS_MAX, check=False
    )
    taken_s = time.perf_counter() - began
    with Connection(data, tenant=held.tenant) as connection:
        connection.ask("end", {})
    if done.returncode or not done.stdout.startswith(f"{held.size} events"):
        raise RuntimeError(f"log verify ended with {done.returncode}: {(done.stdout + done.stderr)[:500]}")
    return taken_s


def _ask(engine: Engine, held: Stock, call: str, **arguments: Any) -> Any:
    return decode(engine.answer(Question(call, held.tenant, arguments)))


def _nothing_wrong(faults: list[dict[str, Any]]) -> None:
    if faults:
        raise RuntimeError(f"the check of a log that is whole found {faults[:3]}")
