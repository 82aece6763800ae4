"""Notes as C2SP writes them, the installation's key, its rotation, and whom a trusted key leads to."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import Unavailable
from runtime.proofs.merkle import EMPTY_ROOT, BadProof
from runtime.proofs.note import Checkpoint, Note, VerifierKey
from runtime.proofs.signing import Keyring, Rotation, chain

AT = datetime(2026, 11, 21, 10, tzinfo=UTC)
# The example of the specification of signed notes.
EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE_NOTE = (
    "This is an example message.\n\n\u2014 example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)


def test_the_note_of_the_specification_is_signed_by_its_key() -> None:
    key = VerifierKey.parse(EXAMPLE_KEY)
    assert key.text == EXAMPLE_KEY
    assert Note.parse(EXAMPLE_NOTE).signed_by(key)


def test_a_changed_text_is_not_what_was_signed() -> None:
    note = Note.parse(EXAMPLE_NOTE.replace("example message", "exemplary message"))
    with pytest.raises(BadProof):
        note.signed_by(VerifierKey.parse(EXAMPLE_KEY))


def test_signatures_of_strangers_are_passed_over(tmp_path: Path) -> None:
    keyring = Keyring(tmp_path / "keys")
    line = EXAMPLE_NOTE.splitlines()[-1]
    note = Note.parse(keyring.signed("text\n", name="us") + line + "\n")
    assert note.signed_by(keyring.key("us"))
    assert not Note.parse(keyring.signed("text\n", name="us")).signed_by(VerifierKey.parse(EXAMPLE_KEY))


@pytest.mark.parametrize(
    "note",
    [
        "",
        "text\n",
        "text\n\n",
        "text\n\n\u2014 name\n",
        "text\n\n\u2014 name AAAA",
        "text\n\n- name AAAAAAAA\n",
        "text\n\n\u2014 name AAAA!AAA\n",
        "text\n\n\u2014 na+me AAAAAAAA\n",
        "text\n\n\u2014 name AAAAAAB=\n",
        "te\x00xt\n\n\u2014 name AAAAAAAA\n",
        "text\n\n" + "\u2014 name AAAAAAAA\n" * 65,
        "x" * (1 << 20) + EXAMPLE_NOTE,
    ],
)
def test_what_is_no_note_is_refused(note: str) -> None:
    with pytest.raises(BadProof):
        Note.parse(note)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log\n1\n",
        "log\n01\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
        "log\n-1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
        "log\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU\n",
        "log\n1\nAAAA\n",
        "\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
        "log\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\nmore\n",
        "log\n\u0663\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(BadProof):
        Checkpoint.parse(text)


def test_a_checkpoint_may_carry_further_lines() -> None:
    head = Checkpoint("log", 0, EMPTY_ROOT)
    assert Checkpoint.parse(head.text + "further\n") == head


@settings(max_examples=300)
@given(text=st.text(max_size=200))
def test_no_text_makes_a_reader_fail_otherwise_than_by_refusing(text: str) -> None:
    for read in (Note.parse, Checkpoint.parse, VerifierKey.parse, Rotation.parse):
        with pytest.raises(BadProof):
            read(text)


def test_the_key_is_made_once_and_nobody_else_can_read_it(tmp_path: Path) -> None:
    first = Keyring(tmp_path / "keys").key("log")
    assert Keyring(tmp_path / "keys").key("log") == first
    assert stat.S_IMODE((tmp_path / "keys" / "signing.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    Keyring(tmp_path).key("log")
    (tmp_path / "signing.key").chmod(0o644)
    with pytest.raises(Unavailable, match="read by others"):
        Keyring(tmp_path).key("log")


def test_a_key_that_was_replaced_by_garbage_is_refused_and_left(tmp_path: Path) -> None:
    Keyring(tmp_path).key("log")
    (tmp_path / "signing.key").write_text("garbage")
    with pytest.raises(Unavailable, match="left as it is"):
        Keyring(tmp_path).key("log")
    assert (tmp_path / "signing.key").read_text() == "garbage"


def test_after_a_rotation_the_new_key_signs_and_the_old_one_is_known(tmp_path: Path) -> None:
    keyring = Keyring(tmp_path)
    former, old_note = keyring.key("log"), keyring.signed("old\n", name="log")
    rotation = keyring.rotate(AT)
    again = Keyring(tmp_path)
    assert again.key("log") != former
    assert again.rotations() == [rotation]
    assert again.signer(Note.parse(old_note), name="log") == former
    assert again.signer(Note.parse(again.signed("new\n", name="log")), name="log") == again.key("log")
    assert again.signer(Note.parse(EXAMPLE_NOTE), name="example.com/foo") is None


def test_a_rotation_that_died_before_its_statement_never_happened(tmp_path: Path) -> None:
    keyring = Keyring(tmp_path)
    former = keyring.key("log")
    (tmp_path / "signing.key.next").write_bytes(_private_of_another(tmp_path))
    (tmp_path / "signing.key.next").chmod(0o600)
    assert Keyring(tmp_path).key("log") == former
    assert not (tmp_path / "signing.key.next").exists()


def test_a_rotation_that_died_after_its_statement_is_finished(tmp_path: Path) -> None:
    keyring = Keyring(tmp_path)
    keyring.key("log")
    before = (tmp_path / "signing.key").read_bytes()
    keyring.rotate(AT)
    present = keyring.key("log")
    (tmp_path / "signing.key").rename(tmp_path / "signing.key.next")
    (tmp_path / "signing.key").write_bytes(before)
    (tmp_path / "signing.key").chmod(0o600)
    assert Keyring(tmp_path).key("log") == present


def test_a_statement_that_was_cut_off_is_none(tmp_path: Path) -> None:
    keyring = Keyring(tmp_path)
    former = keyring.key("log")
    (tmp_path / "rotations").write_text("verbena key rotation v1\nAAAA")
    again = Keyring(tmp_path)
    assert (again.key("log"), again.rotations()) == (former, [])
    again.rotate(AT)
    assert len(Keyring(tmp_path).rotations()) == 1


def test_a_trusted_key_leads_to_those_before_and_those_after_it(tmp_path: Path) -> None:
    rotations, keys = _chain(tmp_path, 3)
    for key in keys:
        assert chain(key, rotations) == set(keys)


def test_a_thief_of_a_retired_key_gets_nobody_to_trust_another(tmp_path: Path) -> None:
    keyring = Keyring(tmp_path / "keys")
    keyring.key("log")
    thief = tmp_path / "thief"
    thief.mkdir(mode=0o700)
    (thief / "signing.key").write_bytes((tmp_path / "keys" / "signing.key").read_bytes())
    (thief / "signing.key").chmod(0o600)
    true, false = keyring.rotate(AT), Keyring(thief).rotate(AT)
    assert false.present not in chain(true.present, [true])
    assert chain(true.present, [false]) == {true.present}
    with pytest.raises(BadProof, match="two successors"):
        chain(true.present, [true, false])


def test_a_statement_counts_only_with_both_signatures(tmp_path: Path) -> None:
    rotation = Keyring(tmp_path).rotate(AT)
    lines = rotation.note.splitlines(keepends=True)
    for missing in (-1, -2):
        with pytest.raises(BadProof, match="both"):
            Rotation.parse("".join(line for line in lines if line != lines[missing]))


def _chain(folder: Path, count: int) -> tuple[list[Rotation], list[bytes]]:
    keyring = Keyring(folder)
    rotations = [keyring.rotate(AT) for _ in range(count)]
    return rotations, [rotations[0].former, *(rotation.present for rotation in rotations)]


def _private_of_another(folder: Path) -> bytes:
    Keyring(folder / "other").key("log")
    return (folder / "other" / "signing.key").read_bytes()
