"""The journal: what was acknowledged is there after any end, what was torn is cut off, and what is foreign is told."""

import os
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import LimitExceeded, Unavailable
from runtime.outside.journal import Call, Journal
from runtime.outside.records import MAGIC, Intent, Outcome, ReadAnswer


def intent(run: str, position: int = 1, **given: Any) -> Intent:
    shape: dict[str, Any] = {
        "run": run,
        "position": position,
        "key": f"{run}-{position}",
        "header": None,
        "repeatable": False,
        "again": True,
        "method": "POST",
        "host": "api.example.com",
        "path": "/v1/people/…",
        "salt": "salt",
        "fingerprint": "hash",
        "bytes": 12,
        "at": "2026-01-01T00:00:00Z",
    }
    return Intent(**{**shape, **given})


def outcome(run: str, position: int = 1, **given: Any) -> Outcome:
    shape: dict[str, Any] = {
        "run": run,
        "position": position,
        "status": 201,
        "answer": {"status": 201, "headers": {}, "json": {"name": "Ada"}},
        "at": "2026-01-01T00:00:01Z",
    }
    return Outcome(**{**shape, **given})


def read(run: str, position: int = 1, text: str = "Ada") -> ReadAnswer:
    return ReadAnswer(
        run=run,
        position=position,
        method="GET",
        host="api.example.com",
        path="/v1",
        salt="salt",
        fingerprint="hash",
        answer={"status": 200, "headers": {}, "text": text},
        at="2026-01-01T00:00:00Z",
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "acme.effects"


def opened(path: Path, tenant: str = "acme") -> Journal:
    return Journal(path, tenant)


def test_a_tenant_that_asks_nothing_of_the_outside_has_no_file(path: Path) -> None:
    journal = opened(path)
    journal.end("run_a")
    journal.compact()
    journal.forget(["run_a"])
    journal.close()
    assert not path.exists()


def test_what_was_recorded_is_there_when_it_is_opened_again(path: Path) -> None:
    journal = opened(path)
    journal.intend(intent("run_a"))
    journal.settle(outcome("run_a"))
    journal.keep(read("run_a", 2))
    journal.intend(intent("run_b"))
    journal.close()
    again = opened(path)
    assert again.call("run_a", 1) == Call(intent=intent("run_a"), outcome=outcome("run_a"))
    assert again.call("run_a", 2) == Call(read=read("run_a", 2))
    assert again.call("run_b", 1) == Call(intent=intent("run_b"))
    assert (again.call("run_b", 2), again.call("run_c", 1)) == (None, None)
    assert again.unfolded() == ["run_a", "run_b"]
    assert path.stat().st_mode & 0o777 == 0o600
    again.close()


def test_a_second_try_of_what_never_left_is_open_again(path: Path) -> None:
    journal = opened(path)
    journal.intend(intent("run_a"))
    journal.settle(outcome("run_a", status=0, answer=None))
    journal.intend(intent("run_a"))
    assert journal.call("run_a", 1) == Call(intent=intent("run_a"))
    journal.close()


def _several(path: Path) -> tuple[bytes, list[int]]:
    """The content of a journal with several records, and where each of them ends."""
    journal = opened(path)
    ends: list[int] = []
    for number in range(4):
        journal.intend(intent(f"run_{number}"))
        ends.append(journal.bytes)
    journal.close()
    return path.read_bytes(), ends


def test_a_torn_end_is_cut_off_wherever_it_tore(path: Path) -> None:
    content, ends = _several(path)
    for length in {
        *range(ends[0], len(content), 11),
        *ends,
        *(end - 1 for end in ends[1:]),
        *(end + 8 for end in ends[:-1]),
    }:
        path.write_bytes(content[:length])
        journal = opened(path)
        whole = sum(end <= length for end in ends)
        assert (journal.broken, len(journal.unfolded()), path.stat().st_size) == (None, whole, ends[whole - 1])
        journal.intend(intent("run_next"))
        journal.close()
        again = opened(path)
        assert len(again.unfolded()) == whole + 1
        again.close()


def test_an_end_of_zeros_is_cut_off(path: Path) -> None:
    content, ends = _several(path)
    path.write_bytes(content + b"\0" * 5_000)  # as a file system leaves it that had grown the file and not written it
    journal = opened(path)
    assert (journal.broken, journal.bytes) == (None, ends[-1])
    journal.close()


def test_a_file_that_was_cut_off_while_it_was_made_is_made_anew(path: Path) -> None:
    journal = opened(path)
    journal.intend(intent("run_a"))
    journal.close()
    content = path.read_bytes()
    for length in range(0, len(MAGIC) + 8):
        path.write_bytes(content[:length])
        again = opened(path)
        assert again.broken is None
        again.intend(intent("run_b"))
        assert again.unfolded() == ["run_b"]
        again.close()


@given(place=st.floats(0, 1, exclude_max=True), bits=st.integers(1, 255))
def test_a_damaged_byte_never_passes_for_a_record(
    tmp_path_factory: pytest.TempPathFactory, place: float, bits: int
) -> None:
    path = tmp_path_factory.mktemp("journal") / "acme.effects"
    content, ends = _several(path)
    at = int(place * len(content))
    path.write_bytes(content[:at] + bytes([content[at] ^ bits]) + content[at + 1 :])
    journal = opened(path)
    whole = [f"run_{number}" for number, end in enumerate(ends) if end <= at]
    if at < ends[-2]:  # something whole stands behind it
        assert journal.broken is not None
        with pytest.raises(Unavailable):
            journal.intend(intent("run_next"))
        assert path.stat().st_size == len(content)
    else:
        assert (journal.broken, journal.unfolded()) == (None, whole)
    journal.close()


@pytest.mark.parametrize("content", [b"DUCK" * 100, b"x", MAGIC[:-1] + b"9" + b"\0" * 20, MAGIC + b"\0" * 100])
def test_a_file_that_is_no_journal_is_told_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    journal = opened(path)
    with pytest.raises(Unavailable) as refused:
        journal.intend(intent("run_a"))
    assert "acme.effects is no journal" in refused.value.message
    journal.close()
    assert path.read_bytes() == content


def test_the_journal_of_another_tenant_is_told(path: Path) -> None:
    _several(path)
    journal = opened(path, "rival")
    with pytest.raises(Unavailable, match="journal of the tenant 'acme'"):
        journal.intend(intent("run_a"))
    assert journal.unfolded() == []
    journal.close()


def test_what_ended_and_is_in_the_log_is_dropped(path: Path) -> None:
    journal = opened(path)
    for run in ("run_waits", "run_unfolded", "run_done", "run_read"):
        journal.intend(intent(run)) if run != "run_read" else journal.keep(read(run))
    for run in ("run_unfolded", "run_done", "run_read"):
        journal.end(run)
    for run in ("run_waits", "run_done"):
        journal.folded(run)
    assert not journal.compact()  # it is small
    assert journal.compact(least_bytes=0)
    assert not journal.compact(least_bytes=0)  # all that is left is needed
    journal.intend(intent("run_new"))
    journal.close()
    again = opened(path)
    assert [run for run in ("run_waits", "run_unfolded", "run_done", "run_read", "run_new") if again.call(run, 1)] == [
        "run_waits",
        "run_unfolded",
        "run_new",
    ]
    assert again.unfolded() == ["run_unfolded", "run_new"]
    assert again.open_runs() == {"run_waits": True, "run_new": True}
    again.close()


def test_a_rewriting_that_was_cut_off_leaves_the_file_as_it_was(path: Path) -> None:
    def die(step: str) -> None:
        raise KeyboardInterrupt(step)

    journal = Journal(path, "acme", step=die)
    journal.intend(intent("run_a"))
    journal.end("run_a")
    journal.folded("run_a")
    with pytest.raises(KeyboardInterrupt):
        journal.compact(least_bytes=0)
    journal.intend(intent("run_b"))
    journal.close()
    again = opened(path)
    assert again.call("run_a", 1) is not None and again.call("run_b", 1) is not None
    assert os.listdir(path.parent) == [path.name]
    again.close()


def test_erasure_leaves_that_a_call_was_made_and_nothing_of_what_it_said(path: Path) -> None:
    journal = opened(path)
    for run in ("run_named", "run_holding", "run_other"):
        journal.intend(intent(run, path="/people/ada"))
        text = "contact_4a" if run == "run_holding" else "Ada"
        journal.settle(outcome(run, answer={"status": 201, "headers": {}, "text": text}))
        journal.keep(read(run, 2, text=text))
    journal.forget(["run_named"], holding=["contact_4a"])
    bare = intent("run_named", path="", salt="", fingerprint="")
    blank = outcome("run_named", answer=None, forgotten=True)
    assert journal.call("run_named", 1) == Call(intent=bare, outcome=blank)
    assert journal.call("run_named", 2) is None
    found = journal.call("run_holding", 1)
    assert found is not None and found.outcome is not None and found.outcome.forgotten
    journal.close()
    content = path.read_bytes()
    assert (b"contact_4a" in content, content.count(b"Ada")) == (False, 2)  # what is left is the other run's
    again = opened(path)
    assert again.call("run_other", 2) == Call(read=read("run_other", 2))
    again.close()


def test_runs_that_ended_go_altogether_with_an_erasure(path: Path) -> None:
    journal = opened(path)
    journal.intend(intent("run_done"))
    journal.settle(outcome("run_done"))
    journal.folded("run_done")
    journal.end("run_done")
    journal.forget([])
    journal.close()
    assert b"Ada" not in path.read_bytes()


def test_a_journal_that_waiting_runs_fill_takes_no_more_calls_but_every_outcome(path: Path) -> None:
    journal = opened(path)
    big = "x" * 900_000
    with pytest.raises(LimitExceeded):
        for number in range(1, 100):
            journal.intend(intent(f"run_{number}", path=big))
    last = journal.unfolded()[-1]
    journal.settle(outcome(last))
    for run in journal.unfolded():
        journal.folded(run)
        journal.end(run)
    journal.intend(intent("run_next", path=big))  # room was made for it
    assert journal.bytes < 1_000_000
    journal.close()


def test_a_full_journal_drops_the_oldest_answers_of_what_the_log_has(path: Path) -> None:
    journal = opened(path)
    big = "x" * 900_000
    for number in range(1, 100):
        journal.intend(intent(f"run_{number}", path=big))
        if number % 4:
            journal.folded(f"run_{number}")
    journal.close()
    again = opened(path)
    assert (again.bytes < 34 << 20, again.call("run_1", 1), again.call("run_99", 1) is None) == (True, None, False)
    again.close()


def test_a_record_that_is_too_long_is_refused_and_harms_nothing(path: Path) -> None:
    journal = opened(path)
    with pytest.raises(LimitExceeded):
        journal.intend(intent("run_a", path="x" * (1 << 20)))
    journal.intend(intent("run_b"))
    journal.close()
    again = opened(path)
    assert again.unfolded() == ["run_b"]
    again.close()


def test_a_record_that_claims_to_be_longer_than_memory_is_not_read(path: Path) -> None:
    content, ends = _several(path)
    path.write_bytes(content + struct.pack("<II", 0xFFFFFFF0, 0) + b"x" * 50)
    journal = opened(path)
    assert (journal.broken, journal.bytes) == (None, ends[-1])
    journal.close()


def test_a_closed_journal_takes_nothing(path: Path) -> None:
    journal = opened(path)
    journal.intend(intent("run_a"))
    journal.close()
    with pytest.raises(Unavailable):
        journal.settle(outcome("run_a"))
