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
from collections.abc import Callable, Mapping
from typing import Any, cast

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


_MAPPING = "clear copy fromkeys get items keys pop popitem setdefault update values"
_SET = "copy difference intersection isdisjoint issubset issuperset symmetric_difference union"
_INTEGER = (
    "as_integer_ratio bit_count bit_length conjugate denominator from_bytes imag is_integer numerator real to_bytes"
)
_BYTES = (
    "capitalize center count endswith expandtabs find index isalnum isalpha isascii isdigit islower isspace istitle"
    " isupper join ljust lower lstrip maketrans partition removeprefix removesuffix replace rfind rindex rjust"
    " rpartition rsplit rstrip split splitlines startswith strip swapcase title translate upper zfill"
)
_DATE = (
    "ctime day fromisocalendar fromisoformat fromordinal fromtimestamp isocalendar isoformat isoweekday max min month"
    " replace resolution strftime timetuple toordinal weekday year"
)
_TIME = "dst fold hour microsecond minute second tzinfo tzname utcoffset"
_DATETIME = f"{_DATE} {_TIME} astimezone combine date strptime time timestamp timetz utctimetuple"
_EMPTY = dict[str, str]()

# No clock of the machine (`now`, `today`, `utcnow`, `utcfromtimestamp`): the run has its own, in `kinds`. No `format`.
ATTRIBUTES: Mapping[type, frozenset[str]] = types.MappingProxyType(
    {
        kind: frozenset(names.split())
        for kind, names in (
            (list, "append clear copy count extend index insert pop remove reverse sort"),
            (dict, _MAPPING),
            (set, f"{_SET} add clear difference_update discard intersection_update pop remove update"),
            (frozenset, _SET),
            (tuple, "count index"),
            (int, _INTEGER),
            (bool, _INTEGER),
            (float, "as_integer_ratio conjugate fromhex hex imag is_integer real"),
            (complex, "conjugate imag real"),
            (str, f"{_BYTES} casefold encode isdecimal isidentifier isnumeric isprintable"),
            (bytes, f"{_BYTES} decode fromhex hex"),
            (range, "count index start step stop"),
            (slice, "indices start step stop"),
            (type(None), ""),
            (type(_EMPTY.keys()), "isdisjoint"),
            (type(_EMPTY.values()), ""),
            (type(_EMPTY.items()), "isdisjoint"),
            (datetime.datetime, _DATETIME),
            (Moment, _DATETIME),
            (datetime.date, _DATE),
            (datetime.time, f"{_TIME} fromisoformat isoformat max min replace resolution strftime"),
            (datetime.timedelta, "days max microseconds min resolution seconds total_seconds"),
            (datetime.timezone, "dst max min tzname utc utcoffset"),
            (collections.Counter, f"{_MAPPING} elements most_common subtract total"),
            (
                collections.deque,
                "append appendleft clear copy count extend extendleft index insert maxlen pop popleft remove reverse"
                " rotate",
            ),
            (collections.defaultdict, f"{_MAPPING} default_factory"),
            (collections.OrderedDict, f"{_MAPPING} move_to_end"),
            (
                decimal.Decimal,
                "adjusted as_integer_ratio as_tuple compare conjugate copy_abs copy_negate copy_sign exp fma from_float"
                " imag is_finite is_infinite is_nan is_signed is_zero ln log10 max min normalize quantize real"
                " remainder_near scaleb sqrt to_eng_string to_integral to_integral_exact to_integral_value",
            ),
            (uuid.UUID, "bytes fields hex int time urn variant version"),
            (re.Pattern, "findall finditer flags fullmatch groups match pattern search split sub subn"),
            (re.Match, "end endpos expand group groupdict groups lastgroup lastindex pos re span start string"),
            (type(hashlib.sha256()), "hexdigest digest update"),
            (property, "getter setter deleter"),
        )
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
        "math": of(
            math,
            "acos acosh asin asinh atan atan2 atanh cbrt ceil comb copysign cos cosh degrees dist e erf erfc exp exp2"
            " expm1 fabs factorial floor fmod frexp fsum gamma gcd hypot inf isclose isfinite isinf isnan isqrt lcm"
            " ldexp lgamma log log10 log1p log2 modf nan nextafter perm pi pow prod radians remainder sin sinh sqrt tan"
            " tanh tau trunc ulp",
        ),
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
