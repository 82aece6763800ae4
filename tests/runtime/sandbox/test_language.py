"""What a program in a worker gives: its value, its output, and its view of the tenant."""

from collections.abc import Callable
from typing import Any

import pytest

from runtime.sandbox.limits import Outcome

Run = Callable[..., Outcome]
DEAL = "deal_fX9bL5nRdK"


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("1 + 1", 2),
        ("x = 1", None),
        ("", None),
        ("return 5\nboom", 5),
        ("for n in range(9):\n    if n > 3:\n        return n", 4),
        ("try:\n    return 1\nexcept:\n    return 2\nfinally:\n    x = 3", 1),
        ("n = 0\ndef add():\n    global n\n    n += 2\nadd()\nreturn n", 2),
        ("result = {'a': 1}", {"a": 1}),
        ("result = 1\n2", 2),
        ("d = {'n': 1}\nd['n'] += 2\nd['n'] **= 2\nd", {"n": 9}),
        ("calls = []\ndef d():\n    calls.append(1)\n    return {'n': 1}\nd()['n'] += 1\nlen(calls)", 1),
        (
            (
                "def outer():\n    n = 1\n    def inner():\n        nonlocal n\n        n += 1\n"
                "    inner()\n    return n\nouter()"
            ),
            2,
        ),
        ("async def f(x):\n    return x\n[await f(1), [y async for y in [2]]]", [1, [2]]),
        ("import asyncio\nawait asyncio.gather(1, 2)", [1, 2]),
        (
            ("match {'stage': 'Won', 'n': [1, 2]}:\n    case {'stage': s, 'n': [1, *rest]}: x = (s, rest)\nx"),
            ["Won", [2]],
        ),
        ("match 'x':\n    case int(): y = 1\n    case str(): y = 2\ny", 2),
        (
            (
                "class A:\n    def __init__(self, n): self.n = n\n"
                "    def __str__(self): return f'A{self.n}'\na = A(1)\na.n += 1\nstr(a)"
            ),
            "A2",
        ),
        (
            (
                "class E(Exception): pass\ntry:\n    raise E('no')\nexcept E as e:\n"
                "    x = [str(e), e.message, type(e).__name__]\nx"
            ),
            ["no", "no", "E"],
        ),
        (
            "[type('x') == str, type(1).__name__, isinstance('x', (int, str)), issubclass(bool, int)]",
            [True, "int", True, True],
        ),
        ("sorted({'b': 2, 'a': 1}.items(), key=lambda pair: -pair[1])", [["b", 2], ["a", 1]]),
        ("f'{1234.5:>10,.2f}|{\"a\"!r}|{True}|{None}|{[1]}'", "  1,234.50|'a'|True|None|[1]"),
        ("'%s of %d' % ('a', 2)", "a of 2"),
        ("list(map(str, [1, 2.5, None]))", ["1", "2.5", "None"]),
        ("[true, false, null, undefined]", [True, False, None, None]),
        ("if __name__ == '__main__':\n    x = 1\nx", 1),
        ("from typing import Any, Optional\ndef f(x: Optional[dict[str, Any]] = None) -> int: return 1\nf()", 1),
        (
            (
                "from collections import Counter, defaultdict\nd = defaultdict(list)\nd['a'].append(1)\n"
                "[Counter('aab'), d]"
            ),
            [{"a": 2, "b": 1}, {"a": [1]}],
        ),
        ("import json\njson.loads(json.dumps({'a': [1, None, true]}))", {"a": [1, None, True]}),
        ("import re\nre.sub(r'(\\d+)', lambda m: m.group(1) * 2, 'a1')", "a11"),
        ("import math, statistics\n[math.floor(2.5), statistics.mean([1, 2, 3])]", [2, 2]),
        ("import copy\na = {'x': [1]}\nb = copy.deepcopy(a)\nb['x'].append(2)\na", {"x": [1]}),
        ("import hashlib\nhashlib.sha256('a'.encode()).hexdigest()[:8]", "ca978112"),
        (
            (
                "from datetime import datetime, date, timedelta\n"
                "[datetime.now(), date.today(), $.now() - timedelta(days=1), "
                "datetime.strptime('2026-01', '%Y-%m').strftime('%m')]"
            ),
            ["2026-11-21T10:00:00Z", "2026-11-21", "2026-11-20T10:00:00Z", "01"],
        ),
        (
            "from decimal import Decimal\n[Decimal('12.30'), Decimal('5'), Decimal('0.10000000000000000000001')]",
            [12.3, 5, "0.10000000000000000000001"],
        ),
        (
            "[{1, 1}, (1, 2), range(2), (n for n in [1]), {1: 'a', None: 'b'}, zip('a', 'b')]",
            [[1], [1, 2], [0, 1], [1], {"1": "a", "null": "b"}, [["a", "b"]]],
        ),
        ("'\\ud800a'", "\ufffda"),
        ("2 ** 53", 2**53),
    ],
)
def test_a_program_gives_the_value_that_python_would(run: Run, code: str, value: Any) -> None:
    outcome = run(code)
    assert (outcome.error, outcome.result) == (None, value)


def test_chance_is_fixed_by_the_seed(run: Run) -> None:
    code = "import random, uuid\n[random.random(), str(uuid.uuid4())]"
    assert run(code).result == run(code).result


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("$.Deal.find()[0]['name']", "Acme"),
        (
            "d = $.Deal.find()[0]\n[d.name, d.id, d.$id, d['$type'], d.contact.name, d.contact.id]",
            ["Acme", DEAL, DEAL, "Deal", "Ada", "contact_2bL5nRdKfX"],
        ),
        ("d = $.Deal.find()[0]\n[d.owner, d.stage, d.get('owner', 1)]", [None, None, 1]),
        ("$.Deal.find()[0].createdAt < $.now()", True),
        ("(lambda d: type(d)(d)['items'])($.Deal.find()[0])", ["a", "b"]),
        ("d = dict($.Deal.find()[0])\nd['name'] = 'x'\n[d['name'], isinstance(d, dict)]", ["x", True]),
        ("{**$.Deal.find()[0], 'name': 'x'}['name']", "x"),
        (
            "$.anything.at.all(1, a={'b': $.now()})",
            {"path": ["anything", "at", "all"], "arguments": [1], "keywords": {"a": {"b": "2026-11-21T10:00:00Z"}}},
        ),
        ("await $.Deal.close('x')", {"path": ["Deal", "close"], "arguments": ["x"], "keywords": {}}),
        (
            "$.Deal.find()[0].close(reason='won')",
            {"path": ["Deal", "close"], "arguments": [DEAL], "keywords": {"reason": "won"}},
        ),
        ("$['Deal']['close'](1)", {"path": ["Deal", "close"], "arguments": [1], "keywords": {}}),
        (
            "getattr($, 'Deal').close(*[1], **{'a': 2})",
            {"path": ["Deal", "close"], "arguments": [1], "keywords": {"a": 2}},
        ),
        (
            "$.keep($.Deal.find()[0].contact)",
            {
                "path": ["keep"],
                "arguments": [{"$id": "contact_2bL5nRdKfX", "$type": "Contact", "name": "Ada"}],
                "keywords": {},
            },
        ),
        ("$.progress(1, 2)", {"path": ["progress"], "arguments": [1, 2], "keywords": {}}),
    ],
)
def test_the_tenant_is_reached_through_the_dollar(run: Run, code: str, value: Any) -> None:
    outcome = run(code)
    assert (outcome.error, outcome.result) == (None, value)


def test_a_noun_is_described_once_a_run_and_that_is_not_a_call(run: Run) -> None:
    outcome = run("d, e = $.Deal.find()[0], $.Deal.find()[0]\n[d.owner, e.owner, d.stage]", calls=2)
    assert (outcome.error, outcome.calls) == (None, 2)


def test_what_is_printed_and_logged_is_the_output(run: Run) -> None:
    assert run("print('a', 1, sep='-')\n$.log('b', [2])\nprint('c', end='')\n1 / 0").output == "a-1\nb [2]\nc"


def test_output_is_cut_with_a_note(run: Run) -> None:
    outcome = run("for n in range(100):\n    print('x' * 999)")
    assert len(outcome.output) < 64_100
    assert outcome.output.endswith("… 36,000 characters more were cut\n")


def test_a_refusal_of_the_tenant_can_be_caught_with_all_its_parts(run: Run) -> None:
    outcome = run(
        "try:\n    $.Deal.get('deal_1')\nexcept Exception as e:\n"
        "    x = [e.code, e.message, e.hint, e.details, str(e)]\nx"
    )
    message = "no Deal 'deal_1'"
    assert outcome.result == ["not_found", message, "look with $.Deal.find()", {"id": "deal_1"}, message]


def test_a_program_that_hands_over_many_functions_is_read_once_for_all_of_them(run: Run) -> None:
    """Were it read anew for each of them, this would take a minute and more of its own time."""
    functions = "\n".join(
        f"def f{n}(deal, $):\n    return {{'name': deal.name, 'number': {n}}}\n$.on(f{n})" for n in range(600)
    )
    outcome = run(f"{functions}\n'handed over'", seconds=20, calls=600)
    assert (outcome.error, outcome.result) == (None, "handed over")


@pytest.mark.parametrize(
    ("code", "function"),
    [
        (
            "@$.Deal.closed\ndef thank(deal, $):\n    return $.Email.send(to=deal.contact)\nthank",
            {
                "name": "thank",
                "source": "def thank(deal, $):\n    return $.Email.send(to=deal.contact)",
                "line": 2,
                "parameters": 2,
            },
        ),
        (
            "x = 1; $.Deal.closing(lambda deal: {'stage': 'Won'})",
            {"name": "<lambda>", "source": "lambda deal: {'stage': 'Won'}", "line": 1, "parameters": 1},
        ),
        (
            "$.on(lambda a: a), $.on(lambda b:\n  b)\n$.on([lambda c: (lambda d: d), 1][0])",
            {"name": "<lambda>", "source": "lambda c: (lambda d: d)", "line": 3, "parameters": 1},
        ),
        (
            (
                "if True:\n    def f(deal):\n        import json\n        text = '''a\n    b'''\n"
                "        return json.dumps([text, len(deal), f])\n    x = $.on(f)\nx"
            ),
            {
                "name": "f",
                "source": (
                    "def f(deal):\n    import json\n    text = '''a\n    b'''\n"
                    "    return json.dumps([text, len(deal), f])"
                ),
                "line": 2,
                "parameters": 1,
            },
        ),
    ],
)
def test_a_function_that_is_handed_over_travels_as_its_own_source(
    run: Run, code: str, function: dict[str, Any]
) -> None:
    outcome = run(code)
    assert outcome.error is None
    assert outcome.result["arguments"] == [{"$function": function}]


def test_a_name_that_stands_only_in_annotations_is_not_leaned_on(run: Run) -> None:
    outcome = run(
        "def f(deal: Deal, here: Any = None) -> Amount:\n    total: Total = deal.value\n    return total\n$.on(f)"
    )
    assert outcome.error is None


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("limit = 5\n$.on(lambda deal: deal.value > limit)", ["limit"]),
        ("import json\ndef f(deal): return json.dumps(deal)\n\n$.on(f)", ["json"]),
        ("def g(): pass\ndef f(deal, x=g):\n    def h(): return rate\n$.on(f)", ["g", "rate"]),
    ],
)
def test_a_function_that_leans_on_other_names_is_refused_where_it_is_handed_over(
    run: Run, code: str, names: list[str]
) -> None:
    error = run(code).error
    assert error is not None
    assert (error["code"], error["details"]["names"]) == ("invalid_arguments", names)
    assert error["details"]["line"] == len(code.split("\n"))
