"""Words that callers bring from other libraries, and what is written here instead.

Asked only about words that mean nothing where they stand: a noun may have a field `page` or a verb `list`.
"""

from collections.abc import Mapping
from types import MappingProxyType


def for_method(noun: str, word: str) -> str | None:
    """What to call in place of `$.Deal.findAll` and its kin."""
    if _plain(word) in _LISTENING:
        return f'write $.on("{noun}.*", fn)'
    form = _METHODS.get(_plain(word))
    return f"write $.{noun}.{form}" if form else None


def for_filter(word: str) -> str | None:
    """What to write in place of a name that a filter does not know: an option of other libraries, or `value__gt`."""
    field, _, operator = word.partition("__")
    if field and operator in _SUFFIXES:
        return f'write {{"{field[:80]}": {{"{_SUFFIXES[operator]}": …}}}}'
    return _OPTIONS.get(_plain(word))


def for_operator(word: str) -> str | None:
    """What to write in place of an operator of other query languages."""
    sign = _SIGNS.get(word)
    return f'write {{"{sign}": …}}' if sign else _OPERATORS.get(_plain(word.removeprefix("$")))


def for_comparison(text: object) -> str | None:
    """What to write where a value says how it is compared, as in `value=">1000"`."""
    if isinstance(text, str):
        for sign in ("<=", ">=", "<", ">"):
            if text.startswith(sign):
                return f'compare with {{"{_SIGNS[sign]}": …}}'
    return None


def for_member(word: str) -> str | None:
    """What to write in place of `$.today()`, `$.commit()` and their kin."""
    if _plain(word) in _OF_UNITS:
        return f"without {word[:80]}: a `do` is one unit, all of it kept when it ends, or nothing if it raises"
    return _MEMBERS.get(_plain(word))


def _plain(word: str) -> str:
    return word[:80].replace("_", "").lower()


_FIND, _FIND_ONE = 'find(field="value", sort="-field", limit=10)', 'findOne(field="value")'
_AGGREGATE = 'aggregate("groupBy", {"total": "sum(field)"})'
_METHODS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("findall", "findmany", "list", "all", "filter", "where", "select", "getall", "items"), _FIND),
        **dict.fromkeys(("query", "search"), 'find(query="words")'),
        **dict.fromkeys(("first", "findfirst", "one", "getby", "findby", "last"), _FIND_ONE),
        **dict.fromkeys(("findbyid", "getbyid", "read", "retrieve", "load", "fetch"), "get(id)"),
        **dict.fromkeys(("insert", "add", "new", "save", "post", "createmany", "bulkcreate"), "create({…}), for each"),
        **dict.fromkeys(("edit", "set", "patch", "modify", "put", "updateone", "updatemany"), "update(id, {…})"),
        **dict.fromkeys(("remove", "destroy", "drop", "archive", "deleteone", "deletemany"), "delete(id)"),
        **dict.fromkeys(("createorupdate", "getorcreate", "findorcreate"), 'upsert({…}, by="field")'),
        **dict.fromkeys(("length", "size", "total", "countdocuments"), 'count(field="value")'),
        **dict.fromkeys(("sum", "avg", "average", "min", "max", "groupby", "group", "stats"), _AGGREGATE),
    }
)
_LISTENING = frozenset(
    {"on", "once", "subscribe", "listen", "addlistener", "addeventlistener", "onchange", "hook", "watch"}
)
_CURSOR = "pages go by cursor: $.search(type=…, limit=100, cursor=page.cursor)"
_OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            ("where", "filters", "conditions", "criteria"), 'the filter stands alone: find({"field": "value"})'
        ),
        **dict.fromkeys(("page", "offset", "skip", "pagenumber", "start", "after"), _CURSOR),
        **dict.fromkeys(("orderby", "order", "sortby", "ordering"), 'write sort="-field"'),
        **dict.fromkeys(("select", "columns", "projection", "only", "attributes"), 'write fields=["name"]'),
        **dict.fromkeys(("top", "take", "first", "size", "pagesize", "perpage", "maxresults"), "write limit=10"),
        **dict.fromkeys(("populate", "expand", "with", "relations", "join", "prefetch"), 'write include="relation"'),
        **dict.fromkeys(("q", "search", "keyword", "keywords"), 'write query="words"'),
    }
)
_SIGNS: Mapping[str, str] = MappingProxyType(
    {">": "$gt", ">=": "$gte", "<": "$lt", "<=": "$lte", "=": "$eq", "==": "$eq", "!=": "$ne", "<>": "$ne"}
)
_OPERATORS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("like", "ilike", "icontains", "substring", "includes"), 'write {"$contains": "text"}'),
        **dict.fromkeys(("between", "range"), 'write {"$gte": low, "$lte": high}'),
        **dict.fromkeys(("isnull", "null", "isempty"), 'write {"$exists": False}'),
        **{"endswith": 'write {"$regex": "text$"}', "match": 'write {"$regex": "pattern"}'},
    }
)
_SUFFIXES: Mapping[str, str] = MappingProxyType(
    {
        **{word: f"${word}" for word in ("gt", "gte", "lt", "lte", "in", "ne")},
        **{"contains": "$contains", "icontains": "$contains", "startswith": "$startsWith", "isnull": "$exists"},
    }
)
_OF_UNITS = frozenset({"commit", "transaction", "save", "begin", "rollback", "flush"})
_MEMBERS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("today", "date", "time", "datetime", "utcnow"), "write $.now()"),
        **dict.fromkeys(("query", "sql", "execute", "raw", "db"), 'write $.Deal.find({"value": {"$gt": 10}})'),
        **dict.fromkeys(
            ("batch", "do", "bulk", "parallel", "all"),
            "loop over $.Deal.create({…}) and the like: a `do` is one unit, kept whole or not at all",
        ),
        **dict.fromkeys(("find", "list", "get", "create", "update"), "name the noun first: $.Deal.find(...)"),
        **dict.fromkeys(
            ("hook", "hooks", "listen", "addlistener", "addeventlistener", "listeners", "triggers", "automation"),
            'write $.on("Deal.closed", fn), or $.before("Deal.close", fn)',
        ),
        **dict.fromkeys(("subscribe", "stream", "onevent"), 'write $.events.subscribe("Deal.*", fn)'),
        **dict.fromkeys(
            ("watch", "alert", "alerts", "measure", "monitor"),
            'write $.Metric.watch("mrr", {"threshold": 10000, "direction": "above"}, fn); events are heard by $.on("Deal.*", fn)',
        ),
        **dict.fromkeys(("schedule", "cron", "interval", "setinterval", "repeat"), 'write $.every("1h", fn)'),
        **dict.fromkeys(("settimeout", "timeout", "later", "delay", "sleep"), 'write $.at("in 3h", fn)'),
        **dict.fromkeys(("trigger", "emit", "publish", "dispatch"), "a verb makes its event: $.Deal.close(id)"),
        **{"print": "write print(...)", "schema": 'write $.nouns.get("Deal")', "event": "write $.events.list(...)"},
    }
)
