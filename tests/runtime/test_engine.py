"""An engine's end, whatever it is in the middle of."""

import threading
from datetime import UTC, datetime
from pathlib import Path

from runtime.engine import Engine, EngineOptions
from runtime.wire import Question


def test_an_engine_does_not_end_in_the_middle_of_its_upkeep(tmp_path: Path) -> None:
    inside, ended = threading.Event(), threading.Event()

    def clock() -> datetime:
        if threading.current_thread().name == "verbena-upkeep":
            inside.set()
            ended.wait(2)  # kept there while the engine is told to end, which takes it a moment
            inside.clear()
        return datetime.now(UTC)

    engine = Engine(tmp_path / "data", EngineOptions(clock=clock))
    engine.answer(Question("do", "default", {"action": "create", "type": "Contact", "data": {"name": "Ada"}}))
    engine.pool.close()  # the end of the workers takes longer than all the rest
    assert inside.wait(30)
    engine.close()
    at_work = inside.is_set()
    ended.set()
    assert not at_work
