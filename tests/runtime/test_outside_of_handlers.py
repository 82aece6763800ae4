"""What a handler that runs after asked outside, when it is tried again: once is enough, and what nobody knows is told."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.runtime.door import Door
from tests.runtime.outside.service import Service, says, service
from tests.runtime.outside.test_journal import intent
from tests.until import until


def run_of(door: Door, status: str) -> dict[str, Any]:
    """The one run of a handler, as soon as it stands so."""

    def runs() -> list[dict[str, Any]]:
        return door.do("$.runs.list(kind='after')")

    (run,) = until(runs, lambda found: [each["status"] for each in found] == [status])
    return run


def test_a_handler_writes_outside_and_its_run_names_it(open_door: Door, shop: Service) -> None:
    open_door.do(f"@$.Contact.created\ndef tell(entity, $):\n    $.http.post('{shop.address}/new', json=entity.name)")
    open_door.do("$.Contact.create(name='Ada')")
    run = run_of(open_door, "Succeeded")["$id"]
    rows = open_door.do(f"$.events.list(type='Effect', run={run!r}, after=0)")
    assert [(row["event"], row["cause"]) for row in rows] == [
        ("Effect.intended", "evt_2"),
        ("Effect.answered", "evt_2"),
    ]
    assert [each.headers["idempotency-key"] for each in shop.heard] == [f"{run}-1"]
    assert open_door.tenant.outside.journal.open_runs() == {}


def test_what_is_kept_for_a_run_that_has_succeeded_goes_though_the_engine_ended_in_between(
    open_door: Door, shop: Service
) -> None:
    open_door.do(f"@$.Contact.created\ndef tell(entity, $):\n    $.http.post('{shop.address}/new')")
    open_door.do("$.Contact.create(name='Ada')")
    run = run_of(open_door, "Succeeded")["$id"]
    journal = open_door.tenant.outside.journal
    journal.intend(intent(run))  # as it stands between the commit of a run and the note that it has ended
    journal.intend(intent("run_ofNobody1"))
    journal.end(run)
    open_door.reopen()
    assert open_door.tenant.outside.journal.open_runs() == {}


def test_a_run_that_is_tried_again_does_not_write_twice(open_door: Door, shop: Service) -> None:
    open_door.do(
        f"""
@$.Contact.created
def tell(entity, $):
    answer = $.http.post("{shop.address}/new", json=entity.name)
    stock = $.http.get("{shop.address}/stock")
    $.Organization.findOne(name="ready").name
    $.Contact.update(entity.$id, name=answer.json.key)
"""
    )
    id = open_door.do("$.Contact.create(name='Ada').$id")
    run = run_of(open_door, "Failed")["$id"]
    open_door.do("$.Organization.create(name='ready')")
    open_door.do(f"$.runs.retry({run!r})")
    run_of(open_door, "Succeeded")
    assert open_door.do(f"$.Contact.get({id!r}).name") == f"{run}-1"
    assert [each.method for each in shop.heard] == ["POST", "GET"]


def test_a_service_that_is_back_is_asked_again_by_itself(tmp_path: Path) -> None:
    with says(b"") as address:
        door = Door(tmp_path / "data", hosts=f"{address}=Idempotency-Key")
        door.do(f"@$.Contact.created\ndef tell(entity, $):\n    $.http.post('{address}')")
        door.do("$.Contact.create(name='Ada')")
        run = run_of(door, "Retrying")
        assert run["error"]["code"] == "unavailable"
    with service(port=int(address.rpartition(":")[2])) as back:
        door.clock.ahead += timedelta(hours=1)
        run_of(door, "Succeeded")
        assert [each.headers["idempotency-key"] for each in back.heard] == [f"{run['$id']}-1"]
    rows = door.do("$.events.list(type='Effect', after=0)")
    assert [row["event"] for row in rows] == ["Effect.intended", "Effect.answered"]
    door.close()


def test_a_call_whose_outcome_nobody_knows_leaves_its_run_stuck_until_it_is_released(tmp_path: Path) -> None:
    with says(b"") as mute:
        door = Door(tmp_path / "data", hosts=mute)
        door.do(f"@$.Contact.created\ndef tell(entity, $):\n    $.http.post('{mute}')")
        door.do("$.Contact.create(name='Ada')")
        run_of(door, "Retrying")
        door.clock.ahead += timedelta(hours=1)
        stuck = run_of(door, "Stuck")
        assert "nobody knows" in stuck["error"]["message"]
        door.do("$.Contact.create(name='Eve')")
        door.do(f"$.runs.release({stuck['$id']!r})")
        assert stuck["$id"] not in door.tenant.outside.journal.open_runs()
        door.close()


def test_code_that_swallows_what_nobody_knows_is_stuck_all_the_same(tmp_path: Path) -> None:
    with says(b"") as mute:
        door = Door(tmp_path / "data", hosts=mute)
        door.do(
            f"""
@$.Contact.created
def tell(entity, $):
    try:
        $.http.post("{mute}")
    except Exception:
        pass
    $.Organization.findOne(name="ready").name
"""
        )
        door.do("$.Contact.create(name='Ada')")
        run = run_of(door, "Failed")["$id"]
        door.do("$.Organization.create(name='ready')")
        door.do(f"$.runs.retry({run!r})")
        assert run_of(door, "Stuck")["$id"] == run
        door.close()
