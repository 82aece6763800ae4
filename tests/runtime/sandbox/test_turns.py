import threading
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.sandbox.turns import WAITING_MAX, QueueFull, Turn, Turns, WaitedTooLong

PLACES, OWN = 3, 2


def full(places: int, tenant: str = "z") -> tuple[Turns, list[Turn]]:
    """Turns whose every place is held by one tenant, with no places of their own for others."""
    turns = Turns(places, own_places_max=0)
    return turns, [turns.ask(tenant) for _ in range(places)]


def test_tenants_take_turns_and_each_is_served_in_order() -> None:
    turns, (held,) = full(1)
    asked = {name: turns.ask(name[0]) for name in ("a1", "a2", "a3", "b1", "b2", "c1")}
    served: list[str] = []
    for _ in asked:
        turns.give_back(held)
        (name,) = [name for name, turn in asked.items() if turn.has_come and name not in served]
        served.append(name)
        held = asked[name]
    assert served == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_a_tenant_that_holds_none_does_not_wait_for_those_who_hold_all() -> None:
    turns = Turns(2)
    greedy = [turns.ask("greedy") for _ in range(5)]
    assert [turn.has_come for turn in greedy] == [True, True, False, False, False]
    first, second = turns.ask("modest"), turns.ask("modest")
    assert (first.has_come, second.has_come) == (True, False)
    turns.give_back(first)  # its own place goes to its own next caller, not to the greedy one's
    assert (second.has_come, greedy[2].has_come) == (True, False)
    turns.give_back(greedy[0])  # beyond the shared places still: nobody is next
    assert not greedy[2].has_come
    turns.give_back(second)
    assert greedy[2].has_come


def test_a_place_is_free_again_after_a_failure() -> None:
    turns = Turns(1, own_places_max=0)
    with pytest.raises(ZeroDivisionError), turns.turn("a", wait_seconds=0):
        raise ZeroDivisionError
    with turns.turn("b", wait_seconds=0):
        pass


def test_nobody_waits_longer_than_he_said() -> None:
    turns = Turns(1)
    with turns.turn("a", wait_seconds=0), pytest.raises(WaitedTooLong), turns.turn("a", wait_seconds=0.01):
        pass
    assert turns.waiting == 0


def test_who_waits_is_called_by_who_gives_back() -> None:
    turns, (held,) = full(1)
    served = threading.Event()

    def wait() -> None:
        with turns.turn("a", wait_seconds=30):
            served.set()

    thread = threading.Thread(target=wait)
    thread.start()
    while not turns.waiting:
        pass
    assert not served.is_set()
    turns.give_back(held)
    thread.join()
    assert served.is_set()


def test_who_gives_up_too_late_has_the_place() -> None:
    turns, (held,) = full(1)
    late = turns.ask("a")
    turns.give_back(held)
    assert turns.give_up(late)
    turns.give_back(late)
    assert turns.ask("b").has_come


def test_who_leaves_a_place_to_another_tenant_and_has_none_now_gets_one_of_its_own() -> None:
    turns = Turns(2, own_places_max=1)
    _, of_b = turns.ask("a"), turns.ask("b")
    waiting = [turns.ask("a"), turns.ask("b")]
    turns.give_back(of_b)
    assert [turn.has_come for turn in waiting] == [True, True]


def test_a_tenant_with_too_many_waiting_is_refused_and_others_are_not() -> None:
    turns, _ = full(1)
    for _ in range(WAITING_MAX):
        turns.ask("a")
    with pytest.raises(QueueFull):
        turns.ask("a")
    assert turns.give_up(turns.ask("b")) is False


STEPS = st.lists(
    st.tuples(st.sampled_from(["ask", "give back", "give up"]), st.sampled_from("abcdef"), st.integers(0, 99)),
    max_size=80,
)


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_whatever_comes_nobody_waits_beside_a_free_place_and_no_tenant_is_locked_out(
    steps: list[tuple[str, str, int]],
) -> None:
    turns, asked = Turns(PLACES, own_places_max=OWN), list[Turn]()
    for what, tenant, place in steps:
        held = [turn for turn in asked if turn.has_come]
        waiting = [turn for turn in asked if not turn.has_come]
        if what == "ask":
            asked.append(turns.ask(tenant))
        elif what == "give back" and held:
            asked.remove(held[place % len(held)])
            turns.give_back(held[place % len(held)])
        elif what == "give up" and waiting:
            asked.remove(waiting[place % len(waiting)])
            assert not turns.give_up(waiting[place % len(waiting)])
        _check(turns, asked)


def _check(turns: Turns, asked: list[Turn]) -> None:
    held = Counter(turn.tenant for turn in asked if turn.has_come)
    waiting = [turn for turn in asked if not turn.has_come]
    assert held.total() <= PLACES + OWN
    assert turns.waiting == len(waiting)
    if waiting:
        assert held.total() >= PLACES
    if held.total() < PLACES + OWN:  # whoever waits has a place already
        assert {turn.tenant for turn in waiting} <= set(held)
    for tenant in held:  # in order: nobody was served before a caller of the same tenant who waits still
        of_tenant = [turn.has_come for turn in asked if turn.tenant == tenant]
        assert of_tenant == sorted(of_tenant, reverse=True)
