"""Whatever comes in: one refusal that says what would be right, nothing written, and the next call is answered."""

import subprocess
import sys
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pytest

from runtime import connect
from runtime.calls.do import do
from runtime.engine import Engine
from runtime.errors import Timeout, Unavailable, VerbenaError
from runtime.unit import Caller
from runtime.wire import Question


class Door(Protocol):
    """What these stories need of the fixture `door`."""

    def __call__(self, tool: str, **arguments: Any) -> dict[str, Any]: ...

    def raw(self, tool: str, arguments: str) -> dict[str, Any]: ...

    def head(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Business:
    """What is there before anything bad comes in."""

    ada: str
    deal: str
    won: str
    cursor: str  # of Contact, sorted by name


@pytest.fixture(scope="module")
def business(door: Door) -> Business:
    made = door(
        "do",
        code="""
ada = $.Contact.create(name="Ada", email="ada@example.com")
grace = $.Contact.create(name="Grace", email="grace@example.com")
deal = $.Deal.create(name="Engine", value=1815, contact=ada.id)
won = $.Deal.create(name="Loom", value=1801, contact=grace.id)
won.win()
return {"ada": ada.id, "deal": deal.id, "won": won.id}
""",
    )["result"]
    return Business(**made, cursor=door("search", type="Contact", sort="name", limit=1)["cursor"])


def _nested(levels: int) -> dict[str, Any]:
    filter: dict[str, Any] = {"name": "Ada"}
    for _ in range(levels):
        filter = {"$not": filter}
    return filter


# What is sent, the code that it gets, and a word that the message or the hint must have: what would have been right.
REFUSED: Mapping[str, tuple[str, dict[str, Any], str, str]] = {
    "an unknown noun": ("search", {"type": "Contract"}, "invalid_type", "Contact"),
    "an unknown noun in code": ("do", {"code": "$.Contcat.find()"}, "invalid_type", "Contact"),
    "an unknown field": ("search", {"type": "Contact", "filter": {"emial": "x"}}, "invalid_filter", "email"),
    "an unknown field written": ("do", {"code": "$.Contact.create(name='B', emial='x')"}, "validation_failed", "email"),
    "an unknown operator": (
        "search",
        {"type": "Deal", "filter": {"value": {"$gtr": 1}}},
        "invalid_filter",
        "$gt",
    ),
    "an unknown verb": ("do", {"action": "clsoe", "type": "Deal", "id": "{deal}"}, "invalid_type", "close"),
    "an unknown argument": ("search", {"type": "Deal", "fliter": {}}, "invalid_arguments", "filter"),
    "an unknown argument of a verb": (
        "do",
        {"action": "win", "type": "Deal", "id": "{deal}", "data": {"wonReson": "x"}},
        "validation_failed",
        "wonReason",
    ),
    "an unknown id": ("fetch", {"type": "Deal", "id": "deal_2222222222"}, "not_found", "find"),
    "an id of another noun": ("fetch", {"type": "Deal", "id": "{ada}"}, "not_found", "deal_"),
    "no id at all": ("fetch", {"id": "Ada"}, "invalid_id", "contact_fX9bL5nRdK"),
    "a cursor of another query": (
        "search",
        {"type": "Contact", "sort": "-name", "cursor": "{cursor}"},
        "invalid_cursor",
        "leave the cursor out",
    ),
    "a cursor that is none": ("search", {"type": "Contact", "cursor": "abc"}, "invalid_cursor", "leave it out"),
    "an unknown sort key": ("search", {"type": "Deal", "sort": "-valeu"}, "invalid_sort", "value"),
    "an unknown field to show": ("search", {"type": "Deal", "fields": ["stge"]}, "invalid_fields", "stage"),
    "an unknown relation": ("search", {"type": "Deal", "include": ["contcat"]}, "invalid_include", "contact"),
    "too many rows": ("search", {"type": "Deal", "limit": 101}, "invalid_arguments", "100"),
    "a number as text": ("do", {"code": "$.Deal.create(name='x', value='many')"}, "validation_failed", "number"),
    "a number as text in a filter": (
        "search",
        {"type": "Deal", "filter": {"value": "many"}},
        "invalid_filter",
        "number",
    ),
    "a list for a text argument": ("search", {"query": ["a"]}, "invalid_arguments", "text"),
    "a missing required field": ("do", {"action": "create", "type": "Deal", "data": {}}, "validation_failed", "name"),
    "a forbidden transition": ("do", {"action": "win", "type": "Deal", "id": "{won}"}, "invalid_transition", "reopen"),
    "a transition by update": (
        "do",
        {"action": "update", "type": "Deal", "id": "{deal}", "data": {"stage": "Won"}},
        "invalid_transition",
        "win",
    ),
    "a state that none begins in": (
        "do",
        {"action": "create", "type": "Deal", "data": {"name": "x", "value": 1, "stage": "Won"}},
        "invalid_transition",
        "Prospecting",
    ),
    "a taken unique value": (
        "do",
        {"action": "create", "type": "Contact", "data": {"name": "Imposter", "email": "ada@example.com"}},
        "unique_violation",
        "upsert",
    ),
    "a relation that leads nowhere": (
        "do",
        {"action": "update", "type": "Deal", "id": "{deal}", "data": {"contact": "contact_2222222222"}},
        "validation_failed",
        "find",
    ),
    "a stale version": (
        "do",
        {"action": "update", "type": "Deal", "id": "{won}", "data": {"name": "x", "$version": 1}},
        "conflict",
        "read it again",
    ),
    "a meta-field": (
        "do",
        {"action": "update", "type": "Deal", "id": "{deal}", "data": {"$createdBy": "me"}},
        "validation_failed",
        "leave it out",
    ),
    "a megabyte of code": ("do", {"code": "x = 1\n" * 170_000}, "limit_exceeded", "256 KB"),
    "a memory bomb": (
        "do",
        {"code": "$.Deal.create(name='x', value=1)\nx = [0] * 10**10"},
        "memory_exceeded",
        "batches",
    ),
    "endless recursion": ("do", {"code": "def f(n):\n    return f(n + 1)\nf(0)"}, "execution_error", "loop"),
    "a result of 20 MB": ("do", {"code": "'x' * 20_000_000"}, "limit_exceeded", "fewer"),
    "NaN in code": ("do", {"code": "$.Deal.create(name='x', value=float('nan'))"}, "invalid_arguments", "leave it out"),
    "a lone surrogate": (
        "do",
        {"action": "create", "type": "Contact", "data": {"name": "\ud800"}},
        "invalid_arguments",
        "JSON",
    ),
    "a lone surrogate in code": ("do", {"code": "$.Contact.create(name='\\ud800')"}, "invalid_arguments", "surrogate"),
    "an integer beyond 2^53": (
        "do",
        {"action": "create", "type": "Deal", "data": {"name": "x", "value": 2**53 + 1}},
        "validation_failed",
        "decimal",
    ),
    "an integer beyond 2^53 in code": (
        "do",
        {"code": "$.Deal.create(name='x', value=2**60)"},
        "invalid_arguments",
        "str",
    ),
    "a filter nested 50 deep": ("search", {"type": "Contact", "filter": _nested(50)}, "invalid_filter", "16"),
    "code that is no Python": ("do", {"code": "for x in"}, "execution_error", ""),
    "a module that is not there": ("do", {"code": "import os"}, "execution_error", "network"),
    "code and action together": ("do", {"code": "1", "action": "win"}, "invalid_arguments", "either"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_and_leaves_no_trace(door: Door, business: Business, what: str) -> None:
    tool, sent, code, right = REFUSED[what]
    head = door.head()
    error = door(tool, **_filled(sent, business))["error"]
    assert error["code"] == code
    assert error["message"] and right in f"{error['message']} {error.get('hint', '')}"
    assert door.head() == head
    assert door("fetch", type="Contact", id=business.ada, fields=["name"])["name"] == "Ada"


def test_a_number_that_json_does_not_have_is_refused_at_the_door(door: Door, business: Business) -> None:
    head = door.head()
    error = door("do", action="create", type="Deal", data={"name": "x", "value": float("nan")})["error"]
    assert error["code"] == "invalid_arguments" and "JSON" in error["message"]
    assert door.head() == head


def test_a_filter_nested_a_thousand_deep_is_refused_at_the_door(door: Door, business: Business) -> None:
    filter = '{"$not": ' * 1_000 + "{}" + "}" * 1_000
    error = door.raw("search", f'{{"type": "Contact", "filter": {filter}}}')["error"]
    assert error["code"] in ("invalid_arguments", "invalid_filter", "limit_exceeded") and error["message"]
    assert door("fetch", type="Contact", id=business.ada)["name"] == "Ada"


def test_what_ran_before_the_failure_is_dropped_with_it(door: Door, business: Business) -> None:
    head = door.head()
    error = door("do", code="$.Contact.create(name='Half')\nprint('so far')\n$.Contact.create(name=1)")["error"]
    assert error["code"] == "validation_failed"
    assert (error["details"]["line"], error["details"]["output"]) == (3, "so far\n")
    assert door.head() == head


def test_a_refusal_that_the_code_catches_lets_the_rest_stand(door: Door, business: Business) -> None:
    done = door(
        "do",
        code=f"""
try:
    $.Deal.win("{business.won}")
except Exception as error:
    told = error.code
made = $.Campaign.create(name="After all")
return [told, made.name]
""",
    )
    assert done["result"] == ["invalid_transition", "After all"]
    assert [event["event"] for event in done["events"]] == ["Campaign.created"]


def test_an_entity_of_another_tenant_is_not_found(door: Door, business: Business, module_data: Path) -> None:
    with connect(module_data, "rival") as rival:
        for ask in (
            lambda: rival.fetch(business.ada),
            lambda: rival.Contact.get(business.ada),
            lambda: rival.Contact.update(business.ada, name="Mine"),
            lambda: rival.Deal.create(name="x", value=1, contact=business.ada),
        ):
            with pytest.raises(VerbenaError) as refused:
                ask()
            assert refused.value.code in ("not_found", "validation_failed") and refused.value.hint
        assert rival.events.list() == []
    assert door("fetch", type="Contact", id=business.ada)["name"] == "Ada"


def test_an_endless_loop_is_ended_by_its_deadline(tmp_path: Path) -> None:
    """At the shortest deadline that a key may have, ten seconds: the local door has two minutes."""
    engine = Engine(tmp_path / "data")
    try:
        tenant = engine.tenant("default")
        with pytest.raises(Timeout) as late:
            do(tenant, engine.pool, Caller(tenant="default", level=0), {"code": "while True:\n    pass"})
        assert late.value.details["line"] in (1, 2) and late.value.hint
        assert tenant.writer.seq == 0
        asked = Question(call="do", tenant="default", arguments={"code": "1 + 1"})
        assert b'"result":2' in engine.answer(asked)
    finally:
        engine.close()


@pytest.fixture
def file(tmp_path: Path) -> Generator[Path]:
    """The file of a tenant that somebody wrote to, and that nobody has open."""
    engine = Engine(tmp_path / "data")
    created = {"action": "create", "type": "Contact", "data": {"name": "Ada"}}
    engine.answer(Question(call="do", tenant="default", arguments=created))
    engine.close()
    yield tmp_path / "data" / "tenants" / "default.duckdb"


def test_a_file_that_was_cut_off_is_refused_and_left_as_it_is(file: Path) -> None:
    cut = file.read_bytes()[: file.stat().st_size // 3]
    file.write_bytes(cut)
    assert "damaged" in _refused(file).message or "backup" in (_refused(file).hint or "")
    assert file.read_bytes() == cut


def test_a_file_of_a_newer_version_is_refused_and_left_as_it_is(file: Path) -> None:
    with duckdb.connect(str(file)) as raw:
        raw.execute("UPDATE meta SET value = '999' WHERE key = 'format'")
    before = file.read_bytes()
    assert "newer" in _refused(file).message
    assert file.read_bytes() == before


def test_a_file_that_is_open_elsewhere_is_refused(file: Path) -> None:
    holder = _another_process_holding(file)
    try:
        assert _refused(file).hint
    finally:
        holder.communicate("\n", timeout=20)


def _refused(file: Path) -> Unavailable:
    engine = Engine(file.parents[1])
    try:
        with pytest.raises(Unavailable) as refused:
            engine.tenant("default")
        return refused.value
    finally:
        engine.close()


def _another_process_holding(file: Path) -> Any:
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.readline()"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None and holder.stdout.readline() == "open\n"
    return holder


def _filled(sent: Mapping[str, Any], business: Business) -> dict[str, Any]:
    """The arguments with `{ada}`, `{deal}`, … replaced; only whole values are."""
    known = {f"{{{name}}}": getattr(business, name) for name in ("ada", "deal", "won", "cursor")}
    return {name: known.get(value, value) if isinstance(value, str) else value for name, value in sent.items()}
