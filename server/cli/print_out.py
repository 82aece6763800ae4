"""How the command line shows an answer: tables for people, compact JSON for programs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

CELL_CHARS_MAX = 120  # a longer value is cut in a table; --json and fetch give it whole
KEYS_SHOWN_LAST = ("$context", "$createdBy", "$createdAt", "$updatedAt")


def json(value: Any) -> None:
    """One line of JSON."""
    print(msgspec.json.encode(value).decode())


def line(text: str) -> None:
    """Text as it is: whoever copies a command or a cursor from it must get it whole."""
    Console().print(_plain(text), soft_wrap=True)


def found(answer: Mapping[str, Any], *, fields: str) -> None:
    """A page of search results: id and title, and the fields that were asked for."""
    rows = [_row(row) for row in _mappings(answer.get("results"))]
    wanted = [name.strip() for name in fields.split(",") if name.strip()]
    _table(["id", "title", *wanted], [[row.get(name) for name in ("id", "title", *wanted)] for row in rows])
    shown = f"{len(rows)} shown"
    if answer.get("total") is not None:
        shown += f" of {answer['total']}"
    if answer.get("cursor"):
        shown += f"; more with --cursor {answer['cursor']}"
    line(shown)


def entity(answer: Any) -> None:
    """One entity, a key a line; what is nested is shown as JSON."""
    if not isinstance(answer, Mapping):
        json(answer)
        return
    whole = cast("Mapping[str, Any]", answer)
    nested = whole.get("entity")  # of an event, that is only an id
    shown = cast("Mapping[str, Any]", nested) if isinstance(nested, Mapping) else whole
    keys = [*(key for key in shown if key not in KEYS_SHOWN_LAST), *(key for key in KEYS_SHOWN_LAST if key in shown)]
    grid = Table(show_header=False, box=None, pad_edge=False)
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for key in keys:
        grid.add_row(_plain(key), _plain(_shown(shown[key])))
    Console().print(grid)


def done(answer: Mapping[str, Any]) -> None:
    """What a `do` printed, gave and changed."""
    output = str(answer.get("output") or "")
    if output:
        Console().print(_plain(output.rstrip("\n")))
    if answer.get("result") is not None:
        Console().print(_plain(msgspec.json.format(msgspec.json.encode(answer["result"]), indent=2).decode()))
    happened = _mappings(answer.get("events"))
    if happened:
        events(happened)
    stand = _mappings(answer.get("handlers"))
    if stand:
        rows(("handler", "status", "run"), ([each.get(key) for key in ("handler", "status", "run")] for each in stand))
    plan = answer.get("plan")
    if isinstance(plan, Mapping):
        planned = cast("Mapping[str, Any]", plan)
        line(f"{planned['diff']}\nplan {planned['hash']}: nothing was changed; commit it with --expect")


def nouns(answer: Any) -> None:
    """The nouns with their verbs."""
    rows = _mappings(_listed(answer, "nouns"))
    _table(
        ["noun", "verbs"],
        [[row.get("name", row.get("noun")), ", ".join(_names(row.get("verbs")))] for row in rows],
    )


def rows(heads: Sequence[str], values: Iterable[Sequence[Any]]) -> None:
    """A table of values, one for each head."""
    _table(heads, values)


def event(happened: Mapping[str, Any]) -> None:
    """One event on a line of its own: when there is no end to them, there is no table."""
    values = [_shown(happened.get(key)) for key in ("seq", "at", "event", "entity", "version", "actor")]
    print(_plain("  ".join(_cut(value) for value in values)).plain)


def events(answer: Any) -> None:
    """Events in their order: position, time, what happened, to what, by whom; of an answer, what it tells of them."""
    rows = _mappings(_listed(answer, "events"))
    heads = [key for key in ("id", "at", "event", "entity", "version", "actor") if any(key in row for row in rows)]
    _table(heads, [[row.get(key) for key in heads] for row in rows])


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for head in heads:
        # An id must be whole to be of use; the others may fold.
        table.add_column(head, no_wrap=head in ("id", "seq", "entity", "run", "status", "kind"), overflow="fold")
    for row in rows:
        table.add_row(*(_plain(_cut(_shown(value))) for value in row))
    Console().print(table)


def _row(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A search row flat: its display keys over the fields of its entity."""
    whole = row.get("entity")
    return {**(cast("Mapping[str, Any]", whole) if isinstance(whole, Mapping) else {}), **row}


def _listed(answer: Any, key: str) -> Any:
    return cast("Mapping[str, Any]", answer).get(key) if isinstance(answer, Mapping) else answer


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    if not isinstance(value, list):
        return []
    return [cast("Mapping[str, Any]", item) for item in cast("list[Any]", value) if isinstance(item, Mapping)]


def _names(value: Any) -> list[str]:
    return [str(name) for name in cast("Iterable[Any]", value)] if isinstance(value, (list, Mapping)) else []


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


def _cut(text: str) -> str:
    return text if len(text) <= CELL_CHARS_MAX else text[: CELL_CHARS_MAX - 1] + "…"


def _plain(text: str) -> Text:
    """Text as it is, without rich's markup or control characters: what others wrote must not steer a terminal."""
    return Text("".join(mark if mark.isprintable() or mark in "\n\t" else "\ufffd" for mark in text))
