"""The many ways in which a call of `$` may be written, read into the one that is meant."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from runtime.entity import missing
from runtime.errors import InvalidArguments, InvalidId, did_you_mean
from runtime.ids import prefix_of
from runtime.noun import Noun, Verb

# What stands in `find` beside the fields of the noun.
FIND_OPTIONS = ("filter", "query", "sort", "limit", "cursor", "fields", "include", "total", "asOf")


def mapping(value: Any) -> dict[str, Any] | None:
    """A mapping as such; None for anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def listed(value: Any) -> list[Any] | None:
    """A list as such; None for anything else."""
    return cast("list[Any]", value) if isinstance(value, list) else None


def exactly(count: int, args: Sequence[Any], form: str) -> Sequence[Any]:
    """The arguments, if there are as many as there must be; `form` shows how they are meant."""
    if len(args) != count:
        raise InvalidArguments(f"{form} takes {count} argument{'s' if count > 1 else ''}, not {len(args)}", hint=form)
    return args


def one_mapping(args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords, or one mapping, or both."""
    given = mapping(args[0]) if args else {}
    if len(args) > 1 or given is None:
        raise InvalidArguments("that takes keywords or one mapping", hint='for example type="Deal"')
    return {**given, **kwargs}


def of_search(args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """`search("words", type=…)`, keywords, or one mapping."""
    if len(args) == 1 and isinstance(args[0], str):
        return {"query": args[0], **kwargs}
    return one_mapping(args, kwargs)


def of_fetch(args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """`fetch(id)`, `fetch(type, id)` or keywords."""
    if 1 <= len(args) <= 2 and all(isinstance(arg, str) for arg in args):
        names = ("id",) if len(args) == 1 else ("type", "id")
        return {**dict(zip(names, args, strict=True)), **kwargs}
    return one_mapping(args, kwargs)


def id_of(noun: Noun, value: Any) -> str | None:
    """The id that is meant: itself, or that of an entity."""
    entity = mapping(value)
    if entity is not None and isinstance(entity.get("$id"), str):
        return entity["$id"]
    if value is None or isinstance(value, str):
        return value
    raise InvalidId(
        f"the id of a {noun.name} is a text, not {value!r:.80}",
        hint=f"such as {noun.key}_fX9bL5nRdK; $.{noun.name}.findOne(…).id gives one",
    )


def needed_id(noun: Noun, verb: Verb, id: str | None) -> str:
    """An id that can be one of this noun's."""
    if not id:
        rest = ", {…}" if verb.name == "update" else ""
        hint = f"$.{noun.name}.{verb.name}({noun.key}.id{rest}), with $.{noun.name}.findOne(…) for the {noun.key}"
        raise InvalidId(f"{noun.name}.{verb.name} needs an id", hint=hint)
    if prefix_of(id) != noun.key:
        raise missing(noun, id)
    return id


def of_verb(noun: Noun, verb: Verb, args: list[Any], kwargs: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """`verb(id)`, `verb(id, data)`, `verb({"$id": id, …})` and keywords all mean the same call."""
    on_entity = verb.name not in ("create", "upsert")
    data: dict[str, Any] = {}
    id: str | None = None
    rest = list(args)
    if on_entity and rest:
        first = rest.pop(0)
        id = id_of(noun, first)
        data |= _given_with(noun, verb, mapping(first) or {})
    given = mapping(rest[0]) if rest else None
    if given is not None:
        data |= given
        rest.pop(0)
    if rest:
        form = f'$.{noun.name}.{verb.name}({"id, " if on_entity else ""}{{"field": value}})'
        if isinstance(rest[0], list):
            form += ", once for each"
        raise InvalidArguments(f"{verb.name} does not take {rest[0]!r:.80} there", hint=form)
    if verb.name == "upsert" and isinstance(kwargs.get("by"), str):
        by = kwargs.pop("by")
        return None, {"by": by, "data": {**data, **kwargs}}
    data |= kwargs
    if id is None and on_entity:
        id = id_of(noun, data.pop("$id", None) or data.pop("id", None))
    return id, data


def _given_with(noun: Noun, verb: Verb, first: dict[str, Any]) -> dict[str, Any]:
    """The data in a mapping that also names the entity.

    An entity that was read is, for `update`, what it should be, resting on the version that was read; for every other
    verb it only says which one is meant.
    """
    if "$type" not in first:
        return {key: value for key, value in first.items() if key != "$id"}
    if verb.name != "update":
        return {}
    return {key: value for key, value in first.items() if key in noun.fields or key == "$version"}


def id_and_options(
    noun: Noun, word: str, args: list[Any], kwargs: dict[str, Any], known: Sequence[str]
) -> tuple[str, dict[str, Any]]:
    """`get(id, include=…)`, with the options as keywords or as a mapping."""
    options = dict(kwargs)
    rest = list(args)
    named = rest.pop(0) if rest else options.pop("id", options.pop("$id", None))
    given = mapping(rest[0]) if rest else None
    if given is not None:
        options |= given
        rest.pop(0)
    unknown = next((key for key in options if key not in known), None)
    if unknown is not None or rest:
        what = unknown if unknown is not None else f"{rest[0]!r:.80}"
        by_value = word == "get" and unknown in noun.fields
        hint = f"$.{noun.name}.findOne({unknown}=…)" if by_value else did_you_mean(str(what), known)
        raise InvalidArguments(f"{word} does not take {what}", hint=hint)
    id = id_of(noun, named)
    if not id:
        raise InvalidId(f"{noun.name}.{word} needs an id", hint=f'$.{noun.name}.{word}("{noun.key}_…")')
    return id, options


def of_find(noun: Noun, args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """`find(stage="Lead", limit=5)`, `find({"stage": "Lead"}, limit=5)` and `find(filter={…})` as search arguments."""
    options = {key: value for key, value in kwargs.items() if key in FIND_OPTIONS}
    filters: list[Any] = [{key: value for key, value in kwargs.items() if key not in FIND_OPTIONS}]
    for place, arg in enumerate(args):
        given = mapping(arg)
        if given is None and arg is not None:
            raise InvalidArguments(
                f"find takes a filter, not {arg!r:.80}",
                hint=f'$.{noun.name}.find({{"field": {{"$gt": 1}}}}), or find(query="words"); by id it is .get(id)',
            )
        if given is None:
            continue
        if place == 0 and not ("filter" in given and given.keys() <= set(FIND_OPTIONS)):
            filters.append(given)
        elif given.keys() <= set(FIND_OPTIONS):
            options = {**given, **options}
        else:
            raise InvalidArguments("behind the filter come options", hint=f"one of {', '.join(FIND_OPTIONS)}")
    filters.append(options.pop("filter", None))
    parts = [part for part in filters if part]
    if parts:
        options["filter"] = parts[0] if len(parts) == 1 else {"$and": parts}
    return options


def of_aggregate(args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """`aggregate(groupBy, measures)`, keywords, or one mapping."""
    given = mapping(args[0]) if len(args) == 1 else None
    if given is not None:
        return {**given, **kwargs}
    return {**dict(zip(("groupBy", "measures"), args, strict=False)), **kwargs}


def of_diff(args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """`diff("7d ago")`, `diff("7d ago", "now")`, or a mapping `{from, to, id}`; `from` is no keyword of Python."""
    given = mapping(args[-1]) if args else None
    rest = list(args[:-1] if given is not None else args)
    shape = {**(given or {}), **{name.removesuffix("_"): value for name, value in kwargs.items()}}
    if rest and isinstance(rest[0], str) and prefix_of(rest[0]) is not None and "_" in rest[0]:
        shape["id"] = rest.pop(0)
    return {**dict(zip(("from", "to"), rest, strict=False)), **shape}
