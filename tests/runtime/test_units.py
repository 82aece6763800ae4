"""Units of work: all or nothing, serializable, and never starved."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from runtime import values
from runtime.calls.dollar import Dollar
from runtime.check import differences
from runtime.engine import Engine, EngineOptions
from runtime.errors import Conflict, NotFound, UniqueViolation, ValidationFailed, VerbenaError
from runtime.unit import Caller, Unit
from runtime.wire import Question, decode
from tests.runtime.door import Door
from tests.until import until


def test_an_error_in_the_middle_writes_nothing(door: Door) -> None:
    before = door.head
    with pytest.raises(VerbenaError) as failure:
        door.do('$.Contact.create(name="Half")\nprint("so far")\n1 / 0')
    assert failure.value.code == "execution_error"
    assert failure.value.details["line"] == 3
    assert failure.value.details["output"] == "so far\n"
    assert door.head == before
    assert door.do('$.Contact.find(name="Half")') == []


def test_a_refusal_that_the_code_catches_leaves_the_rest(door: Door) -> None:
    made = door.do(
        'a = $.Contact.create(name="Kept", email="kept@example.com")\n'
        "try:\n"
        '    $.Contact.create(name="Twin", email="kept@example.com")\n'
        "except Exception as error:\n"
        "    code = error.code\n"
        "[a.id, code]"
    )
    assert made[1] == "unique_violation"
    assert door.do(f'$.Contact.get("{made[0]}").name') == "Kept"


def test_a_unit_sees_what_it_staged_in_queries_paths_and_aggregates(door: Door) -> None:
    seen = door.do(
        'o = $.Organization.create(name="Staged Inc", industry="Ships")\n'
        'for n in range(3): $.Contact.create(name=f"S{n}", leadScore=n * 10, organization=o.id)\n'
        '[$.Contact.count({"organization.industry": "Ships"}),\n'
        ' [c.name for c in $.Contact.find({"organization": o.id}, sort="-leadScore")],\n'
        ' $.Contact.aggregate(measures={"total": "sum(leadScore)"}, filter={"organization": o.id}),\n'
        ' [hit.title for hit in $.search(query="staged inc").results],\n'
        ' [c.name for c in $.Organization.get(o.id, include="contacts").contacts]]'
    )
    assert seen == [3, ["S2", "S1", "S0"], [{"total": 30}], ["Staged Inc"], ["S2", "S1", "S0"]]


def test_counters_that_many_want_lose_no_step(door: Door) -> None:
    id = door.do('$.Deal.create(name="Counter", value=0).id')
    code = f'd = $.Deal.get("{id}")\n$.Deal.update(d.id, value=d.value + 1)'
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(door.do, [code] * 36))
    assert door.do(f'$.Deal.get("{id}").value') == 36


def test_a_stale_version_is_a_conflict_that_tells_the_present_one(door: Door) -> None:
    made = door("do", action="create", type="Deal", data={"name": "Stale", "value": 1})["result"]
    door("do", action="update", type="Deal", id=made["$id"], data={"value": 2, "$version": 1})
    with pytest.raises(Conflict) as failure:
        door("do", action="update", type="Deal", id=made["$id"], data={"value": 3, "$version": 1})
    assert failure.value.details == {"id": made["$id"], "expected": 1, "current": 2}


def test_a_batch_is_all_or_nothing(door: Door) -> None:
    before = door.head
    with pytest.raises(ValidationFailed):
        door(
            "do",
            action="batch",
            data=[
                {"action": "create", "type": "Contact", "data": {"name": "First of two"}},
                {"action": "create", "type": "Contact", "data": {}},
            ],
        )
    assert door.head == before


def test_of_two_that_want_one_unique_value_one_gets_it(door: Door) -> None:
    def attempt(n: int) -> str:
        try:
            door.do(f'$.Contact.create(name="R{n}", email="race@example.com")')
        except UniqueViolation as error:
            return error.code
        return "made"

    with ThreadPoolExecutor(8) as pool:
        ends = sorted(pool.map(attempt, range(8)))
    assert ends == ["made"] + ["unique_violation"] * 7


def test_delete_frees_uniques_hides_links_and_restore_checks_both(door: Door) -> None:
    ids = door.do(
        'o = $.Organization.create(name="Gone Ltd", slug="gone")\n'
        'c = $.Contact.create(name="Left", organization=o.id)\n[o.id, c.id]'
    )
    door.do(f'$.Organization.delete("{ids[0]}")')
    with pytest.raises(NotFound):
        door("fetch", id=ids[0])
    assert "organization" not in door("fetch", type="Contact", id=ids[1])
    assert door.do(f'$.Contact.count({{"$id": "{ids[1]}", "organization": None}})') == 1
    other = door.do('$.Organization.create(name="New Gone", slug="gone").id')
    with pytest.raises(UniqueViolation):
        door.do(f'$.Organization.restore("{ids[0]}")')
    door.do(f'$.Organization.update("{other}", slug="other")')
    door.do(f'$.Organization.restore("{ids[0]}")')
    assert door("fetch", type="Contact", id=ids[1])["organization"] == ids[0]


def test_delete_is_refused_while_a_required_relation_points_here(door: Door) -> None:
    door.do('$.define(name="Vessel", keys={"name": "string!"})')
    door.do('$.define(name="Cabin", keys={"name": "string!", "vessel": "-> Vessel.cabins!"})')
    ids = door.do('v = $.Vessel.create(name="Argo")\n[v.id, $.Cabin.create(name="1", vessel=v.id).id]')
    with pytest.raises(ValidationFailed) as failure:
        door.do(f'$.Vessel.delete("{ids[0]}")')
    assert ids[1] in failure.value.message
    door.do(f'$.Cabin.delete("{ids[1]}")\n$.Vessel.delete("{ids[0]}")')


def test_rollback_writes_earlier_values_as_a_new_version(door: Door) -> None:
    id = door.do('$.Deal.create(name="Back", value=1).id')
    door.do(f'$.Deal.update("{id}", value=2, nextStep="call")\n$.Deal.win("{id}")')
    back = door.do(f'$.Deal.rollback("{id}", 1)')
    assert (back["value"], back["stage"], back.get("nextStep"), back["$version"]) == (1, "Prospecting", None, 4)
    assert [event["event"] for event in door("$", path=["Deal", "history"], args=[id])] == [
        "Deal.created",
        "Deal.updated",
        "Deal.won",
        "Deal.rolledBack",
    ]
    assert door.do(f'[who.actor for who in $.Deal.wonBy("{id}")]') == ["local"]


def test_an_update_that_changes_nothing_makes_no_event(door: Door) -> None:
    id = door.do('$.Deal.create(name="Same", value=1).id')
    before = door.head
    assert door.do(f'$.Deal.update("{id}", value=1)["$version"]') == 1
    assert door.head == before


def test_a_noun_of_the_tenant_changes_and_its_old_entities_stay_readable(door: Door) -> None:
    door.do('$.define(name="Boat", keys={"name": "string!", "len": "number", "state": "Docked | Afloat = Docked"})')
    id = door.do('$.Boat.create(name="Old", len=7).id')
    door.do(
        '$.define(name="Boat", renamed={"len": "length"}, keys={"name": "string", "length": "number", "flag": "string",'
        ' "state": "Docked | Afloat | Sunk = Docked"})'
    )
    assert door("fetch", type="Boat", id=id)["length"] == 7
    door.do(f'$.Boat.update("{id}", flag="NL", state="Sunk")')
    found = door("search", type="Boat", filter={"length": {"$gt": 6}, "flag": "NL"})
    assert [row["entity"]["state"] for row in found["results"]] == ["Sunk"]
    assert door.do(f'$.Boat.rollback("{id}", 1).length') == 7
    with pytest.raises(ValidationFailed):
        door.do('$.define(name="Boat", keys={"name": "string"})')
    assert "Boat" not in [noun["name"] for noun in door.other("rival")("nouns")]


def test_an_entity_takes_the_default_of_a_required_key_that_came_later_with_its_next_change(door: Door) -> None:
    keys = '"name": "string!", "state": "Docked | Afloat = Docked", "sail": "Sailed"'
    door.do(f'$.define(name="Boat", keys={{{keys}}})')
    made = 'ids = [$.Boat.create(name="Argo").id for _ in range(5)]\n$.Boat.update(ids[4], name="Ark")\n'
    changed, sailed, dead, back, still = door.do(made + "$.Boat.delete(ids[2])\nids[:3] + [ids[4], ids[3]]")
    door.do(f'$.define(name="Boat", keys={{{keys}, "deck": "string! = Main"}})')

    assert door.do(f'$.Boat.update("{changed}", name="Ark")')["deck"] == "Main"
    assert door("fetch", type="LogEvent", id="evt_10")["changed"] == {
        "deck": {"to": "Main"},
        "name": {"from": "Argo", "to": "Ark"},
    }
    assert door.do(f'$.Boat.sail("{sailed}")')["deck"] == "Main"
    assert door.do(f'$.Boat.restore("{dead}")')["deck"] == "Main"
    assert door.do(f'$.Boat.rollback("{back}", 1)')["deck"] == "Main"
    assert door.do(f'$.Boat.update("{changed}", deck="Boat")\n$.Boat.rollback("{changed}", 1)')["deck"] == "Main"
    head = door.head
    assert "deck" not in door.do(f'$.Boat.update("{still}", name="Argo")')
    assert door.head == head
    with pytest.raises(ValidationFailed, match="Boat needs deck"):
        door.do(f'$.Boat.update("{still}", deck=None)')


def test_an_upsert_rests_on_who_had_the_value_also_where_the_unit_made_others_of_that_noun(door: Door) -> None:
    def upserted(value: str) -> Unit:
        unit = door.tenant.unit(Caller(tenant="default"))
        dollar = Dollar(door.tenant, unit, door.engine.pool)
        dollar.act("create", "Contact", None, {"name": f"before {value}"})
        dollar.act("upsert", "Contact", None, {"by": "name", "data": {"name": value}})
        return unit

    first, second, third = upserted("Ada"), upserted("Ada"), upserted("Grace")
    door.tenant.commit(first)
    with pytest.raises(Conflict, match=r"who has this Contact\.name changed"):
        door.tenant.commit(second)
    door.tenant.commit(third)
    assert door.do('[c.name for c in $.Contact.find(sort="name")]') == ["Ada", "Grace", "before Ada", "before Grace"]


def test_times_do_not_fall_when_the_clock_is_put_back(door: Door) -> None:
    id = door.do('$.Contact.create(name="Early").id')
    made = door("fetch", type="Contact", id=id)["$createdAt"]
    door.clock.ahead = -timedelta(hours=1)
    for code in (
        f'$.Contact.update("{id}", name="Late")',
        '$.Contact.create(name="Next")',
        f'$.Contact.delete("{id}")',
    ):
        door.do(code)
        door.reopen()
    door.do(f'$.Contact.restore("{id}")')
    events = [door("fetch", type="LogEvent", id=f"evt_{seq}") for seq in range(1, door.head + 1)]
    assert [event["after"]["$createdAt"] for event in events if event["entity"] == id] == [made] * 4
    stamps = [values.parse_datetime(event["after"]["$updatedAt"]) for event in events]
    times = [values.parse_datetime(event["at"]) for event in events]
    assert stamps == sorted(stamps)
    assert times == sorted(times)
    assert all(stamp <= at for stamp, at in zip(stamps, times, strict=True))
    assert door("search", type="Contact", asOf=events[-1]["after"]["$updatedAt"])["total"] == 2


def test_a_unit_that_began_before_an_entity_was_made_does_not_change_it_earlier(door: Door) -> None:
    unit = door.tenant.unit(Caller(tenant="default"))
    id = door.do('$.Contact.create(name="Later").id')
    changed = Dollar(door.tenant, unit, door.engine.pool).act("update", "Contact", id, {"name": "Latest"})
    assert changed["$updatedAt"] == changed["$createdAt"]
    door.tenant.commit(unit)


def test_another_tenants_entity_is_not_found(door: Door) -> None:
    id = door.do('$.Contact.create(name="Mine").id')
    rival = door.other("rival")
    with pytest.raises(NotFound):
        rival("fetch", id=id)
    with pytest.raises(NotFound):
        rival.do(f'$.Contact.update("{id}", name="Theirs")')
    assert rival("search", query="Mine")["results"] == []


def test_keys_that_are_called_like_columns_of_the_log_disturb_nobody(door: Door) -> None:
    keys = ", ".join(
        f'"{key}": "string"' for key in ("number", "seq", "entity", "payload", "body", "until", "held", "log")
    )
    door.do(f'$.define(name="Odd", keys={{{keys}, "next": "-> Odd.back"}})')
    values = ", ".join(f'{key}="x"' for key in ("number", "seq", "entity", "payload", "body", "until", "held", "log"))
    ids = door.do(f"a = $.Odd.create({values})\nb = $.Odd.create({values}, next=a.id)\n[a.id, b.id]")
    door.do(f'$.Odd.update("{ids[0]}", number="y")')
    found = door(
        "search", type="Odd", filter={"next.number": "y", "seq": "x"}, sort="body,-held", include=["next.back"]
    )
    assert [row["id"] for row in found["results"]] == [ids[1]]
    assert door("search", type="Odd", filter={"next.number": "x"}, asOf=door.head - 1)["total"] == 1
    assert door.do('$.Odd.aggregate("number", {"entity": "count()"})') == [
        {"number": "x", "entity": 1},
        {"number": "y", "entity": 1},
    ]
    assert door("rebuild")["differences"] == []


def test_a_unique_key_that_is_renamed_keeps_its_values(door: Door) -> None:
    door.do('$.define(name="Boat", keys={"name": "string!", "code": "string##"})')
    id = door.do('$.Boat.create(name="Argo", code="A1").id')
    door.do('$.define(name="Boat", renamed={"code": "sign"}, keys={"name": "string!", "sign": "string##"})')
    with pytest.raises(UniqueViolation):
        door.do('$.Boat.create(name="Twin", sign="A1")')
    door.do(f'$.Boat.update("{id}", sign="A2")\n$.Boat.create(name="Heir", sign="A1")')
    assert door.do('$.Boat.upsert({"sign": "A2", "name": "Argo II"}, by="sign")["$id"]') == id


def test_what_a_failing_writer_did_not_commit_is_not_acknowledged(tmp_path: Path) -> None:
    """A batch of three is refused, tried one by one, and the second of them fails for a reason of its own."""
    fails: list[BaseException | None] = []

    def step(name: str) -> None:
        if name == "before commit" and fails and (error := fails.pop(0)) is not None:
            raise error

    engine = Engine(tmp_path, EngineOptions(step=step, workers=0))
    tenant = engine.tenant("default")

    def create(number: int) -> str:
        data = {"name": f"N{number}"}
        question = Question("do", "default", {"action": "create", "type": "Contact", "data": data})
        return decode(engine.answer(question))["result"]["$id"]

    create(0)
    fails.extend([duckdb.IOException("the disk says no"), None, RuntimeError("something else")])
    with ThreadPoolExecutor(3) as pool:
        with tenant.writer.pause():
            calls = [pool.submit(create, number) for number in (1, 2, 3)]
            until(lambda: tenant.writer.queued == 3)
        ends = [call.exception(timeout=20) for call in calls]
    acknowledged = [call.result() for call, error in zip(calls, ends, strict=True) if error is None]
    contact = tenant.vocabulary.noun("Contact")
    assert [type(error) for error in ends if error is not None] == [RuntimeError, RuntimeError]
    assert [tenant.graph.get(contact, id) is not None for id in acknowledged] == [True]
    create(4)
    assert differences(tenant.file, [contact]) == []
    assert tenant.writer.seq == 3
    engine.close()


def test_events_of_a_noun_that_does_not_exist_are_no_empty_list(door: Door) -> None:
    with pytest.raises(VerbenaError) as caught:
        door("events", type="Deals")
    assert (caught.value.code, caught.value.hint) == ("invalid_type", "did you mean 'Deal'?")


def test_what_a_unit_deleted_and_restored_may_be_pointed_at_in_the_same_unit(door: Door) -> None:
    door.do('$.define(name="Vessel", keys={"name": "string!"})')
    door.do('$.define(name="Cabin", keys={"vessel": "-> Vessel.cabins!"})')
    vessel = door.do('$.Vessel.create(name="Ada").id')
    code = f"""
$.Vessel.delete("{vessel}")
$.Vessel.restore("{vessel}")
$.Cabin.create(vessel="{vessel}").vessel
"""
    assert door.do(code) == vessel
