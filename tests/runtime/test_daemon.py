"""The owner of a data folder, as a process of its own."""

import os
import shutil
import signal
from pathlib import Path

from runtime.client import Connection, OwnerOptions, wait_until_free

OPTIONS = OwnerOptions(idle_s=3)


def test_an_owner_whose_folder_was_deleted_takes_nothing_from_the_one_that_came_after_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Connection(data, tenant="default", options=OPTIONS) as client:
        client.ask("do", {"code": "$.Contact.create(name='Ada')"})
    former = owner_of(data)
    shutil.rmtree(data)
    with Connection(data, tenant="default", options=OPTIONS) as client:
        client.ask("do", {"code": "$.Contact.create(name='Bea')"})
        os.waitpid(former, 0)
        os.kill(owner_of(data), signal.SIGKILL)
        wait_until_free(data)
        assert client.ask("do", {"code": "[each.name for each in $.Contact.find()]"})["result"] == ["Bea"]
    os.kill(owner_of(data), signal.SIGTERM)
    wait_until_free(data)


def test_an_owner_whose_folder_was_moved_leaves_all_that_was_committed_where_it_is_now(tmp_path: Path) -> None:
    data, moved = tmp_path / "data", tmp_path / "moved"
    with Connection(data, tenant="default", options=OPTIONS) as client:
        client.ask("do", {"code": "$.Contact.create(name='Ada')"})
        data.rename(moved)
        os.waitpid(owner_of(moved), 0)
    with Connection(moved, tenant="default", options=OPTIONS) as client:
        assert client.ask("do", {"code": "[each.name for each in $.Contact.find()]"})["result"] == ["Ada"]
    assert not data.exists()
    os.kill(owner_of(moved), signal.SIGTERM)
    wait_until_free(moved)


def owner_of(data: Path) -> int:
    return int((data / "verbena.lock").read_text())
