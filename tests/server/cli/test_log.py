"""`verbena log` and `verbena verify` as an auditor uses them."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from runtime.client import Connection


@pytest.fixture
def kept(data: Path, tmp_path: Path) -> Path:
    """A folder with an early checkpoint, the key, and the proof of an entity that changed since, as the commands write them."""
    with Connection(data, tenant="default") as connection:
        made = connection.ask("do", {"action": "create", "type": "Contact", "data": {"name": "Ada"}})["result"]
        (tmp_path / "early").write_text(connection.ask("checkpoint", {})["checkpoint"])
        (tmp_path / "key").write_text(connection.ask("key", {})["key"] + "\n")
        change = {"action": "update", "type": "Contact", "id": made["$id"], "data": {"name": "Bea"}}
        connection.ask("do", change)
        proof = connection.ask("prove", {"id": made["$id"], "from": 1})
        (tmp_path / "proof").write_text(json.dumps(proof))
    return tmp_path


def test_a_proof_is_checked_without_the_data_folder(verbena: Any, kept: Path) -> None:
    verbena("stop")
    data: Path = verbena.data
    data.rename(data.with_name("elsewhere"))
    words = ["verify", str(kept / "proof"), "--key", str(kept / "key"), "--since", str(kept / "early")]
    done = verbena(*words)
    assert done.returncode == 0, done.stderr
    assert "proven: event 2 of 2 in the log localhost:4747/~default" in done.stdout
    assert "the log extends the checkpoint over 1 events" in done.stdout
    assert json.loads(verbena(*words, "--json").stdout)["payload"]["after"]["name"] == "Bea"
    by_key = verbena(
        "verify", "-", "--key", (kept / "key").read_text().splitlines()[0], given=(kept / "proof").read_text()
    )
    assert by_key.returncode == 0, by_key.stderr
    assert "came with the proof" in verbena("verify", str(kept / "proof")).stdout
    assert not data.exists()


def test_the_commands_write_what_the_check_reads(verbena: Any, kept: Path) -> None:
    assert verbena("log", "checkpoint", "-o", str(kept / "now")).returncode == 0
    assert verbena("log", "key").stdout == (kept / "key").read_text()
    proven = verbena("log", "prove", "evt_1", "--since", str(kept / "now"), "-o", str(kept / "made"))
    assert (proven.returncode, proven.stdout) == (0, "")
    words = ["verify", str(kept / "made"), "--key", str(kept / "key"), "--since", str(kept / "now")]
    assert verbena(*words).returncode == 0


def test_a_changed_proof_is_refused(verbena: Any, kept: Path) -> None:
    (kept / "proof").write_text((kept / "proof").read_text().replace("Bea", "Eve"))
    done = verbena("verify", str(kept / "proof"), "--key", str(kept / "key"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "not the one that was logged" in done.stderr


def test_a_whole_log_is_checked_and_what_is_wrong_is_told(verbena: Any, kept: Path) -> None:
    whole = verbena("log", "verify", "--since", str(kept / "early"))
    assert whole.stdout == "2 events, all as they were logged, and they extend the checkpoint\n"
    assert json.loads(verbena("log", "verify", "--json").stdout) == {"size": 2, "faults": [], "count": 0}
    verbena("stop")
    with duckdb.connect(str(verbena.data / "tenants" / "default.duckdb")) as connection:
        connection.execute("UPDATE events SET actor = 'somebody' WHERE seq = 1")
    done = verbena("log", "verify")
    assert done.returncode == 1
    assert done.stdout.startswith("at 1: event 1 (Contact.created of contact_")


def test_a_log_that_does_not_extend_the_checkpoint_is_told(verbena: Any, kept: Path) -> None:
    verbena("stop")
    for name in ("tenants", "checkpoints"):
        (verbena.data / name).rename(verbena.data / f"{name}.gone")
    verbena("do", '$.Contact.create(name="Another")')
    done = verbena("log", "verify", "--since", str(kept / "early"))
    assert (done.returncode, done.stdout) == (1, "at 1: the first 1 events are not those of the checkpoint\n")


def test_a_replaced_key_is_told_and_leads_on(verbena: Any, kept: Path) -> None:
    done = verbena("log", "rotate-key")
    assert done.stdout.splitlines()[0] == "was " + (kept / "key").read_text().strip()
    verbena("do", '$.Contact.create(name="Cy")')
    verbena("log", "prove", "evt_4", "--since", str(kept / "early"), "-o", str(kept / "later"))
    words = ["--key", str(kept / "key"), "--since", str(kept / "early")]
    assert "signed by the key that you trust" in verbena("verify", str(kept / "later"), *words).stdout


@pytest.mark.parametrize(
    "words",
    [
        ["log", "--tenant", "rival", "verify"],
        ["log", "prove"],
        ["log", "verify", "--since", "missing"],
        ["verify", "missing"],
        ["verify"],
    ],
)
def test_a_wrong_command_line_ends_with_2(verbena: Any, words: list[str]) -> None:
    done = verbena(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr
