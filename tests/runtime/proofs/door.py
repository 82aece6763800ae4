"""A data folder with an engine that is closed and opened again, and the calls that a face makes of it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from runtime.engine import Engine, EngineOptions
from runtime.tenant import Tenant
from runtime.wire import Question, decode

BEGAN = datetime(2026, 11, 21, 10, tzinfo=UTC)


class Door:
    """The engine's calls, as a face makes them. Its clock stands still until `rest`, so nothing happens unasked."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.now = BEGAN
        self.engine = self.opened()

    def __call__(self, call: str, **arguments: Any) -> Any:
        return decode(self.engine.answer(Question(call, "default", arguments)))

    def do(self, code: str) -> Any:
        return self("do", code=code)["result"]

    @property
    def file(self) -> Path:
        return self.data / "tenants" / "default.duckdb"

    @property
    def tenant(self) -> Tenant:
        return self.engine.tenant("default")

    def rest(self) -> None:
        """Let so much time pass that the tenant does what it does when it rests."""
        self.now += timedelta(seconds=3)
        self.tenant.keep_up()

    def close(self) -> None:
        self.engine.close()

    def reopen(self) -> None:
        self.engine.close()
        self.engine = self.opened()

    def faults(self) -> list[tuple[int | None, str]]:
        """What a check of the whole log finds."""
        found: list[dict[str, Any]] = []
        piece = self("verify", limit=256)
        found += piece["faults"]
        while piece["reached"] < piece["size"]:
            piece = self("verify", after=piece["reached"], limit=256, size=piece["size"])
            found += piece["faults"]
        found += self("verify", tables=True)["faults"]
        return [(fault["seq"], fault["what"]) for fault in found]

    def opened(self) -> Engine:
        """A fresh engine on the folder, for whoever closed the former one."""
        return Engine(self.data, EngineOptions(clock=lambda: self.now, workers=1))
