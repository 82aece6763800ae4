"""A tenant's file: what is in the way of a checkpoint, and how long it may be."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta

import duckdb
import pytest

from runtime.errors import Unavailable
from runtime.store.tenant_file import CHECKPOINT_PATIENCE_SECONDS
from runtime.tenant import IDLE_BEFORE_CHECKPOINT
from tests.runtime.door import Door


@contextmanager
def reading_since_before_a_change(door: Door) -> Generator[duckdb.DuckDBPyConnection]:
    """A query that reads, and a change that was committed meanwhile, the ledger's rows of it included."""
    id = door.do('$.Contact.create(name="Ada").id')
    cursor = door.tenant.file.instance.cursor_apart()
    cursor.execute("BEGIN")
    assert cursor.execute(f"SELECT name FROM {door.tenant.file.catalog}.contact").fetchall() == [("Ada",)]
    door.do(f'$.Contact.update("{id}", name="Ada Lovelace")')
    door.tenant.write_noted()
    yield cursor
    cursor.close()


def folded_in(door: Door) -> bool:
    """Whether the WAL is folded in when the tenant rests; the engine's own upkeep may be at it in the same moment."""
    for _ in range(1_000):
        door.tenant.keep_up()
        with door.tenant.writer.pause():
            if not door.tenant.file.wal_bytes():
                return True
    return False


def test_a_checkpoint_waits_for_a_query_that_began_before_the_latest_change(door: Door) -> None:
    with reading_since_before_a_change(door) as cursor, door.tenant.writer.pause():
        waited: list[float] = []

        def wait(seconds: float) -> None:
            waited.append(seconds)
            if len(waited) == 3:
                cursor.execute("COMMIT")

        door.tenant.file.checkpoint(wait=wait)
        assert len(waited) == 3
        assert door.tenant.file.wal_bytes() == 0


def test_a_checkpoint_does_not_wait_for_ever(door: Door) -> None:
    with reading_since_before_a_change(door), door.tenant.writer.pause():
        waited: list[float] = []
        with pytest.raises(Unavailable, match="is being read"):
            door.tenant.file.checkpoint(wait=waited.append)
        assert sum(waited) == pytest.approx(CHECKPOINT_PATIENCE_SECONDS)


def test_a_tenant_that_rests_is_folded_in_once_nobody_reads_it_any_more(door: Door) -> None:
    with reading_since_before_a_change(door) as cursor:
        door.clock.ahead += 2 * IDLE_BEFORE_CHECKPOINT
        door.tenant.keep_up()
        assert door.tenant.file.wal_bytes() > 0
        cursor.execute("COMMIT")
        assert folded_in(door)


def test_a_tenant_rests_also_when_its_clock_was_put_back(door: Door) -> None:
    door.do('$.Contact.create(name="Early").id')
    door.tenant.write_noted()
    door.clock.ahead = -timedelta(hours=1)
    assert folded_in(door)
