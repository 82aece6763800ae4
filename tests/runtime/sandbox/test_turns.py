import threading

import pytest

from runtime.sandbox.turns import WAITING_MAX, QueueFull, Turns, WaitedTooLong


def test_tenants_take_turns_and_each_is_served_in_order() -> None:
    turns, served, threads = Turns(1), list[str](), list[threading.Thread]()

    def wait(name: str) -> None:
        with turns.turn(name[0], wait_seconds=30):
            served.append(name)

    with turns.turn("z", wait_seconds=0):
        for position, name in enumerate(("a1", "a2", "a3", "b1", "b2", "c1")):
            threads.append(threading.Thread(target=wait, args=(name,)))
            threads[-1].start()
            while turns.waiting <= position:
                pass
    for thread in threads:
        thread.join()
    assert served == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_a_place_is_free_again_after_a_failure() -> None:
    turns = Turns(1)
    with pytest.raises(ZeroDivisionError), turns.turn("a", wait_seconds=0):
        raise ZeroDivisionError
    with turns.turn("a", wait_seconds=0):
        pass


def test_nobody_waits_longer_than_he_said() -> None:
    turns = Turns(1)
    with turns.turn("a", wait_seconds=0), pytest.raises(WaitedTooLong), turns.turn("a", wait_seconds=0.01):
        pass
    assert turns.waiting == 0


def test_a_tenant_with_too_many_waiting_is_refused_and_others_are_not() -> None:
    turns = Turns(1)
    release = threading.Event()

    def wait() -> None:
        with turns.turn("a", wait_seconds=30):
            release.wait()

    threads = [threading.Thread(target=wait) for _ in range(WAITING_MAX)]
    with turns.turn("z", wait_seconds=0):
        for position, thread in enumerate(threads):
            thread.start()
            while turns.waiting <= position:
                pass
        with pytest.raises(QueueFull), turns.turn("a", wait_seconds=30):
            pass
        with pytest.raises(WaitedTooLong), turns.turn("b", wait_seconds=0.01):
            pass
        release.set()
    for thread in threads:
        thread.join()
