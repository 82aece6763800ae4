"""An import that is cut off anywhere goes on where it stopped: no row twice, no row lost, every bad row told once."""

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runtime.client import Connection
from runtime.errors import VerbenaError
from runtime.transfer.importing import Import, Imported, import_file
from tests.runtime.until_killed import until_ended, until_killed

IMPORTER = Path(__file__).with_name("imports_until_killed.py")
ROWS = 3_500
EVERY_BAD = 100  # each hundredth row has no name


def contacts(path: Path, rows: int = ROWS) -> Path:
    """A file of contacts, some of them bad."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Name", "Phone"])
        writer.writerows(["" if number % EVERY_BAD == 7 else f"N{number}", f"+{number}"] for number in range(rows))
    return path


def asked(file: Path, **more: Any) -> Import:
    plain = Import(file=file, type="Contact", format="csv", bad_rows=file.with_name(file.name + ".bad.csv"))
    return replace(plain, **more)


def nothing(so_far: Imported) -> None:
    """Hears, and says nothing."""


def phones(data: Path) -> list[str]:
    """What every contact has for a phone, in order."""
    found: list[str] = []
    with Connection(data, tenant="default") as connection:
        page: Mapping[str, Any] = {"after": 0}
        while page["after"] is not None:
            page = connection.ask("export", {"type": "Contact", "after": page["after"]})
            found += [row["phone"] for row in page["rows"]]
    return found


def bad_lines(file: Path) -> list[int]:
    with file.with_name(file.name + ".bad.csv").open(newline="") as bad:
        return [int(row["#line"]) for row in csv.DictReader(bad)]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("by", ["-", "phone"])
@pytest.mark.parametrize("when", ["asked", "answered", "settled", "engine", "engine-at-work"])
def test_an_import_that_was_killed_goes_on(data: Path, tmp_path: Path, by: str, when: str) -> None:
    file = contacts(tmp_path / "contacts.csv")
    if when in ("asked", "answered", "settled"):
        until_killed(IMPORTER, data, file, by, when, 2)
        ended = until_ended(IMPORTER, data, file, by, "never", 0)
    else:
        ended = until_ended(IMPORTER, data, file, by, when, 2)
    assert ended.returncode == 0, ended.stderr
    wanted = [f"+{number}" for number in range(ROWS) if number % EVERY_BAD != 7]
    assert phones(data) == wanted
    assert bad_lines(file) == [number + 2 for number in range(ROWS) if number % EVERY_BAD == 7]
    rows, created, updated, unchanged, bad = map(int, ended.stdout.split())
    assert (rows, created, updated, unchanged, bad) == (ROWS, len(wanted), 0, 0, ROWS - len(wanted))


def test_a_finished_import_by_a_key_may_be_repeated(data: Path, tmp_path: Path) -> None:
    file = contacts(tmp_path / "contacts.csv", rows=150)
    with Connection(data, tenant="default") as connection:
        first = import_file(connection, data, "default", asked(file, by="phone"), nothing)
        again = import_file(connection, data, "default", asked(file, by="phone"), nothing)
    assert (first.created, first.bad, again.created, again.unchanged, again.bad) == (148, 2, 0, 148, 2)
    assert len(phones(data)) == 148


def test_two_rows_of_one_key_are_one_entity(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("name,email\nAda,a@x.com\nAda Two,a@x.com\n")
    with Connection(data, tenant="default") as connection:
        done = import_file(connection, data, "default", asked(file, by="email"), nothing)
        (row,) = connection.ask("export", {"type": "Contact"})["rows"]
    assert (done.created, done.updated, row["name"], row["$version"]) == (1, 1, "Ada Two", 2)


def test_events_say_how_and_from_where_and_states_may_be_any(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "deals.csv"
    file.write_text("name,value,stage\nBig,5,Won\nNew,6,\n")
    with Connection(data, tenant="default") as connection:
        import_file(connection, data, "default", asked(file, type="Deal"), nothing)
        stages = [row.get("stage") for row in connection.ask("export", {"type": "Deal"})["rows"]]
        events = connection.ask("events", {"after": 0})
    assert stages == ["Won", "Prospecting"]
    assert [(event["via"], event["input"]) for event in events] == [
        ("import", {"file": "deals.csv", "line": 2}), ("import", {"file": "deals.csv", "line": 3}),
    ]  # fmt: skip


def test_a_column_that_is_no_field_refuses_the_file_before_anything_is_written(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("name,emial\nAda,a@x.com\n")
    with Connection(data, tenant="default") as connection:
        with pytest.raises(VerbenaError, match="did you mean email"):
            import_file(connection, data, "default", asked(file), nothing)
        assert connection.ask("events", {"after": 0}) == []


def test_what_stands_before_a_broken_place_is_kept(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    file.write_text('[{"name": "Ada", "phone": "1"}, {"name": ')
    with Connection(data, tenant="default") as connection, pytest.raises(VerbenaError, match="line 1"):
        import_file(connection, data, "default", asked(file, format="json"), nothing)
    assert phones(data) == ["1"]


def test_wrong_types_and_meta_fields_of_json_are_bad_rows(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "rows.ndjson"
    file.write_text(
        '{"name": 5}\n{"name": "Ada", "leadScore": "7"}\n{"$type": "Deal", "name": "x"}\n{"nmae": "x"}\n'
        '{"name": "Bea", "$version": 3, "$id": "contact_fX9bL5nRdK", "phone": "9"}\n{"name": "C", "leadScore": 1e999}\n'
    )
    bad = tmp_path / "bad.ndjson"
    with Connection(data, tenant="default") as connection:
        done = import_file(connection, data, "default", asked(file, format="ndjson", bad_rows=bad), nothing)
    assert (done.created, done.bad, phones(data)) == (1, 5, ["9"])


def test_a_relation_leads_to_what_is_there_or_is_a_bad_row(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    with Connection(data, tenant="default") as connection:
        acme = connection.ask("$", {"path": ["Organization", "create"], "kwargs": {"name": "Acme"}})["$id"]
        file.write_text(f"name,phone,organization\nAda,1,{acme}\nBea,2,organization_fX9bL5nRdK\n")
        done = import_file(connection, data, "default", asked(file), nothing)
    assert (done.created, done.bad, phones(data)) == (1, 1, ["1"])


def test_a_reader_may_not_import(data: Path) -> None:
    from runtime.calls.transfer import import_rows
    from runtime.engine import Engine
    from runtime.unit import Caller

    engine = Engine(data)
    try:
        tenant = engine.tenant("default")
        given = {"type": "Contact", "rows": [[1, {"name": "Ada"}]], "import": "x"}
        with pytest.raises(VerbenaError, match="may only read"):
            import_rows(tenant, engine.pool, Caller(tenant="default", level=0), given)
        assert tenant.writer.seq == 0
    finally:
        engine.close()
