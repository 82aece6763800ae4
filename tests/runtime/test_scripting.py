"""A record as scripts have it."""

from runtime.scripting import Record

RECORD = Record(
    {"$id": "deal_fX9bL5nRdK", "$type": "Deal", "$createdAt": "2026-11-01T09:00:00Z", "name": "Acme", "type": "New"}
)


def test_a_record_is_read_by_attribute_or_by_item() -> None:
    assert (RECORD.name, RECORD["name"], RECORD.value) == ("Acme", "Acme", None)


def test_a_meta_field_needs_no_dollar_where_no_key_is_called_so() -> None:
    assert (RECORD.id, RECORD.createdAt, RECORD.type, RECORD.version) == (
        "deal_fX9bL5nRdK",
        "2026-11-01T09:00:00Z",
        "New",
        None,
    )
