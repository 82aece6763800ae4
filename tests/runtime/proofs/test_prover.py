"""Heads and proofs of a real log: they hold for everybody, through crashes, rotations and lost caches."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest

from runtime.errors import InvalidArguments, InvalidId, NotFound, Unavailable
from runtime.proofs import proof
from runtime.proofs.heads import LAST_KEPT, Head, thinned
from runtime.proofs.verify import Trust, verify
from runtime.wire import Question
from tests.runtime.proofs.door import Door
from tests.runtime.proofs.outside_verifier import check_extends, check_proof, open_checkpoint

CREATE = 'for n in range({count}): $.Contact.create(name=f"N{{n}}", leadScore=n)'
ADA = '$.Contact.create(name="Ada \u00e9\U0001f600", leadScore=2.5).id'


def test_a_strangers_verifier_agrees_with_every_kind_of_ours(door: Door) -> None:
    id = door.do(ADA)
    former = door("checkpoint")
    door.do(CREATE.format(count=700))
    key = former["key"]
    for event in (1, 2, 256, 257, 512, 600, 701):
        check_proof(door("prove", id=f"evt_{event}"), key)
    assert check_proof(door("prove", id=id), key)["after"] == _stored(door("fetch", type="Contact", id=id))
    check_extends(former["checkpoint"], door("consistency", **{"from": 1}), key)
    for _ in range(3):
        now = door("checkpoint")
        assert open_checkpoint(now["checkpoint"], key) == (now["origin"], now["size"], bytes.fromhex(now["root"]))
        door.do(CREATE.format(count=100))
        check_extends(now["checkpoint"], door("consistency", **{"from": now["size"]}), key)


def test_an_entity_is_proven_as_it_is_as_it_was_and_by_its_event(door: Door) -> None:
    id = door.do('$.Deal.create(name="Deal", value=1).id')
    door.do(f'$.Deal.update("{id}", value=2)')
    door.do(f'$.Deal.update("{id}", value=3)')

    def proven(**arguments: Any) -> Any:
        found = verify(proof.parse(door("prove", **arguments))).payload
        assert found is not None
        return found["after"]["value"]

    assert proven(id=id) == 3
    assert proven(id=id, version=1) == 1
    assert proven(id=id, seq=2) == 2
    assert proven(id="evt_2") == 2


def test_fetch_gives_the_proof_of_what_it_shows(door: Door) -> None:
    id = door.do('$.Deal.create(name="Deal", value=1).id')
    door.do(f'$.Deal.update("{id}", value=2)')
    for arguments in ({"id": id}, {"id": id, "type": "Deal"}, {"id": id, "asOf": 1}, {"id": "evt_1"}):
        with_proof = door("fetch", **arguments, proof=True)
        shape = with_proof.pop("proof")
        assert with_proof == door("fetch", **arguments) == door("fetch", **arguments, proof=False)
        found = verify(proof.parse(shape)).payload
        assert found is not None
        assert found["after"]["value"] == _value(with_proof)


def test_fetch_proves_only_what_is_in_the_log(door: Door) -> None:
    id = door.do('$.Deal.create(name="Deal", value=1).id')
    with pytest.raises(InvalidArguments):
        door("fetch", type="Schema", id="Deal", proof=True)
    with pytest.raises(InvalidArguments):
        door("fetch", id=id, proof="yes")
    with pytest.raises(InvalidArguments, match="not committed"):
        door.do(f'$.Deal.update("{id}", value=2)\n$.fetch("{id}", proof=True)')


def test_what_is_not_there_is_not_proven(door: Door) -> None:
    door.do(ADA)
    for id, refusal in (("contact_zzzzzzzzzz", NotFound), ("evt_9", NotFound), ("Ada", InvalidId), (7, InvalidId)):
        with pytest.raises(refusal):
            door("prove", id=id)
    with pytest.raises(InvalidArguments):
        door("prove", id="evt_1", **{"from": 2})
    with pytest.raises(InvalidArguments):
        door("consistency", **{"from": 2})
    with pytest.raises(InvalidArguments):
        door("prove", id="evt_1", sequence=1)


def test_an_empty_log_has_a_head_too(door: Door) -> None:
    head = door("checkpoint")
    assert open_checkpoint(head["checkpoint"], head["key"])[1] == 0


def test_another_tenants_events_are_not_proven(door: Door) -> None:
    id = door.do(ADA)
    rival = door.engine.tenant("rival")
    assert rival.prover.checkpoint().checkpoint.size == 0
    with pytest.raises(NotFound):
        door.engine.answer(Question("prove", "rival", {"id": id}))


def test_a_log_that_did_not_change_gets_no_second_head(door: Door) -> None:
    door.do(ADA)
    assert door("checkpoint") == door("checkpoint")
    door.reopen()
    door("checkpoint")
    assert len(door.tenant.prover.heads.kept()) == 1


def test_a_log_that_rests_is_signed_and_its_tiles_are_kept(door: Door) -> None:
    door.do(CREATE.format(count=600))
    assert door.tenant.prover.heads.kept() == []
    door.rest()
    assert [head.parsed()[1].size for head in door.tenant.prover.heads.kept()] == [600]
    door.reopen()
    assert door.tenant.prover.tree.behind(600) == 0


@pytest.mark.parametrize(
    "damage", ['DELETE FROM "$tiles"', 'DELETE FROM "$tiles" WHERE tile = 1', 'DROP TABLE "$tiles"']
)
def test_tiles_that_are_lost_are_made_again_from_the_log(door: Door, damage: str) -> None:
    door.do(CREATE.format(count=1_000))
    door.rest()
    before = door("prove", id="evt_300")
    door.close()
    with duckdb.connect(str(door.file)) as connection:
        connection.execute(damage)
    door.reopen()
    assert door("prove", id="evt_300") == before
    assert door.faults() == []
    door.do(CREATE.format(count=300))
    door.rest()
    door.reopen()
    assert door.tenant.prover.tree.behind(1_300) == 0
    assert door.faults() == []


def test_a_replaced_key_is_an_event_and_old_heads_stay_provable(door: Door) -> None:
    id = door.do(ADA)
    before = door("checkpoint")
    rotated = door("rotateKey")
    assert rotated["former"] == before["key"] != rotated["key"]
    event = door("fetch", id="evt_2")
    assert (event["event"], event["actor"], event["after"]["statement"]) == (
        "Keys.rotated",
        "verbena",
        door("key")["rotations"][0],
    )
    made = door("prove", id=id, **{"from": 1})
    check_proof(made, rotated["key"])
    found = verify(proof.parse(made), trusted=Trust.parse(before["key"]), since=before["checkpoint"])
    assert (found.trusted, found.since, found.key) == (True, 1, rotated["key"])
    assert door.faults() == []


def test_a_tenant_that_was_closed_learns_of_a_replaced_key_with_its_next_head(door: Door) -> None:
    door.do(ADA)
    door("checkpoint")
    door.close()
    door.engine = door.opened()
    door.engine.keyring.rotate(door.now)
    door.engine.keyring.rotate(door.now)
    door.do(ADA)
    assert door("checkpoint")["size"] == 4
    assert [event["event"] for event in door("events")][:2] == ["Keys.rotated", "Keys.rotated"]
    assert door.faults() == []


def test_a_log_that_was_put_back_is_not_signed(door: Door) -> None:
    door.do(ADA)
    door.close()
    former = door.file.read_bytes()
    door.engine = door.opened()
    door.do(ADA)
    door("checkpoint")
    door.close()
    door.file.write_bytes(former)
    door.engine = door.opened()
    with pytest.raises(Unavailable, match="put back"):
        door("checkpoint")
    with pytest.raises(Unavailable, match="put back"):
        door("prove", id="evt_1")
    door.do(ADA + '\n$.Contact.create(name="x")')
    with pytest.raises(Unavailable, match="not those over which a head was signed"):
        door("checkpoint")


def test_a_head_that_was_cut_off_while_it_was_written_is_none(door: Door) -> None:
    door.do(ADA)
    door("checkpoint")
    path: Path = door.tenant.prover.heads.path
    whole = path.read_text()
    path.write_text(whole + whole[: len(whole) // 2])
    door.reopen()
    assert door.faults() == []
    door.do(ADA)
    door("checkpoint")
    assert path.read_text().startswith(whole)
    assert len(door.tenant.prover.heads.kept()) == 2


def test_of_older_heads_the_last_of_each_day_is_kept() -> None:
    heads = [Head(f"2026-01-{1 + n // 100:02}T00:00:00Z", str(n)) for n in range(1_500)]
    kept = thinned(heads)
    assert [head.note for head in kept[:5]] == ["99", "199", "299", "399", "499"]
    assert kept[5:] == heads[-LAST_KEPT:]


def test_beside_writers_a_check_finds_nothing_and_proofs_hold(door: Door) -> None:
    id = door.do(ADA)
    former = door("checkpoint")
    key = former["key"]
    with ThreadPoolExecutor(3) as pool:
        for writes in [[pool.submit(door.do, CREATE.format(count=60)) for _ in range(3)] for _ in range(4)]:
            while not all(write.done() for write in writes):
                assert door.faults() == []
                check_proof(door("prove", id=id), key)
                check_extends(former["checkpoint"], door("consistency", **{"from": 1}), key)
    assert door("checkpoint")["size"] == 721


def test_to_verify_a_proof_needs_no_store() -> None:
    code = "import sys, runtime.proofs.verify; print([name for name in ('duckdb', 'tantivy') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def _stored(shown: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in shown.items() if key != "$context"}


def _value(shown: dict[str, Any]) -> Any:
    """The value of a deal, in whichever shape `fetch` gave it."""
    for key in ("after", "entity"):
        if isinstance(shown.get(key), dict):
            return shown[key]["value"]
    return shown["value"]
