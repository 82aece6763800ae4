"""What `$` offers: the tenant, as seen by one unit. Code in the sandbox, scripts and the structured tools all come through here."""

from collections.abc import Mapping, Sequence
from typing import Any

from runtime import entity as entities
from runtime import event_log, find, habits, perform, schema, values
from runtime.calls import arguments
from runtime.calls.fetch import fetch
from runtime.calls.measures import status
from runtime.calls.search import search
from runtime.calls.stored_code import StoredCode
from runtime.declaration import from_data
from runtime.entity import Entity, missing
from runtime.errors import (
    InvalidArguments,
    InvalidFields,
    InvalidType,
    LimitExceeded,
    PermissionDenied,
    VerbenaError,
    did_you_mean,
)
from runtime.handlers.storing import is_function
from runtime.handlers.units import Units
from runtime.noun import READ_VERBS, Noun, Verb
from runtime.own_nouns import EFFECT, NOUN, OWN_NOUNS, RUN
from runtime.past import position
from runtime.sandbox.pool import Pool
from runtime.tenant import Tenant
from runtime.transfer.backups import kept
from runtime.undo import undo
from runtime.unit import Unit

BATCH_MAX = 1_000
_MEMBER_FORMS = {
    "events": '$.events.list(type="Deal", limit=10), or $.events.subscribe("Deal.*", fn)',
    "nouns": '$.nouns.list(), or $.nouns.get("Deal")',
    "http": '$.http.get("https://api.example.com/v1")',
}


def units_of(tenant: Tenant, pool: Pool) -> Units:
    """The units of a tenant, whose code has this `$`."""
    return Units(tenant, pool, lambda unit: Dollar(tenant, unit, pool).call)


class Dollar:
    """`$` for one unit: reads see what the unit staged, verbs are staged in it."""

    def __init__(self, tenant: Tenant, unit: Unit, pool: Pool) -> None:
        self._tenant = tenant
        self._unit = unit
        self._pool = pool
        self._code = StoredCode(tenant, pool, unit)

    def call(self, path: Sequence[str], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Answer `$.a.b(*args, **kwargs)` with plain JSON values; raises a VerbenaError that says what would be right."""
        match path:
            case ["$describe"]:
                return self._describe(*arguments.exactly(1, args, "$describe(type)"))
            case ["now"]:
                return values.format_datetime(self._unit.now)
            case ["progress"]:
                return None
            case ["search"]:
                asked = arguments.of_search(args, kwargs)
                self._queries(asked.get("type"), asked)
                return search(self._tenant, self._unit, asked)
            case ["fetch"]:
                return fetch(self._tenant, self._unit, arguments.of_fetch(args, kwargs))
            case ["events", "list"]:
                self._tenant.write_noted()
                return event_log.list_events(
                    self._tenant.file, self._unit.vocabulary, arguments.one_mapping(args, kwargs)
                )
            case ["nouns"] | ["nouns", "list"]:
                return [self._summary(self._unit.vocabulary.noun(name)) for name in self._unit.vocabulary.names]
            case ["nouns", "get"]:
                (name,) = arguments.exactly(1, args, "$.nouns.get(name)")
                return schema.json_schema(self._unit.vocabulary.noun(name), self._unit.vocabulary)
            case ["status"]:
                return status(self._tenant, self._unit, arguments.one_mapping(args, kwargs))
            case ["before"]:
                return self._code.before(args, kwargs)
            case ["after" | "on" as form]:
                return self._code.after(args, kwargs, form)
            case ["every"]:
                return self._code.every(args, kwargs)
            case ["at"]:
                return self._code.at(args, kwargs)
            case ["Metric", "watch"]:
                return self._code.watch(args, kwargs)
            case ["events", "subscribe"]:
                return self._code.after(args, kwargs, "events.subscribe")
            case ["handlers", *rest] if len(rest) < 2:
                return self._code.handlers(rest[0] if rest else "list", args, kwargs)
            case ["runs", *rest] if len(rest) < 2:
                return self._code.runs(rest[0] if rest else "list", args, kwargs)
            case ["http", word]:
                return self._http(word, args, kwargs)
            case ["diff"]:
                return self._difference(arguments.of_diff(args, kwargs))
            case ["undo"]:
                return self.undo(*arguments.exactly(1, args, '$.undo("run_…")'))
            case ["define"]:
                return self._define(arguments.one_mapping(args, kwargs))
            case [name, word]:
                return self._noun_call(self._noun(name), word, list(args), dict(kwargs))
            case [name]:
                self._noun(name)
                raise InvalidType(f"$.{name} is a noun, not a call", hint=f"$.{name}.find(), $.{name}.create(…), …")
            case _:
                raise InvalidType(f"there is no $.{'.'.join(path)[:80]}", hint=did_you_mean(path[0], self._members()))

    def verb(self, noun: Noun, verb: Verb, id: str | None, data: Mapping[str, Any]) -> Entity:
        """Carry out a verb, whichever it is, and stage its event."""
        unit = self._unit
        if unit.rights.level < 1:
            raise PermissionDenied("this key may only read", hint="use a key of level L1 or more")
        match verb.name:
            case "create":
                if id is not None:
                    raise InvalidArguments("create makes the $id itself", hint=f"$.{noun.name}.create({{…}})")
                return perform.perform(unit, noun, verb, None, data)
            case "delete":
                return perform.delete(unit, noun, verb, arguments.needed_id(noun, verb, id))
            case "erase":
                if unit.rights.level < 3:
                    raise PermissionDenied("only an administrator's key may erase", hint="delete can be taken back")
                id = arguments.needed_id(noun, verb, id)
                return perform.erase(unit, noun, verb, id, self._backups_with(noun, id))
            case "restore":
                return perform.restore(unit, noun, verb, arguments.needed_id(noun, verb, id))
            case "rollback":
                version = data.get("version")
                if type(version) is not int:
                    raise InvalidArguments("which version?", hint=f"$.{noun.name}.rollback(id, 2)")
                return perform.rollback(unit, noun, verb, arguments.needed_id(noun, verb, id), version)
            case "upsert":
                return self._upsert(noun, data)
            case _:
                return perform.perform(unit, noun, verb, arguments.needed_id(noun, verb, id), data)

    def _backups_with(self, noun: Noun, id: str) -> list[str]:
        """The backups that were made when the entity was there; of a file that a restore put aside nobody knows when."""
        found = self._unit.read(noun, id)
        since = found.number if found is not None else 0
        made = kept(self._tenant.data, self._tenant.name)
        return [backup.file for backup in made if not backup.seq or backup.seq >= since]

    def batch(self, items: Any) -> list[dict[str, Any]]:
        """Carry out `[{action, type, id, data}, …]` in order, all in this unit; the entities as they were left."""
        listed = arguments.listed(items)
        if not listed:
            raise InvalidArguments(
                "batch takes a list", hint='data=[{"action": "create", "type": "Deal", "data": {…}}]'
            )
        if len(listed) > BATCH_MAX:
            raise LimitExceeded(
                f"a batch has at most {BATCH_MAX} items, not {len(listed)}", hint="send several batches"
            )
        done: list[dict[str, Any]] = []
        for place, each in enumerate(listed):
            item = arguments.mapping(each)
            if item is None or not item.keys() <= {"action", "type", "id", "data"}:
                raise InvalidArguments(f"item {place} is not {{action, type, id, data}}")
            try:
                done.append(self.act(item.get("action"), item.get("type"), item.get("id"), item.get("data")))
            except VerbenaError as error:
                error.details.setdefault("item", place)
                raise
        return done

    def undo(self, what: Any) -> list[dict[str, Any]]:
        """Take back what a run or an event changed; the entities as they are left."""
        if self._unit.rights.level < 1:
            raise PermissionDenied("this key may only read", hint="use a key of level L1 or more")
        return [self.shown(entity) for entity in undo(self._unit, self._tenant.file, what)]

    def act(self, action: Any, type: Any, id: Any, data: Any) -> dict[str, Any]:
        """One structured action: a verb by its name, on a noun by its name."""
        if not isinstance(action, str) or not isinstance(type, str):
            raise InvalidArguments("an action needs action and type", hint='action="close", type="Deal", id="deal_…"')
        noun = self._noun(type)
        verb = self._verb(noun, action)
        given = {} if data is None else arguments.mapping(data)
        if given is None:
            raise InvalidArguments("data is a mapping of fields", hint='data={"name": "Acme"}')
        if id is None and verb.name not in ("create", "upsert"):
            id, given = given.get("$id"), {key: value for key, value in given.items() if key != "$id"}
        return self.shown(self.verb(noun, verb, arguments.id_of(noun, id), given))

    def shown(self, entity: Entity, fields: Sequence[str] | None = None) -> dict[str, Any]:
        """An entity as a caller gets it, links to deleted entities read as empty."""
        noun = self._unit.vocabulary.noun(entity.noun)
        (body,) = find.without_dead_links(self._unit.overlay, self._unit.vocabulary, noun, [entity.body])
        return entities.shown(noun, body, self._tenant.context, fields)

    # -- nouns -----------------------------------------------------------------------------------------------------

    def _noun_call(self, noun: Noun, word: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if word in READ_VERBS:
            if noun in (RUN, EFFECT):
                self._tenant.write_noted()
            return getattr(self, f"_{word}")(noun, args, kwargs)
        verb, form = self._unit.vocabulary.verb(noun, word)
        if form == "by":
            (id,) = arguments.exactly(1, args, f"$.{noun.name}.{word}(id)")
            return event_log.done_by(
                self._tenant.file, arguments.needed_id(noun, verb, arguments.id_of(noun, id)), verb.name
            )
        if any(map(is_function, args)):
            return self._code.by_form(noun, verb, form, args, kwargs)
        if form in ("gerund", "past"):
            raise InvalidType(
                f"$.{noun.name}.{word} registers a handler, and takes a function",
                hint=f"$.{noun.name}.{verb.name}(id) performs the verb; $.{noun.name}.{word}(lambda entity, $: …) registers, "
                f"and so does @$.{noun.name}.{word} over a def, without ()",
            )
        if verb.name == "rollback" and len(args) == 2:
            return self.shown(self.verb(noun, verb, arguments.id_of(noun, args[0]), {"version": args[1], **kwargs}))
        id, data = arguments.of_verb(noun, verb, args, kwargs)
        shape = self.shown(self.verb(noun, verb, id, data))
        if verb.name == "erase":
            shape["heldBy"] = self._unit.changes[-1].input["heldBy"]
        return shape

    def _get(self, noun: Noun, args: list[Any], kwargs: dict[str, Any]) -> Any:
        id, options = arguments.id_and_options(noun, "get", args, kwargs, ("include", "fields", "asOf"))
        unit, _ = self._tenant.unit_at(self._unit, options.get("asOf"))
        return find.entity(unit, self._tenant.context, noun, id, options)

    def _find(self, noun: Noun, args: list[Any], kwargs: dict[str, Any]) -> Any:
        return self._page(noun, arguments.of_find(noun, args, kwargs))

    def _findOne(self, noun: Noun, args: list[Any], kwargs: dict[str, Any]) -> Any:
        found = self._page(noun, {**arguments.of_find(noun, args, kwargs), "limit": 1})
        return found[0] if found else None

    def _count(self, noun: Noun, args: list[Any], kwargs: dict[str, Any]) -> int:
        given = arguments.of_find(noun, args, kwargs)
        self._queries(noun.name, given)
        unit, _ = self._tenant.unit_at(self._unit, given.get("asOf"))
        return find.count(unit.overlay, unit.vocabulary, noun, given.get("filter", {}), unit.now)

    def _aggregate(self, noun: Noun, args: list[Any], kwargs: dict[str, Any]) -> Any:
        given = arguments.of_aggregate(args, kwargs)
        self._queries(noun.name, given)
        unit, _ = self._tenant.unit_at(self._unit, given.pop("asOf", None))
        return find.aggregate(unit.overlay, unit.vocabulary, noun, given, unit.now)

    def _history(self, noun: Noun, args: list[Any], kwargs: dict[str, Any]) -> Any:
        id, _ = arguments.id_and_options(noun, "history", args, kwargs, ())
        self._known(noun, id)
        return event_log.history(self._tenant.file, id)

    def _diff(self, noun: Noun, args: list[Any], kwargs: dict[str, Any]) -> Any:
        given = arguments.of_diff(args, kwargs)
        if given.get("id") is not None:
            self._known(noun, given["id"])
        return self._difference({**given, "type": noun.name})

    def _changedBy(self, noun: Noun, args: list[Any], kwargs: dict[str, Any]) -> Any:
        id, key = arguments.exactly(2, args, f'$.{noun.name}.changedBy(id, "field")')
        self._known(noun, id)
        if key not in noun.fields:
            raise InvalidFields(f"{noun.name} has no field {str(key)[:80]!r}", hint=did_you_mean(str(key), noun.fields))
        return event_log.set_by(self._tenant.file, id, key)

    def _known(self, noun: Noun, id: Any) -> None:
        if not isinstance(id, str) or self._unit.read(noun, id) is None:
            raise missing(noun, id)

    def _difference(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What differs between two moments: of the tenant, of a noun, or of one entity."""
        unknown = next((name for name in given if name not in ("from", "to", "type", "id")), None)
        if unknown is not None or given.get("from") is None:
            raise InvalidArguments(
                f"diff takes no {unknown!r}" if unknown else "diff needs the moment to compare with",
                hint='{"from": "7d ago", "to": "now"}',
            )
        tenant, head = self._tenant, self._tenant.writer.seq
        if given.get("type") is not None:
            self._noun(given["type"])
        first = position(tenant.file, given["from"], now=self._unit.now, head=head, what="from")
        last = position(tenant.file, given.get("to", head), now=self._unit.now, head=head, what="to")
        if first > last:
            raise InvalidArguments(f"from ({first}) lies behind to ({last})", hint="the earlier moment comes first")
        return event_log.difference(tenant.file, first, last, type=given.get("type"), id=given.get("id"))

    def _queries(self, noun: Any, given: Mapping[str, Any]) -> None:
        """Note what a BEFORE handler's answer rests on; a walk over relations may rest on any noun."""
        walks = noun is None or "include" in given or "." in str((given.get("filter"), given.get("groupBy")))
        self._unit.query("*" if walks else str(noun))

    def _page(self, noun: Noun, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        self._queries(noun.name, given)
        if "query" in given:
            found = search(self._tenant, self._unit, {**given, "type": noun.name})
            return [each["entity"] for each in found["results"]]
        rest = {name: value for name, value in given.items() if name != "asOf"}
        unit, seq = self._tenant.unit_at(self._unit, given.get("asOf"), given.get("cursor"))
        return find.page(unit, self._tenant.context, noun, {**rest, "total": False}, as_of=seq).shown

    def _upsert(self, noun: Noun, data: Mapping[str, Any]) -> Entity:
        """Update the one entity whose `by` field has the value in `data`, or create it."""
        inner = arguments.mapping(data.get("data")) if set(data) <= {"by", "data"} else None
        by, given = (data.get("by"), inner) if inner is not None else (None, dict(data))
        by = by or next(
            (key for key, field in noun.fields.items() if field.unique and given.get(key) is not None), None
        )
        if not isinstance(by, str) or by not in noun.fields:
            unique = [key for key, field in noun.fields.items() if field.unique]
            hint = did_you_mean(str(by), noun.fields) if by else f'by="{(unique or list(noun.fields))[0]}"'
            raise InvalidArguments(f"upsert of {noun.name} needs a field to find it by", hint=hint)
        if given.get(by) is None:
            raise InvalidArguments(f"upsert by {by} needs a value of {by}", hint=f"{{{by!r}: …}}")
        unit = self._unit
        id = find.only(unit, noun, by, values.parse(noun.fields[by], given[by], where=f"{noun.name}.{by}"))
        if id is None:
            return self.verb(noun, self._verb(noun, "create"), None, given)
        return self.verb(noun, self._verb(noun, "update"), id, given)

    def _noun(self, name: str) -> Noun:
        vocabulary = self._unit.vocabulary
        if name not in vocabulary.names:
            members = self._members()
            if name in members:
                raise InvalidType(f"$.{name} is not called like that", hint=_MEMBER_FORMS.get(name, f"$.{name}(…)"))
            raise InvalidType(
                f"there is no noun {name[:80]!r}", hint=habits.for_member(name) or did_you_mean(name, members)
            )
        return vocabulary.noun(name)

    def _verb(self, noun: Noun, word: str) -> Verb:
        verb, form = self._unit.vocabulary.verb(noun, word)
        if form != "verb":
            raise InvalidType(f"{noun.name}.{word} is not a verb", hint=f"the verb is {verb.name}")
        return verb

    def _members(self) -> list[str]:
        return [
            *self._unit.vocabulary.names,
            "search",
            "fetch",
            "events",
            "now",
            "nouns",
            "status",
            "diff",
            "undo",
            "before",
            "after",
            "on",
            "every",
            "at",
            "handlers",
            "runs",
            "define",
            "log",
            "progress",
            *(["http"] if self._tenant.outside.allowed else []),
        ]

    def _http(self, word: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        if not self._tenant.outside.allowed:
            raise InvalidType(
                "there is no $.http here: the operator allows no host",
                hint="VERBENA_HTTP_HOSTS names those that may be asked",
            )
        from runtime.calls import http  # its library is half of what an engine would import, and few need it

        return http.call(self._unit.effects, word, args, kwargs)

    def _summary(self, noun: Noun) -> dict[str, Any]:
        return {
            "name": noun.name,
            "fields": list(noun.fields),
            "relations": [*(key for key, field in noun.fields.items() if field.target), *noun.inverses],
            "verbs": list(noun.verbs),
        }

    def _describe(self, name: Any) -> dict[str, Any]:
        own = OWN_NOUNS.get(name) if isinstance(name, str) else None
        if own is not None:  # nobody performs their verbs
            return {"fields": list(own.fields), "verbs": [], "relations": []}
        if not isinstance(name, str) or name not in self._unit.vocabulary.names:
            return {"fields": [], "verbs": [], "relations": []}
        noun = self._unit.vocabulary.noun(name)
        return {"fields": list(noun.fields), "verbs": list(noun.verbs), "relations": list(noun.inverses)}

    def _define(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Add a noun to this tenant, or change one of its own; the noun as JSON Schema."""
        unit = self._unit
        if unit.rights.level < 1:
            raise PermissionDenied("this key may only read", hint="use a key of level L1 or more")
        noun = from_data(data)
        vocabulary = unit.vocabulary.with_noun(noun)
        # With what it was renamed by before, which whoever declares it again need not repeat.
        declaration = dict(vocabulary.noun(noun.name).declaration)
        id = f"{NOUN.key}_{noun.name}"
        unit.stage_own(NOUN, "define", id, {"name": noun.name, "declaration": declaration})
        unit.vocabulary = vocabulary
        return schema.json_schema(noun, vocabulary)
