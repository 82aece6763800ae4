"""Reading holds a batch of rows and no more, however long the file is."""

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.transfer.delimited import Delimited
from runtime.transfer.documents import Array, Lines
from runtime.transfer.rows import Source

ROWS = 100_000
# A tenth of the smallest of these files; a piece of a JSON array is a megabyte, held twice for a moment.
PEAK_BYTES_MAX = 6 << 20


def _csv(path: Path) -> None:
    path.write_text("name,text\n" + "".join(f"N{number},{'x' * 100}\n" for number in range(ROWS)))


def _json(path: Path) -> None:
    path.write_text(json.dumps([{"name": f"N{number}", "text": "x" * 100} for number in range(ROWS)]))


def _ndjson(path: Path) -> None:
    path.write_text("".join(json.dumps({"name": f"N{number}", "text": "x" * 100}) + "\n" for number in range(ROWS)))


@pytest.mark.parametrize(
    ("write", "kind"), [(_csv, Delimited), (_json, Array), (_ndjson, Lines)], ids=["csv", "json", "ndjson"]
)
def test_a_long_file_is_read_in_little_memory(
    tmp_path: Path, write: Callable[[Path], None], kind: Callable[[Path], Source]
) -> None:
    path = tmp_path / "rows"
    write(path)
    tracemalloc.start()
    try:
        source = kind(path)
        count = sum(1 for _ in source.rows())
        source.close()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == ROWS
    assert peak < PEAK_BYTES_MAX
