"""What was, is still there to be asked: the same questions at another moment, what changed since, and who changed it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, Protocol

import duckdb
import pytest

from runtime import connect


class Door(Protocol):
    """What these stories need of the fixture `door`."""

    def __call__(self, tool: str, **arguments: Any) -> dict[str, Any]: ...

    def head(self) -> int: ...


class Shell(Protocol):
    """What these stories need of the fixtures `verbena` and `module_verbena`."""

    data: Path

    def __call__(self, *words: str, given: str = "") -> CompletedProcess[str]: ...


@dataclass(frozen=True, kw_only=True)
class Business:
    """Two people of one firm, who then part: `then` is the last position at which they were together."""

    firm: str
    ada: str
    bob: str
    then: int
    at: str  # when that was committed


@pytest.fixture(scope="module")
def business(door: Door) -> Business:
    made = door(
        "do",
        code="""
firm = $.Organization.create(name="Acme", industry="Retail")
ada = $.Contact.create(name="Ada", leadScore=5, organization=firm.id)
bob = $.Contact.create(name="Bob", leadScore=9, organization=firm.id)
return {"firm": firm.id, "ada": ada.id, "bob": bob.id}
""",
    )["result"]
    then = door.head()
    door("do", code=f'$.Organization.update("{made["firm"]}", name="Acme Ships", industry="Shipping")')
    door(
        "do",
        code=f'$.Contact.update("{made["ada"]}", leadScore=50)\n$.Contact.delete("{made["bob"]}")\n$.Contact.create(name="Cy")',
    )
    return Business(**made, then=then, at=door("fetch", id=f"evt_{then}")["at"])


# The same question through every door: who was with a retailer, best first?
RETAILERS: dict[str, Any] = {"filter": {"organization.industry": "Retail"}, "sort": "-leadScore"}


def _through_search(door: Door, shell: Shell, moment: str | int | None) -> list[str]:
    found = door("search", type="Contact", **RETAILERS, **({} if moment is None else {"asOf": moment}))
    assert found["total"] == len(found["results"])
    return [row["title"] for row in found["results"]]


def _through_code(door: Door, shell: Shell, moment: str | int | None) -> list[str]:
    code = (
        f"[each.name for each in $.Contact.find({RETAILERS['filter']!r}, sort={RETAILERS['sort']!r}, asOf={moment!r})]"
    )
    return door("do", code=code)["result"]


def _through_the_shell(door: Door, shell: Shell, moment: str | int | None) -> list[str]:
    words = ["--type", "Contact", "--filter", json.dumps(RETAILERS["filter"]), "--sort=" + RETAILERS["sort"], "--json"]
    found = shell("search", *words, *([] if moment is None else ["--as-of", str(moment)]))
    assert found.returncode == 0, found.stderr
    return [row["title"] for row in json.loads(found.stdout)["results"]]


def _through_a_script(door: Door, shell: Shell, moment: str | int | None) -> list[str]:
    with connect(shell.data) as client:
        return [each.name for each in client.Contact.find(**RETAILERS, asOf=moment)]


@pytest.mark.parametrize("ask", [_through_search, _through_code, _through_the_shell, _through_a_script])
def test_a_question_is_answered_as_it_would_have_been_then(
    door: Door,
    module_verbena: Shell,
    business: Business,
    ask: Callable[[Door, Shell, str | int | None], list[str]],
) -> None:
    for moment in (business.then, f"evt_{business.then}", business.at):
        assert ask(door, module_verbena, moment) == ["Bob", "Ada"]
    assert ask(door, module_verbena, "1h ago") == []
    assert ask(door, module_verbena, None) == []


def test_an_entity_is_read_as_it_was_with_what_it_led_to(door: Door, module_verbena: Shell, business: Business) -> None:
    now = door("fetch", id=business.bob)
    assert now["error"]["code"] == "not_found"
    then = door("fetch", id=business.bob, asOf=business.then, include=["organization"])
    assert (then["title"], then["metadata"]["version"], then["entity"]["organization"]["name"]) == ("Bob", 1, "Acme")
    firm = door("fetch", type="Organization", id=business.firm, asOf=business.then, include=["contacts"])
    assert [each["name"] for each in firm["contacts"]] == ["Bob", "Ada"]
    shown = module_verbena("fetch", business.bob, "--as-of", str(business.then), "--json")
    assert json.loads(shown.stdout)["entity"] == door("fetch", id=business.bob, asOf=business.then)["entity"]
    assert door("fetch", id=business.ada, asOf=0)["error"]["code"] == "not_found"


def test_sums_and_counts_are_those_of_then(door: Door, business: Business) -> None:
    told = door(
        "do",
        code=f"""
then = {business.then}
return [
    $.Contact.aggregate(measures={{"sum": "sum(leadScore)", "people": "count()"}}, asOf=then),
    [$.Contact.count(asOf=moment) for moment in (0, then, "now")],
    $.Contact.findOne(leadScore={{"$lt": 9}}, asOf=then).name,
]
""",
    )
    assert told["result"] == [[{"sum": 14, "people": 2}], [0, 2, 2], "Ada"]


def test_what_a_run_has_staged_is_not_in_the_past(door: Door, business: Business) -> None:
    code = 'made = $.Contact.create(name="Dee")\nreturn [$.Contact.count(asOf="now"), $.Contact.count(), 1 / 0]'
    assert door("do", code=code)["error"]["code"] == "execution_error"
    told = door("do", code=code.replace(", 1 / 0", ""), dryRun=True)["result"]
    assert told == [2, 3]


def test_pages_stay_at_the_moment_of_the_first(door: Door) -> None:
    door("do", code='for number in range(5): $.Campaign.create(name=f"C{number}")')
    asked: dict[str, Any] = {"type": "Campaign", "sort": "name"}
    first = door("search", **asked, limit=2, asOf=door.head())
    door("do", code='$.Campaign.create(name="C1b")\n$.Campaign.update($.Campaign.findOne(name="C3").id, name="Z")')
    second = door("search", **asked, limit=5, cursor=first["cursor"])
    assert [row["title"] for row in first["results"] + second["results"]] == ["C0", "C1", "C2", "C3", "C4"]
    assert (first["total"], second["total"], second["hasMore"]) == (5, 5, False)


@pytest.mark.parametrize(
    ("asked", "right"),
    [
        ({"type": "Contact", "asOf": "soon"}, "7d ago"),
        ({"type": "Contact", "asOf": 999_999}, "earlier"),
        ({"type": "Contact", "asOf": -1}, "7d ago"),
        ({"query": "ada", "asOf": "7d ago"}, "filter"),
    ],
)
def test_a_moment_that_is_none_is_refused(door: Door, business: Business, asked: dict[str, Any], right: str) -> None:
    error = door("search", **asked)["error"]
    assert error["code"] == "invalid_arguments"
    assert right in error["hint"]


def test_what_changed_between_two_moments_is_told(door: Door, module_verbena: Shell) -> None:
    made = door("do", code='[$.Deal.create(name=f"D{number}", value=number).id for number in range(3)]')["result"]
    then = door.head()
    door("do", code=f'$.Deal.update("{made[0]}", value=7)\n$.Deal.delete("{made[1]}")')
    new = door("do", code='$.Deal.create(name="New", value=1).id')["result"]
    expected = {
        "from": then,
        "to": then + 3,
        "created": [new],
        "deleted": [made[1]],
        "changed": [{"id": made[0], "changes": {"value": {"from": 0, "to": 7}}}],
    }
    assert door("do", code=f"$.Deal.diff({then})")["result"] == expected
    assert door("do", code=f'$.diff({then}, {{"type": "Deal"}})')["result"] == expected
    only = door("do", code=f'$.Deal.diff("{made[0]}", {{"from": {then}, "to": "now"}})')["result"]
    assert only == {**expected, "created": [], "deleted": []}
    shown = module_verbena("do", "--json", f"$.Deal.diff({then}, {then + 3})")
    assert json.loads(shown.stdout)["result"] == expected


def test_who_set_a_value_and_in_which_run(door: Door) -> None:
    made = door("do", action="create", type="Deal", data={"name": "Whose", "value": 1})
    deal = made["result"]["$id"]
    done = door("do", code=f'$.Deal.update("{deal}", value=2)\n$.Deal.update("{deal}", nextStep="call")')
    told = door("do", code=f'[$.Deal.changedBy("{deal}", key) for key in ("value", "name", "source")]')["result"]
    value, name, source = told
    assert (value["id"], value["run"], value["changed"]) == (
        done["events"][0]["id"],
        done["run"],
        {"value": {"from": 1, "to": 2}},
    )
    assert (name["event"], name["run"], source) == ("Deal.created", made["run"], None)
    assert door("do", code=f'$.Deal.changedBy("{deal}", "valeu")')["error"]["hint"] == "did you mean 'value'?"
    history = door("do", code=f'$.Deal.history("{deal}")')["result"]
    assert [(event["event"], event["actor"], event.get("changed", {})) for event in history] == [
        ("Deal.created", "local", {}),
        ("Deal.updated", "local", {"value": {"from": 1, "to": 2}}),
        ("Deal.updated", "local", {"nextStep": {"to": "call"}}),
    ]


def test_rows_that_somebody_changed_behind_our_back_are_found_and_made_again_from_the_log(
    verbena: Shell, stop: Callable[[], None]
) -> None:
    verbena("do", '$.define(name="Boat", keys={"name": "string!", "len": "number"})')
    verbena("do", '$.Boat.create(name="Argo", len=7); $.Boat.create(name="Fram", len=39)')
    verbena("do", '$.define(name="Boat", renamed={"len": "length"}, keys={"name": "string!", "length": "number"})')
    same = verbena("rebuild")
    assert (same.returncode, same.stdout) == (0, "4 events: every table is what the log gives\n")

    stop()
    with duckdb.connect(str(verbena.data / "tenants" / "default.duckdb")) as file:
        file.execute("DELETE FROM boat WHERE name = 'Fram'")
        file.execute("""UPDATE boat SET length = 70, "$body" = replace("$body", '"len":7', '"len":70')""")
    assert _boats(verbena) == [["Argo", 70]]

    found = verbena("rebuild")
    assert (found.returncode, found.stdout.splitlines()) == (
        1,
        [
            "Boat: 1 rows are not what the log gives, 2 that it gives are missing",
            "4 events: the tables differ from the log",
        ],
    )
    assert _boats(verbena) == [["Argo", 70]]  # it only looked
    assert verbena("log", "verify").returncode == 1
    replaced = json.loads(verbena("rebuild", "--replace", "--json").stdout)
    assert (replaced["events"], replaced["replaced"], len(replaced["differences"])) == (4, True, 1)
    assert _boats(verbena) == [["Argo", 7], ["Fram", 39]]
    assert verbena("rebuild").returncode == verbena("log", "verify").returncode == 0


def _boats(verbena: Shell) -> list[list[Any]]:
    found = verbena("do", "--json", "[[each.name, each.length] for each in $.Boat.find(sort='name')]")
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)["result"]
