"""`search`: entities by words, by filter, or by both, a page at a time."""

from collections.abc import Mapping
from typing import Any

from runtime import find
from runtime.errors import InvalidArguments, InvalidType, did_you_mean
from runtime.noun import Noun
from runtime.own_nouns import EFFECT, RUN
from runtime.tenant import Tenant
from runtime.unit import Unit

ARGUMENTS = ("query", "type", "filter", "sort", "limit", "cursor", "fields", "include", "total", "asOf")
# A text search ranks this many; beyond it nobody pages.
HITS_MAX = 1_000


def search(tenant: Tenant, unit: Unit, given: Mapping[str, Any]) -> dict[str, Any]:
    """`{results: [{id, title, url, entity}], total, hasMore, cursor}`; `total` is exact up to 1,000, 1,001 means more.

    Raises InvalidType, InvalidArguments, and what the parts of a query raise.
    """
    arguments = {name: value for name, value in given.items() if value not in (None, "", [], {})}
    unknown = next((name for name in given if name not in ARGUMENTS), None)
    if unknown is not None:
        raise InvalidArguments(f"search takes no {unknown[:80]!r}", hint=did_you_mean(unknown, ARGUMENTS))
    words, type = arguments.pop("query", None), arguments.pop("type", None)
    if words is None and type is None:
        raise InvalidArguments("search needs query or type", hint='query="acme", or type="Deal" with a filter')
    as_of = arguments.pop("asOf", None)
    if as_of is not None and words is not None:
        raise InvalidArguments(
            "free text is found in the present only", hint="leave out asOf, or use a filter instead of query"
        )
    noun = None if type is None else _noun(unit, type)
    if noun in (RUN, EFFECT):
        tenant.write_noted()
    if words is None:
        assert noun is not None
        there, seq = tenant.unit_at(unit, as_of, arguments.get("cursor"))
        page = find.page(there, tenant.context, noun, {"total": True, **arguments}, as_of=seq)
    else:
        page = _by_words(tenant, unit, noun, words, arguments)
    shape: dict[str, Any] = {"results": [_row(tenant, each) for each in page.found]}
    if page.total is not None:
        shape["total"] = page.total
    shape["hasMore"] = page.has_more
    if page.cursor is not None:
        shape["cursor"] = page.cursor
    return shape


def _by_words(tenant: Tenant, unit: Unit, noun: Noun | None, words: Any, arguments: Mapping[str, Any]) -> find.Page:
    if not isinstance(words, str):
        raise InvalidArguments(f"query is a text, not {words!r:.80}", hint='query="acme renewal"')
    if noun is None and arguments.keys() & {"filter", "sort", "fields", "include"}:
        raise InvalidArguments("filter, sort, fields and include need a type", hint='add type="Contact"')
    nouns = None if noun is None else [noun.name]
    index, known = tenant.texts(), unit.vocabulary.names
    if noun is not None and arguments.get("sort"):
        found = [(hit.noun, hit.id) for hit in index.search(words, nouns=nouns, limit=HITS_MAX)]
        return find.sorted_hits(unit, tenant.context, noun, find.staged_hits(unit, noun, words, found), arguments)
    part = find.window(noun, words, arguments)
    # A filter sifts the whole ranking; without one, no more of it is read than is shown.
    most = HITS_MAX if arguments.get("filter") else min(part.end + 1, HITS_MAX)
    found = [(hit.noun, hit.id) for hit in index.search(words, nouns=nouns, limit=most) if hit.noun in known]
    total = len(found) if len(found) < most else min(index.count(words, nouns=nouns), HITS_MAX + 1)
    hits = find.staged_hits(unit, noun, words, found)
    return find.ranked(unit, tenant.context, noun, hits, total + len(hits) - len(found), part, arguments)


def _noun(unit: Unit, type: Any) -> Noun:
    if not isinstance(type, str):
        raise InvalidType(f"type is the name of a noun, not {type!r:.80}", hint='type="Deal"')
    return unit.vocabulary.noun(type)


def _row(tenant: Tenant, found: find.Found) -> dict[str, Any]:
    return {
        "id": found.body["$id"],
        "title": found.title,
        "url": f"{tenant.context}/{found.noun.name}/{found.body['$id']}",
        "entity": found.body,
    }
