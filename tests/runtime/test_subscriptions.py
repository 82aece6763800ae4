"""A subscription gives every event that it asks for once and in order, from any position, however slowly it is read."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import Conflict, InvalidArguments, InvalidFilter, LimitExceeded, VerbenaError
from runtime.subscription import Subscription
from runtime.tail import EVENT_CHARS_MAX, FOLLOWERS_MAX, KEPT_EVENTS_MAX
from runtime.wire import Question, decode, encode
from tests.runtime.door import Door


def test_what_is_committed_is_given_as_the_log_has_it(door: Door) -> None:
    with follow(door, pattern="Contact.*") as contacts, follow(door, pattern="*.created") as created:
        ada = door.do(
            'ada = $.Contact.create(name="Ada")\nada.qualify()\n$.Deal.create(name="Engine", value=1)\nada.id'
        )
        log = door("events", after=0)
        assert [event["event"] for event in log] == ["Contact.created", "Contact.qualified", "Deal.created"]
        assert heard(contacts) == log[:2]
        assert heard(created) == [log[0], log[2]]
        assert heard(contacts) == []
    with follow(door, pattern=f"Contact.{ada}.Qualified", since=0) as qualified:
        assert heard(qualified) == [log[1]]


def test_without_a_position_only_what_is_to_come_is_given(door: Door) -> None:
    create(door, 2)
    with follow(door) as fresh, follow(door, since="evt_1") as later:
        assert (fresh.seq, later.seq) == (2, 1)
        create(door, 1)
        assert [event["seq"] for event in heard(fresh)] == [3]
        assert [event["seq"] for event in heard(later)] == [2, 3]


def test_a_commit_wakes_those_who_follow_its_tenant_and_no_one_else(door: Door) -> None:
    mine, others, gone = Event(), Event(), Event()
    rival = door.other("rival")
    create(rival, 1)
    follow(door, wake=gone).close()
    with follow(door, wake=mine) as subscribed, follow(rival, wake=others) as watching:
        create(door, 1)
        assert (mine.is_set(), others.is_set(), gone.is_set()) == (True, False, False)
        assert [event["seq"] for event in heard(subscribed)] == [1]
        assert heard(watching) == []


def test_a_refused_unit_is_not_heard(door: Door) -> None:
    woken = Event()
    with follow(door, wake=woken) as subscribed:
        with pytest.raises(VerbenaError):
            door("do", code='$.Contact.create(name="Ada")\nraise ValueError("no")')
        assert (woken.is_set(), heard(subscribed)) == (False, [])


def test_a_filter_asks_for_the_entity_as_the_event_left_it(door: Door) -> None:
    with follow(door, pattern="Deal.*", filter={"value": {"$gt": 10}}) as large:
        door.do('deal = $.Deal.create(name="Engine", value=5)\ndeal.update({"value": 20})\ndeal.update({"value": 7})')
        assert [event["after"]["value"] for event in heard(large)] == [20]
    with follow(door, pattern="Deal.*", filter={"value": {"$not": {"$gt": 10}}}, since=0) as small:
        assert [event["after"]["value"] for event in heard(small)] == [5, 7]


def test_a_filter_walks_relations_as_they_are_now(door: Door) -> None:
    asked = {"parent.industry": "Retail", "contacts": {"name": "Ada", "title": "Head"}}
    with follow(door, pattern="Organization.updated", filter=asked) as subscribed:
        shop = door.do(
            'chain = $.Organization.create(name="Chain", industry="Retail")\n'
            'shop = $.Organization.create(name="Shop", parent=chain.id)\n'
            '$.Contact.create(name="Ada", organization=shop.id)\n'
            '$.Contact.create(name="Bea", title="Head", organization=shop.id)\n'
            "shop.id"
        )
        told: list[bool] = []
        for code in ("pass", '$.Contact.update($.Contact.findOne(name="Ada").id, {"title": "Head"})', "pass", LEAVE):
            door.do(code)
            door("do", action="update", type="Organization", id=shop, data={"city": f"Town {len(told)}"})
            told.append(heard(subscribed) != [])
    assert told == [False, True, True, False]


LEAVE = '$.Contact.delete($.Contact.findOne(name="Ada").id)'


@pytest.mark.parametrize(
    ("asked", "error", "told"),
    [
        ({"pattern": "*", "filter": {"name": "Ada"}}, InvalidFilter, "like Contact.*"),
        ({"pattern": "*.created", "filter": {"name": "Ada"}}, InvalidFilter, "like Contact.*"),
        ({"pattern": "Contact.*", "filter": {"nmae": "Ada"}}, InvalidFilter, "did you mean 'name'?"),
        ({"pattern": "Contact.*", "filter": "name"}, InvalidFilter, "is a mapping"),
        ({"since": 1}, InvalidArguments, "the log ends at 0"),
        ({"since": -1}, InvalidArguments, "since=120"),
        ({"since": True}, InvalidArguments, "since=120"),
        ({"since": "yesterday"}, InvalidArguments, "since=120"),
        ({"since": 1 << 70}, InvalidArguments, "since=120"),
        ({"form": "Contact.*"}, InvalidArguments, "nobody subscribes by 'form'"),
    ],
)
def test_what_cannot_be_followed_is_refused_at_once(
    door: Door, asked: dict[str, Any], error: type[VerbenaError], told: str
) -> None:
    with pytest.raises(error) as refused:
        follow(door, **asked)
    assert told in f"{refused.value.message} {refused.value.hint}"


def test_a_filter_whose_key_was_renamed_is_refused_from_then_on(door: Door) -> None:
    door.do('$.define(name="Ship", keys={"name": "string", "port": "string"})')
    with follow(door, pattern="Ship.*", filter={"port": "Oslo"}) as subscribed:
        door.do('$.Ship.create(name="Fram", port="Oslo")')
        assert [event["event"] for event in heard(subscribed)] == ["Ship.created"]
        door.do('$.define(name="Ship", keys={"name": "string", "harbour": "string"}, renamed={"port": "harbour"})')
        door.do('$.Ship.create(name="Gjøa", harbour="Oslo")')
        with pytest.raises(InvalidFilter):
            heard(subscribed)
    with follow(door, pattern="Ship.*", filter={"harbour": "Oslo"}, since=0) as renamed:
        assert [event["after"]["name"] for event in heard(renamed)] == ["Fram", "Gjøa"]


def test_a_noun_that_is_defined_later_is_heard_as_well(door: Door) -> None:
    with follow(door, pattern="*.created") as subscribed:
        door.do('$.define(name="Ship", keys={"name": "string"})')
        door.do('$.Ship.create(name="Fram")')
        assert [event["event"] for event in heard(subscribed)] == ["Ship.created"]


def test_a_slow_reader_reads_from_the_log_what_is_no_longer_kept(door: Door) -> None:
    with follow(door, pattern="Contact.*") as slow, follow(door, pattern="Contact.created") as quick:
        seqs: list[int] = []
        for _ in range(KEPT_EVENTS_MAX // 400 + 1):
            create(door, 400)
            seqs += [event["seq"] for event in heard(quick)]
        assert [event["seq"] for event in heard(slow)] == seqs == list(range(1, door.head + 1))


def test_an_event_too_large_for_a_message_comes_without_its_payload(door: Door) -> None:
    with follow(door, pattern="Contact.*") as live:
        large = door.do("""ada = $.Contact.create(name="Ada")
$.define(name="Tome", keys={key: "text" for key in "abcdef"})
ada.id""")
        door.do('$.Tome.create({key: key * 720_000 for key in "abc"})')
        create(door, 1)
        assert [event["seq"] for event in heard(live)] == [1, 4]
    with follow(door, pattern="Tome.*", since=0) as subscribed:
        (told,) = heard(subscribed)
    assert told.pop("omitted") > EVENT_CHARS_MAX
    assert set(told) == {"id", "seq", "at", "type", "verb", "event", "entity", "version", "actor", "run"}
    assert (told["event"], large is not None) == ("Tome.created", True)


def test_what_was_erased_is_given_to_nobody(door: Door) -> None:
    with follow(door, pattern="Contact.*") as slow, follow(door, pattern="Contact.*", filter={"name": "Ada"}) as asking:
        ada = door.do('$.Contact.create(name="Ada").id')
        door("$", path=["Contact", "erase"], args=[ada], kwargs={})
        told = heard(slow)
        assert [(event["event"], event.get("erased")) for event in told] == [
            ("Contact.created", True),
            ("Contact.erased", None),
        ]
        assert "Ada" not in repr(told)
        assert heard(asking) == []


def test_a_tenant_that_is_closed_in_between_is_followed_further(door: Door) -> None:
    with follow(door) as subscribed:
        create(door, 3)
        door("rebuild", replace=True)
        create(door, 1)
        assert [event["seq"] for event in heard(subscribed)] == [1, 2, 3, 4]


def test_who_follows_a_log_that_is_replaced_is_told_so(door: Door, tmp_path: Path) -> None:
    create(door, 1)
    door("backup", to=str(tmp_path / "kept.duckdb"))
    create(door, 2)
    woken = Event()
    with follow(door, wake=woken) as subscribed:
        staged = f".{door.name}.restoring-0123456789abcdef"
        (door.data / "tenants" / staged).write_bytes((tmp_path / "kept.duckdb").read_bytes())
        door("restore", staged=staged, force=True)
        assert woken.is_set()
        with pytest.raises(Conflict):
            heard(subscribed)
    with pytest.raises(InvalidArguments):
        follow(door, since=3)
    with follow(door, since=1) as again:
        create(door, 1)
        assert [event["seq"] for event in heard(again)] == [2]
        door("delete-tenant")
        with pytest.raises(Conflict):
            heard(again)


def test_more_than_a_bounded_number_of_subscriptions_is_refused(door: Door) -> None:
    subscribed = [follow(door) for _ in range(FOLLOWERS_MAX)]
    with pytest.raises(LimitExceeded):
        follow(door)
    subscribed.pop().close()
    subscribed.append(follow(door))
    with pytest.raises(VerbenaError):
        follow(door, pattern="Nothing.*")  # and a refused one takes no place
    for each in subscribed:
        each.close()
        each.close()
    follow(door).close()


PATTERNS = ("*", "*.created", "Contact.*", "Deal.created", "Ticket.*")
NAMES = itertools.count()
CREATE = {"Contact": '$.Contact.create(name="x")', "Deal": '$.Deal.create(name="x", value=1)'}


@settings(max_examples=30, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("commit"), st.lists(st.sampled_from(["Contact", "Deal"]), min_size=1, max_size=4)),
            st.tuples(st.just("read"), st.integers(0, 3)),
            st.tuples(st.sampled_from(["break", "close", "resume"]), st.integers(0, 3)),
        ),
        max_size=20,
    ),
    patterns=st.lists(st.sampled_from(PATTERNS), min_size=4, max_size=4),
)
def test_nothing_is_missed_and_nothing_comes_twice(
    lasting_door: Door, steps: list[tuple[str, Any]], patterns: list[str]
) -> None:
    door = lasting_door.other(f"tenant-{next(NAMES)}")
    readers = [Reader(door, pattern) for pattern in patterns]
    try:
        for step, given_ in steps:
            if step == "commit":
                door.do("\n".join(CREATE[noun] for noun in given_))
            elif step == "read":
                readers[int(given_)].read()
            elif step == "resume":
                readers[int(given_)].resume()
            elif step == "close":
                door("rebuild")  # lets go of the file and opens it again
            else:
                lasting_door.reopen()
                door.engine = lasting_door.engine
                for reader in readers:
                    reader.resume()
        log = door("events", after=0, limit=1000)
        for reader in readers:
            reader.read()
            assert reader.heard == [event for event in log if reader.wants(event)]
    finally:
        for reader in readers:
            reader.subscription.close()


class Reader:
    """Somebody who subscribed to a whole log and keeps what they hear, across subscriptions."""

    def __init__(self, door: Door, pattern: str) -> None:
        self._door = door
        self._pattern = pattern
        self.heard: list[dict[str, Any]] = []
        self.subscription = follow(door, pattern=pattern, since=0)

    def read(self) -> None:
        self.heard += heard(self.subscription)

    def resume(self) -> None:
        """As after a broken connection: another subscription from where this one had come to."""
        self.subscription.close()
        self.subscription = follow(self._door, pattern=self._pattern, since=self.subscription.seq)

    def wants(self, event: dict[str, Any]) -> bool:
        noun, word = self._pattern.split(".") if "." in self._pattern else ("*", "*")
        return noun in ("*", event["type"]) and word in ("*", event["event"].split(".")[1])


@pytest.fixture(scope="module")
def lasting_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """One engine for all examples of a property: each has a tenant of its own."""
    door = Door(tmp_path_factory.mktemp("subscriptions") / "data")
    yield door
    door.close()


def follow(door: Door, *, wake: Event | None = None, **given: Any) -> Subscription:
    return door.engine.follow(Question("subscribe", door.name, given), (wake or Event()).set)


def heard(subscription: Subscription) -> list[dict[str, Any]]:
    """Everything that there is for it now."""
    events: list[dict[str, Any]] = []
    while True:
        page = subscription.page()
        events += decode(encode(page.events))
        if not page.more:
            return events


def create(door: Door, count: int) -> None:
    door("do", action="batch", data=[{"action": "create", "type": "Contact", "data": {"name": "x"}}] * count)
