"""A tenant that does not fit into the memory that the store may use: what reads all of it does so in pieces."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from runtime.engine import Engine, EngineOptions
from runtime.store.instance import InstanceLimits
from runtime.wire import Question, decode

MEMORY_MB = 48
# Each a thousand entities with 1 KB of text: 12 MB of text, as much again as JSON, and both of it in the events too.
BATCHES = 12
TEXT = "x" * 1_000


class Narrow:
    """One tenant of an engine that may use little memory."""

    def __init__(self, data: Path) -> None:
        self.engine = Engine(data, EngineOptions(limits=InstanceLimits(memory_mb=MEMORY_MB)))

    def __call__(self, call: str, **arguments: Any) -> Any:
        return decode(self.engine.answer(Question(call, "default", arguments)))


@pytest.fixture
def narrow(tmp_path: Path) -> Generator[Narrow]:
    """An engine with a tenant that is larger than its memory."""
    made = Narrow(tmp_path)
    try:
        for first in range(0, BATCHES * 1_000, 1_000):
            rows = [
                [line, {"name": f"C{line}", "email": f"c{line}@example.com", "title": TEXT}]
                for line in range(first, first + 1_000)
            ]
            made("import", type="Contact", rows=rows, **{"import": "large", "first": first})
        yield made
    finally:
        made.engine.close()


def test_a_log_larger_than_memory_is_rebuilt_and_compared(narrow: Narrow) -> None:
    assert narrow("rebuild") == {"events": 12_000, "differences": [], "replaced": False}
