"""CSV as the world writes it, and as nobody should."""

from pathlib import Path
from typing import Any

import pytest

from runtime.errors import ValidationFailed
from runtime.transfer.delimited import Delimited
from runtime.transfer.rows import ROW_CHARS_MAX, BadRow, Row


def read(tmp_path: Path, content: bytes, **options: str) -> tuple[list[str], list[Any]]:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    source = Delimited(path, **options)
    try:
        return list(source.columns()), list(source.rows())
    finally:
        source.close()


@pytest.mark.parametrize(
    "content",
    [
        b"name,email\nAda,a@x.com\n",
        b"name;email\r\nAda;a@x.com\r\n",
        b"name\temail\nAda\ta@x.com",
        b"name|email\rAda|a@x.com\r",
        b"\xef\xbb\xbfname,email\nAda,a@x.com\n",
        '"name","email"\n"Ada","a@x.com"\n'.encode("utf-16"),
        "name,email\nAda,a@x.com\n".encode("utf-32"),
        b"name,email,\nAda,a@x.com\n",
        b"name,email\n\n,\nAda,a@x.com\n",
    ],
)
def test_the_usual_ways_to_write_it_are_read_alike(tmp_path: Path, content: bytes) -> None:
    columns, rows = read(tmp_path, content)
    assert columns == ["name", "email"]
    assert [row.values for row in rows] == [{"name": "Ada", "email": "a@x.com"}]


def test_quotes_keep_delimiters_line_ends_and_quotes_and_lines_are_counted(tmp_path: Path) -> None:
    _, rows = read(tmp_path, b'name,note\n"Ada, ""the first""","two\nlines"\nBea,one\n')
    assert rows == [Row(2, {"name": 'Ada, "the first"', "note": "two\nlines"}), Row(4, {"name": "Bea", "note": "one"})]


def test_what_looks_like_a_formula_stays_text(tmp_path: Path) -> None:
    _, (row,) = read(tmp_path, b'name,note\n=1+1,"@SUM(A1:A9)"\n')
    assert row.values == {"name": "=1+1", "note": "@SUM(A1:A9)"}


def test_an_encoding_is_named_where_it_is_no_utf8(tmp_path: Path) -> None:
    content = "name\nJosé\nAda\n".encode("cp1252")
    _, (bad, good) = read(tmp_path, content)
    assert isinstance(bad, BadRow) and (bad.line, bad.message) == (2, "this is not utf-8 text")
    assert "cp1252" in bad.hint and good == Row(3, {"name": "Ada"})
    assert read(tmp_path, content, encoding="cp1252")[1][0] == Row(2, {"name": "José"})


def test_zero_bytes_are_text_like_others(tmp_path: Path) -> None:
    assert read(tmp_path, b"name\na\0b\n")[1] == [Row(2, {"name": "a\0b"})]


def test_text_of_two_bytes_a_character_without_its_mark_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationFailed, match="full of zero bytes"):
        read(tmp_path, "name\nAda\n".encode("utf-16-le"))


def test_more_cells_than_columns_is_a_bad_row_and_fewer_is_not(tmp_path: Path) -> None:
    _, (short, long) = read(tmp_path, b"a,b\n1\n1,2,3\n")
    assert short == Row(2, {"a": "1"})
    assert isinstance(long, BadRow) and (long.line, long.message) == (3, "there are 3 cells, and 2 columns")


def test_a_line_without_end_is_one_bad_row(tmp_path: Path) -> None:
    _, (bad, good) = read(tmp_path, b"a,b\n" + b"x" * (3 * ROW_CHARS_MAX) + b"\n1,2\n")
    assert isinstance(bad, BadRow) and bad.line == 2
    assert good == Row(3, {"a": "1", "b": "2"})


def test_a_quote_without_end_does_not_swallow_the_file(tmp_path: Path) -> None:
    _, rows = read(tmp_path, b'a,b\n"open,2\n' + b"x,y\n" * 600_000)
    assert isinstance(rows[0], BadRow) and rows[0].line == 2
    assert rows[-1] == Row(600_002, {"a": "x", "b": "y"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"\n\n", "first line is empty"),
        (b"a,,c\n1,2,3\n", "column 2 has no name"),
        (b"a,b,a\n", "two columns"),
        (b",".join(b"c%d" % number for number in range(10_000)), "10,000 columns"),
    ],
)
def test_a_header_that_names_no_columns_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(ValidationFailed, match=message):
        read(tmp_path, content)
