"""The engine's calls, as a face makes them, with the things that a test can turn: the clock, and the process' end."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from runtime.check import differences
from runtime.engine import Engine, EngineOptions
from runtime.outside.hosts import read_hosts
from runtime.tenant import Tenant
from runtime.wire import Question, decode


class Clock:
    """A clock that a test can put forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Door:
    """One tenant of an engine on a data folder."""

    def __init__(self, data: Path, name: str = "default", *, hosts: str = "", **options: Any) -> None:
        """`options` are further ones of the engine."""
        self.data = data
        self.name = name
        self.clock = Clock()
        # `hosts` are those that code may ask.
        self.options = EngineOptions(clock=self.clock, hosts=read_hosts(hosts), **options)
        self.engine = Engine(data, self.options)

    def __call__(self, call: str, **arguments: Any) -> Any:
        return decode(self.engine.answer(Question(call, self.name, arguments)))

    def do(self, code: str) -> Any:
        """What code gives."""
        return self("do", code=code)["result"]

    def other(self, name: str) -> "Door":
        """Another tenant of the same engine."""
        door = Door.__new__(Door)
        door.__dict__.update(self.__dict__, name=name)
        return door

    def opened(self) -> set[str]:
        """The tenants that the engine has open."""
        return {each["name"] for each in self.engine.tenants() if each["open"]}

    def reopen(self) -> None:
        """End the engine and start another one on the same folder."""
        self.engine.close()
        self.engine = Engine(self.data, self.options)

    def close(self) -> None:
        """End the engine; whatever was done, the tables must be what the log says."""
        found = differences(
            self.tenant.file, [self.tenant.vocabulary.noun(name) for name in self.tenant.vocabulary.names]
        )
        self.engine.close()
        assert found == []

    @property
    def tenant(self) -> Tenant:
        return self.engine.tenant(self.name)

    @property
    def head(self) -> int:
        """The latest position of the log."""
        return self.tenant.writer.seq
