"""A person asks to be forgotten: gone from every file but the backups that are named, and the log can still be proven."""

import json
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Protocol

import pytest

from runtime import Client, connect
from runtime.errors import NotFound, VerbenaError

NAME = "Zebulon Quackenbush"
MAIL = "zebulon@quackenbush.example"


class Shell(Protocol):
    """What these stories need of the fixture `verbena`."""

    data: Path

    def __call__(self, *words: str, given: str = "") -> CompletedProcess[str]: ...


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody who stands in every place where an entity can, and in a deal of somebody else; events 1 to 3."""

    id: str
    deal: str
    proof: Path
    key: Path
    checkpoint: Path
    backup: Path


@pytest.fixture
def business(verbena: Shell) -> Generator[Client]:
    """The same tenant as a script sees it."""
    with connect(verbena.data) as client:
        yield client


@pytest.fixture
def person(verbena: Shell, business: Client, tmp_path: Path) -> Person:
    made = business.do(
        f"""
person = $.Contact.create(name="{NAME}", email="{MAIL}")
deal = $.Deal.create(name="Kept", value=1, contact=person.id)
return [person.id, deal.id]
""",
        idempotencyKey="once",
    ).result
    business.Contact.update(made[0], title=f"{NAME} the Great")
    business.do(f'$.Contact.update("{made[0]}", phone="{NAME}")', dryRun=True)
    assert len(business.search("zebulon").results) == len(business.Contact.find(asOf=2)) == 1
    files = {name: tmp_path / name for name in ("proof", "key", "checkpoint", "backup")}
    files["proof"].write_text(json.dumps(business.ask("prove", {"id": made[0]})))
    files["key"].write_text(business.ask("key", {})["key"] + "\n")
    files["checkpoint"].write_text(business.ask("checkpoint", {})["checkpoint"])
    _run(verbena, "backup", "-o", str(files["backup"]))
    return Person(id=made[0], deal=made[1], **files)


def test_what_was_erased_is_in_no_file_but_the_backup_that_is_named(
    verbena: Shell, person: Person, stop: Callable[[], None]
) -> None:
    stop()
    assert _holding(verbena.data)  # so that what follows says something
    erased = _run(verbena, "erase", person.id, "--yes")
    assert erased.splitlines() == [f"erased {person.id}", f"a backup still holds it: {person.backup}"]
    assert _holding(verbena.data) == []
    stop()
    assert _holding(verbena.data) == []
    assert NAME.encode() in person.backup.read_bytes()


def test_what_was_erased_is_found_nowhere_and_what_it_stood_in_goes_on(business: Client, person: Person) -> None:
    assert business.Contact.erase(person.id).heldBy == [str(person.backup)]
    for moment in ({}, {"asOf": 2}):
        with pytest.raises(NotFound) as refused:
            business.fetch(person.id, **moment)
        assert NAME not in str(refused.value.as_dict())
    assert business.search("zebulon").results == business.Contact.find(asOf=2) == []
    deal = business.Deal.get(person.deal)
    assert (deal.name, deal.contact) == ("Kept", None)
    assert business.Contact.create(name="Heir", email=MAIL).email == MAIL
    # The answer that held it is forgotten with it, so its key is free.
    assert business.do("1 + 1", idempotencyKey="once").result == 2


def test_the_log_tells_that_something_was_erased_and_not_what(business: Client, person: Person) -> None:
    business.Contact.erase(person.id)
    told = business.events.list(entity=person.id, after=0)
    assert [(event.event, event.erased, event.input) for event in told] == [
        ("Contact.created", True, None),
        ("Contact.updated", True, None),
        ("Contact.erased", None, {"heldBy": [str(person.backup)]}),
    ]
    assert NAME not in json.dumps(told) and NAME not in json.dumps(business.Contact.history(person.id))


def test_every_proof_still_holds_and_the_log_is_whole(verbena: Shell, business: Client, person: Person) -> None:
    business.Contact.erase(person.id)
    whole = _run(verbena, "log", "verify", "--since", str(person.checkpoint))
    assert whole == "4 events, all as they were logged, and they extend the checkpoint\n"
    assert _run(verbena, "rebuild") == "4 events: every table is what the log gives\n"

    bound = ("--key", str(person.key), "--since", str(person.checkpoint))
    old = _run(verbena, "verify", str(person.proof), *bound)
    assert "proven: event 3 of 3" in old and "signed by the key that you trust" in old
    new = person.proof.with_name("new")
    _run(verbena, "log", "prove", "evt_1", "--since", str(person.checkpoint), "-o", str(new))
    shown = _run(verbena, "verify", str(new), *bound)
    assert "proven: event 1 of " in shown and "what it said was erased" in shown and NAME not in shown


def test_a_backup_that_holds_it_can_become_another_tenant(verbena: Shell, business: Client, person: Person) -> None:
    business.Contact.erase(person.id)
    _run(verbena, "restore", str(person.backup), "--tenant", "before")
    with connect(verbena.data, "before") as before:
        assert before.Contact.get(person.id).name == NAME
    assert business.Contact.count() == 0


def test_what_was_deleted_before_can_be_erased_too(verbena: Shell, business: Client, person: Person) -> None:
    business.Contact.delete(person.id)
    business.Contact.erase(person.id)
    assert _holding(verbena.data) == []


def _erased_before(business: Client, person: Person) -> Callable[[], object]:
    business.Contact.erase(person.id)
    return lambda: business.Contact.erase(person.id)


def _brought_back(business: Client, person: Person) -> Callable[[], object]:
    business.Contact.erase(person.id)
    return lambda: business.Contact.restore(person.id)


def _required_by_another(business: Client, person: Person) -> Callable[[], object]:
    business.define({"name": "Voyage", "keys": {"name": "string!", "captain": "-> Contact!"}})
    business.Voyage.create(name="North", captain=person.id)
    return lambda: business.Contact.erase(person.id)


def _together_with_what_fails(business: Client, person: Person) -> Callable[[], object]:
    return lambda: business.do(f'$.Contact.erase("{person.id}")\n$.Contact.create(name=1)')


@pytest.mark.parametrize("prepare", [_erased_before, _brought_back, _required_by_another, _together_with_what_fails])
def test_what_cannot_be_erased_is_refused_and_nothing_is_written(
    business: Client, person: Person, prepare: Callable[[Client, Person], Callable[[], object]]
) -> None:
    refused = prepare(business, person)
    before = business.events.list()
    with pytest.raises(VerbenaError):
        refused()
    assert business.events.list() == before


def test_without_a_yes_nothing_is_erased(verbena: Shell, business: Client, person: Person) -> None:
    asked = verbena("erase", person.id, given="n\n")
    assert asked.returncode != 0 and "--yes, to erase it without being asked" in asked.stderr
    assert business.Contact.get(person.id).name == NAME


def _holding(folder: Path) -> list[str]:
    """The files in which the person's name or address stands."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if any(text.encode() in path.read_bytes() for text in (NAME, MAIL))]


def _run(verbena: Shell, *words: str) -> str:
    done = verbena(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
