"""What was asked for at a time is done at that time, also where the engine was killed before it."""

import os
import signal
from pathlib import Path

from runtime import connect
from runtime.client import wait_until_free


def test_what_is_asked_for_later_is_done_later(data: Path) -> None:
    with connect(data) as client, client.events.subscribe("Contact.created") as events:
        client.do('$.at("in 1s", lambda: $.Contact.create(name="Ada"))')
        assert client.Contact.count() == 0
        done = next(events)
        assert (done.after.name, client.fetch(type="Run", id=done.run).kind) == ("Ada", "schedule")


def test_what_came_due_while_nobody_was_there_is_done_by_who_comes_next(data: Path) -> None:
    with connect(data) as client:
        client.do('$.at("in 1s", lambda: $.Contact.create(name="Ada"))')
        os.kill(int((data / "verbena.lock").read_text()), signal.SIGKILL)
        wait_until_free(data)
    with connect(data, "another") as other, connect(data) as client:
        other.nouns.list()  # nobody asks for the tenant itself
        with client.events.subscribe("Contact.created", since=0) as events:
            assert next(events).after.name == "Ada"
