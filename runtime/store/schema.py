"""What stands in a tenant's file: the log, one table a noun, the unique keys, and a few facts about the file itself."""

from runtime import values
from runtime.noun import Field, Noun
from runtime.sql import quoted

# Files of a newer format are refused, files of an older one are migrated when they are opened.
FORMAT = 1

TABLES = (
    "CREATE TABLE IF NOT EXISTS {catalog}.meta (key VARCHAR, value VARCHAR)",
    # Append-only, without key or index: `seq` is sorted, so a range of it is found by its zone maps, and nothing can rot.
    # Payload and salt are apart from the rest, since the leaf holds only their hash and `erase` may empty them. How they are
    # compressed is said: left to DuckDB, in its small blocks, that was half of the time of a large import.
    """CREATE TABLE IF NOT EXISTS {catalog}.events (
        seq BIGINT NOT NULL, "at" TIMESTAMP NOT NULL, type VARCHAR NOT NULL, verb VARCHAR NOT NULL, event VARCHAR NOT NULL,
        entity VARCHAR NOT NULL, version BIGINT NOT NULL, actor VARCHAR NOT NULL, cause VARCHAR, run VARCHAR, via VARCHAR,
        payload VARCHAR USING COMPRESSION zstd, salt BLOB USING COMPRESSION uncompressed,
        leaf BLOB USING COMPRESSION uncompressed NOT NULL)""",
    # `Contact.email=ada@example.com` → id. One column, since DuckDB looks nothing up by a key of several; rows are only
    # inserted and deleted, never updated.
    'CREATE TABLE IF NOT EXISTS {catalog}."unique" (key VARCHAR PRIMARY KEY, id VARCHAR NOT NULL)',
    # No noun can be called like these. Answers that a repeated call gets again, and plans that wait for their commit:
    # both of them only for a while.
    'CREATE TABLE IF NOT EXISTS {catalog}."$answers" (key VARCHAR, body VARCHAR, "at" TIMESTAMP, answer VARCHAR)',
    'CREATE TABLE IF NOT EXISTS {catalog}."$plans" (hash VARCHAR, "at" TIMESTAMP, content VARCHAR)',
    # The hash over each 256 leaves of the log, so that a proof need not read them all; made from the log when missing.
    'CREATE TABLE IF NOT EXISTS {catalog}."$tiles" (tile BIGINT NOT NULL, hash BLOB NOT NULL)',
)

# The columns of the log, as they stand in a statement.
EVENT_COLUMNS = 'seq, "at", type, verb, event, entity, version, actor, cause, run, via, payload, salt, leaf'

# The columns that every noun's table has, before those of its own keys.
OWN_COLUMNS: tuple[tuple[str, str], ...] = (
    ("$id", "VARCHAR PRIMARY KEY"),
    ("$seq", "BIGINT"),  # log position of the latest event
    ("$number", "BIGINT"),  # log position of the creation: never changes, so it breaks every tie in a sort
    ("$version", "BIGINT"),
    ("$createdAt", "TIMESTAMP"),
    ("$updatedAt", "TIMESTAMP"),
    ("$createdBy", "VARCHAR"),
    ("$deletedAt", "TIMESTAMP"),
    ("$body", "VARCHAR"),  # the entity whole, as in its event: a point read decodes this instead of thirty columns
)

_PLAIN = " USING COMPRESSION uncompressed"


def columns(noun: Noun) -> list[str]:
    """The columns of a noun's table, in the order in which rows are written."""
    return [name for name, _ in OWN_COLUMNS] + list(noun.fields)


def create_table(catalog: str, noun: Noun) -> str:
    """The statement that makes a noun's table."""
    # Read one at a time and anywhere: zstd would unpack two thousand of them for each, and what DuckDB chooses in small blocks
    # takes ten times as long to write.
    columns = [f"{quoted(name)} {kind}{_PLAIN if name == '$body' else ''}" for name, kind in OWN_COLUMNS]
    columns += [f"{quoted(field.name)} {values.sql_type(field)}" for field in noun.fields.values()]
    return f"CREATE TABLE {catalog}.{quoted(noun.key)} ({', '.join(columns)})"


def add_column(catalog: str, noun: Noun, field: Field) -> str:
    """The statement that adds a key which the noun gained after its table was made."""
    return f"ALTER TABLE {catalog}.{quoted(noun.key)} ADD COLUMN {quoted(field.name)} {values.sql_type(field)}"


def rename_column(catalog: str, noun: Noun, former: str, present: str) -> str:
    """The statement that follows a key's new name."""
    return f"ALTER TABLE {catalog}.{quoted(noun.key)} RENAME COLUMN {quoted(former)} TO {quoted(present)}"
