"""How the columns of a tenant's file are compressed."""

from runtime.sql import Sql
from tests.runtime.door import Door


def test_long_columns_are_stored_as_they_are_read(door: Door) -> None:
    door.do('[$.Contact.create(name=f"Ada {n}").id for n in range(500)]')
    door.tenant.file.checkpoint()
    assert stored(door, "events", ("payload", "salt", "leaf")) == {
        ("payload", "ZSTD"),
        ("salt", "Uncompressed"),
        ("leaf", "Uncompressed"),
    }
    assert stored(door, "contact", ("$body",)) == {("$body", "Uncompressed")}


def stored(door: Door, table: str, columns: tuple[str, ...]) -> set[tuple[str, str]]:
    """How these columns of a table are compressed in the file."""
    segments = f"""SELECT DISTINCT column_name, compression FROM pragma_storage_info('{door.tenant.file.catalog}.{table}')
        WHERE segment_type <> 'VALIDITY'"""
    found = door.tenant.file.rows(Sql(segments))
    return {(column, compression) for column, compression in found if column in columns}
