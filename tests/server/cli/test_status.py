"""Measures and the status at the shell, for people and for programs."""

import json
from typing import Any

DEALS = """
$.Deal.create(name="D", value=12.5, currency="EUR")
$.Ticket.create(subject="T", priority="Urgent")
"""


def told(done: Any) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_programs_get_json(verbena: Any) -> None:
    verbena("do", DEALS)
    assert told(verbena("fetch", "--json", "--type", "Measure", "pipeline"))["value"] == 12.5
    assert told(verbena("status", "--json"))["pipeline"]["value"] == 12.5
    assert told(verbena("status", "--json", "--as-of", "0"))["pipeline"]["value"] == 0
    assert verbena("fetch", "--type", "Measure", "pipelin").returncode == 1
    assert verbena("status", "--as-of", "soon").returncode == 2


def test_people_get_a_table_with_units_reasons_and_alerts(verbena: Any) -> None:
    verbena("do", DEALS)
    lines = [line.split() for line in verbena("status").stdout.splitlines()]
    assert ["pipeline", "value", "12.5", "EUR"] in lines
    assert [
        "revenue",
        "trialConversion",
        "percent",
        *["no", "trial", "ended", "in", "the", "last", "30", "days"],
    ] in lines
    assert lines[-1] == ["high:", "1", "open", "tickets", "are", "Urgent"]
    verbena("do", '$.Deal.create(name="E", value=7, currency="USD")')
    lines = [line.split() for line in verbena("status").stdout.splitlines()]
    assert [line for line in lines if line[:2] == ["pipeline", "value"]] == [
        ["pipeline", "value", "12.5", "EUR"],
        ["pipeline", "value", "7", "USD"],
    ]
