"""What a program can reach from where it begins, walked: by every attribute that the guards give, and by plain calls."""

import inspect
import json
import random
import re
import types
from base64 import b64decode
from collections.abc import Iterator
from decimal import Decimal
from math import sqrt
from operator import itemgetter
from random import choice
from statistics import mean
from typing import Any
from uuid import UUID

import pytest
from RestrictedPython import transformer

from runtime.sandbox.allowed import ATTRIBUTES, CLASS_ATTRIBUTES, EXCEPTIONS, Module
from runtime.sandbox.guards import attribute_of, iterator_of, namespace, writable
from runtime.sandbox.kinds import AuthorsClass, StandIn
from runtime.sandbox.moment import Moment
from runtime.sandbox.proxy import Dollar, DollarError
from runtime.sandbox.texts import text_of

STEPS_MAX = 3
REACHED_MAX = 20_000
# What leads to the host, whatever it holds.
FORBIDDEN = (
    types.ModuleType,
    types.FrameType,
    types.CodeType,
    types.TracebackType,
    types.MappingProxyType,
    types.CellType,
)
# Asked of everything, beside what `dir` says that it has.
ATTACKED = (
    *(
        "__class__",
        "__dict__",
        "__globals__",
        "__self__",
        "__func__",
        "__wrapped__",
        "__module__",
        "__subclasses__",
        "mro",
    ),
    *(
        "gi_frame",
        "gi_code",
        "cr_frame",
        "ag_frame",
        "tb_frame",
        "f_back",
        "f_globals",
        "co_code",
        "obj",
        "name",
        "value",
    ),
    *(
        "func",
        "fget",
        "format",
        "format_map",
        "scanner",
        "mapping",
        "is_safe",
        "default",
        "stands_for",
        "members",
        "_ask",
    ),
)

# By what the lines in `samples` fail.
_USED = {
    **{
        "json": json,
        "re": re,
        "Decimal": Decimal,
        "Moment": Moment,
        "UUID": UUID,
        "mean": mean,
        "b64decode": b64decode,
    },
    **{"sqrt": sqrt, "itemgetter": itemgetter, "choice": choice},
}


def beginning() -> dict[str, Any]:
    dollar = Dollar(lambda words, arguments, named: None)
    return namespace(dollar=dollar, write=lambda text: None, now=Moment(2026, 1, 1), chance=random.Random(0))


def samples(names: dict[str, Any]) -> Iterator[Any]:
    """What a program finds in its namespace and in the modules, and one value of each type that it can make."""
    yield names["$"]
    builtins = names["__builtins__"]
    yield from (value for name, value in builtins.items() if not name.startswith("_"))
    for name in (
        "asyncio",
        "base64",
        "collections",
        "copy",
        "datetime",
        "decimal",
        "functools",
        "hashlib",
        "itertools",
    ):
        yield builtins["__import__"](name)
    for name in (
        "json",
        "math",
        "operator",
        "random",
        "re",
        "statistics",
        "string",
        "textwrap",
        "time",
        "typing",
        "uuid",
    ):
        yield builtins["__import__"](name)
    yield from ([1], {"a": 1}, {1}, frozenset({1}), (1,), 1, 1.5, 1j, True, "a", b"a", range(3), slice(1), None, ...)
    yield from (
        Moment(2026, 1, 1),
        re.compile("(?P<a>x)"),
        re.match("(?P<a>x)", "x"),
        {"a": 1}.keys(),
        {"a": 1}.items(),
    )
    yield from (property(lambda it: it), lambda: 1, (n for n in [1]), map(str, [1]), zip([1]), iter([1]), iter(int, 1))
    yield AuthorsClass("Author", (), {"field": 1, "method": text_of})
    yield AuthorsClass("Author", (), {"field": 1})()
    try:
        raise DollarError("not_found", "nothing", "look", {"id": 1})
    except DollarError as error:
        yield error
    for broken in (
        *("[].nope", "{}[1]", "1 / 0", "int('x')", "nope", "'\\ud800'.encode()", "next(iter([]))", "json.loads('{')"),
        *("re.compile('(')", "Decimal('x')", "Decimal(1) / 0", "Decimal('nan') < 1", "mean([])", "b64decode('x')"),
        *("sqrt(-1)", "UUID('x')", "Moment.fromisoformat('x')", "itemgetter(0)([])", "choice([])"),
    ):
        try:
            eval(broken, _USED)
        except Exception as error:
            yield error


def steps(value: Any) -> Iterator[tuple[str, Any]]:
    """What one attribute, one plain call or one turn of a loop gives."""
    for name in {*dir(value), *ATTACKED}:
        try:
            yield f".{name}", attribute_of(value, name)
        except (AttributeError, TypeError):
            continue
    # Only what is built in: the guards' own functions and the authors' are programs, and `iter(int, 1)` never ends.
    if isinstance(value, (types.BuiltinMethodType, types.MethodDescriptorType)):
        try:
            yield "()", value()
        except Exception:
            return
    elif type(value) in ATTRIBUTES and not isinstance(value, str | bytes):
        try:
            yield "[0]", next(iterator_of(value), None)
        except TypeError:
            return


def test_nothing_of_the_host_is_within_reach() -> None:
    names = beginning()
    given = [value for value in names["__builtins__"].values() if isinstance(value, type)]
    known = {*given, *ATTRIBUTES, *EXCEPTIONS.values()}
    seen: dict[int, Any] = {}
    layer = [(type(value).__name__, value) for value in samples(names)]
    for module in [value for _, value in layer if isinstance(value, Module)]:
        known |= {member for member in module.members.values() if isinstance(member, type)}
    for _ in range(STEPS_MAX):
        following: list[tuple[str, Any]] = []
        for path, value in layer:
            if id(value) in seen:
                continue
            seen[id(value)] = value  # kept, so that its id stays its own
            assert not isinstance(value, FORBIDDEN), path
            if isinstance(value, type):
                assert value in known or isinstance(value, AuthorsClass | StandIn), path
            if isinstance(value, dict):
                assert not {"__builtins__", "_getattr_", "__name__"} & set(value), path  # pyright: ignore[reportUnknownArgumentType]
            following.extend((path + step, reached) for step, reached in steps(value))
        layer = following
        assert len(seen) < REACHED_MAX
    assert len(seen) > 500  # the walk went somewhere


def test_what_is_listed_is_public() -> None:
    listed = [*ATTRIBUTES.values(), *CLASS_ATTRIBUTES.values()]
    assert [name for names in listed for name in names if name.startswith("_")] == []
    assert {name for names in listed for name in names} & transformer.INSPECT_ATTRIBUTES == set()


def test_every_guard_that_the_rewritten_program_calls_is_there() -> None:
    called = set(re.findall(r"['\"](_[a-z_]+_)['\"]", inspect.getsource(transformer)))
    # Its `print` collects per function and its metaclass is asked for by another name; both are ours here.
    assert (
        called
        - {"_print_", "__metaclass__", "__roles__"}
        - set(beginning())
        - {name for name in called if "__" in name[:2]}
        == set()
    )
    assert {"_getattr_", "_getitem_", "_getiter_", "_write_", "_apply_", "_inplacevar_", "_unpack_sequence_"} <= called


@pytest.mark.parametrize("value", ["a", 1, (1,), len, int, lambda: 1, Module("json", {}), iter([]), None], ids=repr)
def test_what_is_not_the_programs_own_cannot_be_changed(value: Any) -> None:
    with pytest.raises(TypeError):
        writable(value)
