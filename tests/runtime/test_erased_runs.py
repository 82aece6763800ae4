"""Erased is gone from the ledger too: from what runs printed, were given and were told, and from their events."""

import shutil
from pathlib import Path

from runtime.errors import Unavailable
from tests.runtime.door import Door
from tests.runtime.handlers.told import settle
from tests.runtime.outside.service import Service
from tests.runtime.test_erasure import SECRET, holding, leaves
from tests.until import until


def test_what_runs_said_of_an_erased_entity_is_in_no_file(tmp_path: Path, shop: Service) -> None:
    door = Door(tmp_path / "data", hosts=shop.address)
    door.do(
        f"""
@$.Contact.created
def prints(contact, $):
    print("hello", contact.name)

@$.Contact.created
def fails(contact, $):
    raise ValueError(contact.name + " is not welcome")

@$.Contact.created
def sends(contact, $):
    $.http.post("{shop.address}/new", json=contact.name)
    raise ValueError("not yet")

@$.Contact.updating
def looks(contact, $):
    print("was", $.Contact.get(contact.id).name)
    if contact.get("title") == "no":
        raise ValueError(contact.name + " may not")

@$.Activity.created
def finds(activity, $):
    print([each.name for each in $.Contact.find()])
"""
    )
    id = door.do(f"c = $.Contact.create(name={SECRET!r})\nprint('made', c.name)\nc.id")
    door.do(f"$.Contact.update({id!r}, leadScore=3)")
    door.do(f"try:\n    $.Contact.update({id!r}, title='no')\nexcept Exception as error:\n    print(error)")
    door.do("print($.Contact.find())\n$.Activity.create(subject='x', type='Note')")
    other = door.do("$.Organization.create(name='Acme')\nprint('kept')")
    assert other is None
    assert settle(door.tenant) == []
    before = leaves(door)
    door.reopen()
    assert holding(door, SECRET)
    door.do(f"c = $.Contact.get({id!r})\nprint('bye', c.name)\n$.Contact.erase({id!r})")
    assert leaves(door)[: len(before)] == before
    door.engine.close()
    assert holding(door, SECRET) == []
    door.reopen()
    runs = door.do("$.runs.list(limit=100)")
    assert {each["output"] for each in runs if "output" in each} == {"kept\n"}
    failed = {each["name"]: (each["status"], each["error"]) for each in runs if each.get("status") == "Failed"}
    gone = {"code": "execution_error", "message": "what it said was erased"}
    assert failed == {"fails": ("Failed", gone), "sends": ("Failed", gone)}
    assert door("verify")["faults"] == []
    assert door("rebuild")["differences"] == []
    door.close()


def test_a_run_that_waits_for_what_was_erased_is_released_and_others_are_run(door: Door) -> None:
    handler, (gone, kept) = waiting(door, ["Ada", "Bob"])
    door.do(f"$.Contact.erase({gone!r})")
    door.do(f"$.handlers.enable({handler!r})")
    assert settle(door.tenant) == []
    runs = {each["entity"]: each for each in door.do("$.runs.list(kind='after')")}
    assert (runs[gone]["status"], runs[gone]["error"]["message"]) == ("Released", "what it is about was erased")
    assert (runs[kept]["status"], runs[kept]["output"]) == ("Succeeded", "hello Bob\n")


def test_what_a_handler_erases_is_gone_although_nobody_asks(door: Door) -> None:
    door.do("$.Contact.deleted(lambda contact, $: $.Contact.erase(contact.id))")
    id = door.do(f"$.Contact.create(name={SECRET!r}).id")
    door.reopen()
    assert holding(door, SECRET)
    door("$", path=["Contact", "delete"], args=[id])
    until(lambda: holding(door, SECRET), lambda files: files == [])
    until(lambda: is_served(door))  # the files are whole a moment before the tenant may be asked again


def is_served(door: Door) -> bool:
    try:
        return not door.tenant.closed
    except Unavailable:
        return False


def test_a_rebuild_carries_the_ledger_over(door: Door) -> None:
    handler, (id,) = waiting(door, ["Ada"])
    door("do", code="$.Organization.create(name='Acme').name", idempotencyKey="k")
    before = door.do("$.runs.list(limit=100)")
    door.tenant.file.execute(f"UPDATE {door.tenant.file.catalog}.contact SET name = 'Eve'")
    assert door("rebuild", replace=True)["replaced"] is True
    assert door.do("$.runs.list(limit=100)")[-len(before) :] == before
    assert door("do", code="$.Organization.create(name='Acme').name", idempotencyKey="k")["result"] == "Acme"
    assert door.do("$.Organization.count()") == 1
    door.do(f"$.handlers.enable({handler!r})")
    assert settle(door.tenant) == []
    (run,) = door.do("$.runs.list(kind='after')")
    assert (run["entity"], run["status"], run["output"]) == (id, "Succeeded", "hello Ada\n")


def test_runs_that_wait_are_run_out_of_a_backup(door: Door, tmp_path: Path) -> None:
    handler, (id,) = waiting(door, ["Ada"])
    door("backup", to=str(tmp_path / "copy.duckdb"))
    door.do(f"$.handlers.enable({handler!r})")
    assert settle(door.tenant) == []
    staged = f".default.restoring-{'0' * 16}"
    shutil.copy(tmp_path / "copy.duckdb", door.data / "tenants" / staged)
    door("restore", staged=staged, force=True)
    (run,) = door.do("$.runs.list(kind='after')")
    assert (run["entity"], run["status"]) == (id, "Waiting")
    door.do(f"$.handlers.enable({handler!r})")
    assert settle(door.tenant) == []
    assert [each["status"] for each in door.do("$.runs.list(kind='after')")] == ["Succeeded"]


def waiting(door: Door, names: list[str]) -> tuple[str, list[str]]:
    """A disabled handler, and the contacts that it was to greet: their runs wait."""
    door.do("@$.Contact.created\ndef greets(contact, $):\n    print('hello', contact.name)")
    handler = door.do("$.handlers.list()")[0]["$id"]
    # In one unit: it is set off, and disabled when the run comes to it.
    ids = door.do(f"ids = [$.Contact.create(name=name).id for name in {names!r}]\n$.handlers.disable({handler!r})\nids")
    assert settle(door.tenant) == []
    assert [each["status"] for each in door.do("$.runs.list(kind='after')")] == ["Waiting"] * len(names)
    return handler, ids
