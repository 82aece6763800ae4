"""One concrete hint for each mistake that models are known to make, so that the next attempt is the right one."""

import ast
import difflib
import re

from runtime.errors import nearest
from runtime.sandbox.allowed import MODULE_NAMES
from runtime.sandbox.guards import BUILTIN_NAMES
from runtime.sandbox.syntax import Source

HINT_CHARS_MAX = 500
_NAMES_LOOKED_AT_MAX = 2_000
_BUILTIN_CUTOFF = 0.85  # an own variable of an earlier call is likelier than a misspelt builtin


def hint_for_syntax(message: str, source: Source, line: int) -> str | None:
    """What to write instead, judged by the line that Python did not understand, or the one before it."""
    for text in (source.line(line), source.line(line - 1)):
        for pattern, hint in _FOREIGN_SYNTAX:
            if pattern.search(text):
                return hint
    for start, hint in _SYNTAX_MESSAGES:
        if message.startswith(start):
            return hint
    return None


def hint_for(error: BaseException, message: str, source: Source) -> str | None:
    """What to do about an exception that left the program; None where the message says it all."""
    own = getattr(error, "hint", None)
    if type(own) is str:
        return own[:HINT_CHARS_MAX]
    if isinstance(error, NameError):
        return _for_name(error.name or "", source)
    if isinstance(error, ImportError):
        return _for_import(error.name or "")
    if isinstance(error, AttributeError):
        return _first(_ATTRIBUTES, message)
    if isinstance(error, KeyError):
        return "read it with record.get(key), or check `key in record` first"
    if isinstance(error, IndexError):
        return "the list may be empty: check its length first"
    if isinstance(error, StopIteration):
        return "give `next` a second argument for when there is nothing: next(values, None)"
    return _first(_MESSAGES, message)


def _for_name(name: str, source: Source) -> str:
    if name in MODULE_NAMES:
        return f"add `import {name}` above; each `do` starts empty"
    if name in _MEMBERS:
        return f"add `from {_MEMBERS[name]} import {name}` above"
    if name in _ELSEWHERE:
        return _ELSEWHERE[name]
    if name[:1].isupper():
        near = nearest(name, [known for known in _names_of(source) if known[:1].isupper()])
        return f"did you mean {near!r}?" if near else f"types live on `$`: $.{name}"
    near = nearest(name, _names_of(source))
    if near is not None:
        return f"did you mean {near!r}?"
    near = difflib.get_close_matches(name, BUILTIN_NAMES, n=1, cutoff=_BUILTIN_CUTOFF)
    if near:
        return f"did you mean {near[0]!r}?"
    return "variables do not persist between do calls: define it in this code, or fetch it again with `$`"


def _for_import(name: str) -> str:
    available = f"there is: {', '.join(MODULE_NAMES)}"
    root = name.partition(".")[0]
    if root in _OUTSIDE_MODULES:
        return f"there are no files, processes or network here; what is outside is reached through `$`. {available}"
    if root in _MODULES_INSTEAD:
        return f"{_MODULES_INSTEAD[root]}. {available}"
    return available


def _names_of(source: Source) -> set[str]:
    """The names that the program itself gives."""
    names: set[str] = set()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        if len(names) >= _NAMES_LOOKED_AT_MAX:
            break
    return {name for name in names if not name.startswith("_")}


def _first(table: tuple[tuple[str, str], ...], message: str) -> str | None:
    return next((hint for pattern, hint in table if re.search(pattern, message)), None)


def _patterns(*rows: tuple[str, str]) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(pattern), hint) for pattern, hint in rows)


# Looked for in the offending line, in this order.
_FOREIGN_SYNTAX = _patterns(
    (r"^```", "give the code alone, without the ``` fence"),
    (r"=>", "this is Python: a function is `lambda deal: ...`, or a `def`"),
    (r"^(const|let|var)\s", "this is Python: assign with `name = value`, without const, let or var"),
    (r"===|!==", "this is Python: compare with == and !="),
    (r"\?\.", "there is no `?.`: a field without a value is None; write `deal.contact and deal.contact.name`"),
    (r"\?\?", "there is no `??`: write `value if value is not None else other`"),
    (r"`", 'there are no template strings: write f"{deal.name}"'),
    (r"&&|\|\|", "this is Python: write `and`, `or`"),
    (r"(^|[\s(=])!(?!=)\w", "this is Python: write `not x`"),
    (r"\bfunction\b", "this is Python: define a function with `def name(x):`"),
    (r"\bnew\s+\w+\s*\(", "this is Python: there is no `new`, call the class"),
    (r"\bthrow\b|\bcatch\b", "this is Python: `raise` and `try: ... except Exception as error:`"),
    (r"\+\+|--", "this is Python: write `x += 1`"),
    (r"^(//|/\*)", "a comment begins with #"),
    (r"^(for|if|while)\s*\(.*\)\s*\{|^\}|\{\s*$", "this is Python: blocks are indented after a `:`, without braces"),
    (r"\?.*:", "this is Python: write `a if condition else b`"),
    (r"^(SELECT|select)\s", "there is no SQL: $.Deal.find({...}), or $.Deal.aggregate(...)"),
)
_SYNTAX_MESSAGES = (
    ("f-string", "inside the braces of an f-string use the other kind of quotes, or put the value in a variable first"),
    ("unterminated string", 'close the string on its line, or use """ for text of several lines'),
    ("unterminated triple-quoted", 'close the text with """'),
    ("unexpected indent", "indent every line of a block by the same amount"),
    ("unindent does not match", "indent every line of a block by the same amount"),
    ("expected an indented block", "indent the lines under the `:`, or write `pass`"),
    ("invalid character", 'use plain quotes and dashes: " and -'),
    ("invalid non-printable", "type plain spaces"),
    ("the code is nested too deeply", "build deep structures in a loop"),
    ("invalid syntax. Maybe you meant '=='", "compare with =="),
    ("'yield' outside function", "yield inside a `def`, or collect into a list"),
)
_MEMBERS = {
    **dict.fromkeys(("timedelta", "timezone", "date"), "datetime"),
    **dict.fromkeys(("Counter", "defaultdict", "deque", "OrderedDict"), "collections"),
    **dict.fromkeys(("groupby", "chain", "islice", "product", "combinations"), "itertools"),
    **{"Decimal": "decimal", "reduce": "functools", "deepcopy": "copy", "uuid4": "uuid", "UUID": "uuid"},
    **dict.fromkeys(("mean", "median", "stdev"), "statistics"),
    **dict.fromkeys(("sqrt", "ceil", "floor"), "math"),
    **dict.fromkeys(("Any", "Optional", "List", "Dict"), "typing"),
}
_OUTSIDE = "there are no files, processes or network here; what is outside is reached through `$`"
_ELSEWHERE = {
    **dict.fromkeys(("open", "os", "sys", "subprocess", "requests", "httpx", "urllib", "socket", "input"), _OUTSIDE),
    **dict.fromkeys(("eval", "exec", "compile"), "write the code out; code is not run from text"),
    **dict.fromkeys(
        ("globals", "locals", "vars", "dir", "help"), "look at types with $.nouns, at a record with list(record)"
    ),
    **dict.fromkeys(
        ("exit", "quit", "SystemExit", "KeyboardInterrupt", "BaseException"), "end early with `return value`"
    ),
    **dict.fromkeys(("id", "hash"), "these differ from run to run; use record.id, or hashlib for a digest"),
    **dict.fromkeys(
        ("search", "fetch", "now", "log", "progress", "events", "undo"), "it lives on `$`, as in $.search(...)"
    ),
    **{"super": "name the class: set what the base would set in your own __init__"},
    **{
        "console": "write print(...)",
        "JSON": "import json, then json.dumps(value)",
        "Math": "import math, then math.floor(x)",
    },
    **{
        "parseInt": "write int(text)",
        "parseFloat": "write float(text)",
        "String": "write str(value)",
        "Number": "write float(text)",
    },
    **{"Object": "write record.keys(), or record.items()", "Array": "write list(values)", "Date": "write $.now()"},
    **{"None_": "write None", "nil": "write None", "NULL": "write None", "sleep": "nothing waits here"},
    **{"this": "there is no `this`; a handler gets the entity as its first argument"},
}
_OUTSIDE_MODULES = frozenset(
    [
        "os",
        "sys",
        "io",
        "pathlib",
        "subprocess",
        "socket",
        "shutil",
        "tempfile",
        "requests",
        "httpx",
        "urllib",
        "urllib3",
        "aiohttp",
        "http",
        "smtplib",
        "sqlite3",
        "ssl",
        "glob",
        "threading",
        "multiprocessing",
        "concurrent",
        "ctypes",
        "pickle",
        "importlib",
        "builtins",
        "inspect",
        "logging",
    ]
)
_MODULES_INSTEAD = {
    "dataclasses": "use a dict, or a class with an __init__",
    "pydantic": "use a dict; the tenant checks the values of its nouns",
    "pandas": "use lists of dicts, or $.Noun.aggregate(...)",
    "numpy": "use lists, math and statistics",
    "enum": "use plain strings",
    "dateutil": "use datetime, or relative dates in filters: '7d ago'",
    "pytz": "times are in UTC: use datetime.timezone.utc",
    "zoneinfo": "times are in UTC: use datetime.timezone.utc",
    "verbena": "`$` is here already",
    "runtime": "`$` is here already",
    "secrets": "use random or uuid",
}
# Looked for in the message of an AttributeError.
_ATTRIBUTES = (
    ("'utcnow'|'utcfromtimestamp'", "use $.now(), the time of this run in UTC"),
    ("'format'|'format_map'", 'use an f-string: f"{deal.name}: {deal.value}"'),
    ("NoneType", "the value is None: check it first, `if x is not None`"),
    ("^list has no '(push|pushAll)'", "write values.append(x)"),
    ("has no '(length|size)'", "write len(x)"),
    (
        "has no '(map|filter|forEach|find|some|every|reduce)'",
        "use a comprehension: [deal.name for deal in deals if deal.value]",
    ),
    ("has no '(includes|contains|has)'", "write `x in values`"),
    (
        "has no '(toLowerCase|toUpperCase|trim|toString|toFixed)'",
        "these are x.lower(), x.upper(), x.strip(), str(x), f'{x:.2f}'",
    ),
    ("has no 'has_key'", "write `key in record`"),
    ("^list has no", "it is a list: take an element, values[0], or loop over it"),
    (
        "^str has no '(strftime|isoformat|date|year|month|day|timestamp)'",
        "it is ISO text: datetime.fromisoformat(text)",
    ),
    ("^the dict has no|^the record has no", "read a key that may be missing with record.get(key)"),
    ("^module 'time' has no 'sleep'", "nothing waits here: $.at(time, fn) runs code later"),
    (
        "^module 'datetime' has no '(now|today|fromisoformat|strptime)'",
        "write `from datetime import datetime`, or $.now()",
    ),
    ("begins with|not accessible", "use what is public; a record's keys are list(record)"),
)
# Looked for in the message of any other exception.
_MESSAGES = (
    ("'Path'", "call it, with parentheses: $.Deal.find(...)"),
    (
        "offset-naive and offset-aware",
        "`$.now()` is in UTC: give the other one a zone too, value.replace(tzinfo=timezone.utc)",
    ),
    (
        "not supported between instances of 'NoneType'|and 'NoneType'$",
        "one value is None: leave those out, or use `x or 0`",
    ),
    ("operand type\\(s\\).*'NoneType'", "one value is None: write (x or 0)"),
    (
        "'NoneType' object is not (iterable|subscriptable|callable)",
        "the value is None: check it first, `if x is not None`",
    ),
    (
        "(list|tuple) indices must be integers",
        "it is a list: take an element first, values[0]['name'], or loop over it",
    ),
    ("string indices must be integers", "it is text, not a record: you may be looping over keys; use record.items()"),
    ("can only concatenate str|must be str, not", 'make text with an f-string: f"{name}: {value}"'),
    (
        "operand type\\(s\\) for [+-].*'str' and|operand type\\(s\\) for -.*'str'",
        "times in entities are ISO text: datetime.fromisoformat(text)",
    ),
    ("unhashable type", "use a text as key or set member, such as record.id"),
    (
        "'(dict|Record|list|str|int|float|bool|Moment)' object is not callable",
        "it is a value, not a function: leave the () out",
    ),
    ("metaclass conflict", "a class cannot build on str or datetime here: hold the value in an attribute"),
    ("cannot be interpreted as an integer", "write int(x)"),
    ("Invalid isoformat string", "ISO text looks like 2026-11-21 or 2026-11-21T10:00:00Z"),
    ("too many values to unpack|not enough values to unpack", "check how many there are; a dict needs .items()"),
    ("Exceeds the limit", "numbers of more than 4,300 digits are not turned into text"),
    ("division by zero", "check the divisor: `a / b if b else None`"),
    ("Expecting value|Extra data|double quotes", "results are values already; json.loads is for JSON text only"),
    (
        "'builtin_function_or_method' object is not (subscriptable|iterable)",
        "that is a method of dict; read a field of that name as an item: order['items']",
    ),
    ("object is not subscriptable", "it has no items; read attributes with a dot"),
)
