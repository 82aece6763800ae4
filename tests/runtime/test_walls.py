"""What the engine does where the walls of its sandbox are fewer, or do not hold."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.engine import Engine, EngineOptions
from runtime.errors import Unavailable
from runtime.sandbox.worker import Ready
from runtime.wire import Question, decode
from tests.runtime.sandbox.lowered import FEW, Lowered

Open = Callable[..., Engine]
WITHOUT = "without seccomp and landlock, code of one tenant that got past the language could read every file"
HINT = "a data folder for each, or VERBENA_ACCEPT_FEWER_WALLS=yes"


@pytest.fixture
def open_(tmp_path: Path) -> Iterator[Open]:
    """Opens the folder on a machine with such walls; the one before is closed."""
    engines: list[Engine] = []

    def open_(ready: Ready = FEW, *, accept: bool = False) -> Engine:
        close()
        options = EngineOptions(workers=1, nursery=Lowered(ready), accept_fewer_walls=accept)
        engines.append(Engine(tmp_path, options))
        return engines[-1]

    def close() -> None:
        if engines:
            engines.pop().close()

    yield open_
    close()


def ask(engine: Engine, tenant: str, call: str = "do", **arguments: Any) -> Any:
    return decode(engine.answer(Question(call, tenant, arguments)))


def test_one_tenant_alone_may_run_code_behind_fewer_walls(open_: Open) -> None:
    assert ask(open_(), "acme", code="1 + 1")["result"] == 2


def test_a_second_tenant_is_not_made_behind_fewer_walls(open_: Open, tmp_path: Path) -> None:
    engine = open_()
    ask(engine, "acme", code="1 + 1")
    with pytest.raises(Unavailable) as refused:
        ask(engine, "rival", code="1 + 1")
    assert refused.value.as_dict() == {
        "code": "unavailable",
        "message": f"a second tenant beside acme is not made here: {WITHOUT}",
        "hint": HINT,
    }
    assert [path.name for path in (tmp_path / "tenants").glob("*.duckdb")] == ["acme.duckdb"]
    assert ask(engine, "acme", code="1 + 1")["result"] == 2


def test_where_it_is_accepted_several_tenants_run_code(open_: Open) -> None:
    engine = open_(accept=True)
    assert [ask(engine, name, code="1 + 1")["result"] for name in ("acme", "rival")] == [2, 2]


def test_several_tenants_that_are_there_are_served_without_code(open_: Open) -> None:
    engine = open_(accept=True)
    for name in ("acme", "rival"):
        ask(engine, name, code="$.Contact.create(name='Ada')")
    engine = open_()
    with pytest.raises(Unavailable) as refused:
        ask(engine, "rival", code="1 + 1")
    assert refused.value.message == f"no code is run here: {WITHOUT}, and there are 2 tenants; {HINT}"
    assert len(ask(engine, "rival", "search", type="Contact")["results"]) == 1
    ask(engine, "rival", action="create", type="Contact", data={"name": "Grace"})
    assert len(ask(engine, "rival", "search", type="Contact")["results"]) == 2


def test_where_a_wall_does_not_hold_nothing_but_the_doctor_answers(open_: Open) -> None:
    engine = open_(Ready(walls=["rlimits"], failed={"seccomp": "EINVAL"}))
    report = ask(engine, "acme", "doctor")
    assert report["walls"] == {"rlimits": "stands", "seccomp": "failed: EINVAL"}
    assert report["faults"] == ["seccomp failed (EINVAL)"]
    for call, arguments in (("do", {"code": "1"}), ("search", {"type": "Contact"}), ("tenants", {})):
        with pytest.raises(Unavailable) as refused:
            ask(engine, "acme", call, **arguments)
        assert refused.value.as_dict() == {
            "code": "unavailable",
            "message": "the walls of the sandbox do not hold: seccomp failed (EINVAL)",
            "hint": "verbena doctor shows them all",
        }


def test_the_doctor_tells_every_wall_and_every_probe(open_: Open) -> None:
    report = ask(open_(), "acme", "doctor")
    assert report["walls"] == {"rlimits": "stands", "seccomp": "missing: too old", "landlock": "missing: too old"}
    assert report["probes"]["files"] == "not tried: seccomp and landlock and empty_root missing"
    assert report["faults"] == []
