"""A stranger breaks the demo tenant, by the door and behind it, and puts it back: nothing is lost without a word."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, Protocol

import duckdb
import pytest

from runtime import connect
from server.demo import fill


class Shell(Protocol):
    """What these stories need of the fixture `verbena`."""

    data: Path

    def __call__(self, *words: str, given: str = "") -> CompletedProcess[str]: ...


class Demo:
    """The demo tenant at the shell."""

    def __init__(self, shell: Shell, stop: Callable[[], None]) -> None:
        self._shell = shell
        self._stop = stop
        self.file = shell.data / "tenants" / "demo.duckdb"

    def ask(self, *words: str) -> CompletedProcess[str]:
        """What a command says, whether it is refused or not."""
        return self._shell(*words, "--tenant", "demo")

    def __call__(self, *words: str) -> str:
        """What a command says that must not be refused."""
        done = self.ask(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def values(self) -> dict[str, Any]:
        """Every deal, contact and ticket, without what a way back counts on."""
        with connect(self._shell.data, "demo") as client:
            return client.do(
                """
return {
    each.id: {key: value for key, value in each.items() if key not in ("$version", "$updatedAt")}
    for noun in ($.Deal, $.Contact, $.Ticket) for each in noun.find(limit=100)
}
"""
            ).result

    def behind_its_back(self, *statements: str) -> None:
        """What somebody does to the file with plain DuckDB, once the engine has let go of it."""
        self._stop()
        with duckdb.connect(str(self.file)) as file:
            for statement in statements:
                file.execute(statement)


@pytest.fixture
def demo(verbena: Shell, stop: Callable[[], None]) -> Demo:
    with connect(verbena.data, "demo") as client:
        assert fill(client)
    return Demo(verbena, stop)


def test_a_do_that_spoilt_everything_is_undone_as_a_whole(demo: Demo) -> None:
    before = demo.values()
    spoilt = json.loads(
        demo(
            "do",
            "--json",
            """
for deal in $.Deal.find(limit=100):
    $.Deal.update(deal.id, value=1, nextStep="gone")
for ticket in $.Ticket.find(limit=100):
    $.Ticket.delete(ticket.id)
$.Contact.create(name="Nobody")
""",
        )
    )
    first = int(spoilt["events"][0]["id"].removeprefix("evt_"))
    seen = json.loads(demo("do", "--json", f"$.diff({first - 1})"))["result"]
    assert (len(seen["changed"]), len(seen["deleted"]), len(seen["created"])) == (12, 5, 1)
    assert demo.values() != before
    demo("do", "--action", "undo", "--id", spoilt["run"])
    assert demo.values() == before


def test_rows_that_were_edited_in_the_file_are_found_and_made_again(demo: Demo) -> None:
    before = demo.values()
    demo.behind_its_back(
        """UPDATE deal SET value = 1, "$body" = replace("$body", '"value":96000', '"value":1') WHERE value = 96000""",
        "DELETE FROM contact WHERE name = 'Grace Holloway'",
    )
    assert demo.values() != before
    found = demo.ask("rebuild")
    assert found.returncode == 1
    assert [line.partition(":")[0] for line in found.stdout.splitlines()[:2]] == ["Contact", "Deal"]
    assert demo.ask("log", "verify").returncode == 1
    demo("rebuild", "--replace")
    assert demo.values() == before
    assert demo("log", "verify").endswith(" events, all as they were logged\n")


def test_an_edited_event_is_told_by_its_place_and_a_backup_puts_it_back(demo: Demo, tmp_path: Path) -> None:
    before, backup = demo.values(), tmp_path / "demo.duckdb"
    made = demo("backup", "-o", str(backup))
    demo.behind_its_back(
        "UPDATE events SET payload = replace(payload, 'Grace Holloway', 'Somebody Else') WHERE seq = 18"
    )
    told = demo.ask("log", "verify")
    assert (told.returncode, told.stdout.startswith("at 18: ")) == (1, True)

    refused = demo.ask("restore", str(backup))
    assert refused.returncode == 1 and "--force" in refused.stderr
    demo("restore", str(backup), "--force")
    assert demo.values() == before
    events = made.removeprefix(f"{backup}: ").removesuffix(", checked\n")
    assert demo("log", "verify") == f"{events}, all as they were logged\n"


def test_a_ruined_file_is_refused_and_a_backup_puts_it_back(demo: Demo) -> None:
    before = demo.values()
    backup = json.loads(demo("backup", "--json"))["file"]
    demo("do", '$.Contact.create(name="After the backup")')
    demo.behind_its_back()
    demo.file.write_bytes(b"nobody's database " * 1_000)
    refused = demo.ask("search", "--type", "Contact")
    assert (refused.returncode, refused.stderr.partition(":")[0]) == (1, "unavailable")
    assert "backup" in refused.stderr and demo.file.read_bytes().startswith(b"nobody's database")

    demo("restore", backup, "--force")
    assert demo.values() == before  # what came after the backup is gone, and nothing else
    (aside,) = demo.file.parent.glob("demo.duckdb.before-restore-*")
    assert aside.read_bytes().startswith(b"nobody's database")
    demo("do", '$.Contact.create(name="And on it goes")')
    assert demo("log", "verify").endswith(" events, all as they were logged\n")
