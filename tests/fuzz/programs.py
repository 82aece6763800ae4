"""Programs by chance: from a small grammar of what models write, and from pieces that lexers trip over."""

from hypothesis import strategies as st

DEPTH_MAX = 4

# What hides a `$`, or seems to; `Q` is left out, for it stands in for `$` where Python itself is asked.
_PIECES = (
    *("$", "$$", "$.", ".$", "$x", "x$", "$=", "{$", "$}", "{$}", "{{$}}", "{{{$}}}", "$:", ":$", "$!r", "\\$", "#$"),
    *("'", '"', "'''", '"""', "f'", 'f"', "F'''", 'f"""', "rf'", 'Rb"', "b'", "u'", "r'", 'fr"', "t'", "bf'", "f''"),
    *(
        "{",
        "}",
        "{{",
        "}}",
        "(",
        ")",
        "[",
        "]",
        "{x",
        "{x}",
        "{x!r}",
        "{x=}",
        "{x:",
        "{x:>{y}}",
        "{x!s:{y}}",
        ":=",
        "!=",
    ),
    *(
        "\n",
        "\r\n",
        "\r",
        "\\\n",
        "\\",
        "\\\\",
        "\\'",
        '\\"',
        "\\{",
        "\\N{DOLLAR SIGN}",
        "\\x24",
        "\\u0024",
        "\t",
        "\x0c",
    ),
    *("#", "# ", "#'", '#"', "# {", ";", ":", ",", ".", "=", "+", "**", "->", "@", "...", "<", ">", "!", "?", "`", "~"),
    *("x", "lambda", "def f(", "):", "if", "else", "for", "in", "return", "await", "match", "case", "del", "global"),
    *(
        "0",
        "1.5",
        "0x1f",
        "1_0",
        "1e9",
        " ",
        "  ",
        "    ",
        "\ufeff",
        "é",
        "ü",
        "日",
        "\U0001d499",
        "\u0301",
        "\u200b",
        "\ua4e2",
        "\ua4f3",
        "\u16a0",
    ),
    *("\x00", "\ud800", "\u2028", "\u202e", "\uff04", "\ufe69", "\ufb01", "_", "__", "_getattr_", "__class__"),
)
pieces = st.lists(st.sampled_from(_PIECES), max_size=24).map("".join)

_NAMES = ("x", "deal", "f", "g", "k", "items", "e", "_", "str", "type", "len", "getattr", "dict", "sorted", "Exception")
_FORBIDDEN = (
    "__class__",
    "_x",
    "__builtins__",
    "_getattr_",
    "_write_",
    "__globals__",
    "gi_frame",
    "tb_frame",
    "f_back",
)
_ATTRIBUTES = (
    "name",
    "value",
    "append",
    "real",
    "format",
    "$id",
    "items",
    "__class__",
    "_x",
    "gi_frame",
    "__name__",
    "mro",
)
names = st.sampled_from(_NAMES) | st.sampled_from(_FORBIDDEN)
_attributes = st.sampled_from(_ATTRIBUTES)
_constants = st.sampled_from(
    ("1", "1.5", "'a'", "'$'", '"""$"""', "b'x'", "None", "True", "null", "...", "r'\\$'", "10**9")
)
_operators = st.sampled_from(
    ("+", "-", "*", "/", "//", "%", "**", "@", "<<", "&", "|", "==", "<", "in", "is", "and", "or")
)
_leaves = _constants | names | st.just("$") | st.just("$.Deal") | st.just("$.Deal.find()")


def _deeper(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def made(template: str, *parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.tuples(*parts).map(lambda given: template % given)

    return st.one_of(
        made("%s.%s", inner, _attributes),
        made("%s[%s]", inner, inner),
        made("%s[%s:%s]", inner, inner, inner),
        made("%s(%s)", inner, inner),
        made("%s(*%s, **%s)", inner, inner, inner),
        made("%s(%s, %s=%s)", inner, inner, names, inner),
        made("(%s %s %s)", inner, _operators, inner),
        made("(not %s)", inner),
        made("(%s if %s else %s)", inner, inner, inner),
        made("(lambda %s, /, *%s, %s=%s: %s)", names, names, names, inner, inner),
        made("(lambda %s, $: %s)", names, inner),
        made("[%s for %s in %s if %s]", inner, names, inner, inner),
        made("{%s: %s for %s, %s in %s}", inner, inner, names, names, inner),
        made("list(%s async for %s in %s)", inner, names, inner),
        made("[%s, *%s]", inner, inner),
        made("{%s: %s, **%s}", inner, inner, inner),
        made("f'{%s}'", inner),
        made('f"{%s!r:>{%s}} {{$}}"', inner, inner),
        made('f"""{%s=} {%s:$>9}"""', inner, inner),
        made("(%s := %s)", names, inner),
        made("(await %s)", inner),
        made("(yield %s)", inner),
    )


expressions = st.recursive(_leaves, _deeper, max_leaves=6)


def _statements(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def made(template: str, *parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.tuples(*parts).map(lambda given: template % given)

    body = inner.map(lambda text: "\n".join(f"    {line}" for line in text.split("\n")))
    return st.one_of(
        made("if %s:\n%s\nelse:\n%s", expressions, body, body),
        made("for %s, *%s in %s:\n%s", names, names, expressions, body),
        made("async for %s in %s:\n%s", names, expressions, body),
        made("while %s:\n%s\n    break", expressions, body),
        made("with %s as %s:\n%s", expressions, names, body),
        made("try:\n%s\nexcept %s as %s:\n%s\nfinally:\n%s", body, expressions, names, body, body),
        made("try:\n%s\nexcept:\n%s", body, body),
        made("try:\n%s\nexcept* %s:\n%s", body, names, body),
        made(
            "def %s(%s, /, %s: %s = %s, *, $=1, **%s) -> %s:\n%s",
            *[names] * 3,
            expressions,
            expressions,
            names,
            names,
            body,
        ),
        made("async def %s(%s, $):\n%s\n    return %s", names, names, body, expressions),
        made("@%s\nclass %s(%s):\n%s", expressions, names, names, body),
        made("class %s(%s, metaclass=%s):\n%s", names, names, names, body),
        made("match %s:\n    case {'k': %s, **%s}:\n    %s", expressions, names, names, st.just("    pass")),
        made("match %s:\n    case [%s, *%s] | %s():\n        pass", expressions, names, names, names),
        made("match %s:\n    case %s(%s=%s):\n        pass", expressions, names, names, names),
        made("match %s:\n    case %s.%s:\n        pass", expressions, names, _attributes),
        made("%s\n%s", inner, inner),
    )


def _simple() -> st.SearchStrategy[str]:
    def made(template: str, *parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.tuples(*parts).map(lambda given: template % given)

    return st.one_of(
        expressions,
        made("%s = %s", names, expressions),
        made("%s: %s = %s", names, expressions, expressions),
        made("%s += %s", names, expressions),
        made("%s.%s = %s", expressions, _attributes, expressions),
        made("%s.%s -= %s", expressions, _attributes, expressions),
        made("%s[%s] **= %s", expressions, expressions, expressions),
        made("%s[%s], *%s = %s", expressions, expressions, names, expressions),
        made("del %s.%s, %s[%s]", expressions, _attributes, expressions, expressions),
        made("import %s as %s", st.sampled_from(("json", "os", "json.codecs", "re")), names),
        made("from %s import %s as %s", st.sampled_from(("json", "math", ".", "os")), names, names),
        made("global %s", names),
        made("return %s", expressions),
        made("raise %s from %s", expressions, expressions),
        made("assert %s, %s", expressions, expressions),
        made("%s  # $ it's", expressions),
        st.just("pass"),
    )


programs = st.recursive(_simple(), _statements, max_leaves=DEPTH_MAX)
