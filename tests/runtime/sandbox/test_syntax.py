import ast
import io
import random
import re
import sysconfig
import tokenize
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runtime.sandbox.syntax import dollars_of, parse

DOLLAR: Any = SimpleNamespace(x=7, w=5, __getitem__=None)


def value_of(code: str, **names: Any) -> Any:
    """What `result` is after the code ran with a plain object as `$`."""
    scope: dict[str, Any] = {"$": DOLLAR, **names}
    exec(compile(parse(code).tree, "<do>", "exec"), scope)
    return scope["result"]


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("result = $.x", 7),
        ("result = (lambda deal, $: deal + $.x)(1, $)", 8),
        ("def f(deal, $): return $.x + deal\nresult = f(1, $)", 8),
        ("def f($=1): return $\nresult = f($=5)", 5),
        ("result = {'$type': '$x'}", {"$type": "$x"}),
        ('result = f"$ {$.x} $$ {{$}}"', "$ 7 $$ {$}"),
        ('result = f"{$.x:$>{$.w}}"', "$$$$7"),
        ('result = f"{$.x!r:$<4}"', "7$$$"),
        ('result = f"{$.x != 7}"', "False"),
        ('result = f"{$.x=}"', "$.x=7"),
        ("result = f\"{ {'$a': $.x}['$a'] }\"", "7"),
        ('result = f"{[1, 2, 3][1:]} {$.x}"', "[2, 3] 7"),
        (r'result = rf"\d$ {$.x}"', r"\d$ 7"),
        (r'result = FR"\{$.x}"', r"\7"),
        (r'result = f"\"$\" {$.x} \x24 \N{DOLLAR SIGN}"', '"$" 7 $ $'),
        ('result = f"""\n$ {$.x\n}\n"""', "\n$ 7\n"),
        ("result = '$' f'{$.x}' '$'", "$7$"),
        ("result = rb'\\$'", rb"\$"),
        ("result = 'a\\'$' + str($.x)", "a'$7"),
        ("result = r'\\'$'", r"\'$"),
        ("# $ it's $\nresult = $.x # '$\n", 7),
        ("result = \\\n  $.x\n", 7),
        ("buf = 1\nif buf:\n  result = $.x", 7),
        ("$x = 4\nresult = $x", 4),
        ("x$ = 4\nresult = x$", 4),
        ("\ua4e2 = 3\nresult = $.x + \ua4e2", 10),
        (r'result = f"\ua4e2{$.x}"', "\ua4e27"),
        ("result = $.x\r\ns = '$'\r\n", 7),
        ("\ufeffresult = $.x", 7),
    ],
)
def test_a_dollar_in_code_is_a_name_and_anywhere_else_is_text(code: str, value: object) -> None:
    assert value_of(code) == value


@pytest.mark.parametrize(
    ("code", "line", "offset"),
    [
        ("x = $.a(\ny = 1", 1, 8),
        ("x = $ $", 1, 7),
        ("if $.x\n  pass", 1, 7),
        ("$ = = 2", 1, 5),
        ("x = '$", 1, 5),
        ("é = ü + $ $", 1, 11),
        ("x = 1\x00", 1, None),
        ("(" * 5_000, 1, None),
    ],
)
def test_a_syntax_error_has_the_authors_text_and_column(code: str, line: int, offset: int | None) -> None:
    with pytest.raises(SyntaxError) as caught:
        parse(code)
    assert caught.value.lineno == line
    assert offset is None or caught.value.offset == offset
    assert "\ua4e2" not in f"{caught.value} {caught.value.text}"


@pytest.mark.parametrize("code", ["a = $.x.y", "é = $.x.y", "f'{1}' + $.q", "ü = [$.x for é in $.y]"])
def test_columns_count_the_authors_characters(code: str) -> None:
    source = parse(code)
    found = {
        source.column(node.lineno, node.col_offset)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Name) and node.id == "$"
    }
    assert found == {index + 1 for index, character in enumerate(code) if character == "$"}


def test_the_same_dollars_are_found_as_by_pythons_own_tokenizer() -> None:
    seen = 0
    library = Path(sysconfig.get_path("stdlib"))
    for file in sorted(library.glob("*.py"))[::3]:
        text = re.sub(r"\bself\b", "$", file.read_text("utf-8", errors="ignore"))
        try:
            tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
        except (tokenize.TokenError, SyntaxError):
            continue
        starts = [0]
        for line in text.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        # Before 3.12 f-strings are one token: only the scanner knows their dollars, so those files are left out.
        if any(token.type == tokenize.STRING and re.match(r"(?i)r?f", token.string) for token in tokens):
            continue
        expected = [starts[token.start[0] - 1] + token.start[1] for token in tokens if token.string == "$"]
        assert dollars_of(text) == expected, file.name
        seen += len(expected)
    assert seen > 1_000


def test_any_garbage_is_read_or_is_a_syntax_error() -> None:
    chance = random.Random(1)
    for _ in range(5_000):
        text = "".join(chance.choice("$fF\"'{}:!#\\\n rb=([])ax.") for _ in range(chance.randint(1, 25)))
        try:
            parse(text)
        except SyntaxError:
            continue
