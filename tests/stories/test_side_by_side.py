"""Tenants side by side in one engine: one loops in every place there is, and then the sandbox itself is shot down."""

import os
import signal
import sys
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runtime import VerbenaError, connect
from tests.stories.conftest import Door, Shell
from tests.until import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
LOOPS, PLACES = 9, 8


@pytest.fixture
def rival(verbena: Shell) -> Generator[Door]:
    door = Door(verbena, "rival")
    yield door
    door.close()


def test_loops_of_one_tenant_and_the_end_of_the_sandbox_leave_the_others_answered(
    rival: Door, verbena: Shell, stop: Callable[[], None]
) -> None:
    assert rival("do", code="$.Contact.create(name='Ada').name")["result"] == "Ada"
    owner = int((verbena.data / "verbena.lock").read_text())

    def loop(_: int) -> str:
        with connect(verbena.data, "acme") as client:
            try:
                client.do("$.Contact.create(name='Eve')\nwhile True: pass")
            except VerbenaError as error:
                return error.code
        return "it ended"

    with ThreadPoolExecutor(LOOPS) as threads:
        loops = [threads.submit(loop, number) for number in range(LOOPS)]
        try:
            until(lambda: len(looping(owner)) >= PLACES)
            assert rival("do", code="$.Contact.count()")["result"] == 1
            assert not any(each.done() for each in loops)
            while not all(each.done() for each in loops):  # those who waited loop next
                shoot_down(owner)
                assert rival("do", code="$.Contact.count()")["result"] == 1
        except BaseException:
            stop()  # else the loops would go on to their deadline
            raise
        assert {each.result() for each in loops} == {"execution_error"}
    with connect(verbena.data, "acme") as client:
        assert client.do("$.Contact.count()")["result"] == 0  # nothing of a unit that was cut off is kept
    stop()


def shoot_down(owner: int) -> None:
    """Ends the zygote, and returns when all that it had forked has ended with it."""
    started = children(owner)
    below = [pid for first in started for zygote in children(first) for pid in (zygote, *children(zygote))]
    for pid in started:
        os.kill(pid, signal.SIGKILL)
    until(lambda: all(state(pid) in "ZX" for pid in below))


def children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    except OSError:
        pass  # it, or one of its threads, has just ended
    return found


def looping(owner: int) -> list[int]:
    """The workers that compute: below what the owner started is the zygote, and below that are they."""
    workers = [worker for started in children(owner) for zygote in children(started) for worker in children(zygote)]
    return [worker for worker in workers if state(worker) == "R"]


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"
