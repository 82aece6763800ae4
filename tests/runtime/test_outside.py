"""`$.http` through the engine: a unit and what it asked outside, in the log whatever becomes of the unit."""

import os
from pathlib import Path
from typing import Any

import pytest

from runtime.calls import http
from runtime.errors import Conflict, InvalidArguments, InvalidType, PermissionDenied, VerbenaError
from runtime.ledger import DEPTH_MAX
from runtime.outside.effect_event import effect_id
from runtime.outside.journal import SUFFIX
from runtime.sql import Sql
from runtime.unit import Caller
from tests.runtime.door import Door
from tests.runtime.handlers.told import settle
from tests.runtime.outside.service import Heard, Service, says, service
from tests.until import until


def effects(door: Door, run: str) -> list[tuple[str, Any]]:
    """The events of a run's writes, and the status of each."""
    rows = door("do", code=f"$.events.list(run={run!r}, type='Effect', after=0)")["result"]
    return [(row["event"], row["after"].get("status")) for row in rows]


def refused(door: Door, code: str, **given: Any) -> VerbenaError:
    with pytest.raises(VerbenaError) as error:
        door("do", code=code, **given)
    return error.value


def journal(door: Door) -> bytes:
    return (door.data / "tenants" / f"{door.name}{SUFFIX}").read_bytes()


def test_where_no_host_is_allowed_there_is_no_such_member(door: Door) -> None:
    error = refused(door, "$.http.get('https://example.com')")
    assert (error.code, "allows no host" in error.message) == ("invalid_type", True)
    assert "http" not in (refused(door, "$.httpp.get('x')").hint or "").split("'")


def test_a_unit_and_what_it_wrote_outside_are_one_commit(open_door: Door, shop: Service) -> None:
    done = open_door(
        "do",
        code=f"""
            answer = $.http.post("{shop.address}/orders/7?token=secret", json={{"sku": "a"}}, headers={{"X-Token": "secret"}})
            $.Contact.create(name="Ada")
            return [answer.status, answer.json.key]
        """.replace("            ", ""),
    )
    assert done["result"] == [201, f"{done['run']}-1"]
    assert [each["event"] for each in done["events"]] == ["Contact.created", "Effect.intended", "Effect.answered"]
    row = open_door.do("$.events.list(event='Effect.answered')")[0]
    body = {key: value for key, value in row["after"].items() if not key.startswith("$") and not key.endswith("At")}
    assert len(body.pop("hash")) == 64
    assert (row["entity"], body) == (
        effect_id(done["run"], 1),
        {
            "run": done["run"],
            "position": 1,
            "state": "Answered",
            "method": "POST",
            "host": shop.address.removeprefix("http://"),
            "path": "/orders/7",
            "status": 201,
            "bytes": 11,
            "answerBytes": len(f'{{"key": "{done["run"]}-1"}}'),
        },
    )
    assert b"secret" not in journal(open_door)


def test_what_a_dropped_unit_wrote_outside_is_in_the_log(open_door: Door, shop: Service) -> None:
    error = refused(open_door, f"$.Contact.create(name='Ada')\n$.http.post('{shop.address}')\nraise ValueError('no')")
    assert error.message == "no"
    run = open_door.do("$.events.list()[0].run")
    assert effects(open_door, run) == [("Effect.intended", None), ("Effect.answered", 201)]
    assert open_door.do("$.Contact.count()") == 0


def test_what_nobody_knows_stays_an_intent_and_what_never_left_has_failed(tmp_path: Path) -> None:
    with says(b"") as mute:
        door = Door(tmp_path / "data", hosts=f"{mute} http://127.0.0.1:1")
        refused(door, f"$.http.post('{mute}', json=1)")
        refused(door, "$.http.post('http://127.0.0.1:1', json=1)")
        states = [row["after"]["state"] for row in door.do("$.events.list(type='Effect', after=0)")]
    assert states == ["Intended", "Intended", "Failed"]
    door.close()


def test_code_that_catches_a_failure_goes_on(tmp_path: Path) -> None:
    door = Door(tmp_path / "data", hosts="http://127.0.0.1:1")
    code = "try:\n    $.http.get('http://127.0.0.1:1')\nexcept Exception as error:\n    return error.code"
    assert door.do(code) == "unavailable"
    door.close()


@pytest.mark.parametrize(("method", "calls"), [("post", 1), ("get", 2)])
def test_a_unit_that_wrote_outside_is_not_run_again_after_a_conflict(tmp_path: Path, method: str, calls: int) -> None:
    opened: list[Door] = []
    changed: list[str] = []

    def change(heard: Heard) -> tuple[int, dict[str, str], bytes]:
        """Somebody else changes what the first try rests on."""
        for id in [made] if not changed else []:
            changed.append(id)
            opened[0]("do", action="update", type="Contact", id=id, data={"leadScore": 7})
        return 200, {}, b""

    with service(change) as shop:
        door = Door(tmp_path / "data", hosts=shop.address)
        opened.append(door)
        made = door.do("$.Contact.create(name='Ada').$id")
        code = f"c = $.Contact.get('{made}')\n$.http.{method}('{shop.address}')\nc.update(name='Eve')"
        if method == "post":
            with pytest.raises(Conflict, match="wrote outside") as conflict:
                door("do", code=code)
            assert effects(door, conflict.value.details["run"]) == [("Effect.intended", None), ("Effect.answered", 200)]
        else:
            door("do", code=code)
        assert len(shop.heard) == calls
        door.close()


def test_a_handler_that_runs_before_reads_and_does_not_write(open_door: Door, shop: Service) -> None:
    open_door.do(
        f"""
@$.Contact.creating
def look_up(entity, $):
    return {{"leadScore": $.http.get("{shop.address}/score").status}}

@$.Deal.creating
def announce(entity, $):
    $.http.post("{shop.address}/deals")
"""
    )
    assert open_door("do", action="create", type="Contact", data={"name": "Ada"})["result"]["leadScore"] == 201
    error = refused(open_door, "$.Deal.create(name='Big')")
    assert (error.code, "not write" in error.message) == ("rejected", True)
    assert [(each.method, each.path) for each in shop.heard] == [("GET", "/score")]


def test_a_dry_run_lists_its_writes_and_its_plan_cannot_be_committed(open_door: Door, shop: Service) -> None:
    code = f"$.http.get('{shop.address}')\n$.http.post('{shop.address}/orders', json=1)\n$.Contact.create(name='Ada')"
    plan = open_door("do", code=code, dryRun=True)["plan"]
    host = shop.address.removeprefix("http://")
    assert plan["outside"] == [{"method": "POST", "host": host, "path": "/orders", "bytes": 1}]
    with pytest.raises(InvalidArguments, match="can only be shown"):
        open_door("do", expect=plan["hash"])
    assert ([each.method for each in shop.heard], open_door.do("$.Contact.count()")) == (["GET"], 0)


def test_a_plan_that_only_reads_outside_is_committed_like_every_other(open_door: Door, shop: Service) -> None:
    code = f"$.Contact.create(name='Ada', leadScore=$.http.get('{shop.address}').status)"
    plan = open_door("do", code=code, dryRun=True)["plan"]
    assert open_door("do", expect=plan["hash"])["result"]["leadScore"] == 201
    assert ("outside" in plan, len(shop.heard)) == (False, 1)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("get()", "invalid_arguments"),
        ("get('{url}', {{}})", "invalid_arguments"),
        ("get('{url}', json=1)", "invalid_arguments"),
        ("get('{url}', param=1)", "invalid_arguments"),
        ("get('{url}', headers=[1])", "invalid_arguments"),
        ("get('{url}', headers={{'Host': 'x'}})", "invalid_arguments"),
        ("post('{url}', idempotent='a b')", "invalid_arguments"),
        ("post('{url}', idempotent=3)", "invalid_arguments"),
        ("fetch('{url}')", "invalid_type"),
        ("get('https://elsewhere.example')", "permission_denied"),
        ("get(7)", "invalid_arguments"),
    ],
)
def test_a_mistaken_call_is_told_and_nothing_leaves(open_door: Door, shop: Service, call: str, code: str) -> None:
    error = refused(open_door, "$.http." + call.format(url=shop.address))
    assert (error.code, shop.heard) == (code, [])


def test_a_single_call_of_a_script_has_no_run_to_record_it_with(open_door: Door, shop: Service) -> None:
    with pytest.raises(InvalidType, match="for code"):
        open_door("$", path=["http", "post"], args=[shop.address], kwargs={})


def test_a_key_that_may_only_read_reads(open_door: Door, shop: Service) -> None:
    tenant = open_door.tenant
    unit = tenant.unit(Caller(tenant=tenant.name, level=0), run="run_a")
    tenant.outside.prepare(unit)
    assert http.call(unit.effects, "get", [shop.address], {})["status"] == 201
    with pytest.raises(PermissionDenied):
        http.call(unit.effects, "post", [shop.address], {})


def test_another_tenant_has_a_journal_of_its_own(open_door: Door, shop: Service) -> None:
    open_door.do(f"$.http.post('{shop.address}').status")
    rival = open_door.other("rival")
    rival.do("$.Contact.create(name='Ada')")
    assert rival.do("$.events.list(type='Effect')") == []
    assert os.listdir(open_door.data / "tenants").count(f"rival{SUFFIX}") == 0


def test_undo_takes_back_what_a_run_changed_here_and_not_what_it_sent(open_door: Door, shop: Service) -> None:
    done = open_door("do", code=f"$.Contact.create(name='Ada')\n$.http.post('{shop.address}').status")
    open_door.do(f"$.undo({done['run']!r})")
    assert (open_door.do("$.Contact.count()"), len(shop.heard)) == (0, 1)
    assert effects(open_door, done["run"]) == [("Effect.intended", None), ("Effect.answered", 201)]


def test_effects_are_heard_by_name_only(open_door: Door, shop: Service) -> None:
    open_door.do("def everything(entity, $):\n    $.Contact.create(name='heard')\n$.on('*', everything)")
    open_door.do("def named(entity, $):\n    $.log(entity.state, entity.status)\n$.on('Effect.answered', named)")
    open_door("do", code=f"$.http.post('{shop.address}').status")
    runs = until(lambda: open_door.do("$.runs.list(kind='after', status='Succeeded')"))
    assert [each["name"] for each in runs] == ["named"]


def test_a_handler_that_hears_of_its_own_calls_comes_to_an_end(open_door: Door, shop: Service) -> None:
    open_door.do(f"def again(entity, $):\n    $.http.post('{shop.address}')\n$.on('Effect.answered', again)")
    open_door.do(f"$.http.post('{shop.address}').status")
    (last,) = until(lambda: open_door.do("$.runs.list(status='Dead')"))
    assert "set each other off" in last["error"]["message"]
    assert len(shop.heard) == DEPTH_MAX + 1


def test_what_units_without_a_change_wrote_outside_is_told_the_log_in_one_commit(
    open_door: Door, shop: Service
) -> None:
    head = open_door.head
    code = f"$.http.post('{shop.address}')\n$.http.post('{shop.address}')"
    runs = [open_door("do", code=code)["run"] for _ in range(3)]
    assert open_door.head == head
    rows = open_door.do(f"$.events.list(type='Effect', after={head})")
    assert [(row["run"], row["actor"], row["event"]) for row in rows] == [
        (run, "local", event) for run in runs for event in ("Effect.intended", "Effect.answered") * 2
    ]
    assert len({row["at"] for row in rows}) == 1


def test_a_unit_that_changes_something_is_one_commit_with_what_it_wrote_outside(open_door: Door, shop: Service) -> None:
    done = open_door("do", code=f"$.http.post('{shop.address}')\n$.Contact.create(name='Ada')")
    rows = open_door.tenant.file.events(Sql("run = ?", (done["run"],)), limit=9)
    assert [row.event for row in rows] == ["Contact.created", "Effect.intended", "Effect.answered"]


def test_what_the_log_did_not_hear_before_the_end_it_hears_when_the_tenant_is_opened(
    open_door: Door, shop: Service
) -> None:
    tenant = open_door.tenant
    unit = tenant.unit(Caller(tenant=tenant.name), run="run_cut11off")
    tenant.outside.prepare(unit)
    http.call(unit.effects, "post", [shop.address], {})  # and then the process ends
    open_door.reopen()
    assert effects(open_door, "run_cut11off") == [("Effect.intended", None), ("Effect.answered", 201)]
    again = open_door.tenant.outside.journal
    assert (again.unfolded(), again.open_runs()) == ([], {})
    head = open_door.head
    open_door.reopen()
    assert open_door.head == head


def test_an_erasure_reaches_what_runs_were_answered(open_door: Door, shop: Service) -> None:
    made = open_door(
        "do", code=f"c = $.Contact.create(name='Ada')\n$.http.post('{shop.address}/' + c.$id, json=c)\nreturn c.$id"
    )
    assert made["result"].encode() not in journal(open_door)  # the path is told without it
    assert b'"key"' in journal(open_door)
    open_door("do", action="erase", type="Contact", id=made["result"])
    assert b'"key"' not in journal(open_door)


def test_an_erasure_reaches_what_runs_were_answered_that_may_be_tried_again(tmp_path: Path) -> None:
    with service(lambda heard: (200, {"Content-Type": "application/json"}, heard.body)) as echo:
        door = Door(tmp_path / "echo", hosts=echo.address)
        send = "def {}(entity, $):\n    $.http.post('{}', json={})\n    raise ValueError('not yet')\n$.on('{}', {})"
        door.do(send.format("of_it", echo.address, "['of it', entity.email]", "Contact.updated", "of_it"))
        about = "['about it', $.Contact.findOne(name='Ada').email]"
        door.do(send.format("about_it", echo.address, about, "Activity.created", "about_it"))
        door.do(send.format("other", echo.address, "['other']", "Activity.created", "other"))
        ada = door.do("$.Contact.create(name='Ada', email='ada@example.com').id")
        door.do(f"$.Contact.update({ada!r}, title='Countess')\n$.Activity.create(subject='x', type='Note')")
        settle(door.tenant)
        assert [text in journal(door) for text in (b"of it", b"about it", b'"other"')] == [True] * 3
        door("do", action="erase", type="Contact", id=ada)
        assert [text in journal(door) for text in (b"of it", b"about it", b'"other"')] == [False, False, True]
        assert b"ada@example.com" not in journal(door)
        door.close()


def test_a_tenant_is_rebuilt_with_its_effects(open_door: Door, shop: Service) -> None:
    open_door.do(f"$.http.post('{shop.address}').status")
    assert open_door("rebuild")["differences"] == []


def test_a_deleted_tenant_leaves_no_journal(open_door: Door, shop: Service) -> None:
    other = open_door.other("acme")
    other.do(f"$.http.post('{shop.address}').status")
    other("delete-tenant")
    assert [name for name in os.listdir(other.data / "tenants") if name.startswith("acme")] == []


def test_a_restored_tenant_begins_a_journal_of_its_own(open_door: Door, shop: Service) -> None:
    acme = open_door.other("acme")
    acme.do(f"$.http.post('{shop.address}/before').status")
    tenants = acme.data / "tenants"
    staged = tenants / ".acme.restoring-0123456789abcdef"
    acme("backup", to=str(staged))
    acme("restore", staged=staged.name, force=True)
    (aside,) = tenants.glob(f"acme{SUFFIX}*")
    assert aside.name.startswith(f"acme{SUFFIX}.before-restore-")
    acme.do(f"$.http.post('{shop.address}/after').status")
    rows = acme.do("$.events.list(event='Effect.answered', after=0)")
    assert [row["after"]["path"] for row in rows] == ["/before", "/after"]
    acme("delete-tenant")
    assert list(tenants.glob("acme*")) == []
