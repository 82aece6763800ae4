"""Attacks on the guards themselves, each in a worker: refused, or given nothing."""

from collections.abc import Callable
from typing import Any

import pytest

from runtime.sandbox.limits import Outcome

Run = Callable[..., Outcome]


@pytest.mark.parametrize(
    "code",
    [
        "getattr(1, '__class__')",
        "getattr([], '_' + '_class_' + '_')",
        "list(map(getattr, [()], ['__class__']))",
        "class S(str):\n    def startswith(self, *a): return False\ngetattr([], S('__class__'))",
        "setattr(dict, 'x', 1)",
        "class A: pass\nsetattr(A, '__getattr__', 1)",
        "type('X', (), {})",
        "type(lambda: 1)(1, 2)",
        "class A: pass\ntype(A)('B', (), {'__getattr__': 1})",
        "import math\ntype(math)('x', (n for n in []))",
        "type(1).mro()",
        "'{0.real}'.format(1)",
        "str.format('{0.real}', 1)",
        "'{a}'.format_map({'a': 1})",
        "from string import Formatter",
        "import statistics\nstatistics.sys",
        "import json\njson.codecs",
        "import random\nrandom.seed(1)",
        "import math\nmath.pi = 3",
        "import re\nre.enum",
        "import os",
        "import json.codecs",
        "from . import x",
        "__import__('os')",
        "print.__self__",
        "$.Deal.find.__self__",
        "$.Deal.find._ask",
        "$._ask",
        "getattr($, '../other/Deal').find()",
        "getattr($, 'a' * 81)",
        "$.a.b.c.d.e.f.g.h.i()",
        "$.tenant = 'other'",
        "del $.tenant",
        "$.Deal.find()[0].nouns.ask",
        "dict.update($.Deal.find()[0], {'name': 'x'})",
        "dict.__setitem__($.Deal.find()[0], 'name', 'x')",
        "r = $.Deal.find()[0]\nr |= {'a': 1}",
        "$.Deal.find()[0].pop('name')",
        "(n for n in [1]).gi_code",
        "(lambda: 1).func_globals",
        "def f(): pass\nf.attribute = 1",
        "try:\n    $.Deal.find.x.y.nope_()\n    [].nope\nexcept Exception as e:\n    x = e.obj\nx",
        "try:\n    1 / 0\nexcept Exception as e:\n    x = e.with_traceback",
        (
            "class C:\n    def __enter__(self): return self\n"
            "    def __exit__(self, t, v, tb): self.tb = tb\nwith C() as c: pass\nwith C() as c:\n"
            "    1 / 0\nc.tb.tb_frame"
        ),
        (
            "class C:\n    def __enter__(self): return self\n    def __exit__(self, t, v, tb):\n"
            "        self.tb = tb\n        return True\nwith C() as c: 1 / 0\ngetattr(c.tb, 'tb_next')"
        ),
        "class E(Exception): pass\nE().with_traceback",
        "class E(ValueError): pass\nE().add_note",
        "class S:\n    def join(self, parts): return self\n    def __add__(self, other): return [1]\nprint('a', 'b', sep=S())",
        "print('a', end=b'')",
        "class A(list): pass",
        "class A(type(1)): pass",
        "class A(BaseException): pass",
        "raise SystemExit(3)",
        "raise KeyboardInterrupt()",
        "id(1)",
        "hash('x')",
        "globals()",
        "locals()",
        "vars($)",
        "eval",
        "compile('1', 'x', 'exec')",
        "open('/etc/passwd')",
        "breakpoint()",
        "memoryview(b'x')",
        "import functools\nfunctools.partial(print).func",
        "import functools\nfunctools.reduce(getattr, ['__class__', '__base__'], ())",
        "import operator\noperator.attrgetter('__class__')",
        "import re\nre.compile('x').__class__",
        "import itertools\nitertools.chain.__class__",
        "from typing import Any\nAny.mro()",
        "list[int].__origin__",
        "list[int].mro()",
        "class A: pass\nA.mro()",
        "class A: pass\nA().__init__.__globals__",
        "class A:\n    @property\n    def p(self): return 1\nA.p.fget.x",
    ],
)
def test_a_way_around_the_guards_is_closed(run: Run, code: str) -> None:
    outcome = run(code)
    assert outcome.error is not None, outcome.result
    assert outcome.error["code"] == "execution_error"
    assert "line" in outcome.error["details"]


@pytest.mark.parametrize(
    "code",
    [
        "repr(lambda: 1)",
        "str(print)",
        "f'{lambda: 1} {len!r} {len!s:>40}'",
        "f'{(lambda: 1)!r}{iter([])}'",
        "'%s %r' % (iter([]), [iter([])])",
        "x = 'a%s'\nx %= iter([])\nx",
        "format(iter([]))",
        "ascii(iter([]))",
        "str([lambda: 1])",
        "f'{(lambda: 1, 2)} {[print]} { {1: len} }'",
        "str(b'%a' % iter([]))",
        "class A: pass\nstr(A())",
        "try:\n    raise ValueError(lambda: 1)\nexcept Exception as e:\n    x = [str(e), e.message]\nx",
        "$.echo(str((n for n in [])))",
        "str($.Deal.find)",
        "print(lambda: 1)",
        "raise ValueError(lambda: 1)",
        "try:\n    [].index(print)\nexcept Exception as e:\n    x = [e.args, str(e), e]\nx",
    ],
)
def test_no_text_holds_an_address(run: Run, code: str) -> None:
    outcome = run(code)
    assert "0x" not in f"{outcome.result}{outcome.output}{outcome.error}"


@pytest.mark.parametrize(
    "code",
    [
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "def f():\n    while True:\n        try:\n            return 1\n        finally:\n            continue\nf()",
        "while True:\n    try:\n        while True: pass\n    except: pass",
        (
            "class A:\n    def __exit__(self, *a): return True\n    def __enter__(self): return 1\n"
            "while True:\n    with A(): 1 / 0"
        ),
    ],
)
def test_no_handler_outlives_the_deadline(run: Run, code: str) -> None:
    error = run(code, seconds=0.2).error
    assert error is not None
    assert error["code"] == "timeout" or error["details"]["type"] == "NameError"


def test_a_guard_that_is_named_like_data_is_still_data(run: Run) -> None:
    values: dict[str, Any] = {"__class__": 1, "_getattr_": 2}
    assert run("{'__class__': 1, '_getattr_': 2}").result == values
    assert run("$.echo(**{'_getattr_': 2})").result["keywords"] == {"_getattr_": 2}
