"""`$` as sandboxed code sees it: words joined by dots, and a call that asks the parent."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from runtime.sandbox.frames import PATH_WORDS_MAX, WORD_CHARS_MAX
from runtime.sandbox.record import Noun, Record

Ask = Callable[[tuple[str, ...], tuple[Any, ...], Mapping[str, Any]], Any]

# What takes a function last, and may stand over a `def` without it: then a name and options are all that it is given.
REGISTERING = frozenset(
    [("before",), ("after",), ("on",), ("every",), ("at",), ("events", "subscribe"), ("Metric", "watch")]
)

_WORD = re.compile(r"[A-Za-z$][A-Za-z0-9_$]*")


class Path:
    """`$.Deal.find` before it is called. Calling it asks."""

    __slots__ = ("_ask", "_words")

    def __init__(self, ask: Ask, words: tuple[str, ...]) -> None:
        self._ask = ask
        self._words = words

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        if self._words in REGISTERING and awaits_function(arguments):
            return Registering(self, arguments, named)
        return self._ask(self._words, arguments, named)

    def __repr__(self) -> str:
        return "$." + ".".join(self._words)

    def word(self, name: str) -> "Path":
        """The path one word longer. Raises AttributeError for what is no word, or too many of them."""
        return Path(self._ask, (*self._words, _word(name, self._words)))


class Registering:
    """`@$.on("Deal.*")` over a `def`: the call is made when the function is there."""

    __slots__ = ("_arguments", "_named", "_path")

    def __init__(self, path: Path, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        self._path = path
        self._arguments = arguments
        self._named = named

    def __call__(self, function: Any) -> Any:
        return self._path(*self._arguments, function, **self._named)

    def __repr__(self) -> str:
        return f"{self._path!r}({''.join(f'{each!r:.80}, ' for each in self._arguments)}fn)"


class Dollar:
    """`$` itself."""

    __slots__ = ("_ask",)

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("`$` is not called by itself: $.Noun.find(...), $.search(...)")

    def __repr__(self) -> str:
        return "$"

    def word(self, name: str) -> Path:
        """`$.name`."""
        return Path(self._ask, (_word(name, ()),))


def awaits_function(arguments: Sequence[Any]) -> bool:
    """Whether these arguments of a registering call are a name and options, and the function is still to come."""
    name, options = arguments[:1], arguments[1:]
    return not any(map(callable, name)) and (not options or (len(options) == 1 and isinstance(options[0], dict)))


def called(value: Path | Dollar) -> str:
    """How a path that was not called is most likely meant: `$.Deal` is `$.Deal.find()`."""
    words = repr(value).split(".")
    if len(words) == 2 and words[1][:1].isupper():
        return f"{value!r}.find()"
    if len(words) == 2 and words[1] in ("events", "handlers", "nouns", "runs"):
        return f"{value!r}.list()"
    return "$.Deal.find()" if len(words) == 1 else f"{value!r}()"


def _word(name: str, before: tuple[str, ...]) -> str:
    if not _WORD.fullmatch(name) or len(name) > WORD_CHARS_MAX:
        raise AttributeError(f"`$` has no {name[:WORD_CHARS_MAX]!r}: it takes words such as $.Deal.find")
    if len(before) >= PATH_WORDS_MAX:
        raise AttributeError(f"`$.{'.'.join(before)}` is longer than {PATH_WORDS_MAX} words")
    return name


class DollarError(Exception):
    """What the parent refused, raised where the code called: `code`, `message`, `hint`, `details`."""

    def __init__(self, code: str, message: str, hint: str | None = None, details: Any = None) -> None:
        self.code = code
        self.message = message
        self.hint = hint
        self.details = details
        super().__init__(message)


class Answers:
    """Reads answers of the parent: every mapping in them becomes a record that knows its noun."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._nouns: dict[str, Noun] = {}  # one entry for each type that a record was asked about

    def read(self, text: bytes) -> dict[str, Any]:
        """The answer frame. Its payload is under `ok`, or `error` says why there is none."""
        return json.loads(text, object_hook=self.record)

    def record(self, values: dict[str, Any]) -> Record:
        """The values as a record."""
        record = Record(values)
        record.nouns = self
        return record

    def noun(self, type_name: str) -> Noun:
        """The noun's words; asked once a run."""
        known = self._nouns.get(type_name)
        if known is None:
            said = self._ask(("$describe",), (type_name,), {})
            known = Noun(**{words: frozenset(said.get(words, ())) for words in ("fields", "verbs", "relations")})
            self._nouns[type_name] = known
        return known

    def verb(self, type_name: str, verb: str, entity_id: str) -> Callable[..., Any]:
        """`entity.verb`, bound: a function that asks for the verb of that one entity."""

        def perform(*arguments: Any, **named: Any) -> Any:
            return self._ask((type_name, verb), (entity_id, *arguments), named)

        return perform
