"""Time on the processor, which says more than the clock on a machine that does other things meanwhile."""

import os
import statistics
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of processor time since some moment: of this process, and of those below it, ended ones included."""

    here: float
    below: float

    def __sub__(self, former: "Spent") -> "Spent":
        return Spent(self.here - former.here, self.below - former.below)

    def of_each(self, count: int) -> str:
        """What one of so many took, in words."""
        return (
            f"{1000 * self.here / count:.1f} ms of the engine's and {1000 * self.below / count:.1f} ms of the workers'"
        )


def middle(taken: list[Spent]) -> Spent:
    """The medians. One of them may be far off: when a process has gone, what it reaped of others goes with it."""
    return Spent(statistics.median(each.here for each in taken), statistics.median(each.below for each in taken))


def spent() -> Spent:
    """What has been spent so far. Where no /proc tells of live processes, only those below that have ended count."""
    times = os.times()
    ended = times.children_user + times.children_system
    return Spent(times.user + times.system, ended + sum(_of(pid) for pid in _below(os.getpid())))


def _below(pid: int) -> list[int]:
    found: list[int] = []
    for listed in PROC.glob(f"{pid}/task/*/children"):
        for child in map(int, _read(listed).split()):
            found += [child, *_below(child)]
    return found


def _of(pid: int) -> float:
    """Seconds of a process and of those it has waited for; 0 of one that has just gone."""
    fields = _read(PROC / str(pid) / "stat").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
