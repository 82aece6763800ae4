"""The functions that a guarded program calls in place of Python's own steps: attributes, items, writes, imports, printing."""

import _strptime  # pyright: ignore[reportUnusedImport]  # noqa: F401  see `import_module`
import datetime
import operator
import random
import re
import time  # noqa: F401  # pyright: ignore[reportUnusedImport]
import types
from collections.abc import Callable, Mapping
from typing import Any

from RestrictedPython.Guards import guarded_iter_unpack_sequence, guarded_unpack_sequence, safe_builtins
from RestrictedPython.transformer import INSPECT_ATTRIBUTES

from runtime.errors import nearest
from runtime.sandbox.allowed import ATTRIBUTES, CLASS_ATTRIBUTES, EXCEPTION_ATTRIBUTES, Module, modules
from runtime.sandbox.moment import Moment
from runtime.sandbox.proxy import Dollar, Path
from runtime.sandbox.record import Record

POWER_BITS_MAX = 200_000  # 60,000 digits; more only burns the deadline in one step that no timer can break
_RAISE = object()


def namespace(*, dollar: Dollar, write: Callable[[str], None], now: Moment, chance: random.Random) -> dict[str, Any]:
    """The globals of one run: `$`, the builtins, and the guards under names that no author can write.

    `write` takes what `print` prints.
    """
    clock, calendar = _clock(now)
    imported = modules(now=now, chance=chance, clock=clock, calendar=calendar)

    def import_module(
        name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
    ) -> Any:  # the signature is Python's
        if type(fromlist) is list:
            # CPython itself, in the midst of `strptime` or `strftime`: a statement gives a tuple or None. It drops what we
            # answer and looks among the loaded modules, so `_strptime` and `time` are loaded above.
            return None
        module = imported.get(name) if level == 0 else None
        if module is None:
            raise ImportError(f"there is no module {name!r} here", name=name)
        for member in fromlist or ():
            if member not in module.members:
                raise ImportError(f"module {name!r} has no {member!r} here" + _near(member, module.members), name=name)
        # `from x import y` reads y in C, past the guards: from an object that holds nothing else.
        return types.SimpleNamespace(**module.members) if fromlist else module

    def print_text(
        *values: Any, sep: str | None = " ", end: str | None = "\n", file: Any = None, flush: bool = False
    ) -> None:
        write((" " if sep is None else sep).join(map(text_of, values)) + ("\n" if end is None else end))

    return {
        "$": dollar,
        "__builtins__": {**_BUILTINS, "print": print_text, "__import__": import_module},
        "__name__": "do",
        "_metaclass_": AuthorsClass,
        "_getattr_": attribute_of,
        "_getitem_": item_of,
        "_getiter_": iterator_of,
        "_iter_unpack_sequence_": guarded_iter_unpack_sequence,
        "_unpack_sequence_": guarded_unpack_sequence,
        "_write_": writable,
        "_inplacevar_": _changed,
        "_apply_": _applied,
        "_change_item_": _change_item,
        "_change_attribute_": _change_attribute,
        "_name_": _name_of,
        "_power_": _power,
        "_modulo_": _modulo,
        "_shown_": _shown,
        "_text_": text_of,
        "_repr_": repr_of,
        "_ascii_": ascii_of,
        "_return_": Return,
        "_exception_": Exception,
    }


class Return(BaseException):
    """Carries the value of a `return` outside a function. No name of it reaches the program, so nothing there catches it."""

    def __init__(self, value: Any) -> None:
        self.value = value
        super().__init__()


class AuthorsClass(type):
    """The type of every class that a program defines. It may build on `object` and plain exceptions, and on no host class."""

    def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> "AuthorsClass":
        for base in bases:
            if type(base) is not cls and base not in (object, Exception, ValueError, RuntimeError):
                raise TypeError(f"a class cannot build on {base.__name__} here; hold the value in an attribute instead")
        return super().__new__(cls, name, bases, body)


# Attributes


def attribute_of(value: Any, name: str, default: Any = _RAISE) -> Any:
    """`value.name`, where the lists of `allowed` let it through. Raises AttributeError with the nearest word."""
    if type(name) is not str:  # a str subclass could answer `startswith` as it likes
        raise TypeError("an attribute name must be a plain string")
    try:
        return _attribute(value, name)
    except AttributeError:
        if default is _RAISE:
            raise
        return default


def _attribute(value: Any, name: str) -> Any:
    kind = type(value)
    if name.startswith("_") or name in INSPECT_ATTRIBUTES:
        raise AttributeError(f"the attribute {name!r} is not accessible")
    if kind is Record:
        return value.attribute(name)
    if kind is Dollar or kind is Path:
        return value.word(name)
    listed = ATTRIBUTES.get(kind)
    if listed is not None:
        if name in listed:
            return getattr(value, name)
        if kind is dict and name in value:
            return value[name]
        words = value if kind is dict else listed
        raise AttributeError(f"{'the dict' if kind is dict else _name_of(kind)} has no {name!r}" + _near(name, words))
    if kind is Module:
        if name in value.members:
            return value.members[name]
        raise AttributeError(f"module {value.name!r} has no {name!r} here" + _near(name, value.members))
    if type(kind) is AuthorsClass and not (name == "message" and isinstance(value, Exception)):
        return getattr(value, name)
    if kind is AuthorsClass:
        if any(name in base.__dict__ for base in type.mro(value) if type(base) is AuthorsClass):
            return getattr(value, name)
        raise AttributeError(f"class {value.__name__} has no {name!r}")
    if isinstance(value, BaseException) and name in EXCEPTION_ATTRIBUTES:
        return _of_exception(value, name)
    if isinstance(value, type):
        real = value.stands_for if isinstance(value, _StandIn) else value
        if name in CLASS_ATTRIBUTES.get(real, ()):
            return getattr(value if name in vars(value) else real, name)
        raise AttributeError(f"{_name_of(value)} has no {name!r} here" + _near(name, CLASS_ATTRIBUTES.get(real, ())))
    raise AttributeError(f"a {_kind_name(value)} has no attribute {name!r} here")


def _has_attribute(value: Any, name: str) -> bool:
    return attribute_of(value, name, _RAISE_NOT) is not _RAISE_NOT


_RAISE_NOT = object()


def _of_exception(error: BaseException, name: str) -> Any:
    if name == "message" and not hasattr(error, "message"):
        return text_of(error)
    if name == "args":  # CPython writes the repr of what was not found into them
        return tuple(_without_addresses(part) if type(part) is str else part for part in error.args)
    return getattr(error, name, None)


def _set_attribute(value: Any, name: str, item: Any) -> None:
    if type(name) is not str or name.startswith("_"):
        raise AttributeError("that attribute is not accessible")
    setattr(writable(value), name, item)


# Items, iteration, writes


def item_of(value: Any, key: Any) -> Any:
    """`value[key]`. A missing key of a dict is a KeyError that names the nearest one."""
    if type(value) in (Dollar, Path) and type(key) is str:
        return value.word(key)
    try:
        return value[key]
    except KeyError:
        if type(key) is str and isinstance(value, dict):
            words: list[str] = [known for known in value if type(known) is str]  # pyright: ignore[reportUnknownVariableType]
            raise KeyError(f"{key}" + _near(key, words)) from None
        raise


def iterator_of(value: Any) -> Any:
    """What a `for` goes through."""
    if type(value) in (Dollar, Path):
        raise TypeError(f"{value!r} is not a list: call it, {value!r}(...)")
    return iter(value)


_WRITABLE = frozenset({dict, list, *(kind for kind in ATTRIBUTES if kind.__module__ == "collections")})


def writable(value: Any) -> Any:
    """The value, if the program may change its items or attributes. Raises TypeError that says what to do instead."""
    kind = type(value)
    if kind in _WRITABLE or kind is AuthorsClass or type(kind) is AuthorsClass:
        return value
    if kind is Record:
        raise value.refusal()
    if kind is Dollar or kind is Path:
        raise TypeError("`$` cannot be assigned to: use $.Noun.update(id, {...})")
    raise TypeError(f"a {_kind_name(value)} cannot be changed")


def _change_item(value: Any, key: Any, sign: str, operand: Any) -> None:
    writable(value)[key] = _changed(sign, item_of(value, key), operand)


def _change_attribute(value: Any, name: str, sign: str, operand: Any) -> None:
    _set_attribute(value, name, _changed(sign, attribute_of(value, name), operand))


def _applied(function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
    return function(*arguments, **named)


# Operators


def _power(base: Any, exponent: Any, modulus: Any = None) -> Any:
    if modulus is not None:
        return pow(base, exponent, modulus)
    if isinstance(base, int) and isinstance(exponent, int) and exponent > 0 and abs(base) > 1:
        if base.bit_length() * exponent > POWER_BITS_MAX:
            raise OverflowError(f"the power is larger than {POWER_BITS_MAX:,} bits")
    return base**exponent


def _modulo(left: Any, right: Any) -> Any:
    result = left % right
    return _without_addresses(result) if type(left) is str else result


def _in_place_modulo(left: Any, right: Any) -> Any:
    return _modulo(left, right) if type(left) is str else operator.imod(left, right)


def _in_place_power(left: Any, right: Any) -> Any:
    return _power(left, right)


_IN_PLACE: Mapping[str, Callable[[Any, Any], Any]] = types.MappingProxyType(
    {
        **{"+=": operator.iadd, "-=": operator.isub, "*=": operator.imul, "/=": operator.itruediv},
        **{"//=": operator.ifloordiv, "@=": operator.imatmul, "&=": operator.iand, "|=": operator.ior},
        **{"^=": operator.ixor, "<<=": operator.ilshift, ">>=": operator.irshift},
        **{"%=": _in_place_modulo, "**=": _in_place_power},
    }
)


def _changed(sign: str, value: Any, operand: Any) -> Any:
    return _IN_PLACE[sign](value, operand)


# Text. The repr of a function or an iterator holds its address, and the layout of memory is shared by all workers of a zygote.

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_WITHOUT_ADDRESS = frozenset({str, int, float, bool, type(None), datetime.date, datetime.datetime, Moment})


def text_of(value: Any) -> str:
    """`str(value)`, without addresses."""
    return str(value) if type(value) in _WITHOUT_ADDRESS else _without_addresses(str(value))


def repr_of(value: Any) -> str:
    """`repr(value)`, without addresses."""
    return repr(value) if type(value) in _WITHOUT_ADDRESS else _without_addresses(repr(value))


def ascii_of(value: Any) -> str:
    """`ascii(value)`, without addresses."""
    return _without_addresses(ascii(value))


def _format(value: Any, spec: str = "") -> str:
    return format(_shown(value), spec)


def _shown(value: Any) -> Any:
    """What an f-string formats: data as it is, so that its format works; anything else as text."""
    return value if type(value) in ATTRIBUTES and type(value) not in _WRITABLE else text_of(value)


def _without_addresses(text: str) -> str:
    return _ADDRESS.sub("", text) if " at 0x" in text else text


# Types


class _StandIn(type):
    """The type of a class that stands for a builtin: `isinstance` and `issubclass` mean the builtin."""

    stands_for: type

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls.stands_for)

    def __subclasscheck__(cls, subclass: type) -> bool:
        real = subclass.stands_for if isinstance(subclass, _StandIn) else subclass
        return issubclass(real, cls.stands_for)

    def __repr__(cls) -> str:
        return repr(cls.stands_for)


class Text(metaclass=_StandIn):
    """`str`, whose call prints no addresses."""

    stands_for = str

    def __new__(cls, value: Any = "", *encoding: Any, **named: Any) -> Any:
        return str(value, *encoding, **named) if encoding or named else text_of(value)


def _clock(now: Moment) -> tuple[type, type]:
    """`datetime.datetime` and `datetime.date`, whose own time is the run's."""

    class Clock(metaclass=_StandIn):
        stands_for = datetime.datetime

        def __new__(cls, *parts: Any, **named: Any) -> Any:
            return datetime.datetime(*parts, **named)

        @staticmethod
        def now(tz: Any = None) -> datetime.datetime:
            return now if tz is None or tz is datetime.UTC else now.astimezone(tz)

        @staticmethod
        def today() -> datetime.datetime:
            return now

    class Calendar(metaclass=_StandIn):
        stands_for = datetime.date

        def __new__(cls, *parts: Any, **named: Any) -> Any:
            return datetime.date(*parts, **named)

        @staticmethod
        def today() -> datetime.date:
            return now.date()

    return Clock, Calendar


class Kind:
    """What `type(x)` says of a host object: its name, and no way to make another."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<class {self.name!r}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Kind) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)


def _type_of(value: Any) -> Any:
    kind = type(value)
    if kind is Record:
        return dict
    if kind is str:
        return Text
    if kind in ATTRIBUTES or type(kind) is AuthorsClass or (issubclass(kind, Exception) and kind in _EXCEPTIONS):
        return kind
    # The constructors of the rest build what the lists keep out: a function from code, a module from any object.
    return Kind(_kind_name(value))


def _kind_name(value: Any) -> str:
    names = {Module: "module", Path: "part of `$`", Dollar: "`$`", AuthorsClass: "class", Record: "record"}
    return names.get(type(value)) or type(value).__name__


def _name_of(value: Any) -> str:
    if type(value) is Kind:
        return value.name
    if isinstance(value, _StandIn):
        return value.stands_for.__name__
    if isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType, types.MethodType)):
        return value.__name__
    raise AttributeError(f"a {_kind_name(value)} has no name")


def _near(word: str, words: Any) -> str:
    found = nearest(word, [known for known in words if type(known) is str])
    return f"; did you mean {found!r}?" if found else ""


_HOST_ONLY = frozenset(
    # Nothing in a program may outlive `except Exception`, group exceptions (CPython confuses their types), or see an address.
    (
        "BaseException",
        "SystemExit",
        "KeyboardInterrupt",
        "GeneratorExit",
        "id",
        "hash",
        "setattr",
        "delattr",
        "_getattr_",
    )
)
_EXCEPTIONS = frozenset(
    kind
    for name, kind in safe_builtins.items()
    if isinstance(kind, type) and issubclass(kind, Exception) and name not in _HOST_ONLY
) | {TimeoutError, PermissionError, RecursionError, UnicodeError}

_BUILTINS: Mapping[str, Any] = types.MappingProxyType(
    {
        **{name: value for name, value in safe_builtins.items() if name not in _HOST_ONLY},
        **{kind.__name__: kind for kind in _EXCEPTIONS},
        **{function.__name__: function for function in (all, any, bin, enumerate, filter, iter, map, max, min, next)},
        **{function.__name__: function for function in (reversed, sorted, sum, zip)},
        **{kind.__name__: kind for kind in (bytes, dict, frozenset, list, object, set, tuple)},
        **{kind.__name__: kind for kind in (classmethod, property, staticmethod)},
        **{"str": Text, "type": _type_of, "repr": repr_of, "ascii": ascii_of, "format": _format, "pow": _power},
        **{"getattr": attribute_of, "hasattr": _has_attribute, "setattr": _set_attribute},
        **{"NotImplemented": NotImplemented},
        # Words of JSON and JavaScript that models write by habit.
        **{"true": True, "false": False, "null": None, "undefined": None},
    }
)

BUILTIN_NAMES = frozenset(_BUILTINS) | {"print", "$"}
