import pytest

from runtime.sandbox.policy import NotAllowed, compiled
from runtime.sandbox.syntax import parse


def refusals(code: str) -> list[tuple[int, str]]:
    try:
        compiled(parse(code), "<do>")
    except NotAllowed as refused:
        return [(refusal.line, refusal.message) for refusal in refused.refusals]
    return []


@pytest.mark.parametrize(
    "code",
    [
        "d[k] += 1; o.x -= 2; n **= 3",
        "x: int = 1\ny: dict[str, list[int]]\ndef f(a: int, *b: str, c: 'X' = 1, **d) -> int: return a",
        "def f():\n    n = 0\n    def g():\n        nonlocal n\n        n += 1\n    return g",
        (
            "match x:\n    case {'a': a, **rest}: pass\n    case [1, *others]: pass\n"
            "    case str() | None: pass\n    case _: pass"
        ),
        "async def f():\n    async with a as b:\n        return await c\nawait f()\n[x async for x in y]",
        "async for x in y: pass",
        "if x:\n    return 1\nreturn 2",
        "try:\n    f()\nexcept:\n    pass\nelse:\n    pass\nfinally:\n    pass",
        "for i, (a, b) in enumerate(pairs): print(i, a, b)",
        "first, *rest = values\n[a, b] = values\n(c, d), e = values",
        "f(*a, **k)\n[*a, *b]\n{**a, 'b': 1}",
        "def f(a, /, b, *, c): return lambda $, x=1: (yield)",
        "def g():\n    yield 1\n    yield from h()",
        "class Deal:\n    rate = 2\n    def __init__(self, x): self.x = x\n    def __str__(self): return str(self.x)",
        "from __future__ import annotations\nfrom datetime import datetime as when, timedelta\nimport json",
        "if (n := len(x)) > 3: print(f'{n:>{width}} {n!r} {n=}')",
        "assert x, 'no'\ndel d[k], o.a\nglobal g\nraise ValueError('x') from None",
        "if __name__ == '__main__': main()",
        "@$.Deal.closed\ndef thank(deal, $): $.Email.send(to=deal.contact)",
        "_ = 1\nfor _ in range(3): pass",
        "x = deal.$id; printed = 1; builtins = 2",
        "x = y if z else w\nwhile True:\n    break\nwith a() as (b, c): continue_ = 1",
    ],
)
def test_ordinary_python_is_accepted(code: str) -> None:
    assert refusals(code) == []


@pytest.mark.parametrize(
    ("code", "line", "word"),
    [
        ("x = 1\n().__class__", 2, "__class__"),
        ("x.__dict__ = {}", 1, "__dict__"),
        ("f.gi_frame", 1, "gi_frame"),
        ("x.f_back += 1", 1, "f_back"),
        ("x._y += 1", 1, "_y"),
        ("_getattr_ = 1", 1, "_getattr_"),
        ("def f(_getattr_, /): pass", 1, "_getattr_"),
        ("def f(*, _write_): pass", 1, "_write_"),
        ("def f(*_getattr_): pass", 1, "_getattr_"),
        ("def f(**_getattr_): pass", 1, "_getattr_"),
        ("lambda _getitem_: 1", 1, "_getitem_"),
        ("lambda a, /, _getitem_=1: 1", 1, "_getitem_"),
        ("def _write_(x): pass", 1, "_write_"),
        ("class _write_: pass", 1, "_write_"),
        ("import json as _getattr_", 1, "_getattr_"),
        ("from json import loads as _getattr_", 1, "_getattr_"),
        ("try: pass\nexcept ValueError as _write_: pass", 2, "_write_"),
        ("with a as _write_: pass", 1, "_write_"),
        ("for _getiter_ in x: pass", 1, "_getiter_"),
        ("[1 for _getiter_ in x]", 1, "_getiter_"),
        ("(_write_ := 1)", 1, "_write_"),
        ("def f():\n    global _write_", 2, "_write_"),
        ("def f():\n    nonlocal _write_", 2, "_write_"),
        ("match x:\n    case _write_: pass", 2, "_write_"),
        ("match x:\n    case [*_write_]: pass", 2, "_write_"),
        ("match x:\n    case {**_write_}: pass", 2, "_write_"),
        ("match x:\n    case {'a': [_write_]}: pass", 2, "_write_"),
        ("match x:\n    case str(real=r): pass", 2, "class patterns"),
        ("match x:\n    case str(y): pass", 2, "class patterns"),
        ("match x:\n    case a.__class__: pass", 2, "pattern"),
        ("match x:\n    case {a.b: 1}: pass", 2, "pattern"),
        ("del _getattr_", 1, "_getattr_"),
        ("_result_ = 1", 1, "_result_"),
        ("_tmp0 = 1", 1, "_tmp0"),
        ("class A:\n    def __getattr__(self, n): pass", 2, "__getattr__"),
        ("class A:\n    def __class_getitem__(cls, n): pass", 2, "__class_getitem__"),
        ("class A(metaclass=B): pass", 1, "metaclass"),
        ("from os import *", 1, "*"),
        ("exec('1')", 1, "Exec"),
        ("try:\n    pass\nexcept* ValueError:\n    pass", 1, "TryStar"),
        ("$ = 1", 1, "`$`"),
        ("for $ in x: pass", 1, "`$`"),
        ("def $(): pass", 1, "`$`"),
        ("class $: pass", 1, "`$`"),
        ("import json as $", 1, "`$`"),
        ("def f():\n    global $", 2, "`$`"),
    ],
)
def test_what_leads_out_is_refused_at_its_line(code: str, line: int, word: str) -> None:
    found = refusals(code)
    assert found, "accepted"
    assert found[0][0] == line
    assert word in found[0][1]


def test_every_refusal_is_told_in_order() -> None:
    assert refusals("x._a\ny = 1\nz.__b__") == [
        (1, "the attribute '_a' is not accessible"),
        (3, "the attribute '__b__' is not accessible"),
    ]
