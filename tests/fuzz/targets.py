"""What must hold of any input: of the reading of `$`, of the policy, of the frames of a worker, and of a call on `$`."""

import ast
import dis
import json
import re
import socket
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from types import CodeType
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import VerbenaError
from runtime.sandbox.frames import HEADER
from runtime.sandbox.policy import NotAllowed, compiled
from runtime.sandbox.syntax import Source, dollars_of, parse
from runtime.sandbox.worker import Call, DeadlinePassed, Done, ProtocolBroken, Ready, Worker, WorkerDied
from tests.fuzz.programs import expressions, pieces, programs
from tests.runtime.door import Door

_ANY_SOURCE = pieces | expressions | programs | st.tuples(programs, pieces).map("\n".join) | st.text(max_size=40)

# The names of ours that a guarded program may hold.
_GUARDS = re.compile(
    r"_(getattr|getitem|getiter|iter_unpack_sequence|unpack_sequence|write|inplacevar|apply|change_item|change_attribute"
    r"|name|power|modulo|shown|text|repr|ascii|return|exception|metaclass|result)_|_"
)
_METHODS = re.compile(
    r"__(init|contains|[lg][te]|eq|ne|str|repr|len|bool|hash|call|iter|next|[gs]etitem|enter|exit|r?add|sub|mul|truediv|neg)__"
)
# What the compiler itself writes into classes, and reads of them.
_OF_CLASSES = re.compile(
    r"__(module|qualname|name|firstlineno|static_attributes|class|classcell|annotations|build_class|doc)__|\.\w+"
)
_PAST_THE_GUARDS = {
    "LOAD_ATTR",
    "LOAD_METHOD",
    "LOAD_SUPER_ATTR",
    "BINARY_SUBSCR",
    "BINARY_SLICE",
    "MATCH_CLASS",
    "IMPORT_STAR",
}


def dollars(text: str) -> None:
    """`$` is read as Python would read a name of one letter in its place, with every place where it was."""
    if "Q" in text:
        return
    source, plain = _parsed(text), _plainly_parsed(text.replace("$", "Q"))
    assert (source is None) == (plain is None), (text, source, plain)
    if source is None or plain is None:
        return
    assert _told(source.tree) == _told(_with_dollars(plain)), text
    assert len(source.python) == len(source.text)
    assert [
        n for n, pair in enumerate(zip(source.text, source.python, strict=True)) if len(set(pair)) == 2
    ] == dollars_of(source.text)


def policy(text: str) -> None:
    """What the policy lets through touches no attribute and no item past the guards, and names nothing of ours but them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            source = parse(text)
            code = compiled(source, "<do>")
    except (SyntaxError, NotAllowed):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute | ast.Subscript):
            # Reads have become calls; what is written to or deleted from has been asked for by `_write_`.
            assert isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name), (text, ast.dump(node))
            assert (node.value.func.id, type(node.ctx)) != ("_write_", ast.Load), (text, ast.dump(node))
            assert node.value.func.id == "_write_", (text, ast.dump(node))
    lines = text.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
    for part in _codes(code):
        before: dis.Instruction | None = None
        for instruction in dis.get_instructions(part):
            # `case x():` asks only whether it is one; with names or places in the brackets it would read attributes.
            is_type_alone = instruction.opname == "MATCH_CLASS" and instruction.argval == 0 and _is_empty(before)
            assert is_type_alone or instruction.opname not in _PAST_THE_GUARDS, (text, instruction)
            before = instruction
            line = instruction.positions.lineno if instruction.positions else None
            assert line is None or line <= lines, (text, instruction)
        for name in {*part.co_names, *part.co_varnames, *part.co_cellvars, *part.co_freevars}:
            known = not name.startswith("_") or _GUARDS.fullmatch(name) or _METHODS.fullmatch(name)
            assert known or _OF_CLASSES.fullmatch(name), (text, name)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
_HONEST: tuple[dict[str, Any], ...] = (
    {"t": "ready", "walls": ["a"]},
    {"t": "call", "p": ["Deal", "find"], "a": [1], "k": {"b": 2}},
    {"t": "done", "ok": [1], "error": None, "out": "x"},
    {"t": "done", "ok": None, "error": {"code": "a", "message": "b", "details": {}}, "out": ""},
)


@st.composite
def _frames(draw: st.DrawFn) -> bytes:
    """An honest frame with some of its parts changed, and then perhaps some of its bytes."""
    frame = dict(draw(st.sampled_from(_HONEST)))
    for _ in range(draw(st.integers(0, 2))):
        frame[draw(st.sampled_from([*frame, "tenant"]))] = draw(_json)
    payload = bytearray(json.dumps(frame).encode())
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, max(len(payload) - 1, 0)))
        payload[place : place + draw(st.integers(0, 2))] = draw(st.binary(max_size=3))
    size = draw(st.just(len(payload)) | st.integers(0, 2**32 - 1))
    return HEADER.pack(size) + bytes(payload)


def frames(sent: bytes) -> None:
    """Whatever a worker sends is plain data of the one shape, or one of three refusals."""
    ours, theirs = socket.socketpair()
    worker = Worker(connection=ours, pid=0, handle=None)
    with theirs:
        theirs.sendall(sent)
        theirs.shutdown(socket.SHUT_WR)
        try:
            for _ in range(8):
                frame = worker.receive(time.monotonic() + 5)
                assert isinstance(frame, Ready | Call | Done)
                if isinstance(frame, Call):
                    _check_plain([frame.p, frame.a, frame.k])
                if isinstance(frame, Done):
                    _check_plain([frame.ok, frame.out])
        except (WorkerDied, ProtocolBroken, DeadlinePassed):
            pass
        finally:
            worker.end()


_WORDS = (
    *(
        "Deal",
        "Contact",
        "Nothing",
        "find",
        "findOne",
        "get",
        "count",
        "aggregate",
        "create",
        "update",
        "upsert",
        "delete",
    ),
    *(
        "restore",
        "rollback",
        "history",
        "diff",
        "changedBy",
        "win",
        "winning",
        "won",
        "wonBy",
        "search",
        "fetch",
        "events",
    ),
    *(
        "list",
        "nouns",
        "define",
        "undo",
        "now",
        "status",
        "handlers",
        "runs",
        "before",
        "after",
        "on",
        "$describe",
        "$x",
    ),
    *(
        "erase",
        "progress",
        "toString",
        "__class__",
        "",
        "a" * 90,
        "De\u0430l",
        "Deal\u200b",
        "\u202eDeal",
        "\uff24\uff25\uff21\uff2c",
    ),
)
_KEYS = (
    *(
        "filter",
        "query",
        "sort",
        "limit",
        "cursor",
        "fields",
        "include",
        "total",
        "asOf",
        "name",
        "value",
        "stage",
        "contact",
    ),
    *(
        "contact.name",
        "contact.organization.deals.name",
        "organization.contacts",
        "$and",
        "$or",
        "$not",
        "$eq",
        "$gt",
        "$in",
    ),
    *(
        "$nin",
        "$regex",
        "$text",
        "$contains",
        "$startsWith",
        "$exists",
        "$id",
        "$type",
        "id",
        "type",
        "data",
        "by",
        "keys",
    ),
    *(
        "transitions",
        "inputs",
        "effects",
        "from",
        "to",
        "groupBy",
        "measures",
        "__class__",
        "$function",
        "n\u0430me",
        "na\u200bme",
    ),
)
_VALUES = (
    *(
        "Ada",
        "Won",
        "won",
        "-value",
        "value desc",
        "7d ago",
        "today",
        "2026-02-30",
        "stage:month",
        "sum(value)",
        "count()",
    ),
    *(
        "deal_2222222222",
        "contact_2222222222",
        "run_2222222222",
        "evt_1",
        "evt_99999999999999999999",
        "string!##",
        "-> Deal",
    ),
    *("<- Deal.contact[]", "A | B = A", "Won", "(a+)+$", "(?=a)", "(" * 60, "[", "\\p{L}+", "%", "' OR 1=1 --", "\x00"),
    *("\ud800", "😀" * 20, "../../etc/passwd", "eyJhIjoxfQ", "a.b.c.d.e.f", "def f(deal, $): pass", "lambda deal: 1"),
)
_value = st.recursive(
    st.sampled_from(_VALUES)
    | st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=3),
    max_leaves=8,
)
_calls = st.tuples(
    st.lists(st.sampled_from(_WORDS), min_size=1, max_size=3),
    st.lists(_value, max_size=3),
    st.dictionaries(st.sampled_from(_KEYS), _value, max_size=3),
)


def target(name: str, door: Door) -> Callable[[], None]:
    """The property of that name, to be run; `door` leads to the tenant that is called."""
    checks: Mapping[str, tuple[st.SearchStrategy[Any], Callable[[Any], None]]] = {
        "dollars": (_ANY_SOURCE, dollars),
        "policy": (_ANY_SOURCE, policy),
        "frames": (st.lists(_frames() | st.binary(max_size=12), max_size=4).map(b"".join), frames),
        "calls": (_calls, lambda asked: call(door, *asked)),
    }
    strategy, check = checks[name]

    @given(strategy)
    def holds(drawn: Any) -> None:
        check(drawn)

    return holds


def call(door: Door, path: list[str], args: list[Any], kwargs: dict[str, Any]) -> None:
    """Any call on `$` is answered, or refused with one of the errors; and the next one is answered."""
    try:
        door("$", path=path, args=args, kwargs=kwargs)
    except VerbenaError as error:
        assert len(json.dumps(error.as_dict())) < 100_000
        assert len(error.message) <= 2_000 and len(error.hint or "") <= 1_000, error
    assert door("$", path=["now"], args=[], kwargs={})


TARGETS = ("dollars", "policy", "frames", "calls")


def _parsed(text: str) -> Source | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return parse(text)
    except SyntaxError as error:
        assert error.lineno is not None or "rare scripts" in error.msg
        return None


def _plainly_parsed(text: str) -> ast.Module | None:
    text = text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _with_dollars(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        for field, value in ast.iter_fields(node):
            if isinstance(value, str):
                setattr(node, field, value.replace("Q", "$"))
            elif isinstance(value, bytes):
                setattr(node, field, value.replace(b"Q", b"$"))
            elif isinstance(node, (ast.Global, ast.Nonlocal)):
                node.names = [name.replace("Q", "$") for name in node.names]
    return tree


def _told(tree: ast.Module) -> str:
    # Offsets are in bytes, and the letter that stands in for `$` has more of them than `Q`: lines are compared, not columns.
    for node in ast.walk(tree):
        for place in ("col_offset", "end_col_offset"):
            if hasattr(node, place):
                setattr(node, place, 0)
    return ast.dump(tree, include_attributes=True)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _is_empty(instruction: dis.Instruction | None) -> bool:
    return instruction is not None and instruction.opname == "LOAD_CONST" and instruction.argval == ()


def _check_plain(value: Any) -> None:
    match value:
        case dict():
            _check_plain(list(cast("dict[Any, Any]", value).items()))
        case list() | tuple():
            for item in cast("list[Any]", value):
                _check_plain(item)
        case _:
            assert type(value) in (str, int, float, bool, type(None)), type(value)
