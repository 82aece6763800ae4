"""The same attacks by other ways than code: filters, patterns, cursors, nouns, ids, files, stored code, the command line."""

import json
import re
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any, Protocol

import pytest

from runtime.errors import VerbenaError
from tests.runtime.door import Door
from tests.runtime.sandbox.attacks import LANGUAGE, Attack

SECRET = "the-content-of-the-canary"


class Shell(Protocol):
    """What these tests need of the fixture `module_verbena`."""

    def __call__(self, *words: str, given: str = "") -> "subprocess.CompletedProcess[str]": ...


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Generator[Door]:
    """Two tenants of one engine: ours, and one that has a secret."""
    door = Door(tmp_path_factory.mktemp("ways") / "data", name="ours")
    door.do('$.Deal.create(name="Engine", value=1815, contact=$.Contact.create(name="Ada").id)')
    door.other("other").do(f'$.Contact.create(name="{SECRET}")')
    yield door
    door.close()


CODE = {"$function": {"name": "f", "source": "def f(entity, $): pass", "line": 1, "parameters": 2}}

# Calls on `$` by path and arguments, as any face makes them. Each must be refused.
REFUSED: dict[str, tuple[list[str], list[Any], dict[str, Any]]] = {
    # Filters
    "a condition that is a program": (["Deal", "find"], [{"$where": "this.value > 1"}], {}),
    "a field of Python's": (["Deal", "find"], [{"__class__": "x"}], {}),
    "a walk along Python's attributes": (["Deal", "find"], [{"contact.__class__.__base__": "x"}], {}),
    "SQL for a field": (["Deal", "find"], [{'name" OR 1=1 --': "x"}], {}),
    "SQL for an operator": (["Deal", "find"], [{"name": {"$eq' OR '1'='1": "x"}}], {}),
    "SQL for an order": (["Deal", "find"], [], {"sort": "name; DROP TABLE events"}),
    "SQL for a field to show": (["Deal", "find"], [], {"fields": ['name" FROM other.contact --']}),
    "SQL for a group": (["Deal", "aggregate"], ["stage) FROM events --"], {}),
    "SQL for a measure": (["Deal", "aggregate"], ["stage", {"x": "sum(value) FROM read_text('/etc/passwd'))"}], {}),
    "SQL for the name of a measure": (["Deal", "aggregate"], ["stage", {'x" , (SELECT 1) AS "y' * 9: "count()"}], {}),
    "a filter a thousand deep": (["Deal", "find"], [json.loads('{"$not":' * 200 + "{}" + "}" * 200)], {}),
    "a filter of ten thousand parts": (["Deal", "find"], [{"$or": [{"name": "x"}] * 10_000}], {}),
    "a list of ten thousand values": (["Deal", "find"], [{"name": {"$in": ["x"] * 10_000}}], {}),
    "a number that is none": (["Deal", "find"], [{"value": float("nan")}], {}),
    "half a character": (["Deal", "find"], [{"name": "\ud800"}], {}),
    # $regex
    "a pattern that looks ahead": (["Deal", "find"], [{"name": {"$regex": "(?=(a+))\\1"}}], {}),
    "a pattern of ten thousand characters": (["Deal", "find"], [{"name": {"$regex": "a" * 10_000}}], {}),
    "a pattern that repeats repetitions": (
        ["Deal", "find"],
        [{"name": {"$regex": "((a{1,1000}){1,1000}){1,1000}"}}],
        {},
    ),
    "a pattern that is nested": (["Deal", "find"], [{"name": {"$regex": "(" * 450 + "a" + ")*" * 450 + "["}}], {}),
    # include
    "an include without end": (["Deal", "find"], [], {"include": ".".join(["contact", "deals"] * 20)}),
    "an include of mappings without end": (
        ["Deal", "find"],
        [],
        {"include": json.loads('{"contact":' * 60 + "true" + "}" * 60)},
    ),
    "an include of Python's": (["Deal", "find"], [], {"include": "__class__"}),
    # Cursors
    "a cursor that is a pickle": (
        ["search"],
        [],
        {"type": "Deal", "cursor": "gASVGQAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOULg"},
    ),
    "a cursor in JSON": (["search"], [], {"type": "Deal", "cursor": "eyJhc09mIjoxfQ"}),
    "a cursor of a million characters": (["search"], [], {"type": "Deal", "cursor": "A" * 10**6}),
    # Ids and nouns in other alphabets
    "a noun with a Cyrillic letter": (["De\u0430l", "find"], [], {}),
    "a noun in wide letters": (["\uff24eal", "find"], [], {}),
    "a noun with a width of zero": (["Deal\u200b", "find"], [], {}),
    "a noun from right to left": (["\u202elaeD", "find"], [], {}),
    "a field with a Cyrillic letter": (["Deal", "find"], [{"n\u0430me": "x"}], {}),
    "a field from right to left": (["Deal", "create"], [{"\u202eeman": "x", "value": 1}], {}),
    "an id with a Cyrillic letter": (["Deal", "get"], ["de\u0430l_2222222222"], {}),
    "an id that is a path": (["Deal", "get"], ["deal_../../other/contact"], {}),
    "an id of a megabyte": (["Deal", "get"], ["deal_" + "2" * 10**6], {}),
    "another tenant as an argument": (["Contact", "find"], [], {"tenant": "other"}),
    "another tenant's context": (
        ["Contact", "create"],
        [{"name": "x", "$context": "http://localhost:4747/~other"}],
        {},
    ),
    "another tenant's noun": (["other", "Contact", "find"], [], {}),
    "an author of one's own": (["Contact", "create"], [{"name": "x", "$createdBy": "root"}], {}),
    # Nouns
    "a noun named as a class of Python": (["define"], [{"name": "__class__", "keys": {"name": "string"}}], {}),
    "a noun named in SQL": (["define"], [{"name": 'X"; DROP TABLE events; --', "keys": {"name": "string"}}], {}),
    "a noun that looks like another": (["define"], [{"name": "De\u0430l", "keys": {"name": "string"}}], {}),
    "a noun that hides a special": (["define"], [{"name": "Schema", "keys": {"name": "string"}}], {}),
    "a noun that hides the log": (["define"], [{"name": "LogEvent", "keys": {"name": "string"}}], {}),
    "a key of Python's": (["define"], [{"name": "Trap", "keys": {"__class__": "string"}}], {}),
    "a key in SQL": (["define"], [{"name": "Trap", "keys": {'a" TEXT, "b': "string"}}], {}),
    "a key that hides a meta-field": (["define"], [{"name": "Trap", "keys": {"$id": "string"}}], {}),
    "a key that hides a verb": (["define"], [{"name": "Trap", "keys": {"update": "string"}}], {}),
    "a key that looks like another": (
        ["define"],
        [{"name": "Trap", "keys": {"name": "string", "n\u0430me": "int"}}],
        {},
    ),
    "a default that is a program": (
        ["define"],
        [{"name": "Trap", "keys": {"name": "string = __import__('os').getcwd()", "n": "int = open('x')"}}],
        {},
    ),
    "an effect that is a program": (
        ["define"],
        [
            {
                "name": "Trap",
                "keys": {"n": "int", "go": "Gone"},
                "effects": {"go": {"n": "__import__('os').getpid()"}},
            }
        ],
        {},
    ),
    "a relation into another tenant": (["define"], [{"name": "Trap", "keys": {"spy": "-> other.Contact"}}], {}),
    "ten thousand keys": (["define"], [{"name": "Trap", "keys": {f"key{n}": "string" for n in range(10_000)}}], {}),
    # When stored code runs
    "a verb in other letters": (["before"], ["Deal.w\u0456n", CODE], {}),
    "a pattern in other letters": (["on"], ["De\u0430l.*", CODE], {}),
    "a pattern that is a program": (["on"], ["__import__('os')", CODE], {}),
    "a pattern of stars without end": (["on"], [".".join("*" * 50), CODE], {}),
    "a schedule without a pause": (["every"], ["0s", CODE], {}),
    "a schedule in SQL": (["every"], ["1h'; DROP TABLE events; --", CODE], {}),
    "a schedule of half a million numbers": (["every"], [",".join(["1"] * 500_000) + " * * * *", CODE], {}),
    "a schedule in a zone that is a path": (["every"], ["0 9 * * *", CODE], {"zone": "../../etc/passwd"}),
    "a time that is out of all time": (["at"], ["in 99999999999999y", CODE], {}),
    "a watch on what is no measure": (
        ["Metric", "watch"],
        ["__class__", {"threshold": 1, "direction": "above"}, CODE],
        {},
    ),
    "a watch of nothing at all": (
        ["Metric", "watch"],
        ["mrr", {"threshold": float("nan"), "direction": "above"}, CODE],
        {},
    ),
    "a watch in a direction of SQL": (
        ["Metric", "watch"],
        ["mrr", {"threshold": 1, "direction": "above' OR 1=1"}, CODE],
        {},
    ),
    "a watch that is a program": (
        ["Metric", "watch"],
        ["mrr", {"threshold": "__import__('os')", "direction": "above"}, CODE],
        {},
    ),
    # What passes for code, without having been a function of a program
    "code that is no function": (["Deal", "winning"], [{"$function": {"name": "f", "source": "1"}}], {}),
    "code that names a guard": (
        ["Deal", "winning"],
        [{"$function": {"name": "f", "source": "def f(_getattr_, /): pass", "line": 1, "parameters": 1}}],
        {},
    ),
    "code that ends its function": (
        ["Deal", "winning"],
        [{"$function": {"name": "f", "source": "def f(deal): pass\nimport os", "line": 1, "parameters": 1}}],
        {},
    ),
    "code with a name of ours": (
        ["Deal", "winning"],
        [{"$function": {"name": "_result_", "source": "def _result_(deal): pass", "line": 1, "parameters": 1}}],
        {},
    ),
    "code of a megabyte": (
        ["Deal", "winning"],
        [
            {
                "$function": {
                    "name": "f",
                    "source": "def f(deal):\n" + "    x = 1\n" * 120_000,
                    "line": 1,
                    "parameters": 1,
                }
            }
        ],
        {},
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_attack_by_another_way_is_refused_and_leaves_nothing(house: Door, name: str) -> None:
    path, args, kwargs = REFUSED[name]
    head = house.head
    with pytest.raises(VerbenaError) as caught:
        house("$", path=path, args=args, kwargs=kwargs)
    assert SECRET not in json.dumps(caught.value.as_dict())
    assert caught.value.code != "unavailable"
    assert house.head == head
    assert house.do("1 + 1") == 2


# What is a pattern, a text or a name like any other, whatever it looks like.
@pytest.mark.parametrize(
    "text",
    [
        "'); DROP TABLE events; --",
        "{{7*7}}",
        "${jndi:ldap://x}",
        "=HYPERLINK(0)",
        "\u202egnp.exe",
        "de\u0430l",
        "(a+)+$",
    ],
)
def test_a_text_is_a_text(house: Door, text: str) -> None:
    id = house("$", path=["Contact", "create"], args=[{"name": text}], kwargs={})["$id"]
    found = house("$", path=["Contact", "find"], args=[{"name": text}], kwargs={})
    assert [(each["$id"], each["name"]) for each in found] == [(id, text)]


def test_a_pattern_that_backtracks_elsewhere_takes_linear_time(house: Door) -> None:
    house("$", path=["Contact", "create"], args=[{"name": "a" * 5_000 + "b"}], kwargs={})
    assert house("$", path=["Contact", "count"], args=[{"name": {"$regex": "^(a+)+$"}}], kwargs={}) == 0


def test_a_cursor_leads_into_no_other_tenant_and_no_other_question(house: Door) -> None:
    for number in range(2):
        house.other("other").do(f'$.Contact.create(name="{SECRET} {number}")')
    theirs = house.other("other")("search", type="Contact", sort="name", limit=1)["cursor"]
    page = house("search", type="Contact", sort="name", limit=1, cursor=theirs)
    assert SECRET not in json.dumps(page)
    with pytest.raises(VerbenaError) as caught:
        house("search", type="Contact", sort="-name", limit=1, cursor=theirs)
    assert caught.value.code == "invalid_cursor"


STORED = [attack for attack in LANGUAGE if attack.name != "a result that passes for a frame"]


@pytest.mark.parametrize("attack", STORED[::3], ids=lambda attack: attack.name)
def test_an_attack_that_is_stored_gets_no_further(house: Door, attack: Attack) -> None:
    """BEFORE a verb the attack may reject it, or leave it as it was; storing it may be refused as well."""
    code = "\n".join(f"    {line}" for line in ["result = None", *attack.code.split("\n")])
    tenant = house.other("stored-" + attack.name.replace(" ", "-")[:40].strip("-"))
    try:
        tenant.do(
            f"def spy(contact, $):\n{code}\n    return {{'title': str(result)}} if result else None\n$.Contact.creating(spy)"
        )
        made = tenant.do('$.Contact.create(name="Ada")')
        assert made.get("title") is None
    except VerbenaError as error:
        assert SECRET not in json.dumps(error.as_dict())
    assert tenant.do("1 + 1") == 2


def test_stored_code_that_never_ends_holds_nobody_up(tmp_path: Path) -> None:
    door = Door(tmp_path / "data")
    door.do('$.Deal.winning(lambda deal, $: [0 for n in iter(int, 1)])\n$.Deal.create(name="Engine", value=1)')
    head = door.head
    with pytest.raises(VerbenaError) as caught:
        door.do('$.Deal.win($.Deal.findOne(name="Engine").id)')
    assert caught.value.code in ("timeout", "rejected")
    assert [event["event"] for event in door("events", after=head, limit=10) if event["type"] == "Deal"] == []
    assert door.do("1 + 1") == 2
    door.close()


HOSTILE_ROWS = (
    "name,$id,email\nAda,contact_2222222222,\n",
    "name,__class__\nAda,x\n",
    'name,"email\') ; DROP TABLE events; --"\nAda,x\n',
    "n\u0430me\nAda\n",
    "name,$createdBy\nAda,root\n",
    "name,manager\nAda,contact_../../other\n",
)


@pytest.mark.parametrize("number", range(len(HOSTILE_ROWS)))
def test_a_file_brings_no_more_than_its_noun_allows(module_verbena: Shell, tmp_path: Path, number: int) -> None:
    file, tenant = tmp_path / "rows.csv", f"rows-{number}"
    file.write_text(HOSTILE_ROWS[number])
    ran = module_verbena("import", str(file), "--type", "Contact", "--tenant", tenant)
    assert "Traceback" not in ran.stdout + ran.stderr
    code = "[[contact.id, contact.createdBy, contact.manager, list(contact)] for contact in $.Contact.find()]"
    told = module_verbena("do", code, "--json", "--tenant", tenant)
    contacts = json.loads(told.stdout)["result"]
    assert len(contacts) == (1 if ran.returncode == 0 else 0), ran
    for id, actor, manager, keys in contacts:
        assert re.fullmatch(r"contact_[1-9A-Za-z]{10}", id)
        assert (actor, manager) == ("local", None)
        assert "__class__" not in keys


@pytest.mark.parametrize(
    "words",
    [
        ("do", "().__class__"),
        ("do", "import os"),
        ("do", "$.Deal.find()", "--tenant", "../other"),
        ("do", "$.Deal.find()", "--tenant", "Other"),
        ("search", "--type", "De\u0430l"),
        ("search", "--type", "Deal", "--filter", '{"$where": "1"}'),
    ],
    ids=" ".join,
)
def test_the_command_line_refuses_what_every_face_refuses(module_verbena: Shell, words: tuple[str, ...]) -> None:
    ran = module_verbena(*words)
    assert ran.returncode != 0
    assert "Traceback" not in ran.stdout + ran.stderr
    assert module_verbena("do", "1 + 1").stdout.strip() == "2"
