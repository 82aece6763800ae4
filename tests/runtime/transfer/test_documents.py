"""JSON and NDJSON in pieces."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import ValidationFailed
from runtime.transfer.documents import Array, Lines
from runtime.transfer.rows import BadRow, Row

Kind = Callable[[Path], Array | Lines]


def read(kind: Kind, tmp_path: Path, content: bytes) -> list[Any]:
    path = tmp_path / "rows"
    path.write_bytes(content)
    source = kind(path)
    try:
        return list(source.rows())
    finally:
        source.close()


def test_an_array_larger_than_a_piece_is_read_whole(tmp_path: Path) -> None:
    rows = [{"number": number, "text": "ü" * 500, "list": [1, {"deep": None}]} for number in range(5_000)]
    found = read(Array, tmp_path, json.dumps(rows, ensure_ascii=False).encode())
    assert [row.values for row in found] == rows


def test_an_object_of_an_array_is_named_by_its_line(tmp_path: Path) -> None:
    found = read(Array, tmp_path, b'\xef\xbb\xbf[\n {"a":\n 1},\n\n 5, {"a": 2}]\n')
    assert found[0] == Row(2, {"a": 1}) and found[2] == Row(5, {"a": 2})
    assert isinstance(found[1], BadRow) and found[1].line == 5


def test_an_empty_array_has_no_rows(tmp_path: Path) -> None:
    assert read(Array, tmp_path, b" [ ] ") == []


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b'[{"a": 1},\n{"a": }]', 2),
        (b'[{"a": 1}\n{"a": 2}]', 2),
        (b'[{"a": NaN}]', 1),
        (b'[{"a": 1}', 1),
        (b'[{"a": 1}] x', 1),
        (b'{"a": 1}', 1),
        (b'[{"a": "\xff"}]', 1),
        (b"[" * 100_000, 1),
    ],
)
def test_a_broken_array_says_where(tmp_path: Path, content: bytes, line: int) -> None:
    with pytest.raises(ValidationFailed, match=f"line {line}:"):
        read(Array, tmp_path, content)


def test_a_bad_line_is_one_bad_row(tmp_path: Path) -> None:
    found = read(Lines, tmp_path, b'{"a": 1}\n\n{"a": \n[1]\n{"a": "\xff"}\n{"a": 2}')
    assert [(row.line, type(row).__name__) for row in found] == [
        (1, "Row"), (3, "BadRow"), (4, "BadRow"), (5, "BadRow"), (6, "Row"),
    ]  # fmt: skip


def test_a_line_without_end_is_one_bad_row(tmp_path: Path) -> None:
    bad, good = read(Lines, tmp_path, b'{"a": "' + b"x" * 20_000_000 + b'"}\n{"a": 2}\n')
    assert isinstance(bad, BadRow) and (bad.line, good) == (1, Row(2, {"a": 2}))
