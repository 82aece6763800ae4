"""`verbena import`, `export`, `backup`, `restore` and `tenant`, with real files and a real engine."""

import csv
import json
import threading
from pathlib import Path
from typing import Any

import duckdb
import pytest

from runtime.client import Connection
from runtime.errors import VerbenaError
from runtime.transfer.exporting import Export, export_file

WIDGET = """$.define(name="Widget", keys={"name": "string!", "size": "decimal(10,3)", "tags": "string[]",
    "data": "json", "day": "date", "at": "datetime", "number": "int", "share": "float", "used": "boolean",
    "kind": "Small | Large"})"""
WIDGETS = """
$.Widget.create(name="=1+1", size="12.5", tags=["a", "b;c", ""], data={"x": [1, None, "ü"]}, kind="Large")
$.Widget.create(name='"quoted", and\\ntwo lines', at="2026-01-02T03:04:05.5Z", number=-7, share=0.1, used=False)
$.Widget.create(name="Day", day="2026-02-03", tags=[])
$.Widget.create(name=" 007 ", data="text", size="-0.001", used=True)
"""


def answer(done: Any, code: int = 0) -> Any:
    """What a command with --json said."""
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def refusal(done: Any) -> dict[str, Any]:
    assert done.returncode in (1, 2)
    return json.loads(done.stderr)["error"]


def entities(verbena: Any, tenant: str, noun: str) -> list[dict[str, Any]]:
    """The values of a noun, in the order of creation, without what every tenant sets itself."""
    done = verbena("export", "--tenant", tenant, "--type", noun)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return [{key: value for key, value in row.items() if not key.startswith("$")} for row in rows]


def test_bad_rows_go_to_a_file_that_can_be_mended_and_imported(verbena: Any, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("Name;E-mail;Lead Score\nAda;a@x.com;5\nBea;nope;6\n;c@x.com;7\nDan;a@x.com;8\n")
    done = verbena("import", str(file), "--type", "Contact", "--json")
    told = answer(done, 1)
    counts = {"rows": 4, "created": 1, "updated": 0, "unchanged": 0, "bad": 3, "resumedAt": 0}
    assert told == {"imported": {"Contact": counts}, "errors": str(file) + ".errors.csv"}
    bad = Path(told["errors"])
    with bad.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [(row["#line"], row["#code"]) for row in rows] == [
        ("3", "validation_failed"), ("4", "validation_failed"), ("5", "unique_violation"),
    ]  # fmt: skip
    mended = bad.read_text().replace("nope", "b@x.com").replace(",,c@x.com", ",Cid,c@x.com").replace("Dan,a@", "Dan,d@")
    bad.write_text(mended)
    assert answer(verbena("import", str(bad), "--type", "Contact", "--json"))["imported"]["Contact"]["created"] == 3
    assert sorted(row["name"] for row in entities(verbena, "default", "Contact")) == ["Ada", "Bea", "Cid", "Dan"]


def test_a_mapped_column_and_one_that_is_left_out(verbena: Any, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("Wer,Unsinn\nAda,1\n")
    words = ["import", str(file), "--type", "Contact", "--map", "Wer=name"]
    refused = refusal(verbena(*words, "--json"))
    assert refused["message"] == "no field is called 'Unsinn'" and "--ignore" in refused["hint"]
    assert verbena(*words, "--ignore").stdout == "Contact: 1 rows: 1 created, 0 updated, 0 unchanged, 0 bad\n"
    assert not (tmp_path / "people.csv.errors.csv").exists()


@pytest.mark.parametrize("format", ["csv", "json", "ndjson", "parquet"])
def test_what_is_exported_comes_back_the_same(verbena: Any, tmp_path: Path, format: str) -> None:
    for tenant in ("default", "copy"):
        assert verbena("do", "--tenant", tenant, WIDGET).returncode == 0
    assert verbena("do", WIDGETS).returncode == 0
    file = tmp_path / f"widgets.{format}"
    assert answer(verbena("export", "--type", "Widget", "-o", str(file), "--json"))["entities"] == {"Widget": 4}
    done = verbena("import", str(file), "--type", "Widget", "--tenant", "copy", "--json")
    assert answer(done)["imported"]["Widget"]["created"] == 4
    assert entities(verbena, "copy", "Widget") == entities(verbena, "default", "Widget")


def test_an_export_is_filtered_and_may_be_of_the_past(verbena: Any, tmp_path: Path) -> None:
    verbena("do", '$.Contact.create(name="Ada", leadScore=1); $.Contact.create(name="Bea", leadScore=9)')
    verbena("do", '$.Contact.update($.Contact.findOne(name="Ada").id, leadScore=7)')
    file = tmp_path / "contacts.csv"
    words = ["export", "--type", "Contact", "--filter", '{"leadScore": {"$gt": 5}}', "-o", str(file), "--json"]
    assert answer(verbena(*words))["entities"] == {"Contact": 2}
    assert answer(verbena(*words, "--as-of", "2"))["entities"] == {"Contact": 1}


def test_a_whole_tenant_comes_back_with_ids_relations_and_its_own_nouns(verbena: Any, tmp_path: Path) -> None:
    verbena("do", WIDGET)
    verbena("do", WIDGETS)
    verbena(
        "do",
        """
a = $.Organization.create(name="A")
b = $.Organization.create(name="B", parent=a.id)
$.Organization.update(a.id, parent=b.id)
$.Contact.create(name="Ada", organization=a.id)
""",
    )
    whole = tmp_path / "whole.zip"
    assert answer(verbena("export", "-o", str(whole), "--json"))["entities"]["Organization"] == 2
    assert verbena("import", str(whole), "--tenant", "copy").returncode == 0
    for noun in ("Organization", "Contact", "Widget"):
        assert entities(verbena, "copy", noun) == entities(verbena, "default", noun)
    again = answer(verbena("import", str(whole), "--tenant", "copy", "--json"))["imported"]
    assert {(each["created"], each["updated"], each["bad"]) for each in again.values()} == {(0, 0, 0)}


def test_a_backup_under_load_is_whole_and_is_restored(verbena: Any, data: Path, tmp_path: Path) -> None:
    verbena("do", '$.Contact.create(name="First")')
    ended, written = threading.Event(), list[int]()

    def write() -> None:
        with Connection(data, tenant="default") as connection:
            while not ended.is_set():
                rows = [[line, {"name": f"N{line}"}] for line in range(50)]
                connection.ask("import", {"type": "Contact", "rows": rows, "import": "load", "first": len(written)})
                written.append(50)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = [answer(verbena("backup", "-o", str(tmp_path / f"{turn}.duckdb"), "--json")) for turn in range(3)]
    finally:
        ended.set()
        writer.join()
    assert 1 < made[0]["seq"] < made[1]["seq"] < made[2]["seq"] <= 1 + sum(written)
    back = answer(verbena("restore", made[1]["file"], "--tenant", "other", "--json"))
    assert (back["seq"], back["former"]) == (made[1]["seq"], None)
    assert len(entities(verbena, "other", "Contact")) == made[1]["seq"]
    assert verbena("do", "--tenant", "other", '$.Contact.create(name="Goes on")').returncode == 0


def test_a_restore_over_events_is_refused_and_with_force_keeps_what_was_there(verbena: Any, tmp_path: Path) -> None:
    verbena("do", '$.Contact.create(name="Ada")')
    file = answer(verbena("backup", "--json"))["file"]
    verbena("do", '$.Contact.create(name="Bea")')
    assert refusal(verbena("restore", file, "--json"))["code"] == "conflict"
    assert len(entities(verbena, "default", "Contact")) == 2
    former = answer(verbena("restore", file, "--force", "--json"))["former"]
    assert [row["name"] for row in entities(verbena, "default", "Contact")] == ["Ada"]
    assert json.loads(verbena("search", "--json", "--type", "Contact", "Bea").stdout)["results"] == []
    assert answer(verbena("log", "verify", "--json")) is not None
    assert [each["file"] for each in answer(verbena("backups", "--json"))] == [file, former]
    verbena("restore", former, "--tenant", "aside")
    assert len(entities(verbena, "aside", "Contact")) == 2


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE contact SET \"$body\" = replace(\"$body\", 'Ada', 'Eve')",
        "UPDATE events SET actor = 'somebody'",
        "DELETE FROM events WHERE seq = 1",
    ],
)
def test_a_backup_that_was_changed_is_not_restored(verbena: Any, tmp_path: Path, damage: str) -> None:
    verbena("do", '$.Contact.create(name="Ada"); $.Contact.create(name="Bea")')
    file = tmp_path / "backup.duckdb"
    answer(verbena("backup", "-o", str(file), "--json"))
    changed = tmp_path / "changed.duckdb"
    changed.write_bytes(file.read_bytes())
    with duckdb.connect(str(changed)) as opened:
        opened.execute(damage)
    file.write_bytes(changed.read_bytes())
    for wrong in (file, changed):
        assert refusal(verbena("restore", str(wrong), "--tenant", "other", "--json"))["code"] == "validation_failed"
    assert [each["name"] for each in answer(verbena("tenant", "list", "--json"))] == ["default"]


def test_what_is_no_backup_is_refused_and_left_alone(verbena: Any, tmp_path: Path) -> None:
    file = tmp_path / "no.duckdb"
    file.write_text("this is text")
    told = refusal(verbena("restore", str(file), "--json"))
    assert (told["code"], told["message"].partition(" and ")[0]) == (
        "unavailable",
        "no.duckdb cannot be read as a tenant's file",
    )
    assert ".restoring" not in told["message"]  # the name of the copy that was looked at
    assert refusal(verbena("restore", str(tmp_path / "missing"), "--json"))["code"] == "not_found"
    assert file.read_text() == "this is text"


def test_a_tenant_is_deleted_once_with_all_that_belongs_to_it(verbena: Any, data: Path) -> None:
    verbena("do", '$.Contact.create(name="Ada")')
    verbena("search", "Ada")
    backup = answer(verbena("backup", "--json"))["file"]
    assert refusal(verbena("tenant", "delete", "default", "--json"))["code"] == "invalid_arguments"
    told = answer(verbena("tenant", "delete", "default", "--yes", "--json"))
    assert told == {"tenant": "default", "deleted": True, "backups": [backup]}
    assert list((data / "tenants").iterdir()) == [] and Path(backup).exists()
    assert answer(verbena("tenant", "delete", "default", "--yes", "--json"))["deleted"] is False
    assert entities(verbena, "default", "Contact") == []


def test_a_tenant_that_was_never_there_has_no_backup(verbena: Any, data: Path) -> None:
    assert refusal(verbena("backup", "--tenant", "nobody", "--json"))["code"] == "not_found"
    assert answer(verbena("tenant", "list", "--json")) == []


def test_calls_during_a_restore_are_told_to_wait_and_none_fails_inside(verbena: Any, data: Path) -> None:
    verbena("do", '$.Contact.create(name="Ada")')
    file = answer(verbena("backup", "--json"))["file"]
    ended = threading.Event()
    codes: set[str] = set()

    def call() -> None:
        with Connection(data, tenant="default") as connection:
            while not ended.is_set():
                try:
                    connection.ask("search", {"type": "Contact", "filter": {"name": "Ada"}})
                    connection.ask("$", {"path": ["Contact", "create"], "kwargs": {"name": "More"}})
                except VerbenaError as error:
                    codes.add(error.code)

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    try:
        restored = [verbena("restore", file, "--force", "--json") for _ in range(3)]
    finally:
        ended.set()
        for caller in callers:
            caller.join()
    assert [answer(done)["seq"] for done in restored] == [1, 1, 1]
    assert codes <= {"unavailable"}
    assert json.loads(verbena("log", "verify", "--json").stdout)["faults"] == []


def test_a_broken_output_leaves_the_former_file(data: Path, tmp_path: Path, verbena: Any) -> None:
    file = tmp_path / "contacts.csv"
    file.write_text("kept")
    with Connection(data, tenant="default") as connection, pytest.raises(VerbenaError):
        export_file(connection, Export(type="Contact", format="csv", filter={"nmae": 1}), file, lambda count: None)
    assert {each.name: each.read_text() for each in tmp_path.iterdir() if each.is_file()} == {"contacts.csv": "kept"}
