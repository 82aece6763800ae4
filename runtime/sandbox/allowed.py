"""What sandboxed code may touch: builtins, attributes by type, modules by name and member.

Read this file to know what is reachable: all of it is listed, what is not listed does not exist. The rules behind it:
* no real module, for each leads to `sys` in two steps (`statistics.sys`, `json.codecs.builtins`);
* nothing on functions, generators, frames and tracebacks, for they lead to globals and to the caller's stack;
* no `str.format` and `format_map`: their templates read attributes past every guard;
* nothing that waits, reads a clock or throws dice by itself: those come from the run, so that a repeat gives the same;
* nothing that `except Exception` lets pass, no groups of exceptions (CPython confuses their types), no `id`, no `hash`.
"""

import base64
import builtins
import collections
import datetime
import decimal
import functools
import hashlib
import itertools
import json
import math
import random
import re
import statistics
import string
import textwrap
import types
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from RestrictedPython.transformer import INSPECT_ATTRIBUTES

from runtime.sandbox.moment import Moment


def _named(names: str) -> dict[str, Any]:
    return {name: getattr(builtins, name) for name in names.split()}


# Those that need a guard of their own (`str`, `type`, `getattr`, `repr`, `pow` …) are in `guards`.
BUILTINS: Mapping[str, Any] = types.MappingProxyType(
    _named(
        "__build_class__ abs all any bin bool bytes callable chr classmethod complex dict divmod enumerate filter float"
        " frozenset hex int isinstance issubclass iter len list map max min next object oct ord property range reversed"
        " round set slice sorted staticmethod sum tuple zip Ellipsis NotImplemented"
    )
)
EXCEPTIONS: Mapping[str, type[Exception]] = types.MappingProxyType(
    _named(
        "ArithmeticError AssertionError AttributeError EOFError Exception FloatingPointError IOError ImportError"
        " IndexError KeyError LookupError MemoryError NameError NotImplementedError OSError OverflowError"
        " PermissionError RecursionError RuntimeError StopIteration SyntaxError TimeoutError TypeError"
        " UnboundLocalError UnicodeDecodeError UnicodeEncodeError UnicodeError UserWarning ValueError Warning"
        " ZeroDivisionError"
    )
)


def _public(kind: type, *, but: Iterable[str] = ()) -> frozenset[str]:
    return frozenset(
        name for name in dir(kind) if not name.startswith("_") and name not in INSPECT_ATTRIBUTES and name not in but
    )


_EMPTY = dict[str, str]()
_CLOCKS = ("now", "today", "utcnow", "utcfromtimestamp")  # of the machine; the run has its own, in `kinds`

ATTRIBUTES: Mapping[type, frozenset[str]] = types.MappingProxyType(
    {
        **{
            kind: _public(kind, but=_CLOCKS)
            for kind in (
                *(list, dict, set, frozenset, tuple, int, float, complex, bool, bytes, range, slice, type(None)),
                *(type(_EMPTY.keys()), type(_EMPTY.values()), type(_EMPTY.items())),
                *(datetime.datetime, datetime.date, datetime.time, datetime.timedelta, datetime.timezone, Moment),
                *(collections.Counter, collections.deque, collections.defaultdict, collections.OrderedDict),
                *(decimal.Decimal, uuid.UUID, re.Pattern, re.Match),
            )
        },
        property: frozenset({"getter", "setter", "deleter"}),
        str: _public(str, but=("format", "format_map")),
        type(hashlib.sha256()): frozenset({"hexdigest", "digest", "update"}),
    }
)

# Exceptions carry the objects that failed (`obj`), frames and causes; only these say something without giving it away.
EXCEPTION_ATTRIBUTES = frozenset({"args", "code", "message", "hint", "details"})

CLASS_ATTRIBUTES: Mapping[type, frozenset[str]] = types.MappingProxyType(
    {
        str: ATTRIBUTES[str],
        dict: frozenset({"fromkeys", "get", "items", "keys", "values"}),
        int: frozenset({"from_bytes"}),
        float: frozenset({"fromhex"}),
        bytes: frozenset({"fromhex"}),
        datetime.datetime: ATTRIBUTES[datetime.datetime] | {"now", "today"},
        datetime.date: ATTRIBUTES[datetime.date] | {"today"},
        datetime.time: ATTRIBUTES[datetime.time],
        datetime.timedelta: frozenset({"min", "max", "resolution"}),
        datetime.timezone: frozenset({"utc"}),
        itertools.chain: frozenset({"from_iterable"}),
    }
)


class Module:
    """What `import x` gives: named members, and no way to the real module behind them."""

    __slots__ = ("members", "name")

    def __init__(self, name: str, members: Mapping[str, Any]) -> None:
        self.name = name
        self.members = dict(members)

    def __repr__(self) -> str:
        return f"<module {self.name!r}>"


def modules(*, now: Moment, chance: random.Random, clock: type, calendar: type) -> dict[str, Module]:
    """The modules of one run, by name. `clock` and `calendar` stand for `datetime.datetime` and `datetime.date`."""

    def of(module: types.ModuleType, names: str) -> dict[str, Any]:
        return {name: getattr(module, name) for name in names.split()}

    anything = _Anything()
    members: dict[str, dict[str, Any]] = {
        "asyncio": {"gather": _gather, "run": _same},
        "base64": of(base64, "b64encode b64decode urlsafe_b64encode urlsafe_b64decode"),
        "collections": of(collections, "Counter OrderedDict defaultdict deque"),
        "copy": {"copy": _copy, "deepcopy": _deep_copy},
        "datetime": {
            **of(datetime, "time timedelta timezone"),
            **{"datetime": clock, "date": calendar, "UTC": datetime.UTC},
        },
        "decimal": of(decimal, "Decimal ROUND_HALF_UP ROUND_HALF_EVEN ROUND_DOWN ROUND_UP InvalidOperation"),
        "functools": of(functools, "cache cmp_to_key lru_cache partial reduce"),
        "hashlib": {name: _digest(getattr(hashlib, name)) for name in ("md5", "sha1", "sha256", "sha512")},
        "itertools": of(
            itertools,
            "accumulate chain combinations count cycle dropwhile filterfalse groupby islice pairwise permutations"
            " product repeat starmap takewhile zip_longest",
        ),
        "json": {**of(json, "loads dumps"), "JSONDecodeError": json.JSONDecodeError},
        "math": {name: getattr(math, name) for name in dir(math) if not name.startswith("_")},
        "operator": {"itemgetter": _item_getter},
        "random": {
            name: getattr(chance, name)
            for name in ("random", "randint", "randrange", "choice", "choices", "sample", "shuffle", "uniform", "gauss")
        },
        "re": of(
            re,
            "compile escape findall finditer fullmatch match search split sub subn"
            " A ASCII DOTALL I IGNORECASE M MULTILINE S VERBOSE X",
        ),
        "statistics": of(
            statistics, "mean fmean median median_low median_high mode multimode pstdev pvariance quantiles"
        )
        | of(statistics, "stdev variance"),
        "string": of(string, "ascii_letters ascii_lowercase ascii_uppercase digits hexdigits punctuation whitespace"),
        "textwrap": of(textwrap, "dedent fill indent shorten wrap"),
        "time": {"time": now.timestamp},
        "typing": {
            **{"Any": object, "Dict": dict, "List": list, "Set": set, "Tuple": tuple},
            **dict.fromkeys(
                ["Callable", "Iterable", "Iterator", "Literal", "Mapping", "Optional", "Sequence", "Union"], anything
            ),
        },
        "uuid": {
            "UUID": uuid.UUID,
            "uuid4": lambda: uuid.UUID(int=chance.getrandbits(128), version=4),
            "uuid5": uuid.uuid5,
            **of(uuid, "NAMESPACE_DNS NAMESPACE_URL"),
        },
    }
    return {name: Module(name, values) for name, values in members.items()}


def _gather(*values: Any) -> list[Any]:
    """`await asyncio.gather(...)`: every call here has waited already."""
    return list(values)


def _same(value: Any) -> Any:
    return value


class _Anything:
    """`Optional[str]` and the like: they may be written and mean nothing at run time."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> "_Anything":
        return self


def _digest(algorithm: Callable[[bytes], Any]) -> Callable[..., Any]:
    def digest(data: bytes = b"") -> Any:
        return algorithm(data)

    return digest


def _item_getter(*keys: Any) -> Callable[[Any], Any]:
    if len(keys) == 1:
        return lambda value: value[keys[0]]
    return lambda value: tuple(value[key] for key in keys)


_COPY_DEPTH_MAX = 100


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return dict(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return value.copy() if type(value) in (list, set, collections.Counter, collections.deque) else value


def _deep_copy(value: Any, depth: int = 0) -> Any:
    """Copies data; the real `copy` would call whatever a class of the author's says about copying."""
    if depth > _COPY_DEPTH_MAX:
        raise ValueError(f"cannot copy data nested deeper than {_COPY_DEPTH_MAX}")
    if isinstance(value, dict):
        entries = cast(dict[Any, Any], value)
        return {key: _deep_copy(item, depth + 1) for key, item in entries.items()}
    if type(value) in (list, tuple, set):
        return type(value)(_deep_copy(item, depth + 1) for item in value)
    return value


MODULE_NAMES = tuple(sorted(modules(now=Moment(2000, 1, 1), chance=random.Random(0), clock=object, calendar=object)))
