"""`connect()`: the `$` surface for scripts, on a data folder of this machine."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, cast

from runtime.client import BASE_URL, IDLE_SECONDS, Connection, OwnerOptions
from runtime.errors import InvalidArguments
from runtime.following import Events
from runtime.function_source import Registering, sent
from runtime.noun import Noun
from runtime.sandbox.proxy import REGISTERING, awaits_function


class Record(dict[str, Any]):
    """An entity as it was when it was read; `record.name` and `record["name"]` are the same, and unset keys are None.

    A meta-field needs no `$` where the entity has no such key: `record.id`, `record.createdAt`.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self:
            return self[name]
        return self.get(f"${name}")


class NounFace:
    """`client.Deal`: its verbs and queries, each a call of its own."""

    def __init__(self, client: "Client", name: str) -> None:
        self._client = client
        self._name = name

    def __getattr__(self, word: str) -> "_Call":
        if word.startswith("_"):
            raise AttributeError(word)
        return _Call(self._client, [self._name, word])

    def __repr__(self) -> str:
        return f"$.{self._name}"


class _Call:
    def __init__(self, client: "Client", path: list[str]) -> None:
        self._client = client
        self._path = path

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._client.call(self._path, *args, **kwargs)

    def __getattr__(self, word: str) -> "_Call":
        if word.startswith("_"):
            raise AttributeError(word)
        return _Call(self._client, [*self._path, word])

    def __repr__(self) -> str:
        return "$." + ".".join(self._path)


class EventsFace(_Call):
    """`client.events`: what happened, and what happens."""

    def subscribe(
        self,
        pattern: str = "*",
        function: None = None,
        *,
        filter: Mapping[str, Any] | None = None,
        since: int | str | None = None,
    ) -> Events:
        """Events as they happen, each as soon as it is committed, for `for` and for `async for`; without end.

        `pattern` is `Contact.qualified`, `Contact.*`, `Contact.<id>.*`, `*.created` or `*`; `filter` asks for the entity as
        the event left it, in the language of queries. `since` is a position of the log, or an event's id: what happened
        after it comes first. It has a connection of its own, to be closed with it: use it in `with`.
        """
        if function is not None:
            raise InvalidArguments(
                "a script hears events in a loop: for event in client.events.subscribe(pattern)",
                hint="client.on(pattern, fn) stores a function, which runs without the script",
            )
        given: dict[str, Any] = {"pattern": pattern}
        given |= {} if filter is None else {"filter": filter}
        given |= {} if since is None else {"since": since}
        return self._client.follow(given)


class Client:
    """A tenant, as a script sees it: `client.Deal.close(id)`, `client.search(…)`, `client.do("…")`.

    Every call is a unit of its own; what must happen together goes into one `do`. Calls raise VerbenaError. A client is
    for one thread.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def search(self, query: str = "", **arguments: Any) -> Any:
        """`{results, total, hasMore, cursor}`, see the tool of the same name."""
        return _record(self._connection.ask("search", {**({"query": query} if query else {}), **arguments}))

    def fetch(self, id: str = "", **arguments: Any) -> Any:
        """An entity or a special, see the tool of the same name."""
        return _record(self._connection.ask("fetch", {**({"id": id} if id else {}), **arguments}))

    def do(self, code: str = "", **arguments: Any) -> Any:
        """`{result, output, events, run}`: code with `$`, or `action`, `type`, `id` and `data`."""
        return _record(self._connection.ask("do", {**({"code": code} if code else {}), **arguments}))

    def define(self, noun: Noun | Mapping[str, Any]) -> Any:
        """Add a noun to this tenant, or change one of its own."""
        data = noun.declaration if isinstance(noun, Noun) else noun
        return self._connection.ask("$", {"path": ["define"], "args": [data], "kwargs": {}})

    def call(self, path: list[str], *args: Any, **kwargs: Any) -> Any:
        """`$.a.b(*args, **kwargs)` by its path. A function among the arguments is sent as its source, to be stored."""
        if tuple(path) in REGISTERING and awaits_function(args):
            return Registering(lambda function: self.call(path, *args, function, **kwargs))
        named = {name: sent(value) for name, value in kwargs.items()}
        given = {"path": path, "args": [sent(value) for value in args], "kwargs": named}
        return _record(self._connection.ask("$", given))

    def ask(self, call: str, arguments: Mapping[str, Any]) -> Any:
        """Any call of the wire, such as `events` or `doctor`."""
        return self._connection.ask(call, arguments)

    @property
    def events(self) -> EventsFace:
        """`list(…)` and `subscribe(…)`."""
        return EventsFace(self, ["events"])

    def follow(self, given: Mapping[str, Any]) -> Events:
        """The events of a subscription as the wire takes it: `{pattern, filter, since}`."""
        return Events(self._connection, given, shape=_record)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return NounFace(self, name) if name[:1].isupper() else _Call(self, [name])

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def connect(
    data: str | os.PathLike[str],
    tenant: str = "default",
    *,
    idle_s: float = IDLE_SECONDS,
    base_url: str = BASE_URL,
    http_hosts: str = "",
    accept_fewer_walls: bool = False,
) -> Client:
    """A client of one tenant of a data folder; its owner is started when nobody owns it yet."""
    folder = Path(data).expanduser().resolve()
    options = OwnerOptions(
        idle_s=idle_s, base_url=base_url, http_hosts=http_hosts, accept_fewer_walls=accept_fewer_walls
    )
    return Client(Connection(folder, tenant=tenant, options=options))


def _record(value: Any) -> Any:
    if isinstance(value, dict):
        return Record({key: _record(each) for key, each in cast("dict[str, Any]", value).items()})
    if isinstance(value, list):
        return [_record(each) for each in cast("list[Any]", value)]
    return value
