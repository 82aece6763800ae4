"""Reading the graph for somebody: one entity or a page of them, with what is related, as a caller gets them."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import msgspec

from runtime import entity as entities
from runtime.aggregate import aggregate_sql, parse_aggregate, shaped
from runtime.cursor import Cursor, of_another_query, seal, unseal
from runtime.entity import Body, deleted, missing
from runtime.errors import InvalidArguments
from runtime.filter_sql import columns_of, to_sql
from runtime.filters import parse_filter
from runtime.graph import Source, View
from runtime.include import RELATED_MAX, Include, parse_include, related_sql
from runtime.noun import Noun
from runtime.query import (
    LIMIT_DEFAULT,
    LIMIT_MAX,
    among_sql,
    chosen,
    count_sql,
    next_cursor,
    page_sql,
    parse_fields,
    parse_limit,
    parse_query,
)
from runtime.sql import Sql
from runtime.text_index import text_of
from runtime.tokens import tokenize
from runtime.unit import Lookup, Unit
from runtime.vocabulary import Vocabulary

_decode = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True)
class Found:
    """An entity as a caller gets it, perhaps some of its fields only, and its title, which may be none of those."""

    noun: Noun
    body: Body
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some entities as a caller gets them, and how to get the next ones."""

    found: list[Found]
    total: int | None  # up to TOTAL_MAX + 1, which stands for more than that; None: not asked for
    has_more: bool
    cursor: str | None

    @property
    def shown(self) -> list[Body]:
        return [each.body for each in self.found]


def entity(unit: Unit, context: str, noun: Noun, id: str, options: Mapping[str, Any]) -> Body:
    """One live entity by its id. Raises NotFound, InvalidInclude or InvalidFields."""
    found = unit.read(noun, id)
    if found is None or found.erased:
        raise missing(noun, id)
    if found.deleted:
        raise deleted(noun, id)
    fields = parse_fields(options.get("fields"), noun, unit.vocabulary)
    include = parse_include(options.get("include"), noun, unit.vocabulary)
    return _shown(unit.overlay, unit.vocabulary, noun, [found.body], context, fields, include)[0]


def page(unit: Unit, context: str, noun: Noun, arguments: Mapping[str, Any], *, as_of: int | None = None) -> Page:
    """A page of a noun's entities, filtered and sorted. `arguments` are those of `search` without type and query.

    `as_of` is the position of the log that the unit's view shows; the cursor goes on there.
    """
    query = parse_query(arguments, noun, unit.vocabulary, now=unit.now, as_of=as_of)
    source = Source(unit.overlay)
    rows = unit.overlay.rows(page_sql(query, source))
    has_more = len(rows) > query.limit
    rows = rows[: query.limit]
    bodies = [entities.renamed(noun, _decode(row[0])) for row in rows]
    shown = _shown(unit.overlay, unit.vocabulary, noun, bodies, context, query.fields, query.include)
    total: int | None = None
    if query.total:
        alone = query.after is None and not has_more
        total = len(rows) if alone else unit.overlay.rows(count_sql(query, source))[0][0]
    return Page(
        found=[Found(noun, shape, entities.title(noun, body)) for body, shape in zip(bodies, shown, strict=True)],
        total=total,
        has_more=has_more,
        cursor=next_cursor(query, rows[-1]) if has_more else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which part of a ranking is asked for."""

    binding: str
    start: int
    limit: int

    @property
    def end(self) -> int:
        return self.start + self.limit


def window(noun: Noun | None, words: str, arguments: Mapping[str, Any]) -> Window:
    """The part of a ranking that `limit` and `cursor` name. Raises InvalidArguments or InvalidCursor."""
    asked = repr((words, noun.name if noun else None, arguments.get("filter")))
    binding = hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    start = 0
    if arguments.get("cursor") is not None:
        cursor = unseal(arguments["cursor"])
        if cursor.binding != binding:
            raise of_another_query()
        start = cursor.number
    return Window(
        binding=binding, start=start, limit=parse_limit(arguments.get("limit"), default=LIMIT_DEFAULT, most=LIMIT_MAX)
    )


def ranked(
    unit: Unit,
    context: str,
    noun: Noun | None,
    hits: Sequence[tuple[str, str]],
    total: int,
    part: Window,
    arguments: Mapping[str, Any],
) -> Page:
    """A part of what a text search found, in the order of `hits`, which are `(noun, id)`, sifted by the filter."""
    if noun is not None and arguments.get("filter"):
        query = parse_query({"filter": arguments["filter"]}, noun, unit.vocabulary, now=unit.now)
        kept = {id for id, _ in unit.overlay.rows(among_sql(query, [id for _, id in hits], Source(unit.overlay)))}
        hits = [hit for hit in hits if hit[1] in kept]
        total = len(hits)
    picked = hits[part.start : part.end]
    more = part.end < len(hits)
    sealed = Cursor(binding=part.binding, now=unit.now, as_of=None, values=(), number=part.end)
    return Page(
        found=_in_order(unit, context, picked, noun, arguments),
        total=total,
        has_more=more,
        cursor=seal(sealed) if more else None,
    )


def sorted_hits(
    unit: Unit, context: str, noun: Noun, hits: Sequence[tuple[str, str]], arguments: Mapping[str, Any]
) -> Page:
    """A page of what a text search found, in the order of `sort`."""
    among: dict[str, Any] = {"$id": {"$in": [id for _, id in hits]}}
    given = arguments.get("filter")
    return page(unit, context, noun, {**arguments, "filter": {"$and": [among, given]} if given else among})


def staged_hits(unit: Unit, noun: Noun | None, words: str, hits: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """What a text search found, corrected by what this unit staged: its own matches first, nothing that it changed away."""
    wanted = tokenize(words)
    nouns = [noun] if noun is not None else [unit.vocabulary.noun(name) for name in unit.vocabulary.names]
    mine: list[tuple[str, str]] = []
    staged: set[str] = set()
    for each in nouns:
        for entity in unit.overlay.staged(each).values():
            staged.add(entity.id)
            said = set(tokenize(" ".join(text_of(each, entity.body)))) if not entity.deleted else set[str]()
            if wanted and all(word in said for word in wanted):
                mine.append((each.name, entity.id))
    return mine + [hit for hit in hits if hit[1] not in staged]


def count(view: View, vocabulary: Vocabulary, noun: Noun, filter: object, now: datetime) -> int:
    """How many live entities fulfil a filter, exactly."""
    source = Source(view)
    parsed = parse_filter(filter or None, noun, vocabulary, now=now)
    condition = to_sql(parsed, alias="t", source=source)
    table = source.table(noun, columns_of(parsed) | {"$deletedAt"})
    sql = Sql("SELECT count(*) FROM ") + table + ' AS t WHERE t."$deletedAt" IS NULL AND ' + condition
    return view.rows(sql)[0][0]


def aggregate(
    view: View, vocabulary: Vocabulary, noun: Noun, arguments: Mapping[str, Any], now: datetime
) -> list[dict[str, Any]]:
    """Groups and their measures: `[{<group>: …, <measure>: …}, …]`."""
    asked = parse_aggregate(arguments, noun, vocabulary, now=now)
    return shaped(asked, view.rows(aggregate_sql(asked, Source(view))))


def only(unit: Unit, noun: Noun, key: str, value: Any) -> str | None:
    """The id of the one live entity with this value; None where there is none. Several are refused.

    A unit rests on the answer: another one at commit is a conflict.
    """
    if noun.fields[key].unique:
        return unit.overlay.owner((noun.name, key, value if isinstance(value, str) else str(value)))
    ids = holders(unit.overlay, unit.vocabulary, noun, key, value, unit.now)
    if len(ids) > 1:
        raise InvalidArguments(
            f"several {noun.name} have this {key}", hint="upsert by a field that only one has", ids=ids
        )
    # What the unit staged itself is no ground that can move, but what it staged that on is.
    ground = holders(unit.view, unit.vocabulary, noun, key, value, unit.now) if unit.overlay.staged(noun) else ids
    unit.lookups.append(Lookup(noun, key, value, tuple(ground)))
    return ids[0] if ids else None


def holders(view: View, vocabulary: Vocabulary, noun: Noun, key: str, value: Any, now: datetime) -> list[str]:
    """The ids of live entities with a value, two of them at the most."""
    query = parse_query({"filter": {key: value}, "limit": 1}, noun, vocabulary, now=now)
    return [_decode(row[0])["$id"] for row in view.rows(page_sql(query, Source(view)))]


def without_dead_links(view: View, vocabulary: Vocabulary, noun: Noun, bodies: Sequence[Body]) -> list[Body]:
    """The bodies with links to deleted entities left out: they read as empty until the target is restored."""
    live = list(bodies)
    for key, field in noun.fields.items():
        if field.target is None:
            continue
        target = vocabulary.noun(field.target)
        if not view.has_deleted(target):
            continue
        ids = {id for body in bodies for id in _linked(body, key)}
        alive = {id for id, found in view.get_many(target, ids).items() if not found.deleted}
        for place, body in enumerate(live):
            if any(id not in alive for id in _linked(body, key)):
                kept = {each: value for each, value in body.items() if each != key}
                left = [id for id in _linked(body, key) if id in alive]
                live[place] = {**kept, key: left} if field.many else kept
    return live


def _linked(body: Body, key: str) -> list[str]:
    """The ids that a relation's key holds."""
    value = body.get(key)
    if value is None:
        return []
    return cast("list[str]", value) if isinstance(value, list) else [value]


def _in_order(
    unit: Unit, context: str, picked: Sequence[tuple[str, str]], noun: Noun | None, arguments: Mapping[str, Any]
) -> list[Found]:
    by_noun: dict[str, list[str]] = {}
    for name, id in picked:
        by_noun.setdefault(name, []).append(id)
    shown: dict[str, Found] = {}
    for name, ids in by_noun.items():
        each = unit.vocabulary.noun(name)
        fields = parse_fields(arguments.get("fields"), each, unit.vocabulary) if noun is not None else None
        include = parse_include(arguments.get("include"), each, unit.vocabulary) if noun is not None else ()
        known = unit.overlay.get_many(each, ids)
        live = [known[id] for id in ids if id in known and not known[id].deleted]
        bodies = _shown(unit.overlay, unit.vocabulary, each, [found.body for found in live], context, fields, include)
        titles = [entities.title(each, found.body) for found in live]
        shown |= {found.id: Found(each, body, title) for found, body, title in zip(live, bodies, titles, strict=True)}
    return [shown[id] for _, id in picked if id in shown]


def _shown(
    view: View,
    vocabulary: Vocabulary,
    noun: Noun,
    bodies: Sequence[Body],
    context: str,
    fields: tuple[str, ...] | None,
    include: Sequence[Include],
) -> list[Body]:
    live = without_dead_links(view, vocabulary, noun, bodies)
    shown = [chosen(entities.shown(noun, body, context), fields) for body in live]
    for each in include:
        _attach(view, vocabulary, live, shown, each, context)
    return shown


def _attach(
    view: View, vocabulary: Vocabulary, live: Sequence[Body], shown: Sequence[Body], include: Include, context: str
) -> None:
    """Put the related entities in the place of their ids, or, of a computed relation, under its name."""
    step = include.step
    if not step.forward:
        rows = view.rows(related_sql(step, [body["$id"] for body in live], Source(view)))
        related: dict[str, list[Body]] = {}
        for id, text in rows:
            related.setdefault(id, []).append(entities.renamed(step.target, _decode(text)))
        for body, shape in zip(live, shown, strict=True):
            found = related.get(body["$id"], [])[:RELATED_MAX]
            listed = _shown(view, vocabulary, step.target, found, context, None, include.parts)
            shape[step.name] = listed if step.many else (listed[0] if listed else None)
        return
    wanted = {id for body in live for id in _linked(body, step.key)[:RELATED_MAX]}
    targets = view.get_many(step.target, wanted)
    for body, shape in zip(live, shown, strict=True):
        ids = _linked(body, step.key)[:RELATED_MAX]
        found = [targets[id].body for id in ids if id in targets and not targets[id].deleted]
        listed = _shown(view, vocabulary, step.target, found, context, None, include.parts)
        shape[step.name] = listed if step.listed else (listed[0] if listed else None)
