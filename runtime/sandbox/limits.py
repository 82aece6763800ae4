"""What one run may use, and what it came to."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of one run. Levels of keys set them; these are the defaults of L1."""

    seconds: float = 30.0  # of the code itself; its clock stands still while `$` answers
    memory_bytes: int = 128 * 2**20  # on top of the bare interpreter
    calls: int = 100  # answered calls on `$`
    total_seconds: float | None = None  # from job to end, answers included; None: twice `seconds`
    wait_seconds: float = 30.0  # in the queue for a worker

    @property
    def whole_seconds(self) -> float:
        """The bound of the run from its job to its end."""
        return 2 * self.seconds if self.total_seconds is None else self.total_seconds


# What one run may use, by the level of the key that it acts for.
BY_LEVEL: tuple[Limits, ...] = (
    Limits(seconds=10, memory_bytes=64 << 20, calls=50),
    Limits(seconds=30, memory_bytes=128 << 20, calls=100),
    Limits(seconds=60, memory_bytes=256 << 20, calls=1_000),
    Limits(seconds=120, memory_bytes=512 << 20, calls=10_000),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended.

    `error` is `{code, message, hint?, details?}`, and then `result` is None; what was printed is in `output` anyway.
    """

    result: Any = None
    output: str = ""
    error: dict[str, Any] | None = None
    hint: str | None = None  # what to add to a program that gave no value and printed nothing
    calls: int = 0
    seconds: float = 0.0  # of the whole run, without its wait for a worker
    started: bool = True  # False: no worker took it, and another try may find one
