"""A tenant's file that is cut off, foreign, newer or in use: a clear message, and the file is left as it was."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from runtime.engine import Engine
from runtime.errors import Unavailable
from runtime.wire import Question, decode

CREATE = {"action": "create", "type": "Contact", "data": {"name": "Ada", "email": "ada@example.com"}}


def _cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _garbage(path: Path) -> None:
    path.write_bytes(b"this is no database" * 1000)


def _empty_of_tenant(path: Path) -> None:
    path.unlink()
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{path}' AS stranger (BLOCK_SIZE 16384)")
        connection.execute("CREATE TABLE stranger.thing (x INT)")


def _newer(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE meta SET value = '999' WHERE key = 'format'")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (_cut_off, "left as it is"),
        (_garbage, "left as it is"),
        (_empty_of_tenant, "not a tenant of Verbena"),
        (_newer, "newer version"),
    ],
)
def test_a_damaged_file_is_told_and_left_alone(tmp_path: Path, damage: Callable[[Path], None], says: str) -> None:
    path = _made(tmp_path)
    damage(path)
    before = path.read_bytes()
    engine = Engine(tmp_path)
    try:
        for _ in range(2):  # the second time too
            with pytest.raises(Unavailable) as failure:
                engine.answer(Question("fetch", "default", {"type": "Schema"}))
            assert says in failure.value.message
            assert failure.value.hint
        other = decode(engine.answer(Question("do", "other", CREATE)))
        assert other["result"]["name"] == "Ada"
    finally:
        engine.close()
    assert path.read_bytes() == before


def test_a_file_that_another_process_has_open_is_told(tmp_path: Path) -> None:
    path = _made(tmp_path)
    holder = subprocess.Popen(
        [sys.executable, "-c", f"import duckdb; c = duckdb.connect({str(path)!r}); print(1, flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        engine = Engine(tmp_path)
        with pytest.raises(Unavailable) as failure:
            engine.answer(Question("fetch", "default", {"type": "Schema"}))
        engine.close()
        assert "open in another process" in failure.value.message
    finally:
        holder.communicate(b"\n", timeout=20)


def _made(data: Path) -> Path:
    engine = Engine(data)
    engine.answer(Question("do", "default", CREATE))
    engine.close()
    return data / "tenants" / "default.duckdb"
