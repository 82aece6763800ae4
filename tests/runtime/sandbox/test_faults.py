"""What is said when code fails: the code of the error, its place, and the hint for the next attempt."""

from collections.abc import Callable
from typing import Any

import pytest

from runtime.sandbox.limits import Outcome

Run = Callable[..., Outcome]


def error_of(outcome: Outcome) -> dict[str, Any]:
    assert outcome.error is not None, outcome.result
    return outcome.error


def test_an_error_is_told_whole(run: Run) -> None:
    assert error_of(run("deals = $.Deal.find()\nreturn [deal.nme for deal in deals]")) == {
        "code": "execution_error",
        "message": "Deal has no 'nme'",
        "hint": "did you mean 'name'?",
        "details": {"type": "AttributeError", "line": 2, "column": 9, "source": "return [deal.nme for deal in deals]"},
    }


def test_a_refusal_of_the_tenant_keeps_its_code_and_gains_a_place(run: Run) -> None:
    assert error_of(run("é = 'ü'; $.Deal.reopen('x')")) == {
        "code": "invalid_transition",
        "message": "a won Deal cannot be reopened",
        "hint": "it allows: close",
        "details": {"line": 1, "column": 10, "source": "é = 'ü'; $.Deal.reopen('x')", "allowed": ["close"]},
    }


def test_what_fails_in_the_server_is_not_told(run: Run) -> None:
    error = error_of(run("$.broken()"))
    assert error["code"] == "execution_error"
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("code", "line", "column"),
    [
        ("x = 1\ny = = 2", 2, 5),
        ("x = 1\nprint(x.__class__)", 2, 7),
        ("def f(x):\n    return 1 / x\n\nf(0)", 2, 12),
        ("$.Deal.find(stage=\n  nothing)", 2, 3),
        ("sorted([1, 2],\n  key=lambda n: n.real.nope)", 2, 17),
        ("f\"{'ü'}{1 / 0}\"", 1, 1),
        ("yield 1", 1, 1),
        ("break", 1, 1),
    ],
)
def test_the_place_is_the_authors(run: Run, code: str, line: int, column: int) -> None:
    details = error_of(run(code))["details"]
    found = (
        details["column"] if not code.startswith('f"') else 1
    )  # before 3.12 parts of f-strings have no place of their own
    assert (details["line"], found) == (line, column)


@pytest.mark.parametrize(
    ("code", "kind", "hint"),
    [
        ("Deal.find()", "NameError", "$.Deal"),
        ("deals = 1\ndeal + 1", "NameError", "'deals'"),
        ("contacts[0]", "NameError", "do not persist between do calls"),
        ("json.dumps(1)", "NameError", "import json"),
        ("timedelta(days=1)", "NameError", "from datetime import timedelta"),
        ("open('x')", "NameError", "no files"),
        ("search('x')", "NameError", "$"),
        ("prnt(1)", "NameError", "'print'"),
        ("import requests", "ImportError", "there is: asyncio, base64"),
        ("from pandas import DataFrame", "ImportError", "lists of dicts"),
        ("from datetime import datetme", "ImportError", "datetime"),
        ("from datetime import datetime\ndatetime.utcnow()", "AttributeError", "$.now()"),
        ("'{}'.format(1)", "AttributeError", "f-string"),
        ("$.Deal.find().name", "AttributeError", "it is a list"),
        ("$.Deal.find()[0].owner.name", "AttributeError", "None"),
        ("$.Deal.find()[5]", "IndexError", "length"),
        ("$.Deal.find()['name']", "TypeError", "take an element"),
        ("for deal in $.Deal.find: pass", "TypeError", "call it"),
        ("$.Deal.find()[0].items[0]", "TypeError", "order['items']"),
        ("len($.Deal.find)", "TypeError", "$.Deal.find(...)"),
        ("{'name': 1}['nme']", "KeyError", "did you mean 'name'?"),
        ("{'name': 1}['colour']", "KeyError", "record.get"),
        ("{'name': 1}[2]", "KeyError", "page.results"),
        ("$.Deal.find()[0].name = 'x'", "ReadOnly", 'results are copies: use $.Deal.update("deal_fX9bL5nRdK", {...})'),
        ("$.Deal.find()[0]['name'] += 'x'", "ReadOnly", "results are copies"),
        ("$.x = 1", "TypeError", "$.Noun.update"),
        ("'n: ' + 1", "TypeError", "f-string"),
        ("const deal = 1", "SyntaxError", "without const"),
        ("x = 1 === 2", "SyntaxError", "=="),
        ("x = deals.map(d => d.name)", "SyntaxError", "lambda"),
        ("x = deal?.name", "SyntaxError", "deal.contact and"),
        ("x = `a ${b}`", "SyntaxError", 'f"{'),
        ("if (x) {\n  y = 1\n}", "SyntaxError", "indented"),
        ("x = a && b", "SyntaxError", "`and`"),
        ("// note", "SyntaxError", "#"),
        ("```python\n1\n```", "SyntaxError", "fence"),
        ("_x = 1", "NotAllowed", "'x'"),
        ("x = 1\nx.__class__", "NotAllowed", "type(x)"),
    ],
)
def test_a_common_mistake_has_one_concrete_hint(run: Run, code: str, kind: str, hint: str) -> None:
    error = error_of(run(code))
    assert error["details"]["type"] == kind
    assert hint in error.get("hint", error["message"])


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("[1, {'a': float('nan')}]", "`[1].a` is nan"),
        ("float('inf')", "the value is inf"),
        ("2 ** 53 + 1", "beyond 2^53"),
        ("x = []\nx.append(x)\nx", "`[0]` contains itself"),
        ("x = []\nfor n in range(200): x = [x]\nx", "nested deeper than 100"),
        ("$.Deal.find", "$.Deal.find, which was not called"),
        ("{'f': lambda: 1}", "`f` is a function"),
        ("b'x'", "a bytes"),
        ("{(1, 2): 3}", "a key of the value is a tuple"),
        ("class A: pass\nA()", "a A"),
    ],
)
def test_a_result_that_is_no_data_is_refused_with_its_place(run: Run, code: str, words: str) -> None:
    error = error_of(run(code))
    assert (error["code"], error["details"]["type"]) == ("execution_error", "NotData")
    assert words in error["message"]


@pytest.mark.parametrize("code", ["$" * 9_000, "X" * 9_000, "_" + "x" * 9_000, "x = 1\nx.a" + "b" * 9_000, "(" * 9_000])
def test_a_long_word_makes_no_long_error(run: Run, code: str) -> None:
    error = error_of(run(code))
    assert error["code"] == "execution_error"
    assert "line" in error["details"]
    assert len(str(error)) < 4_000


def test_the_place_of_a_result_is_where_it_is_given(run: Run) -> None:
    assert error_of(run("x = 1\nif x:\n    return [$]"))["details"]["line"] == 3
    assert error_of(run("x = 1\n\n[$]"))["details"]["line"] == 3


def test_an_argument_that_is_no_data_is_refused_where_it_is_given(run: Run) -> None:
    error = error_of(run("x = 1\n$.Deal.update('x', value=float('nan'))"))
    assert (error["code"], error["details"]["line"]) == ("invalid_arguments", 2)


def test_further_refusals_are_listed(run: Run) -> None:
    error = error_of(run("x._a\nx.__b__"))
    assert error["details"]["also"] == ["line 2: the attribute '__b__' is not accessible"]
