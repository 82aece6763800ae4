"""Time that can be walked: what was, as it was, by the same queries; what changed, and who changed it."""

from typing import Any

import pytest

from runtime.errors import InvalidArguments, InvalidType, NotFound
from tests.runtime.door import Door


def test_entities_paths_includes_and_totals_are_as_they_were(door: Door) -> None:
    ids = door.do(
        'o = $.Organization.create(name="Acme", industry="Retail")\n'
        'a = $.Contact.create(name="Ada", organization=o.id, leadScore=5)\n'
        'b = $.Contact.create(name="Bob", organization=o.id, leadScore=9)\n[o.id, a.id, b.id]'
    )
    then = door.head
    door.do(
        f'$.Organization.update("{ids[0]}", name="Acme 2", industry="Ships")\n$.Contact.update("{ids[1]}", leadScore=50)'
    )
    door.do(f'$.Contact.delete("{ids[2]}")\n$.Contact.create(name="Cy", organization="{ids[0]}")')

    assert door("fetch", type="Organization", id=ids[0], asOf=then)["name"] == "Acme"
    assert (
        door("fetch", type="Organization", id=ids[0], asOf=f"evt_{then}", include=["contacts"])["contacts"][0]["name"]
        == "Bob"
    )
    found = door("search", type="Contact", filter={"organization.industry": "Retail"}, sort="leadScore", asOf=then)
    assert [row["title"] for row in found["results"]] == ["Ada", "Bob"]
    assert found["total"] == 2
    assert door("search", type="Contact", filter={"organization.industry": "Retail"})["total"] == 0
    assert door.do(f'$.Contact.aggregate(measures={{"sum": "sum(leadScore)"}}, asOf={then})') == [{"sum": 14}]
    assert door.do(f"[$.Contact.count(asOf={then}), $.Contact.count(asOf=0), $.Contact.count()]") == [2, 0, 2]
    with pytest.raises(NotFound):
        door("fetch", id=ids[2])
    assert door("fetch", type="Contact", id=ids[2], asOf=then)["name"] == "Bob"


def test_a_cursor_stays_at_its_moment(door: Door) -> None:
    door.do('for n in range(5): $.Contact.create(name=f"C{n}")')
    then = door.head
    first = door("search", type="Contact", sort="name", limit=2, asOf=then)
    door.do('$.Contact.create(name="C1b")\n$.Contact.update($.Contact.findOne(name="C3").id, name="Z")')
    second = door("search", type="Contact", sort="name", limit=5, cursor=first["cursor"])
    assert [row["title"] for row in first["results"] + second["results"]] == ["C0", "C1", "C2", "C3", "C4"]


def test_the_past_goes_on_after_a_restart_and_a_changed_noun(door: Door) -> None:
    door.do('$.define(name="Boat", keys={"name": "string!", "len": "number"})')
    id = door.do('$.Boat.create(name="Argo", len=7).id')
    then = door.head
    assert door("search", type="Boat", filter={"len": 7}, asOf=then)["total"] == 1
    door.do(
        '$.define(name="Boat", renamed={"len": "length"}, keys={"name": "string!", "length": "number", "flag": "string"})'
    )
    door.do(f'$.Boat.update("{id}", length=8, flag="NL")')
    assert door("search", type="Boat", filter={"length": 7}, asOf=then)["total"] == 1
    door.reopen()
    door.do(f'$.Boat.update("{id}", length=9)')
    assert [door("fetch", type="Boat", id=id, asOf=seq)["length"] for seq in (then, door.head - 1, door.head)] == [
        7,
        8,
        9,
    ]
    assert door("search", type="Boat", filter={"length": {"$gte": 8}}, asOf=door.head - 1)["total"] == 1


def test_a_time_means_what_was_committed_at_or_before_it(door: Door) -> None:
    door.do('$.Contact.create(name="First")')
    at = door("events", limit=1)[0]["at"]
    door.do('$.Contact.create(name="Second")')
    assert door("search", type="Contact", asOf=at)["total"] == 1
    assert door("search", type="Contact", asOf="1h ago")["total"] == 0
    assert door("search", type="Contact", asOf="today")["total"] == 2
    for wrong in ("soon", 10_000, True, -1):
        with pytest.raises(InvalidArguments):
            door("search", type="Contact", asOf=wrong)
    with pytest.raises(InvalidArguments):
        door("search", query="first", asOf=at)


def test_differences_and_who_set_a_value(door: Door) -> None:
    ids = door.do('[$.Deal.create(name=f"D{n}", value=n).id for n in range(3)]')
    then = door.head
    door.do(
        f'$.Deal.update("{ids[0]}", value=7)\n$.Deal.update("{ids[0]}", nextStep="call")\n$.Deal.delete("{ids[1]}")'
    )
    new = door.do('$.Deal.create(name="New", value=1).id')
    assert door.do(f"$.Deal.diff({then})") == {
        "from": then,
        "to": door.head,
        "created": [new],
        "deleted": [ids[1]],
        "changed": [{"id": ids[0], "changes": {"nextStep": {"to": "call"}, "value": {"from": 0, "to": 7}}}],
    }
    assert door.do(f'$.Deal.diff("{ids[0]}", {{"from": {then}, "to": {then + 1}}}).changed[0].changes.keys()') == [
        "value"
    ]
    set_by = door.do(f'$.Deal.changedBy("{ids[0]}", "value")')
    assert (set_by["seq"], set_by["changed"]["value"]) == (then + 1, {"from": 0, "to": 7})
    assert door.do(f'$.Deal.changedBy("{ids[0]}", "name").version') == 1
    assert door.do(f'$.Deal.changedBy("{ids[0]}", "source")') is None


def test_the_schema_of_a_noun_is_that_of_the_moment(door: Door) -> None:
    door.do('$.define(name="Boat", keys={"name": "string!"})')
    first = door.head
    door.do('$.define(name="Boat", keys={"name": "string!", "flag": "string"})')

    def keys(**given: Any) -> list[str]:
        schema = door("fetch", type="Schema", id="Boat", **given)
        return [key for key in schema["properties"] if not key.startswith("$")]

    assert (keys(), keys(asOf=first), keys(asOf="now")) == (["name", "flag"], ["name"], ["name", "flag"])
    nouns = door("fetch", type="Schema", asOf=first - 1)["nouns"]
    assert "Boat" not in [noun["name"] for noun in nouns]
    with pytest.raises(InvalidType):
        keys(asOf=first - 1)
    with pytest.raises(InvalidArguments, match="the log ends at"):
        keys(asOf=door.head + 1)


def test_the_past_of_long_texts_fits_into_memory(door: Door) -> None:
    for batch in range(3):
        data = [
            {
                "action": "create",
                "type": "Content",
                "data": {"title": f"{batch}/{number}", "body": f"word {number} " * 10_000},
            }
            for number in range(100)
        ]
        door("do", action="batch", data=data)
    assert door("search", type="Content", asOf=door.head - 100, limit=1)["total"] == 200
