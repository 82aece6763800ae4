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


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended.

    `error` is `{code, message, hint?, details?}`, and then `result` is None; what was printed is in `output` anyway.
    """

    result: Any = None
    output: str = ""
    error: dict[str, Any] | None = None
    calls: int = 0
    seconds: float = 0.0  # of the whole run, without its wait for a worker
    started: bool = True  # False: no worker took it, and another try may find one
