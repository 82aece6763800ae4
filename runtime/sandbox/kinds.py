"""The types that a program meets: its own classes, and stand-ins for those of Python that tell or reach too much."""

import datetime
import types
from typing import Any

from runtime.sandbox.allowed import ATTRIBUTES, EXCEPTIONS, Module
from runtime.sandbox.moment import Moment
from runtime.sandbox.proxy import Dollar, Path
from runtime.sandbox.record import Record
from runtime.sandbox.texts import text_of


class AuthorsClass(type):
    """The type of every class that a program defines. It builds on `object` and plain exceptions, on no other class."""

    def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> "AuthorsClass":
        for base in bases:
            if type(base) is not cls and base not in (object, Exception, ValueError, RuntimeError):
                raise TypeError(f"a class cannot build on {base.__name__} here")
        return super().__new__(cls, name, bases, body)


class StandIn(type):
    """The type of a class that stands for a builtin: `isinstance` and `issubclass` mean the builtin."""

    stands_for: type

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls.stands_for)

    def __subclasscheck__(cls, subclass: type) -> bool:
        real = subclass.stands_for if isinstance(subclass, StandIn) else subclass
        return issubclass(real, cls.stands_for)

    def __repr__(cls) -> str:
        return repr(cls.stands_for)


class Text(metaclass=StandIn):
    """`str`, whose call prints no addresses."""

    stands_for = str

    def __new__(cls, value: Any = "", *encoding: Any, **named: Any) -> Any:
        return str(value, *encoding, **named) if encoding or named else text_of(value)


def clocks(now: Moment) -> tuple[type, type]:
    """`datetime.datetime` and `datetime.date`, whose own time is the run's."""

    class Clock(metaclass=StandIn):
        stands_for = datetime.datetime

        def __new__(cls, *parts: Any, **named: Any) -> Any:
            return datetime.datetime(*parts, **named)

        @staticmethod
        def now(tz: Any = None) -> datetime.datetime:
            return now if tz is None or tz is datetime.UTC else now.astimezone(tz)

        @staticmethod
        def today() -> datetime.datetime:
            return now

    class Calendar(metaclass=StandIn):
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


def type_of(value: object, *more: Any) -> Any:
    """`type(value)`, where that is harmless; else a `Kind`. It makes no classes."""
    if more:
        raise TypeError("`type` takes one value here: write a class statement")
    kind = type(value)
    if kind is Record:
        return dict
    if kind is str:
        return Text
    if kind in ATTRIBUTES or isinstance(kind, AuthorsClass) or kind in EXCEPTIONS.values():
        return kind
    # The constructors of the rest build what the lists keep out: a function from code, a module from any object.
    return Kind(kind_name(value))


def kind_name(value: object) -> str:
    """What messages call the type of the value."""
    names: dict[type, str] = {
        Module: "module",
        Path: "part of `$`",
        Dollar: "`$`",
        AuthorsClass: "class",
        Record: "record",
    }
    return names.get(type(value)) or type(value).__name__


def name_of(value: Any) -> str:
    """`value.__name__`, for classes and functions. Raises AttributeError for anything else."""
    if type(value) is Kind:
        return value.name
    if isinstance(value, StandIn):
        return value.stands_for.__name__
    if isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType, types.MethodType)):
        return value.__name__
    raise AttributeError(f"a {kind_name(value)} has no name")
