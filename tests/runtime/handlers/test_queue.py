"""The queue of runs: each is given out once, in its order within a key, whatever part of the backlog is in memory."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.handlers.queue import Place, Queue

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Ledger:
    """Runs that wait, as a queue reads them."""

    def __init__(self) -> None:
        self.waiting: dict[int, Place] = {}
        self.number = 0

    def __call__(self, after: int, limit: int) -> Sequence[Place]:
        return [self.waiting[number] for number in sorted(self.waiting) if number > after][:limit]

    def commit(self, keys: Sequence[str]) -> list[Place]:
        made: list[Place] = []
        for key in keys:
            self.number += 1
            made.append(Place(self.number, f"run_{self.number}", key))
            self.waiting[self.number] = made[-1]
        return made


KEYS = st.lists(st.sampled_from("abc"), max_size=6)


@settings(max_examples=300, deadline=None)
@given(st.integers(2, 8), KEYS, st.lists(st.one_of(KEYS, st.integers(0, 5), st.none()), max_size=40))
def test_every_run_is_given_out_once_and_in_its_order(
    in_memory: int, backlog: list[str], steps: list[list[str] | int | None]
) -> None:
    ledger = Ledger()
    ledger.commit(backlog)
    queue = Queue(ledger, in_memory_max=in_memory)
    given_out: list[Place] = []
    ended: list[Place] = []

    def take() -> None:
        place = queue.take()
        if place is not None:
            assert place.key not in {each.key for each in given_out}
            given_out.append(place)

    def end(which: int) -> None:
        place = given_out.pop(which % len(given_out))
        del ledger.waiting[place.number]
        ended.append(place)
        queue.done(place)

    for step in steps:
        if isinstance(step, list):
            made = ledger.commit(step)
            queue.add([each for each in made if each.id not in queue])
        elif step is None:
            take()
        elif given_out:
            end(step)
    while queue.has_ready or given_out:
        take()
        end(0)
    assert ledger.waiting == {}
    assert queue.is_empty
    for key in "abc":
        numbers = [each.number for each in ended if each.key == key]
        assert numbers == sorted(set(numbers))


def test_one_that_is_wanted_again_while_it_is_given_out_is_given_out_once_more() -> None:
    ledger = Ledger()
    first, second = ledger.commit(["a", "a"])
    queue = Queue(ledger)
    assert queue.take() == first
    queue.again(first)
    queue.done(first)
    assert queue.take() == second
    queue.done(second)
    assert queue.take() == first
    queue.done(first)
    assert queue.is_empty


def test_one_that_waits_for_its_time_holds_up_nobody() -> None:
    ledger = Ledger()
    first, second = ledger.commit(["a", "a"])
    queue = Queue(ledger)
    queue.later(first, NOW + timedelta(seconds=5))
    assert queue.take() == first
    queue.done(first)
    assert queue.take() == second
    queue.done(second)
    queue.wake(NOW)
    assert queue.take() is None
    queue.wake(NOW + timedelta(seconds=5))
    assert queue.take() == first
