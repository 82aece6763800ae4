"""`verbena` as a person and as a program use it."""

import json
from pathlib import Path
from typing import Any

import pytest


def answer(done: Any) -> Any:
    """What a command with --json said."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_code_comes_from_an_argument_a_file_or_standard_input(module_verbena: Any, tmp_path: Path) -> None:
    file = tmp_path / "sum.py"
    file.write_text("1 + 2\n")
    assert answer(module_verbena("do", "--json", "1 + 2"))["result"] == 3
    assert answer(module_verbena("do", "--json", str(file)))["result"] == 3
    assert answer(module_verbena("do", "--json", "-", given="1 + 2"))["result"] == 3


def test_an_action_needs_no_code(module_verbena: Any) -> None:
    done = module_verbena("do", "--json", "--action", "create", "--type", "Contact", "--data", '{"name": "Ada"}')
    assert answer(done)["result"]["name"] == "Ada"


def test_data_is_values_or_folder_by_how_it_begins(module_verbena: Any, module_data: Path) -> None:
    words = ["do", "--json", "--action", "create", "--type", "Contact", "--data", '{"name": "Bea"}']
    assert answer(module_verbena(*words, "--data", str(module_data)))["result"]["name"] == "Bea"
    assert module_verbena(*words, "--data", "{}").returncode == 2


def test_what_was_made_is_found_read_and_in_the_log(module_verbena: Any) -> None:
    made = answer(module_verbena("do", "--json", '$.Organization.create(name="Quillon Works")'))["result"]
    (row,) = answer(module_verbena("search", "--json", "--type", "Organization", "Quillon"))["results"]
    assert (row["id"], row["title"]) == (made["$id"], "Quillon Works")
    assert answer(module_verbena("fetch", "--json", "--type", "Organization", made["$id"]))["name"] == "Quillon Works"
    (event,) = answer(module_verbena("log", "--json", "--entity", made["$id"]))
    assert event["event"] == "Organization.created"


def test_a_filter_is_json(module_verbena: Any) -> None:
    module_verbena("do", '$.Lead.create(name="Wim", source="Fair", score=7)')
    found = answer(module_verbena("search", "--json", "--type", "Lead", "--filter", '{"score": {"$gt": 5}}'))
    assert [row["title"] for row in found["results"]] == ["Wim"]


def test_people_get_tables(module_verbena: Any) -> None:
    made = answer(module_verbena("do", "--json", '$.Site.create(name="Tables")'))["result"]["$id"]
    found = module_verbena("search", "--type", "Site", "--fields", "name")
    assert found.stdout.splitlines()[0].split() == ["id", "title", "name"]
    assert found.stdout.splitlines()[1].split() == [made, "Tables", "Tables"]
    assert any(line.split() == ["name", "Tables"] for line in module_verbena("fetch", made).stdout.splitlines())
    assert "Deal" in module_verbena("nouns").stdout
    assert "Site.created" in module_verbena("log", "--type", "Site").stdout


def test_text_of_others_cannot_steer_the_terminal(module_verbena: Any) -> None:
    module_verbena("do", '$.Segment.create(name="[red]bold[/] \\x1b[2J")')
    found = module_verbena("search", "--type", "Segment").stdout
    assert "[red]bold[/]" in found and "\x1b" not in found


def test_the_35_nouns_are_listed_and_one_is_shown(module_verbena: Any) -> None:
    assert len(answer(module_verbena("nouns", "--json"))) == 35
    assert "close" in json.dumps(answer(module_verbena("nouns", "--json", "Deal")))


def test_the_doctor_finds_the_sandbox_in_order(module_verbena: Any) -> None:
    assert answer(module_verbena("doctor", "--json"))["sandbox"] == "answers"


def test_a_refusal_is_one_line_and_a_hint_on_standard_error(module_verbena: Any) -> None:
    done = module_verbena("search", "--type", "Dael")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[0].startswith("invalid_type: ")
    assert done.stderr.splitlines()[1] == "  hint: did you mean 'Deal'?"


def test_a_refusal_is_json_for_programs(module_verbena: Any) -> None:
    done = module_verbena("fetch", "--json", "deal_zzzzzzzzzz")
    assert done.returncode == 1
    assert json.loads(done.stderr)["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    "words",
    [
        ["serch"],
        ["search", "--lmit", "3"],
        ["search", "--filter", "stage=Lead"],
        ["do", "missing.py"],
        ["log", "--limit", "0"],
        ["search", "--tenant", "../other"],
    ],
)
def test_a_wrong_command_line_ends_with_2(module_verbena: Any, words: list[str]) -> None:
    done = module_verbena(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr


def test_another_tenants_entity_is_not_found(module_verbena: Any) -> None:
    made = answer(module_verbena("do", "--json", '$.Contact.create(name="Cleo")'))["result"]["$id"]
    done = module_verbena("fetch", "--json", "--tenant", "rival", made)
    assert json.loads(done.stderr)["error"]["code"] == "not_found"


def test_the_engine_is_stopped_once(verbena: Any) -> None:
    assert answer(verbena("stop", "--json")) == {"stopped": False}
    verbena("do", "1")
    assert answer(verbena("stop", "--json")) == {"stopped": True}


def test_a_data_folder_that_cannot_be_one_is_named(verbena: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = verbena("do", "1", "--data", str(tmp_path / "file"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("unavailable: ") and str(tmp_path / "file") in done.stderr
    assert "hint: --data or VERBENA_DATA names a folder" in done.stderr


def test_the_version_is_said(module_verbena: Any) -> None:
    assert module_verbena("version").stdout == "verbena 0.1.0\n"


def test_fetch_writes_the_proof_of_what_it_shows(module_verbena: Any, tmp_path: Path) -> None:
    made = answer(module_verbena("do", "--json", '$.Contact.create(name="Proven")'))["result"]["$id"]
    module_verbena("do", f'$.Contact.update("{made}", name="Renamed")')
    file = tmp_path / "contact.proof"
    shown = module_verbena("fetch", made, "--proof", str(file))
    assert any(line.split() == ["name", "Renamed"] for line in shown.stdout.splitlines())
    assert "proof" not in shown.stdout
    verified = answer(module_verbena("verify", str(file), "--json"))
    assert (verified["event"]["entity"], verified["payload"]["after"]["name"]) == (made, "Renamed")
    assert answer(module_verbena("fetch", made, "--json", "--proof", str(file)))["entity"]["name"] == "Renamed"
    assert module_verbena("fetch", "Deal", "--type", "Schema", "--proof", str(file)).returncode == 2


def test_an_undo_that_is_refused_names_what_is_in_the_way(module_verbena: Any) -> None:
    done = answer(module_verbena("do", "--json", '$.Contact.create(name="Undone")'))
    id = done["result"]["$id"]
    module_verbena("do", f'$.Contact.update("{id}", name="Built upon")')
    refused = module_verbena("do", "--action", "undo", "--id", done["run"])
    assert refused.returncode == 1
    assert f"  {id}: it is at version 2, and was left at 1" in refused.stderr.splitlines()
