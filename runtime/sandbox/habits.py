"""What models bring along from other languages and libraries, and what is written here instead: the tables of `hints`."""

import re

Table = tuple[tuple[re.Pattern[str], str], ...]


def _patterns(*rows: tuple[str, str]) -> Table:
    return tuple((re.compile(pattern), hint) for pattern, hint in rows)


# Looked for in the offending line, in this order.
FOREIGN_SYNTAX = _patterns(
    (r"^```", "give the code alone, without the ``` fence"),
    (r"^(//|/\*)", "a comment begins with #"),
    (r"=>", "this is Python: a function is `lambda deal: ...`, or a `def`"),
    (r"\bfor\b.*;.*;", "this is Python: `for number in range(10):`"),
    (r"\bfor\b.*\sof\s", "this is Python: `for deal in deals:`"),
    (r"\b(const|let|var)\s*[{\[]", "this is Python: read keys one by one, `name = deal.name`"),
    (r"^(const|let|var)\s", "this is Python: assign with `name = value`, without const, let or var"),
    (r"===|!==", "this is Python: compare with == and !="),
    (r"\?\.", "there is no `?.`: a field without a value is None; write `deal.contact and deal.contact.name`"),
    (r"\?\?", "there is no `??`: write `value if value is not None else other`"),
    (r"`", 'there are no template strings: write f"{deal.name}"'),
    (r"\bthrow\b", 'this is Python: raise ValueError("why")'),
    (r"\bcatch\b", "this is Python: `try:`, then `except Exception as error:`"),
    (r"\bnew\s+Date\b", "write $.now(), or datetime.fromisoformat(text)"),
    (r"\bnew\s+\w+\s*\(", "this is Python: there is no `new`, call the class"),
    (r"\btypeof\b|\binstanceof\b", "this is Python: isinstance(value, str)"),
    (r"&&|\|\|", "this is Python: write `and`, `or`"),
    (r"(^|[\s(=])!(?!=)[\w$(]", "this is Python: write `not x`"),
    (r"\bfunction\b", "this is Python: define a function with `def name(x):`"),
    (r"\.\.\.\s*[\w$]", 'this is Python: spread with {**record, "key": value}, or [*values]'),
    (r"\bswitch\b", "this is Python: `match value:` and `case 1:`, or if and elif"),
    (r"\belse\s+if\b", "this is Python: write `elif`"),
    (r"\+\+|--", "this is Python: write `x += 1`"),
    (r"^(for|if|while)\s*\(.*\)\s*\{|^\}|\{\s*$", "this is Python: blocks are indented after a `:`, without braces"),
    (r"\?.*:", "this is Python: write `a if condition else b`"),
    (r"(?i)^(SELECT|INSERT|UPDATE|DELETE)\s+\S+", "there is no SQL: $.Deal.find({...}), or $.Deal.aggregate(...)"),
    (r"\S\s*//", "a comment begins with #"),
)
SYNTAX_MESSAGES = _patterns(
    (
        "^f-string",
        "inside the braces of an f-string use the other kind of quotes, or put the value in a variable first",
    ),
    ("^unterminated string", 'close the string on its line, or use """ for text of several lines'),
    ("^unterminated triple-quoted", 'close the text with """'),
    ("^unexpected indent|^unindent does not match", "indent every line of a block by the same amount"),
    ("^expected an indented block", "indent the lines under the `:`, or write `pass`"),
    ("^invalid character", 'use plain quotes and dashes: " and -'),
    ("^invalid non-printable", "type plain spaces"),
    ("nested too deeply", "build deep structures in a loop"),
    ("^cannot assign to set display", "read keys one by one: name = deal.name"),
    ("Maybe you meant '=='", "compare with =="),
    ("was never closed", "close every bracket: ( with ), [ with ], { with }"),
    ("^unmatched|does not match opening", "take the bracket out, or open it before"),
    ("Perhaps you forgot a comma", "put commas between values, and quotes around text"),
    ("^positional argument follows", "first the values, then those with a name: find({...}, limit=5)"),
    ("^expected ':'", "end the line with `:`"),
    ("^expected 'else'", "write `a if condition else b`"),
    ("call to 'print'", "write print(value)"),
    ("^'yield' outside function", "yield inside a `def`, or collect into a list"),
)
MEMBERS = {
    **dict.fromkeys(("timedelta", "timezone", "date"), "datetime"),
    **dict.fromkeys(("Counter", "defaultdict", "deque", "OrderedDict"), "collections"),
    **dict.fromkeys(("groupby", "chain", "islice", "product", "combinations"), "itertools"),
    **{"Decimal": "decimal", "reduce": "functools", "deepcopy": "copy", "uuid4": "uuid", "UUID": "uuid"},
    **dict.fromkeys(("mean", "median", "stdev"), "statistics"),
    **dict.fromkeys(("sqrt", "ceil", "floor"), "math"),
    **dict.fromkeys(("Any", "Optional", "List", "Dict"), "typing"),
}
OUTSIDE = "there are no files, processes or network here; what is outside is reached through `$`"
ELSEWHERE = {
    **dict.fromkeys(
        (
            *("open", "os", "sys", "subprocess", "requests", "httpx", "urllib", "socket", "input", "fetch_url"),
            *("axios", "require", "process", "Path", "logging"),
        ),
        OUTSIDE,
    ),
    **{word: f"without {word}: write the code out" for word in ("eval", "exec", "compile")},
    **dict.fromkeys(
        ("globals", "locals", "vars", "dir", "help"), "look at types with $.nouns.list(), at a record with list(record)"
    ),
    **dict.fromkeys(
        ("exit", "quit", "SystemExit", "KeyboardInterrupt", "BaseException"), "end early with `return value`"
    ),
    **dict.fromkeys(("id", "hash"), "these differ from run to run; use record.id, or hashlib for a digest"),
    **{
        word: f"it lives on `$`: $.{word}(...)"
        for word in ("search", "fetch", "now", "log", "progress", "undo", "diff", "define", "status")
    },
    **dict.fromkeys(("events", "nouns"), "it lives on `$`, as in $.events.list(...)"),
    **dict.fromkeys(
        ("db", "client", "api", "verbena", "tenant", "ctx", "context", "crm", "business", "store", "session"),
        "the business is `$`: $.Deal.find(...)",
    ),
    **{"super": "name the class: set what the base would set in your own __init__"},
    **{
        "console": "write print(...)",
        "JSON": "import json, then json.dumps(value)",
        "Math": "without Math: round(x), min(a, b), max(a, b); or import math, then math.floor(x)",
    },
    **{
        "parseInt": "write int(text)",
        "parseFloat": "write float(text)",
        "String": "write str(value)",
        "Number": "write float(text)",
    },
    **{
        "Object": "without Object: record.keys(), or record.items()",
        "Array": "write list(values)",
        "Date": "write $.now()",
    },
    **{
        "None_": "write None",
        "nil": "write None",
        "NULL": "write None",
        "sleep": "nothing waits here: leave the sleep out",
    },
    **dict.fromkeys(("this", "self"), "there is none; a handler gets the entity as its first argument"),
}
OUTSIDE_MODULES = frozenset(
    (
        *("os", "sys", "io", "pathlib", "subprocess", "socket", "shutil", "tempfile", "requests", "httpx", "urllib"),
        *("urllib3", "aiohttp", "http", "smtplib", "sqlite3", "ssl", "glob", "threading", "multiprocessing"),
        *("concurrent", "ctypes", "pickle", "importlib", "builtins", "inspect"),
    )
)
MODULES_INSTEAD = {
    "dataclasses": "use a dict, or a class with an __init__",
    "pydantic": "use a dict; the tenant checks the values of its nouns",
    "pandas": "use lists of dicts, or $.Noun.aggregate(...)",
    "numpy": "use lists, math and statistics",
    "enum": "use plain strings",
    "csv": 'text is split with text.splitlines() and line.split(",")',
    "logging": "write print(...) or $.log(...)",
    "dateutil": "use datetime, or relative dates in filters: '7d ago'",
    "pytz": "times are in UTC: use datetime.timezone.utc",
    "zoneinfo": "times are in UTC: use datetime.timezone.utc",
    "verbena": "`$` is here already",
    "runtime": "`$` is here already",
    "secrets": "use random or uuid",
}
# Looked for in the message of an AttributeError: words of other languages and libraries.
ATTRIBUTES = _patterns(
    ("'utcnow'|'utcfromtimestamp'", "use $.now(), the time of this run in UTC"),
    ("'format'|'format_map'", 'use an f-string: f"{deal.name}: {deal.value}"'),
    ("^NoneType has", "the value is None: check it first, `x.name if x is not None else None`"),
    ("has no '(length|size)'", "write len(x)"),
    ("^list has no '(push|pushAll|add)'", "write values.append(x)"),
    ("^list has no '(first|last)'", "write values[0], or values[-1]"),
    (
        "^list has no '(results|data|items|rows|records|total|hasMore|cursor)'",
        "it is a list of entities already; only $.search(...) gives a page, with .results",
    ),
    (
        "has no '(map|filter|forEach|find|some|every|reduce)'",
        "use a comprehension: [deal.name for deal in deals if deal.value]",
    ),
    ("has no '(includes|contains|has)'", "write `x in values`"),
    (
        "has no '(toLowerCase|toUpperCase|trim|toString|toFixed)'",
        "these are x.lower(), x.upper(), x.strip(), str(x), f'{x:.2f}'",
    ),
    ("has no '(toISOString|getTime|toDate)'", "write moment.isoformat(), or moment.timestamp()"),
    ("has no 'has_key'", "write `key in record`"),
    (
        "^[A-Z][A-Za-z0-9]* has no '(save|set|commit|patch|put|refresh|reload)'",
        "write deal.update({...}); all is kept when the `do` ends, and $.Deal.get(id) reads it again",
    ),
    (
        "^([A-Z][A-Za-z0-9]*|the record) has no '(pop|setdefault|clear|popitem)'",
        "results are copies: make your own with dict(record)",
    ),
    (
        "^str has no '(strftime|isoformat|date|year|month|day|timestamp)'",
        "it is ISO text: datetime.fromisoformat(text)",
    ),
    ("'(sleep|wait)'", "nothing waits here: leave the sleep out"),
    (
        "^module 'datetime' has no '(now|today|fromisoformat|strptime)'",
        "write `from datetime import datetime`, or $.now()",
    ),
    ("^the search row has no", "the entity of a row is under it: row.entity.name"),
    ("^the page has no", "the rows of a page are in page.results"),
    ("Error has no attribute|Exception has no attribute", "an error has code, message, hint and details"),
    ("begins with|not accessible", "use what is public; a record's keys are list(record)"),
)
# Looked for next, where no word is near.
ANY_ATTRIBUTE = _patterns(
    ("^list has no", "it is a list: take an element, values[0], or loop over it"),
    (
        "^str has no",
        'it is text: where it is an id, read the entity with include="contact" or $.fetch(id);'
        " a loop over a page goes through page.results",
    ),
    ("^(int|float|bool) has no", "it is a plain value: use it as it is"),
    ("^Run has no '(why|events)'", "$.runs.get(id) tells it, of one that waits and of one that changed something"),
    ("^the dict has no|^the record has no", "read a key that may be missing with record.get(key)"),
)
# Looked for in the message of any other exception.
MESSAGES = _patterns(
    ("^`?\\$.* is not a list", "call it: $.Deal.find()"),
    ("'Path'", "call it, with parentheses: $.Deal.find(...)"),
    (
        "offset-naive and offset-aware",
        "`$.now()` is in UTC: give the other one a zone too, value.replace(tzinfo=timezone.utc)",
    ),
    (
        "not supported between instances of 'NoneType'|and 'NoneType'$",
        "one value is None: leave those out, or use `x or 0`",
    ),
    ("operand type\\(s\\).*'NoneType'|type NoneType doesn't define", "one value is None: write (x or 0)"),
    (
        "'NoneType' object is not (iterable|subscriptable|callable)",
        "the value is None: check it first, `x.name if x is not None else None`",
    ),
    (
        "(list|tuple) indices must be integers",
        "it is a list: take an element first, values[0]['name'], or loop over it",
    ),
    (
        "string indices must be integers",
        'it is text: where it is an id, read the entity with include="contact" or $.fetch(id); a loop over a record'
        " goes through record.items()",
    ),
    ("not supported between instances of 'Record'", "say by what: sorted(deals, key=lambda deal: deal.value)"),
    (
        "operand type\\(s\\) for \\+: '(int|float)' and 'Record'",
        "add up one field: sum(deal.value for deal in deals)",
    ),
    ("'Record' object is not callable|'Record' object cannot be interpreted", "read a field of it: deal.value"),
    (
        "operand type\\(s\\) for [+-]: '(Moment|datetime\\.datetime|datetime\\.date)' and '(int|float)'",
        "add or take a timedelta: $.now() - timedelta(days=7), from datetime import timedelta",
    ),
    (
        "operand type\\(s\\) for -: ('datetime.date' and 'str'|'str' and 'datetime.date')",
        "dates in entities are ISO text: date.fromisoformat(text), from datetime import date",
    ),
    ('not "(datetime|Moment)', "times in entities are ISO text: datetime.fromisoformat(text)"),
    ("can only concatenate str|must be str, not", 'make text with an f-string: f"{name}: {value}"'),
    ("operand type\\(s\\) for \\+.*'(Moment|datetime)", "times in entities are ISO text: datetime.fromisoformat(text)"),
    ("operand type\\(s\\) for \\+: '(int|float)' and 'str'", 'make text with an f-string: f"{name}: {value}"'),
    ("operand type\\(s\\) for -.*'str'", "it is text: datetime.fromisoformat(text) for times, float(text) for numbers"),
    ("does not match format|unconverted data remains", "times in entities are ISO text: datetime.fromisoformat(text)"),
    ("not in list$|is not in deque", "check `x in values` first"),
    ("'str' object is not callable", "a text is not called; a key is a function: key=lambda deal: deal.value"),
    ("unhashable type", "use a text as key or set member, such as record.id"),
    (
        "'(dict|Record|list|str|int|float|bool|Moment)' object is not callable",
        "it is a value, not a function: leave the () out",
    ),
    ("^a class cannot build on|metaclass conflict", "hold the value in an attribute of a plain class"),
    ("cannot be interpreted as an integer", "write int(x)"),
    ("invalid literal for int", "write int(float(text)), or check the text first"),
    (
        "could not convert string to float|ConversionSyntax",
        "take out what is no digit first: float(text.replace(',', ''))",
    ),
    ("Invalid isoformat string", "ISO text looks like 2026-11-21 or 2026-11-21T10:00:00Z"),
    ("too many values to unpack|not enough values to unpack", "check how many there are; a dict needs .items()"),
    ("Exceeds the limit", "numbers of more than 4,300 digits are not turned into text"),
    ("division by zero", "check the divisor: `a / b if b else None`"),
    ("arg is an empty sequence|iterable argument is empty", "say what it is for no values: max(values, default=None)"),
    ("^sort\\(\\) takes no positional", 'write values.sort(key=lambda deal: deal.value), or $.Deal.find(sort="value")'),
    ("^list\\.count\\(\\) takes", "write len(values), or $.Deal.count({...})"),
    ("exceptions must derive from", 'write raise ValueError("why")'),
    ("Expecting value|Extra data|double quotes", "results are values already; json.loads is for JSON text only"),
    ("the JSON object must be str", "results are values already: leave json.loads out"),
    (
        "'builtin_function_or_method' object is not (subscriptable|iterable)",
        "that is a method of dict; read a field of that name as an item: order['items']",
    ),
    ("unexpected keyword argument|positional argument", "check the arguments against the function's own"),
    ("object is not subscriptable", "it has no items; read attributes with a dot"),
)
