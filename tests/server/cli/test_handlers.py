"""Handlers and their runs at the shell: seen, switched, removed, tried again and given up."""

import json
from collections.abc import Callable
from typing import Any

import pytest

CODE = """
@$.Contact.creating
def has_a_name(contact, $):
    if contact.name == "Nobody": raise ValueError("who?")

@$.Contact.created
def greet(contact, $):
    print("hello", contact.name)

@$.Contact.created
def needs(contact, $):
    $.Organization.findOne(name="Acme").id
"""


def told(done: Any) -> Any:
    """What a command with --json said."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def shell(module_verbena: Any, request: pytest.FixtureRequest) -> Callable[..., Any]:
    """The command line on a tenant of the test's own with three handlers, which ran for one contact."""
    tenant = request.node.name.replace("_", "-")[-40:].strip("-")

    def ask(*words: str) -> Any:
        return module_verbena(*words, "--tenant", tenant)

    assert ask("do", CODE).returncode == 0
    assert ask("do", '$.Contact.create(name="Ada")').returncode == 0
    return ask


def words(done: Any) -> list[list[str]]:
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def test_handlers_are_listed_in_the_order_in_which_they_run(shell: Any) -> None:
    listed = told(shell("handlers", "--json"))
    assert [(each["name"], each["pattern"]) for each in listed] == [
        ("has_a_name", "Contact.create"),
        ("greet", "Contact.created"),
        ("needs", "Contact.created"),
    ]
    first = [listed[0]["$id"], "Active", "before", "Contact.create", "has_a_name", "local"]
    assert words(shell("handlers", "--kind", "before")) == [
        ["id", "status", "kind", "pattern", "name", "actor", "reason"],
        first,
    ]
    assert 'print("hello", contact.name)' in shell("handlers", "show", listed[1]["$id"]).stdout


def test_a_handler_is_disabled_enabled_and_removed(shell: Any) -> None:
    id = told(shell("handlers", "--json"))[1]["$id"]
    assert told(shell("handlers", "disable", id, "--reason", "too loud", "--json"))["status"] == "Disabled"
    assert told(shell("handlers", "show", id, "--json"))["reason"] == "too loud"
    done = told(shell("do", "--json", '$.Contact.create(name="Grace")'))
    assert [each["handler"] for each in done["handlers"]] == ["has_a_name", "needs"]
    assert told(shell("handlers", "enable", id, "--json"))["status"] == "Active"
    assert told(shell("handlers", "remove", id, "--json"))["status"] == "Removed"
    assert len(told(shell("handlers", "--json"))) == 2
    assert shell("handlers", "show", id).stderr.startswith("not_found: ")


def test_a_failed_run_is_found_tried_again_and_given_up(shell: Any) -> None:
    (found,) = told(shell("runs", "--status", "Failed", "--json"))["results"]
    heads, row = words(shell("runs", "--status", "Failed"))
    assert (heads[:4], row[:4]) == (["id", "status", "kind", "name"], [found["id"], "Failed", "after", "needs"])
    assert told(shell("runs", "retry", found["id"], "--json"))["status"] == "Waiting"
    assert shell("runs", "retry", "run_2222222222").stderr.startswith("not_found: ")
    done = told(shell("do", "--json", '$.Contact.create(name="Grace")'))
    failed = next(each["run"] for each in done["handlers"] if each["handler"] == "needs")
    assert told(shell("runs", "release", failed, "--json"))["status"] == "Released"
    assert shell("runs", "release", failed).returncode == 1


def test_a_do_says_how_the_handlers_stand(shell: Any) -> None:
    rows = words(shell("do", '$.Contact.create(name="Grace") and None'))
    start = rows.index(["handler", "status", "run"])
    assert [row[:2] for row in rows[start + 1 :]] == [
        ["has_a_name", "Succeeded"],
        ["greet", "Succeeded"],
        ["needs", "Failed"],
    ]
    (greeted,) = [row[2] for row in rows if row[:1] == ["greet"]]
    assert ["output", "hello", "Grace"] in words(shell("run", greeted))
    refused = shell("do", '$.Contact.create(name="Nobody")')
    assert (refused.returncode, refused.stderr.splitlines()[0]) == (1, "rejected: who?")


def test_runs_go_by_pages_and_by_what_they_are_about(shell: Any) -> None:
    first = told(shell("runs", "--limit", "2", "--json"))
    rest = told(shell("runs", "--cursor", first["cursor"], "--json"))
    ids = [each["id"] for page in (first, rest) for each in page["results"]]
    assert len(ids) == len(set(ids)) == 5
    contact = told(shell("search", "--type", "Contact", "--json"))["results"][0]["id"]
    greet = told(shell("handlers", "--json"))[1]["$id"]
    assert len(told(shell("runs", "--entity", contact, "--json"))["results"]) == 2
    assert len(told(shell("runs", "--entity", contact, "--handler", greet, "--json"))["results"]) == 1


@pytest.mark.parametrize(
    "line",
    [
        ["handlers", "--kind", "befor"],
        ["handlers", "--kind", "before", "show", "handler_2222222222"],
        ["runs", "--status", "Failed", "retry", "run_2222222222"],
        ["runs", "--limit", "0"],
        ["handlers", "show"],
    ],
)
def test_a_wrong_line_is_refused(module_verbena: Any, line: list[str]) -> None:
    done = module_verbena(*line)
    assert (done.returncode != 0, done.stdout) == (True, "")
    assert done.stderr
