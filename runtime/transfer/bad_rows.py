"""The file of the rows that were not taken: each with its line, what was wrong, what would be right, and what it held.

As CSV it has the columns of its source, so that it can be mended in place and imported again; else it is NDJSON.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import msgspec

from runtime.transfer.cells import cell
from runtime.transfer.delimited import OWN_COLUMNS
from runtime.transfer.rows import BadRow


class BadRows:
    """Opened by the first bad row, so that a clean import leaves no file behind."""

    def __init__(self, path: Path, *, columns: Sequence[str] | None, kept_bytes: int) -> None:
        """`kept_bytes` of what an earlier part of the same import wrote stay, what is behind them goes."""
        self.path = path
        self._columns = columns if path.suffix.lower() == ".csv" else None
        self._bytes = kept_bytes
        if path.exists():
            with path.open("r+b") as file:
                file.truncate(kept_bytes)
            if not kept_bytes:
                path.unlink()

    @property
    def size(self) -> int:
        """Bytes written."""
        return self._bytes

    def add(self, rows: Sequence[BadRow]) -> None:
        """Append rows, all of them in one write."""
        if not rows:
            return
        text = self._as_csv(rows) if self._columns is not None else _as_ndjson(rows)
        with self.path.open("ab") as file:
            file.write(text)
        self._bytes += len(text)

    def _as_csv(self, rows: Sequence[BadRow]) -> bytes:
        columns = [name for name in self._columns or () if name not in OWN_COLUMNS]
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer)
        if not self._bytes:
            writer.writerow([*OWN_COLUMNS, *columns])
        for row in rows:
            said = (str(row.line), row.code, row.message, row.hint)
            writer.writerow([*said, *(cell(row.values[name]) if name in row.values else "" for name in columns)])
        return buffer.getvalue().encode("utf-8", "replace")


def _as_ndjson(rows: Sequence[BadRow]) -> bytes:
    lines = [
        {"line": row.line, "code": row.code, "reason": row.message, "hint": row.hint, "row": dict(row.values)}
        for row in rows
    ]
    return b"".join(msgspec.json.encode(line, enc_hook=str) + b"\n" for line in lines)
