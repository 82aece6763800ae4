"""What a guarded program calls in place of Python's own steps: for attributes, items, writes, operators and imports."""

import operator
import random
import types
from collections.abc import Callable, Mapping
from typing import Any, cast

from RestrictedPython.Guards import (  # pyright: ignore[reportUnknownVariableType]  this module has no types
    guarded_iter_unpack_sequence,  # pyright: ignore[reportUnknownVariableType]
    guarded_unpack_sequence,  # pyright: ignore[reportUnknownVariableType]
)
from RestrictedPython.transformer import INSPECT_ATTRIBUTES

from runtime.errors import nearest
from runtime.sandbox.allowed import (
    ATTRIBUTES,
    BUILTINS,
    CLASS_ATTRIBUTES,
    EXCEPTION_ATTRIBUTES,
    EXCEPTIONS,
    Module,
    modules,
)
from runtime.sandbox.kinds import AuthorsClass, StandIn, Text, clocks, kind_name, name_of, type_of
from runtime.sandbox.moment import Moment
from runtime.sandbox.proxy import Dollar, Path
from runtime.sandbox.record import Record
from runtime.sandbox.texts import ascii_of, format_of, repr_of, shown, text_of, without_addresses

POWER_BITS_MAX = 200_000  # 60,000 digits; more only burns the deadline in one step that no timer can break
_RAISE = object()
_ABSENT = object()


def namespace(*, dollar: Dollar, write: Callable[[str], None], now: Moment, chance: random.Random) -> dict[str, Any]:
    """The globals of one run: `$`, the builtins, and the guards under names that no author can write.

    `write` takes what `print` prints.
    """
    clock, calendar = clocks(now)
    imported = modules(now=now, chance=chance, clock=clock, calendar=calendar)

    def import_module(
        name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
    ) -> Any:  # the signature is Python's
        if type(fromlist) is list:
            # CPython itself, in the midst of `strptime` or `strftime`: a statement gives a tuple or None. It drops what
            # we answer and looks among the loaded modules; warming up has loaded them.
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
        between, last = " " if sep is None else sep, "\n" if end is None else end
        if type(between) is not str or type(last) is not str:  # an object's own `join` could give anything
            raise TypeError("sep and end of print are texts")
        write(between.join(map(text_of, values)) + last)

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
        "_name_": name_of,
        "_power_": _power,
        "_modulo_": _modulo,
        "_shown_": shown,
        "_text_": text_of,
        "_repr_": repr_of,
        "_ascii_": ascii_of,
        "_return_": Return,
        "_exception_": Exception,
    }


class Return(BaseException):
    """Carries the value of a `return` outside a function. The program has no name for it and cannot catch it."""

    def __init__(self, value: Any) -> None:
        self.value = value
        super().__init__()


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


def _attribute(value: object, name: str) -> Any:
    kind = type(value)
    if name.startswith("_") or name in INSPECT_ATTRIBUTES:
        raise AttributeError(f"the attribute {name!r} is not accessible")
    if isinstance(value, Record):
        return value.attribute(name)
    if isinstance(value, (Dollar, Path)):
        return value.word(name)
    listed = ATTRIBUTES.get(kind)
    if listed is not None:
        if name in listed:
            return getattr(value, name)
        if not isinstance(value, dict):
            raise AttributeError(f"{kind.__name__} has no {name!r}" + _near(name, listed))
        entries = cast(dict[Any, Any], value)
        if name in entries:
            return entries[name]
        raise AttributeError(f"the dict has no {name!r}" + _near(name, entries))
    if isinstance(value, Module):
        if name in value.members:
            return value.members[name]
        raise AttributeError(f"module {value.name!r} has no {name!r} here" + _near(name, value.members))
    if isinstance(value, BaseException) and name in EXCEPTION_ATTRIBUTES:
        return _of_exception(value, name)
    if isinstance(kind, AuthorsClass) and (_is_own(kind, name) or not hasattr(Exception, name)):
        return getattr(value, name)
    if isinstance(value, type):
        return _of_class(value, name)
    raise AttributeError(f"a {kind_name(value)} has no attribute {name!r} here")


def _has_attribute(value: Any, name: str) -> bool:
    return attribute_of(value, name, _ABSENT) is not _ABSENT


def _of_class(kind: type[Any], name: str) -> Any:
    if type(kind) is AuthorsClass and _is_own(kind, name):
        return getattr(kind, name)
    real = kind.stands_for if isinstance(kind, StandIn) else kind
    listed = CLASS_ATTRIBUTES.get(real, frozenset[str]())
    if name in listed:
        return getattr(kind if name in vars(kind) else real, name)
    raise AttributeError(f"{name_of(kind)} has no {name!r} here" + _near(name, listed))


def _is_own(kind: type[Any], name: str) -> bool:
    """Whether a class of the program, and no class of ours that it builds on, says what the name is."""
    return any(name in vars(base) for base in kind.__mro__ if type(base) is AuthorsClass)


def _of_exception(error: BaseException, name: str) -> Any:
    if name == "message" and not hasattr(error, "message"):
        return text_of(error)
    if name == "args":
        return tuple(_argument(part) for part in error.args)
    return getattr(error, name, None)


def _argument(part: Any) -> Any:
    if type(part) is str:  # CPython writes the repr of what was not found into it
        return without_addresses(part)
    if type(part) is list:  # decimal gives the classes of its signals
        return [each.__name__ if isinstance(each, type) else each for each in cast("list[Any]", part)]
    return part


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
            raise KeyError(key + _near(key, cast(dict[Any, Any], value))) from None
        raise


def iterator_of(value: Any) -> Any:
    """What a `for` goes through."""
    if type(value) in (Dollar, Path):
        raise TypeError(f"{value!r} is not a list, and was not called")
    return iter(value)


_WRITABLE = frozenset({dict, list, *(kind for kind in ATTRIBUTES if kind.__module__ == "collections")})


def writable(value: object) -> Any:
    """The value, if the program may change its items or attributes. Raises TypeError, with what to do instead."""
    kind = type(value)
    if kind in _WRITABLE or isinstance(value, AuthorsClass) or isinstance(kind, AuthorsClass):
        return value
    if isinstance(value, Record):
        raise value.refusal()
    if isinstance(value, (Dollar, Path)):
        raise TypeError("`$` cannot be assigned to: use $.Noun.update(id, {...})")
    raise TypeError(f"a {kind_name(value)} cannot be changed")


def _change_item(value: Any, key: Any, sign: str, operand: Any) -> None:
    writable(value)[key] = _changed(sign, item_of(value, key), operand)


def _change_attribute(value: Any, name: str, sign: str, operand: Any) -> None:
    _set_attribute(value, name, _changed(sign, attribute_of(value, name), operand))


def _applied(function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
    return function(*arguments, **named)


# Operators


def _power(base: Any, exponent: Any, modulus: Any = None) -> Any:
    if modulus is not None:
        return cast(Any, pow(base, exponent, modulus))
    if isinstance(base, int) and isinstance(exponent, int) and base.bit_length() * exponent > POWER_BITS_MAX:
        raise OverflowError(f"the power is larger than {POWER_BITS_MAX:,} bits")
    return base**exponent


def _modulo(left: Any, right: Any) -> Any:
    result: Any = left % right
    if type(left) is bytes:
        return without_addresses(result.decode("latin-1")).encode("latin-1")
    return without_addresses(result) if type(left) is str else result


_IN_PLACE: Mapping[str, Callable[[Any, Any], Any]] = types.MappingProxyType(
    {
        **{
            f"{sign}=": getattr(operator, f"i{name}")
            for sign, name in (
                *(("+", "add"), ("-", "sub"), ("*", "mul"), ("/", "truediv"), ("//", "floordiv"), ("@", "matmul")),
                *(("&", "and"), ("|", "or"), ("^", "xor"), ("<<", "lshift"), (">>", "rshift")),
            )
        },
        **{"%=": _modulo, "**=": _power},
    }
)


def _changed(sign: str, value: Any, operand: Any) -> Any:
    return _IN_PLACE[sign](value, operand)


def _near(word: str, words: Any) -> str:
    found = nearest(word, [known for known in words if type(known) is str])
    return f"; did you mean {found!r}?" if found else ""


_BUILTINS: Mapping[str, Any] = types.MappingProxyType(
    {
        **BUILTINS,
        **EXCEPTIONS,
        **{"str": Text, "type": type_of, "repr": repr_of, "ascii": ascii_of, "format": format_of, "pow": _power},
        **{"getattr": attribute_of, "hasattr": _has_attribute, "setattr": _set_attribute},
        # Words of JSON and JavaScript that models write by habit.
        **{"true": True, "false": False, "null": None, "undefined": None},
    }
)

BUILTIN_NAMES = frozenset(_BUILTINS) | {"print", "$"}
