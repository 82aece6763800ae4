"""A proof checked by a stranger: what was changed in it anywhere makes it worth nothing."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.proofs import proof
from runtime.proofs.merkle import BadProof
from runtime.proofs.signing import Keyring
from runtime.proofs.verify import Trust, Verified, verify
from tests.runtime.proofs.door import Door


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A proof with a rotation and a consistency part, the checkpoint and key before, and what `verbena log key` prints."""
    door = Door(tmp_path_factory.mktemp("made") / "data")
    id = door.do('$.Contact.create(name="Ada \u00e9\U0001f600", leadScore=2.5).id')
    door.do('for n in range(40): $.Contact.create(name=f"N{n}")')
    before = door("checkpoint")
    door("rotateKey")
    door.do(f'$.Contact.update("{id}", name="Bea")')
    shape = door("prove", id=id, **{"from": before["size"]})
    now = door("key")
    door.close()
    chain = "\n".join([now["key"] + "\n", *now["rotations"]])
    return {"proof": shape, "key": before["key"], "since": before["checkpoint"], "chain": chain, "now": now["key"]}


def check(made: dict[str, Any], shape: Any = None, *, key: str | None = None, since: bool = True) -> Verified:
    trusted = Trust.parse(made["key"] if key is None else key)
    text = msgspec.json.encode(made["proof"] if shape is None else shape)
    return verify(proof.parse(proof.decoded(text)), trusted=trusted, since=made["since"] if since else None)


def test_a_proof_holds_by_the_former_key_the_present_one_and_the_chain(made: dict[str, Any]) -> None:
    for key in (made["key"], made["now"], made["chain"]):
        found = check(made, key=key)
        assert (found.seq, found.size, found.trusted, found.since) == (43, 43, True, 41)
        assert found.payload is not None
        assert found.payload["changed"]["name"] == {"from": "Ada \u00e9\U0001f600", "to": "Bea"}


def test_without_a_key_it_says_that_nobody_vouches_for_the_signer(made: dict[str, Any]) -> None:
    assert not verify(proof.parse(made["proof"])).trusted


def test_a_proof_without_payload_is_a_hole_at_its_place(made: dict[str, Any]) -> None:
    shape = {name: value for name, value in made["proof"].items() if name not in ("payload", "salt")}
    found = check(made, shape)
    assert (found.seq, found.payload) == (43, None)
    assert found.event is not None and found.event["event"] == "Contact.updated"


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_change_of_any_value_in_a_proof_is_found(made: dict[str, Any], data: st.DataObject) -> None:
    places = list(_places(made["proof"]))
    path = data.draw(st.sampled_from(places))
    shape = copy.deepcopy(made["proof"])
    holder = shape
    for step in path[:-1]:
        holder = holder[step]
    before = holder[path[-1]]
    holder[path[-1]] = _changed(before, data)
    with pytest.raises(BadProof):
        check(made, shape)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_part_that_is_missing_or_too_much_is_found(made: dict[str, Any], data: st.DataObject) -> None:
    shape = copy.deepcopy(made["proof"])
    name = data.draw(st.sampled_from(sorted(shape.keys() - {"rotations"})))
    if data.draw(st.booleans()):
        del shape[name]
    else:
        shape[name + "x"] = shape[name]
    with pytest.raises(BadProof):
        check(made, shape)


@settings(max_examples=200)
@given(text=st.binary(max_size=300) | st.recursive(st.text() | st.integers(), st.lists).map(msgspec.json.encode))
def test_no_file_makes_the_check_fail_otherwise_than_by_refusing(text: bytes) -> None:
    with pytest.raises(BadProof):
        proof.parse(proof.decoded(text))


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(BadProof):
        proof.decoded(b"[" * 1_000_000)


def test_a_key_that_nothing_leads_to_is_not_believed(made: dict[str, Any], tmp_path: Path) -> None:
    stranger = Keyring(tmp_path).key("localhost:4747/~default").text
    with pytest.raises(BadProof, match="neither the trusted one nor leads to it"):
        check(made, key=stranger)
    with pytest.raises(BadProof, match="of the log"):
        check(made, key=Keyring(tmp_path).key("localhost:4747/~other").text)
    without = {name: value for name, value in made["proof"].items() if name != "rotations"}
    with pytest.raises(BadProof, match="nor leads to it"):
        check(made, without)


def test_a_checkpoint_that_the_proof_does_not_extend_is_told(made: dict[str, Any]) -> None:
    without = {name: value for name, value in made["proof"].items() if name != "consistency"}
    with pytest.raises(BadProof, match="does not say that its log extends"):
        check(made, without)
    check(made, without, since=False)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every single value in a proof."""
    members = cast("dict[str, Any] | list[Any]", value) if isinstance(value, dict | list) else []
    steps: list[Any] = list(members) if isinstance(members, dict) else list(range(len(members)))
    for step in steps:
        yield from _places(value[step], (*path, step))
    if not steps:
        yield path


def _changed(value: Any, data: st.DataObject) -> Any:
    if isinstance(value, str) and value:
        place = data.draw(st.integers(0, len(value) - 1))
        mark = data.draw(st.sampled_from("AZaz09+/=. \n").filter(lambda mark: mark != value[place]))
        return value[:place] + mark + value[place + 1 :]
    return data.draw(st.sampled_from(["x", 1_000, None, [], True]).filter(lambda other: other != value))
