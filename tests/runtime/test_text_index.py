"""Free text: what is added is found at once, what is gone is not, and the folder can be thrown away."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.declaration import declare
from runtime.errors import InvalidArguments
from runtime.regexes import has_word
from runtime.text_index import TextIndex, text_of, tokenize

Row = tuple[int, str, str, tuple[str, str], bool]

ADA: Row = (1, "Contact", "contact_ada", ("Ada Lovelace", "Countess, of the élan of engines"), False)
ENGINE: Row = (2, "Deal", "deal_engine", ("Engine deal", "Ada buys it"), False)
GRACE: Row = (3, "Contact", "contact_grace", ("Grace Hopper", "compiles"), False)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[TextIndex]:
    made = TextIndex(tmp_path / "texts", settle_after_s=None)
    made.add([ADA, ENGINE, GRACE])
    yield made
    made.close()


@pytest.fixture(params=["in memory", "written"])
def either(index: TextIndex, request: pytest.FixtureRequest) -> TextIndex:
    if request.param == "written":
        index.settle()
    return index


def ids(index: TextIndex, words: str, **options: Any) -> list[str]:
    return [hit.id for hit in index.search(words, **options)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("ada", ["contact_ada", "deal_engine"]),
        ("ADA lovelace", ["contact_ada"]),
        ("Elan", ["contact_ada"]),
        ("engine", ["deal_engine", "contact_ada"]),
        ("engines", ["contact_ada"]),
        ("grace comp", ["contact_grace"]),
        ("lovelace hopper", ["contact_ada", "contact_grace"]),
        ("nobody", []),
        ("", []),
        ("?!", []),
        ('"ada" AND title:(buys', ["deal_engine", "contact_ada"]),
    ],
)
def test_words_are_found_without_regard_to_case_accents_and_syntax(
    either: TextIndex, words: str, expected: list[str]
) -> None:
    assert sorted(ids(either, words)) == sorted(expected)


def test_a_word_in_the_title_weighs_more(either: TextIndex) -> None:
    assert ids(either, "ada") == ["contact_ada", "deal_engine"]


def test_a_search_can_be_kept_to_some_nouns(either: TextIndex) -> None:
    assert ids(either, "ada", nouns=["Deal"]) == ["deal_engine"]
    assert ids(either, "ada", nouns={"Deal", "Contact"}) == ["contact_ada", "deal_engine"]
    assert ids(either, "ada", nouns=[]) == []


def test_what_changed_is_found_as_it_is_now(either: TextIndex) -> None:
    either.add([(4, "Contact", "contact_ada", ("Augusta King", ""), False)])
    assert ids(either, "lovelace") == []
    assert ids(either, "augusta") == ["contact_ada"]
    either.settle()
    assert ids(either, "lovelace") == []
    assert ids(either, "augusta") == ["contact_ada"]


def test_what_is_deleted_is_not_found(either: TextIndex) -> None:
    either.add([(4, "Contact", "contact_ada", ("", ""), True)])
    assert ids(either, "ada") == ["deal_engine"]
    either.settle()
    assert ids(either, "ada") == ["deal_engine"]


def test_an_older_row_does_not_undo_a_newer_one(index: TextIndex) -> None:
    index.add([(5, "Contact", "contact_ada", ("Augusta", ""), False), ADA])
    assert ids(index, "lovelace") == []


def test_the_limit_holds_where_many_rows_are_newer_than_what_is_written(tmp_path: Path) -> None:
    index = TextIndex(tmp_path / "texts", settle_after_s=None)
    index.add((number, "Contact", f"contact_{number:03}", ("same", ""), False) for number in range(100))
    index.settle()
    index.add((number + 100, "Contact", f"contact_{number:03}", ("other", ""), False) for number in range(95))
    assert len(ids(index, "same", limit=3)) == 3
    assert set(ids(index, "same", limit=10)) == {f"contact_{number:03}" for number in range(95, 100)}
    index.close()


def test_an_index_opened_again_knows_how_far_it_has_seen(tmp_path: Path) -> None:
    index = TextIndex(tmp_path / "texts", settle_after_s=None)
    index.add([ADA, ENGINE])
    assert (index.seq, index.written_seq) == (2, 0)
    index.close()
    again = TextIndex(tmp_path / "texts", settle_after_s=None)
    assert (again.seq, again.written_seq, ids(again, "ada")) == (2, 2, ["contact_ada", "deal_engine"])
    again.close()


@pytest.mark.parametrize("damage", ["meta", "segments", "foreign", "cut"])
def test_a_broken_folder_is_begun_anew(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "texts"
    index = TextIndex(folder, settle_after_s=None)
    index.add([ADA])
    index.close()
    for file in folder.iterdir():
        if damage == "meta" and file.name == "meta.json":
            file.write_text("{")
        if damage == "segments" and file.suffix == ".term":
            file.write_bytes(b"x" * 20)
        if damage == "cut" and file.suffix in (".idx", ".store", ".fast"):
            file.write_bytes(b"")
        if damage == "foreign" and file.name == "meta.json":
            file.write_text(file.read_text().replace('"words"', '"text"'))
    again = TextIndex(folder, settle_after_s=None)
    assert (again.seq, ids(again, "ada")) == (0, [])
    again.add([ADA])
    again.close()
    assert ids(TextIndex(folder), "ada") == ["contact_ada"]


def test_too_long_a_search_is_refused(index: TextIndex) -> None:
    with pytest.raises(InvalidArguments, match="at most 1000 are allowed"):
        index.search("a" * 1_001)
    with pytest.raises(InvalidArguments, match="at most 32 are allowed"):
        index.search(" ".join(f"w{number}" for number in range(33)))


def test_rows_are_written_by_themselves(tmp_path: Path) -> None:
    index = TextIndex(tmp_path / "texts", settle_after_s=0.0)
    index.add([ADA])
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join()
    assert index.written_seq == 1
    index.close()


def test_more_rows_than_memory_may_hold_are_written_at_once(tmp_path: Path) -> None:
    index = TextIndex(tmp_path / "texts", settle_after_s=None)
    index.add((number, "Contact", f"contact_{number}", ("Ada", ""), False) for number in range(1, 10_002))
    assert index.written_seq == 10_000
    index.add([(10_002, "Contact", "contact_long", ("", "word " * 1_000), False)])
    assert ids(index, "word") == ["contact_long"]
    index.close()


def test_searching_goes_on_while_rows_come_in(tmp_path: Path) -> None:
    index = TextIndex(tmp_path / "texts", settle_after_s=0.0)
    index.add([ADA])
    missed: list[int] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            if "contact_ada" not in ids(index, "ada"):
                missed.append(index.seq)

    reader = threading.Thread(target=look)
    reader.start()
    for seq in range(2, 200):
        index.add([(seq, "Contact", "contact_ada", ("Ada", f"version {seq}"), False)])
    done.set()
    reader.join()
    index.close()
    assert missed == []
    assert ids(index, "version 199") == ["contact_ada"]


NOUN = declare(
    "Thing",
    {
        "code": "string",
        "title": "string",
        "role": "DecisionMaker | User",
        "tags": "string[]",
        "site": "url",
        "owner": "-> Thing",
        "size": "number",
        "notes": "text",
    },
)


def test_the_title_is_the_key_that_names_an_entity() -> None:
    entity = {
        "$id": "thing_1",
        "code": "X1",
        "title": "Lamp",
        "tags": ["red", "round"],
        "site": "https://a.b",
        "size": 3,
    }
    assert text_of(NOUN, entity) == ("Lamp", "X1\nred\nround")
    assert text_of(NOUN, {"code": "X1", "notes": "bright"}) == ("X1", "bright")
    assert text_of(NOUN, {"size": 3}) == ("", "")


def test_the_words_of_an_enum_are_found_together_and_apart() -> None:
    assert tokenize(text_of(NOUN, {"role": "DecisionMaker"})[1]) == ["decisionmaker", "decision", "maker"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Søren ÆRØ", ["soren", "aero"]),
        ("Straße STRASSE GROẞ", ["strasse", "strasse", "gross"]),
        ("Łódź Œuvre Þór Ðóra", ["lodz", "oeuvre", "thor", "dora"]),
        ("\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}stanbul \N{LATIN SMALL LETTER DOTLESS I}s", ["istanbul", "is"]),
        ("Σίσυφος", ["σισυφοσ"]),
    ],
)
def test_letters_that_not_every_keyboard_has_are_written_as_others_by_index_and_filter(
    text: str, words: list[str]
) -> None:
    assert tokenize(text) == words
    assert all(has_word(text, word) for word in words)


@given(st.text(max_size=50))
def test_folding_a_word_twice_changes_nothing(text: str) -> None:
    assert tokenize(" ".join(tokenize(text))) == tokenize(text)


@given(st.text(max_size=200))
def test_no_text_is_syntax(text: str) -> None:
    assert all(word.isalnum() for word in tokenize(text))
