"""Whether the walls stand: a real worker tries to get through each of them before the first job is answered.

A wall that the kernel does not offer is missing, and known to be. A wall that it offers and refused, and a probe that got
through walls that are said to stand, are faults: then no code is run at all.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from runtime.sandbox.nursery import Nursery, awaited
from runtime.sandbox.worker import DeadlinePassed, Done, ProtocolBroken, Ready, Worker, WorkerDied

# Probe → the walls of which each alone stops it. None of them there: it is not tried. No wall named: it must always fail.
PROBES: Mapping[str, tuple[str, ...]] = {
    "descriptors": (),
    "environment": (),
    "limits": ("memory_limit",),
    "memory": ("memory_limit",),
    "files": ("seccomp", "landlock", "empty_root"),
    "writing": ("seccomp", "landlock", "empty_root"),
    "network": ("seccomp", "namespaces"),
    "processes": ("seccomp",),
    "threads": ("seccomp",),
    "machine code": ("seccomp",),
    "signals": ("seccomp",),
    "programs": ("seccomp", "landlock", "empty_root"),
}
KILL = "time"  # the last probe: a worker that does not listen to its timer is killed from outside
# Without these, who gets past the language has the files of whoever runs the server.
NEEDED_FOR_SEVERAL = ("seccomp", "landlock")

TRIES_MAX = 3
PROBE_SECONDS_MAX = 5.0  # each takes well below a millisecond
MEMORY_BYTES = 32 * 2**20
_SLEEP_SECONDS = 0.02
_SIGKILL = 9
STANDS, REFUSED, LOST = "stands", "refused", "the worker was lost over it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found, in words: wall → `stands`, or why not; probe → `refused`, or why it was not tried."""

    walls: Mapping[str, str]
    probes: Mapping[str, str]
    faults: tuple[str, ...]  # what should have held and did not; with any of them, nothing is run

    @property
    def standing(self) -> frozenset[str]:
        """The walls that every worker stands behind."""
        return frozenset(name for name, state in self.walls.items() if state == STANDS)

    @property
    def lacking(self) -> tuple[str, ...]:
        """Which walls are missing that several tenants need between them."""
        return tuple(name for name in NEEDED_FOR_SEVERAL if name not in self.standing)


def inspected(nursery: Nursery) -> Inspection:
    """Has two workers of `nursery` try to get out. Raises NoWorker where there is none to be had.

    Where nothing is wrong but that a worker went away, or was too slow on a machine that is, it looks again.
    """
    found = _inspected(nursery)
    for _ in range(TRIES_MAX - 1):
        if not found.faults or not all(LOST in fault for fault in found.faults):
            break
        found = _inspected(nursery)
    return found


def _inspected(nursery: Nursery) -> Inspection:
    worker = awaited(nursery.begin())
    ready = worker.ready or Ready([])
    standing = set(ready.walls)
    walls = dict.fromkeys(ready.walls, STANDS)
    walls |= {name: f"missing: {why}" for name, why in ready.missing.items()}
    walls |= {name: f"failed: {why}" for name, why in ready.failed.items()}
    faults = [f"{name} failed ({why})" for name, why in ready.failed.items()]
    probes: dict[str, str] = {}
    try:
        for name, stopping in PROBES.items():
            if stopping and not standing & set(stopping):
                probes[name] = f"not tried: {' and '.join(stopping)} missing"
                continue
            got = _got(worker, name)
            probes[name] = REFUSED if got is None else got
            if got is not None:
                faults.append(f"{name}: {got}")
                worker.end()  # whatever it has now, the next probe must not
                worker = awaited(nursery.begin())
    finally:
        worker.end()
    probes[KILL] = _killed(nursery)
    if probes[KILL] != REFUSED:
        faults.append(f"{KILL}: {probes[KILL]}")
    return Inspection(walls=walls, probes=probes, faults=tuple(faults))


def _got(worker: Worker, name: str) -> str | None:
    until = time.monotonic() + PROBE_SECONDS_MAX
    try:
        worker.send(_job(name), until)
        frame = worker.receive(until)
    except (WorkerDied, DeadlinePassed, ProtocolBroken) as end:
        return f"{LOST} ({type(end).__name__})"
    if not isinstance(frame, Done) or frame.error is not None:
        return "the worker could not try it"
    return None if frame.ok is None else str(frame.ok)[:200]


def _killed(nursery: Nursery) -> str:
    worker = awaited(nursery.begin())
    try:
        worker.send(_job(KILL), time.monotonic() + PROBE_SECONDS_MAX)
        worker.receive(time.monotonic() + _SLEEP_SECONDS)
    except DeadlinePassed:
        worker.kill()
    except (WorkerDied, ProtocolBroken):
        pass
    try:
        end = nursery.end_of(worker)
    finally:
        worker.end()
    if end is None:
        return LOST
    return REFUSED if end == -_SIGKILL else f"the worker was not killed, it ended with {end}"


def _job(probe: str) -> bytes:
    return msgspec.json.encode(
        {
            "probe": probe,
            "code": "",
            "filename": "<probe>",
            "deadline_ms": int(PROBE_SECONDS_MAX * 1000),
            "memory_bytes": MEMORY_BYTES,
            "now": "2026-01-01T00:00:00Z",
            "seed": 1,
            "names": {},
        }
    )
