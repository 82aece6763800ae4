"""What `$` has to store code and look after it: `$.before`, `$.after`, `$.on`, `$.every`, `$.at`, `$.Metric.watch`,
`$.handlers`, `$.runs`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from runtime import entity as entities
from runtime import find
from runtime.calls import arguments
from runtime.calls.measures import watchable, watched
from runtime.calls.runs import shown_run
from runtime.entity import Entity
from runtime.errors import Conflict, InvalidArguments, InvalidType, NotFound, PermissionDenied, did_you_mean
from runtime.event_pattern import parse_pattern
from runtime.filters import parse_filter
from runtime.handlers import storing
from runtime.handlers.handler import Handler
from runtime.handlers.handler_set import canonical, parse_verb
from runtime.handlers.watches import written
from runtime.noun import Noun, Verb
from runtime.own_nouns import HANDLER, RUN
from runtime.sandbox.pool import Pool
from runtime.schedule import Cron, Schedule, as_data, parse_at, parse_every
from runtime.tenant import Tenant
from runtime.unit import Unit
from runtime.watch import EXAMPLE, State, Watch, begun, parse_watch, state_data, state_from
from runtime.watch import as_data as as_watch_data

HANDLERS_MEMBERS = ("list", "get", "disable", "enable", "remove", "move")
RUNS_MEMBERS = ("list", "get", "retry", "release")
ENDED_BADLY = ("Failed", "Dead", "Stuck", "Retrying")
# What callers write from habit in the place of a member of `$.handlers`.
_HABITS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("delete", "unregister", "off", "unsubscribe", "clear"), "remove"),
        **dict.fromkeys(("pause", "stop"), "disable"),
        **dict.fromkeys(("resume", "start", "activate"), "enable"),
    }
)


class StoredCode:
    """What one unit may do about handlers and runs."""

    def __init__(self, tenant: Tenant, pool: Pool, unit: Unit) -> None:
        self._tenant = tenant
        self._pool = pool
        self._unit = unit

    # -- registering -----------------------------------------------------------------------------------------------

    def by_form(self, noun: Noun, verb: Verb, form: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """`$.Deal.closing(fn)` runs before, `$.Deal.closed(fn)` after; so does `$.X.read(fn)`, where both are one word."""
        if form == "verb" and verb.past and verb.name != verb.past:
            raise InvalidType(
                f"$.{noun.name}.{verb.name} performs the verb, and takes no function",
                hint=f"$.{noun.name}.{verb.gerund}(fn) runs before it, $.{noun.name}.{verb.past}(fn) after it",
            )
        said = verb.gerund if form == "gerund" else verb.past or verb.name
        function, options = self._function_and_options(args, kwargs, f"$.{noun.name}.{said}(fn)")
        if form == "gerund":
            return self._store_before(noun, verb, function, options)
        return self._store_after(f"{noun.name}.{said}", function, options)

    def before(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """`$.before("Deal.close", fn)`."""
        word, *rest = _named(args, "before which verb?", '$.before("Deal.close", fn)')
        noun, verb = parse_verb(word, self._unit.vocabulary)
        function, options = self._function_and_options(rest, kwargs, '$.before("Deal.close", fn)')
        return self._store_before(noun, verb, function, options)

    def after(self, args: Sequence[Any], kwargs: Mapping[str, Any], form: str) -> Any:
        """`$.after("Deal.close", fn)`, `$.on("Deal.*", fn)`, `$.events.subscribe("*.created", fn, filter={…})`."""
        pattern, *rest = _named(args, "after which events?", f'$.{form}("Deal.closed", fn)')
        function, options = self._function_and_options(rest, kwargs, f'$.{form}("Deal.closed", fn)')
        return self._store_after(pattern, function, options)

    def every(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """`$.every("1h", fn)`, `$.every("0 9 * * MON-FRI", fn, zone="Europe/Berlin")`."""
        when, *rest = _named(args, "how often?", '$.every("1h", fn)')
        function, options = self._function_and_options(rest, kwargs, '$.every("1h", fn)')
        zone = options.pop("zone", None)
        _refuse_others(options, ("zone",))
        schedule = parse_every(when, since=self._unit.now, zone=zone)
        said = " ".join(str(when).split())
        if isinstance(schedule, Cron) and schedule.zone != "UTC":
            said = f"{said} {schedule.zone}"
        return self._store_schedule(f"every {said}", function, schedule)

    def at(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """`$.at("2026-12-24T18:00:00Z", fn)`, `$.at("in 3h", fn)`."""
        when, *rest = _named(args, "at what time?", '$.at("in 3h", fn)')
        function, options = self._function_and_options(rest, kwargs, '$.at("in 3h", fn)')
        _refuse_others(options, ())
        schedule = parse_at(when, now=self._unit.now)
        return self._store_schedule(f"at {as_data(schedule)['at']}", function, schedule)

    def watch(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """`$.Metric.watch("mrr", {"threshold": 10000, "direction": "above"}, fn)`, or the options as keywords."""
        named = {key: value for key, value in kwargs.items() if key != "name"}
        name, *rest = _named([kwargs["name"], *args] if "name" in kwargs else args, "what is to be watched?", EXAMPLE)
        function, options = self._function_and_options(rest, named, EXAMPLE)
        watch = parse_watch(watchable(self._unit, name), options)
        data = as_watch_data(watch)

        def state(former: Entity | None) -> Mapping[str, Any]:
            # Whoever stores the same watch again, such as a script at each of its starts, begins nothing anew.
            if former is not None and former.body.get("options") == data and former.body.get("state"):
                return former.body["state"]
            return state_data(self._first_state(watch, former))

        handler = storing.store(
            self._tenant,
            self._pool,
            self._unit,
            kind="watch",
            pattern=watch.pattern,
            function=function,
            options=data,
            state=state,
        )
        return in_brief(handler)

    def _first_state(self, watch: Watch, former: Entity | None) -> State:
        seen = watched(self._tenant, self._unit, watch.name)
        if seen.currencies:
            raise InvalidArguments(
                f"{watch.name} has {seen.currencies} currencies, which are not added up",
                hint=f'watch one of them, such as "{watch.name}:EUR"',
            )
        ran = state_from(former.body.get("state") if former is not None else None)
        first = begun(watch, seen.value, self._unit.now)
        return written(replace(first, ran_at=ran.ran_at, run=ran.run), seen)

    def _store_schedule(self, pattern: str, function: Any, schedule: Schedule) -> dict[str, Any]:
        return self._stored("schedule", pattern, function, as_data(schedule))

    def _store_before(self, noun: Noun, verb: Verb, function: Any, options: Mapping[str, Any]) -> dict[str, Any]:
        if options:
            raise InvalidArguments(
                f"a BEFORE handler takes no {next(iter(options))[:80]!r}",
                hint="a condition stands in it: if entity.field == …:",
            )
        if not verb.past or verb.name == "erase":
            raise InvalidType(
                f"nothing runs before {noun.name}.{verb.name}",
                hint="nothing may stand in the way of an erasure"
                if verb.past
                else f"before {noun.name}.create and {noun.name}.update",
            )
        return self._stored("before", f"{noun.name}.{verb.name}", function, {})

    def _store_after(self, pattern: Any, function: Any, options: Mapping[str, Any]) -> dict[str, Any]:
        meant = parse_pattern(pattern, self._unit.vocabulary)
        unknown = next((name for name in options if name != "filter"), None)
        if unknown is not None:
            raise InvalidArguments(
                f"a handler takes no {unknown[:80]!r}", hint=did_you_mean(unknown, ("filter",)) or "filter={…}"
            )
        given = options.get("filter")
        if given is not None:
            if meant.noun is None:
                raise InvalidArguments("a filter needs a noun in the pattern", hint='"Deal.*" with filter={…}')
            parse_filter(given, meant.noun, self._unit.vocabulary, now=self._unit.now)
        return self._stored("after", canonical(meant), function, {} if given is None else {"filter": given})

    def _stored(self, kind: Any, pattern: str, function: Any, options: Mapping[str, Any]) -> dict[str, Any]:
        handler = storing.store(
            self._tenant, self._pool, self._unit, kind=kind, pattern=pattern, function=function, options=options
        )
        return in_brief(handler)

    def _function_and_options(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], form: str
    ) -> tuple[Any, dict[str, Any]]:
        """The function among the arguments, and the keywords or the one mapping beside it."""
        functions = [arg for arg in args if storing.is_function(arg)]
        rest = [arg for arg in args if not storing.is_function(arg)]
        if len(functions) != 1 or len(rest) > 1 or (rest and arguments.mapping(rest[0]) is None):
            counted = "one function alone" if len(functions) > 1 else "a function"
            raise InvalidArguments(f"that registers a handler, and takes {counted}", hint=form)
        return functions[0], {**(arguments.mapping(rest[0]) or {} if rest else {}), **kwargs}

    # -- handlers --------------------------------------------------------------------------------------------------

    def handlers(self, word: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """`$.handlers.list(kind="before")`, `.get(id)`, `.disable(id)`, `.enable(id)`, `.remove(id)`, `.move(id, 1)`."""
        match word:
            case "list":
                given = arguments.one_mapping(args, kwargs)
                filter = {"$and": [{"status": {"$ne": "Removed"}}, given.pop("filter", given if given else {})]}
                return self._page(HANDLER, {"filter": filter, "sort": "position", "limit": 100})
            case "get":
                (id,) = arguments.exactly(1, args, "$.handlers.get(id)")
                return self._shown(HANDLER, storing.known(self._tenant, self._unit, id).id)
            case "disable":
                id, *reason = _named(args, "which handler?", "$.handlers.disable(id)")
                told = kwargs.get("reason", reason[0] if reason else None)
                return self._changed("disable", id, status="Disabled", reason=None if told is None else str(told)[:500])
            case "enable":
                (id,) = arguments.exactly(1, args, "$.handlers.enable(id)")
                return self._changed("enable", id, status="Active", reason=None)
            case "remove":
                (id,) = arguments.exactly(1, args, "$.handlers.remove(id)")
                return self._changed("remove", id, status="Removed")
            case "move":
                id, *places = _named(args, "which handler?", "$.handlers.move(id, 1)")
                return self._changed("move", id, to=kwargs.get("to", places[0] if places else None))
            case _:
                raise InvalidType(
                    f"there is no $.handlers.{word[:80]}",
                    hint=f"write $.handlers.{_HABITS[word]}(id)"
                    if word in _HABITS
                    else did_you_mean(word, HANDLERS_MEMBERS),
                )

    def _changed(self, verb: str, id: Any, **values: Any) -> dict[str, Any]:
        return in_brief(storing.change(self._tenant, self._unit, verb, id, **values))

    # -- runs ------------------------------------------------------------------------------------------------------

    def runs(self, word: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """`$.runs.list(status="Failed")`, `.get(id)`, `.retry(id)`, `.release(id)`."""
        match word:
            case "list":
                given = dict(arguments.one_mapping(args, kwargs))
                options = {name: given.pop(name) for name in ("sort", "limit", "cursor") if name in given}
                filter = given.pop("filter", given)
                return self._page(RUN, {"sort": "-createdAt", **options, "filter": filter})
            case "get":
                (id,) = arguments.exactly(1, args, "$.runs.get(id)")
                return shown_run(self._tenant, self._unit, id)
            case "retry":
                (id,) = arguments.exactly(1, args, "$.runs.retry(id)")
                run = self._run_to_change(id, ENDED_BADLY, "tried again")
                return self._run_changed(run, "retry", status="Waiting", dueAt=None, error=None)
            case "release":
                (id,) = arguments.exactly(1, args, "$.runs.release(id)")
                run = self._run_to_change(id, ("Waiting", *ENDED_BADLY), "released")
                return self._run_changed(run, "release", status="Released", dueAt=None)
            case _:
                raise InvalidType(f"there is no $.runs.{word[:80]}", hint=did_you_mean(word, RUNS_MEMBERS))

    def _run_to_change(self, id: Any, allowed: Sequence[str], what: str) -> Entity:
        if self._unit.rights.level < 1:
            raise PermissionDenied("this key may only read", hint="use a key of level L1 or more")
        found = self._unit.read(RUN, id) if isinstance(id, str) else None
        if found is None:
            raise NotFound(f"no run {str(id)[:80]!r}", hint="$.runs.list() gives runs that are known")
        if found.id == self._unit.run:
            raise InvalidArguments(
                f"{id} is running, and cannot be {what} by itself", hint="return ends it, raise fails it"
            )
        if "handler" not in found.body or found.body["kind"] == "before" or found.body["status"] not in allowed:
            raise Conflict(
                f"{id} is {found.body['status']} and cannot be {what}",
                hint=f"that can be done with runs of handlers that are {', '.join(allowed)}",
            )
        return found

    def _run_changed(self, run: Entity, verb: str, **values: Any) -> dict[str, Any]:
        self._unit.stage_own(RUN, verb, run.id, values)
        return self._shown(RUN, run.id)

    # -- showing ---------------------------------------------------------------------------------------------------

    def _page(self, noun: Noun, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        self._tenant.write_noted()
        return find.page(self._unit, self._tenant.context, noun, {**given, "total": False}).shown

    def _shown(self, noun: Noun, id: str) -> dict[str, Any]:
        found = self._unit.read(noun, id)
        assert found is not None
        return entities.shown(noun, found.body, self._tenant.context)


def _named(args: Sequence[Any], question: str, form: str) -> Sequence[Any]:
    """The arguments, of which the first says what is meant. Raises InvalidArguments where a function stands there, or nothing."""
    if not args or storing.is_function(args[0]):
        raise InvalidArguments(question, hint=form)
    return args


def _refuse_others(options: Mapping[str, Any], known: Sequence[str]) -> None:
    unknown = next((name for name in options if name not in known), None)
    if unknown is not None:
        raise InvalidArguments(f"a schedule takes no {unknown[:80]!r}", hint=did_you_mean(unknown, known) or "zone=…")


def in_brief(handler: Handler) -> dict[str, Any]:
    """A handler without its source, as who stored or changed it gets it."""
    shape = {"$id": handler.id, "$type": HANDLER.name, "name": handler.name, "kind": handler.kind}
    return {**shape, "pattern": handler.pattern, "status": handler.status, "position": handler.position}
