"""A pattern means exactly the events that it says, in the engine's words and in the log's."""

import duckdb
import pytest

from runtime.catalogue import shipped
from runtime.errors import VerbenaError
from runtime.event_pattern import parse_pattern

VOCABULARY = shipped()
# type, event, entity
HAPPENED = [
    ("Contact", "Contact.created", "contact_aaaaaaaaaa"),
    ("Contact", "Contact.qualified", "contact_aaaaaaaaaa"),
    ("Contact", "Contact.qualified", "contact_bbbbbbbbbb"),
    ("Deal", "Deal.created", "deal_aaaaaaaaaa"),
    ("Ticket", "Ticket.closed", "ticket_aaaaaaaaaa"),
    ("Invoice", "Invoice.writtenOff", "invoice_aaaaaaaaaa"),
    ("Noun", "Noun.defined", "noun_aaaaaaaaaa"),
    ("Handler", "Handler.stored", "handler_aaaaaaaaaa"),
    ("Run", "Run.failed", "run_aaaaaaaaaa"),
]


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("*", [0, 1, 2, 3, 4, 5, 6]),
        ("*.*", [0, 1, 2, 3, 4, 5, 6]),
        ("Contact.*", [0, 1, 2]),
        ("*.created", [0, 3]),
        ("*.create", [0, 3]),
        ("*.Qualified", [1, 2]),
        ("*.Closed", [4]),
        ("Contact.contact_aaaaaaaaaa.*", [0, 1]),
        ("Contact.contact_aaaaaaaaaa.qualify", [1]),
        ("Contact.qualified", [1, 2]),
        ("Contact.Qualified", [1, 2]),
        ("Contact.qualify", [1, 2]),
        ("Invoice.WrittenOff", [5]),
        ("Invoice.writeOff", [5]),
        ("Noun.defined", [6]),
        ("Handler.*", [7]),
        ("Run.failed", [8]),
        ("Run.*", [8]),
        ("*.fail", []),
    ],
)
def test_a_pattern_means_these_events(pattern: str, meant: list[int]) -> None:
    parsed = parse_pattern(pattern, VOCABULARY)
    found = [
        place
        for place, (type, event, entity) in enumerate(HAPPENED)
        if parsed.matches(type=type, event=event, entity=entity)
    ]
    where = parsed.condition()
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE events (place INT, type VARCHAR, event VARCHAR, entity VARCHAR)")
        connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?)", [(n, *row) for n, row in enumerate(HAPPENED)])
        rows = connection.execute(
            f"SELECT place FROM events WHERE {where.text} ORDER BY place", list(where.parameters)
        ).fetchall()
    assert (found, [place for (place,) in rows]) == (meant, meant)


@pytest.mark.parametrize(
    ("pattern", "code", "told"),
    [
        ("Contact", "invalid_arguments", "Contact.*"),
        ("", "invalid_arguments", "*.created"),
        (None, "invalid_arguments", "*.created"),
        (["Contact.*"], "invalid_arguments", "*.created"),
        ("*" * 1000, "invalid_arguments", "*.created"),
        ("Contact.", "invalid_arguments", "*.created"),
        (".created", "invalid_arguments", "*.created"),
        ("Contact.a.b.c", "invalid_arguments", "*.created"),
        ("*.contact_aaaaaaaaaa.*", "invalid_arguments", "<Noun>.contact_aaaaaaaaaa.*"),
        ("contact.*", "invalid_type", "did you mean 'Contact'?"),
        ("Contcat.*", "invalid_type", "did you mean 'Contact'?"),
        ("Contact.qualifed", "invalid_type", "qualified"),
        ("Contact.qualifying", "invalid_type", "did you mean Contact.qualified?"),
        ("Contact.qualifiedBy", "invalid_type", "did you mean Contact.qualified?"),
        ("Contact.upsert", "invalid_type", "did you mean Contact."),
        ("Contact.get", "invalid_type", "did you mean"),
        ("*.creatd", "invalid_type", "did you mean 'created'?"),
        ("Contact.deal_aaaaaaaaaa.*", "invalid_id", "ids of Contact begin with contact_"),
        ("Contact.nobody.*", "invalid_id", "ids of Contact begin with contact_"),
    ],
)
def test_what_is_no_pattern_is_refused_with_what_would_be_one(pattern: object, code: str, told: str) -> None:
    with pytest.raises(VerbenaError) as refused:
        parse_pattern(pattern, VOCABULARY)
    assert refused.value.code == code
    assert told in f"{refused.value.message} {refused.value.hint}"
