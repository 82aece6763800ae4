"""Watches: stored code that runs when a value goes past its threshold, once for each time that it does."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.calls.dollar import Dollar, units_of
from runtime.calls.measures import watched
from runtime.errors import InvalidArguments, NotFound, PermissionDenied, VerbenaError
from runtime.handlers.runner import Runner
from runtime.handlers.watches import TRIES_MAX, Seen
from runtime.unit import Caller, Unit
from runtime.watch import Direction, State, Watch, begun, crossing, state_data, state_from
from tests.runtime.door import Door
from tests.runtime.measures.calendar import Calendar
from tests.until import until

MANY = """@$.Metric.watch("leads", {"threshold": 2, "direction": "above"})
def many(metric, $):
    $.Activity.create(subject=f"{metric.value} leads", type="Note")"""
LEAD = '$.Lead.create(name="L", source="web").id'
MONTHLY = """
def pay(amount):
    plan = $.Plan.create(name="P").id
    $.Price.create(plan=plan, amount=amount, currency="EUR", interval="Monthly")
    return $.Subscription.create({"customer": $.Customer.create(name="C", currency="EUR").id, "plan": plan}).id
"""


def told(door: Door) -> list[dict[str, Any]]:
    """What watches have told their functions, which have run; the oldest first."""
    return [run["input"] for run in settled(door)]


def settled(door: Door) -> list[dict[str, Any]]:
    """All runs of watches, when everything was looked at and nothing waits."""
    runs = door.tenant.runs
    assert isinstance(runs, Runner)
    for _ in range(200):
        runs.keep_up()
        assert runs.watches.wait_until_looked(20.0)
        found = door("$", path=["runs", "list"], args=[], kwargs={"kind": "watch", "limit": 100})[::-1]
        waiting = [run["$id"] for run in found if run["status"] == "Waiting"]
        if not waiting:
            return found
        runs.stand(waiting, 5.0)
    raise AssertionError("runs are waiting still")


def values(door: Door) -> list[Any]:
    return [(each["before"], each["value"]) for each in told(door)]


def metric(door: Door, value: float) -> str:
    return door.do(f'$.Metric.create(name="Sign-ups", value={value}, unit="people").id')


def record(door: Door, id: str, *values: float) -> None:
    """Give a Metric one value after another, each of which is looked at."""
    for value in values:
        door.do(f"$.Metric.record({id!r}, value={value})")
        settled(door)


def watch(door: Door, id: str, **options: Any) -> str:
    """Store a watch that does nothing; its id."""
    return door.do(f'$.Metric.watch({id!r}, {options!r}, lambda metric: None)["$id"]')


def watch_events(door: Door) -> list[tuple[str, Any]]:
    return [
        (event["event"], event["after"]["state"].get("side"))
        for event in door("events", type="Handler", after=0)
        if event["event"] in ("Handler.stored", "Handler.crossed")
    ]


def test_a_crossing_runs_the_function_once_with_what_was_crossed(door: Door) -> None:
    door.do(MANY)
    for _ in range(2):
        door.do(LEAD)
    assert told(door) == []
    for _ in range(2):
        door.do(LEAD)
        settled(door)
    (run,) = settled(door)
    assert run["input"] == {
        "name": "leads",
        "value": 3,
        "unit": "leads",
        "threshold": 2,
        "direction": "above",
        "before": 2,
        "at": run["input"]["at"],
    }
    assert (run["status"], run["name"], run["changes"]) == ("Succeeded", "many", 1)
    assert [each["subject"] for each in door.do("$.Activity.find()")] == ["3 leads"]


def test_revenue_that_is_worked_out_by_hand_is_told_when_it_passes_its_milestone(business: Door) -> None:
    business.do('$.Metric.watch("mrr", {"threshold": 250, "direction": "above"}, lambda metric: None)')
    business.do(f"{MONTHLY}\npay(100)")
    business.do(f"{MONTHLY}\npay(150)")
    assert values(business) == []  # 250 is not above 250
    business.do(f"{MONTHLY}\npay(0.5)")
    (milestone,) = told(business)
    assert (milestone["value"], milestone["unit"], milestone["at"]) == (250.5, "EUR", "2026-04-01T12:00:00Z")


def test_churn_is_told_when_time_alone_brings_it_past_its_threshold(business: Door, calendar: Calendar) -> None:
    leaving = business.do(f"{MONTHLY}\nstays = pay(100)\npay(100)")
    business.do('$.Metric.watch("churn", {"threshold": 5, "direction": "above"}, lambda metric: None)')
    calendar.turn("2026-04-11")
    business.do(f"$.Subscription.cancel({leaving!r})")
    assert values(business) == []  # nobody paid 30 days before, so there is no churn yet
    calendar.turn("2026-05-02")
    assert values(business) == [(None, 50)]  # one of the two who paid on the second of April has left
    calendar.turn("2026-06-02")
    assert values(business) == [(None, 50)]  # of those who paid on the third of May, nobody has


def test_a_value_must_go_back_as_far_as_hysteresis_asks_before_it_is_told_again(
    business: Door, calendar: Calendar
) -> None:
    id = metric(business, 5)
    watch(business, id, threshold=10, direction="above", hysteresis=2)
    calendar.at += timedelta(hours=1)
    record(business, id, 11, 12, 9, 11, 8.01, 11)
    assert values(business) == [(5, 11)]
    calendar.at += timedelta(hours=1)
    record(business, id, 8, 10, 10.5)
    assert values(business) == [(5, 11), (10, 10.5)]
    assert watch_events(business) == [
        ("Handler.stored", "below"),
        ("Handler.crossed", "above"),
        ("Handler.crossed", "below"),
        ("Handler.crossed", "above"),
    ]


def test_below_is_above_upside_down_and_cross_is_both(business: Door, calendar: Calendar) -> None:
    id = metric(business, 5)
    below = watch(business, id, threshold=3, direction="below", hysteresis=1)
    both = watch(business, id, threshold=3, direction="cross", hysteresis=1)
    for value in (3, 2.5, 2, 1.9, 3.9, 4, 4.1, 1):
        calendar.at += timedelta(minutes=1)
        record(business, id, value)
    by_handler = {
        each: [run["input"]["value"] for run in settled(business) if run["handler"] == each] for each in (below, both)
    }
    assert by_handler == {below: [2.5, 1], both: [1.9, 4.1, 1]}


def test_what_is_crossed_while_it_cools_down_is_told_at_the_end_if_it_is_still_so(
    business: Door, calendar: Calendar
) -> None:
    id = metric(business, 0)
    watch(business, id, threshold=10, direction="above", cooldown="1h")
    record(business, id, 11, 9, 12, 8)
    calendar.at += timedelta(hours=2)
    assert values(business) == [(0, 11)]  # it went back in time
    record(business, id, 13, 9, 14)
    calendar.at += timedelta(minutes=59)
    assert values(business) == [(0, 11), (8, 13)]
    calendar.at += timedelta(minutes=1)
    assert values(business) == [(0, 11), (8, 13), (14, 14)]
    calendar.at += timedelta(days=1)
    assert len(values(business)) == 3


def test_what_is_past_the_threshold_when_the_watch_is_stored_has_not_crossed_it(business: Door) -> None:
    id = metric(business, 11)
    watch(business, id, threshold=10, direction="above")
    watch(business, id, threshold=12, direction="below")
    record(business, id, 11.5)
    assert values(business) == []
    record(business, id, 9, 10.5)
    assert values(business) == [(9, 10.5)]


def test_a_watch_sees_what_its_own_do_has_changed(business: Door) -> None:
    business.do(f"{MANY}\nfor n in range(3): {LEAD}")
    business.do(f"for n in range(3): {LEAD}\n{MANY.replace('many', 'later')}")
    assert [run["name"] for run in settled(business)] == ["many"]


def test_a_watch_that_is_stored_again_goes_on_and_another_threshold_is_another_watch(business: Door) -> None:
    id = metric(business, 5)
    first = watch(business, id, threshold=10, direction="above")
    record(business, id, 11)
    assert watch(business, id, threshold=10, direction="above") == first
    record(business, id, 12)
    assert values(business) == [(5, 11)]
    assert watch(business, id, threshold=20, direction="above") != first
    assert watch(business, id, threshold=10, direction="below") != first
    patterns = [each["pattern"] for each in business.do("$.handlers.list(kind='watch')")]
    assert patterns == [f"{id} above 10", f"{id} above 20", f"{id} below 10"]


def test_nothing_is_told_twice_after_a_restart_and_what_was_crossed_meanwhile_is_told(
    business: Door, calendar: Calendar
) -> None:
    business.do(MANY)
    business.do(f"for n in range(3): {LEAD}")
    assert [run["name"] for run in settled(business)] == ["many"]
    business.reopen()
    assert len(settled(business)) == 1
    _unwatched(business, "for lead in $.Lead.find(): $.Lead.delete(lead.id)")
    business.reopen()
    assert len(settled(business)) == 1
    calendar.at += timedelta(hours=1)
    _unwatched(business, f"for n in range(4): {LEAD}")
    business.reopen()
    assert values(business) == [(0, 3), (0, 4)]


def test_the_value_before_is_known_after_a_restart(business: Door) -> None:
    id = metric(business, 5)
    watch(business, id, threshold=10, direction="above")
    settled(business)
    _unwatched(business, f"$.Metric.record({id!r}, value=12)")
    business.reopen()
    assert values(business) == [(5, 12)]


def test_a_watch_that_is_disabled_rests_and_goes_on_from_where_it_was(business: Door) -> None:
    id = metric(business, 5)
    handler = watch(business, id, threshold=10, direction="above")
    business.do(f"$.handlers.disable({handler!r})")
    record(business, id, 11, 9)
    business.do(f"$.handlers.enable({handler!r})")
    assert values(business) == []
    business.do(f"$.handlers.disable({handler!r})")
    record(business, id, 11)
    business.do(f"$.handlers.enable({handler!r})")
    assert [each["value"] for each in told(business)] == [11]
    business.do(f"$.handlers.remove({handler!r})")
    record(business, id, 9, 11)
    assert len(values(business)) == 1


def test_a_function_that_fails_is_a_failed_run_and_the_crossing_is_told_only_once(business: Door) -> None:
    id = metric(business, 5)
    business.do(f'$.Metric.watch({id!r}, {{"threshold": 10, "direction": "above"}}, lambda metric: 1 / 0)')
    record(business, id, 11, 12)
    business.reopen()
    assert [run["status"] for run in settled(business)] == ["Failed"]


def test_a_crossing_stands_in_the_log_with_the_run_that_it_set_off(business: Door) -> None:
    business.do(MANY)
    business.do(f"for n in range(3): {LEAD}")
    (run,) = settled(business)
    crossed = business("events", type="Handler", after=0)[-1]
    assert (crossed["event"], crossed["after"]["state"]) == (
        "Handler.crossed",
        {
            "side": "above",
            "value": 3,
            "at": "2026-04-01T12:00:00Z",
            "ranAt": "2026-04-01T12:00:00Z",
            "run": run["$id"],
        },
    )


def test_a_crossing_is_no_conflict_for_what_runs_meanwhile(business: Door) -> None:
    business.do(MANY)
    before = business.tenant.handlers
    business.do(f"for n in range(3): {LEAD}")
    assert len(settled(business)) == 1
    assert business.tenant.handlers is before


def test_an_erased_metric_leaves_none_of_its_values_behind(business: Door) -> None:
    id = metric(business, 5)
    watch(business, id, threshold=10, direction="above")
    record(business, id, 4711)
    (run,) = settled(business)
    assert (run["entity"], run["input"]["value"]) == (id, 4711)
    business("do", action="erase", type="Metric", id=id)
    assert "4711" not in str(business("events", after=0))
    assert business("fetch", type="Run", id=run["$id"]).get("input") is None
    assert len(settled(business)) == 1


def test_currencies_are_watched_one_by_one(business: Door) -> None:
    business.do('for currency in ("EUR", "USD"): $.Deal.create(name="D", value=100, currency=currency)')
    with pytest.raises(InvalidArguments, match="has 2 currencies"):
        watch(business, "pipeline", threshold=150, direction="above")
    watch(business, "pipeline:eur", threshold=150, direction="above")
    business.do('for currency in ("EUR", "USD"): $.Deal.create(name="D", value=100, currency=currency)')
    assert [(each["name"], each["value"], each["unit"]) for each in told(business)] == [("pipeline:EUR", 200, "EUR")]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ('$.Metric.watch("mmr", {"threshold": 1, "direction": "above"}, fn)', "mrr"),
        ('$.Metric.watch("deals_won", {"threshold": 1, "direction": "above"}, fn)', "dealsWon"),
        ('$.Metric.watch("leads:EUR", {"threshold": 1, "direction": "above"}, fn)', "has no currency"),
        ('$.Metric.watch("metric_aaaaaaaaaa", {"threshold": 1, "direction": "above"}, fn)', "no Metric"),
        ('$.Metric.watch("leads", {"threshold": 1, "direction": "over"}, fn)', "there is no direction 'over'"),
        ('$.Metric.watch("leads", {"threshold": 1, "direction": "abov"}, fn)', "did you mean 'above'"),
        ('$.Metric.watch("leads", {"threshold": 1}, fn)', "in which direction?"),
        ('$.Metric.watch("leads", {"direction": "above"}, fn)', "past which threshold?"),
        ('$.Metric.watch("leads", {"treshold": 1, "direction": "above"}, fn)', "did you mean 'threshold'"),
        ('$.Metric.watch("leads", {"limit": 1, "direction": "above"}, fn)', "did you mean 'threshold'"),
        ('$.Metric.watch("leads", {"threshold": "10", "direction": "above"}, fn)', "threshold is a number"),
        ('$.Metric.watch("leads", {"threshold": 1e300, "direction": "above"}, fn)', "15 digits"),
        ('$.Metric.watch("leads", {"threshold": 1, "direction": "above", "hysteresis": -1}, fn)', "not negative"),
        ('$.Metric.watch("leads", {"threshold": 1, "direction": "above", "cooldown": "soon"}, fn)', "15m"),
        ('$.Metric.watch("leads", {"threshold": 1, "direction": "above", "cooldown": "900d"}, fn)', "366 days"),
        ('$.Metric.watch("leads", {"threshold": 1, "direction": "above"})(3)', "a function"),
        ("$.Metric.watch(fn)", "what is to be watched?"),
        ('$.watch("mrr", fn)', 'write $.Metric.watch("mrr"'),
        ('$.Measure.watch("mrr", fn)', 'write $.Metric.watch("mrr"'),
        ("$.Deal.watch(fn)", 'write $.on("Deal.*", fn)'),
        ('$.Metric.watch("leads", fn)', "past which threshold?"),
    ],
)
def test_what_is_wrong_is_told_when_it_is_stored(door: Door, code: str, said: str) -> None:
    with pytest.raises(VerbenaError) as refused:
        door.do(code.replace("fn", "lambda metric: None"))
    assert said in f"{refused.value.message} {refused.value.hint}"
    assert door("$", path=["handlers", "list"], args=[], kwargs={}) == []


def test_a_metric_that_is_named_is_told_by_its_id(door: Door) -> None:
    id = metric(door, 5)
    with pytest.raises(NotFound) as refused:
        watch(door, "Sign-ups", threshold=1, direction="above")
    assert refused.value.hint == f"the Metric of that name is {id}"


def test_options_may_be_keywords_and_the_metric_an_entity(door: Door) -> None:
    metric(door, 5)
    door.do('$.Metric.watch($.Metric.findOne(), lambda metric: None, threshold=7, direction="cross", cooldown=60)')
    door.do('@$.Metric.watch(name="leads", threshold=1.0, direction="below")\ndef few(metric):\n    pass')
    assert [each["options"] for each in door.do("$.handlers.list()")] == [
        {"measure": door.do("$.Metric.findOne().id"), "threshold": 7, "direction": "cross", "hysteresis": 0, "cooldownSeconds": 60},
        {"measure": "leads", "threshold": 1, "direction": "below", "hysteresis": 0, "cooldownSeconds": 1},
    ]  # fmt: skip


def test_who_may_only_read_may_not_watch(door: Door) -> None:
    unit = door.tenant.unit(Caller(tenant="default", level=0))
    with pytest.raises(PermissionDenied):
        Dollar(door.tenant, unit, door.engine.pool).call(
            ["Metric", "watch"], ["leads", {"$function": {}}], {"threshold": 1, "direction": "above"}
        )


def test_an_engine_opens_the_tenants_that_watch_something_by_itself(door: Door) -> None:
    other = door.other("quiet")
    other.do(LEAD)
    door.do(MANY)
    assert not door.engine.awaits_runs()
    _unwatched(door, f"for n in range(3): {LEAD}")
    door.reopen()
    # The engine looks around a second after it began.
    assert until(door.opened, lambda tenants: "default" in tenants) == {"default"}
    assert len(settled(door)) == 1
    door.do('$.Metric.watch("churn", {"threshold": 5, "direction": "above"}, lambda metric: None)')
    assert door.engine.awaits_runs()


def _unwatched(door: Door, code: str) -> None:
    """Do something that no watch sees before the tenant is opened again."""
    runs = door.tenant.runs
    assert isinstance(runs, Runner)
    runs.watches.close()
    door.do(code)


# -- looking ----------------------------------------------------------------------------------------------------------


class Eyes:
    """Looks as an engine does, and lets something happen right after the value was read."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self.from_log: list[bool] = []  # of each look
        runs = door.tenant.runs
        runs.close()
        tenant, pool = door.tenant, door.engine.pool
        tenant.runs = Runner(units_of(tenant, pool), self)

    def __call__(self, unit: Unit, name: str, from_log: bool) -> Seen:
        seen = watched(self._door.tenant, unit, name, from_log=from_log)
        self.from_log.append(from_log)
        self.meanwhile(len(self.from_log))
        return seen

    def meanwhile(self, look: int) -> None:
        """What happens between a value and what it leads to."""


def test_what_was_committed_while_somebody_looked_is_looked_at_once(business: Door) -> None:
    class Slow(Eyes):
        def meanwhile(self, look: int) -> None:
            if look == 1:
                for _ in range(20):
                    business.do(LEAD)

    business.do(MANY)
    settled(business)
    eyes = Slow(business)
    assert [each["value"] for each in told(business)] == [20]
    assert eyes.from_log == [False, False]


def test_a_value_that_was_overtaken_while_it_was_worked_out_is_not_told(business: Door) -> None:
    class Hasty(Eyes):
        def meanwhile(self, look: int) -> None:
            if look == 1:
                business.do("$.Lead.delete($.Lead.findOne().id)")

    business.do(MANY)
    _unwatched(business, f"for n in range(3): {LEAD}")
    eyes = Hasty(business)
    assert told(business) == []
    assert eyes.from_log == [False] * 3  # what was committed meanwhile is a reason to look, too


def test_a_crossing_is_told_of_a_business_that_never_rests(business: Door) -> None:
    class Restless(Eyes):
        def meanwhile(self, look: int) -> None:
            if look <= TRIES_MAX:
                business.do(f"$.Lead.delete({LEAD})")

    business.do(MANY)
    _unwatched(business, f"for n in range(3): {LEAD}")
    eyes = Restless(business)
    assert [each["value"] for each in told(business)] == [3]
    assert eyes.from_log[:TRIES_MAX] == [False] * (TRIES_MAX - 1) + [True]


# -- crossings, by a plain model --------------------------------------------------------------------------------------

DIRECTION = st.sampled_from(("above", "below", "cross"))
VALUES = st.sampled_from((-2, 0, 0.1, 0.2, 0.3, 0.5, 1, 1.5, 2, 3, None))
BAND = st.sampled_from((0, 0.1, 0.5, 1))
STEP = st.tuples(VALUES, st.sampled_from((0, 1, 30, 60, 61, 600)))


class Plain:
    """Which values are told, as somebody would tell it who was asked: in tenths, with two flags."""

    def __init__(self, threshold: float, direction: Direction, band: float, cooldown: int, first: float | None) -> None:
        self.low, self.high = round(10 * (threshold - band)), round(10 * (threshold + band))
        self.threshold, self.direction, self.cooldown = round(10 * threshold), direction, cooldown
        self.ran: int | None = None
        self.over: bool | None = None if first is None else round(10 * first) > self.threshold
        self.under = False if first is None else round(10 * first) < self.threshold
        if direction == "above":
            self.over = bool(self.over)

    def tells(self, value: float | None, at: int) -> bool:
        if value is None:
            return False
        tenths = round(10 * value)
        rests = self.ran is not None and at - self.ran < self.cooldown
        if self.direction == "above":
            goes = not self.over and tenths > self.threshold
            if self.over and tenths <= self.low:
                self.over = False
            if goes and not rests:
                self.over = True
        elif self.direction == "below":
            goes = not self.under and tenths < self.threshold
            if self.under and tenths >= self.high:
                self.under = False
            if goes and not rests:
                self.under = True
        elif self.over is None:
            goes, self.over = False, tenths > self.threshold
        else:
            goes = tenths < self.low if self.over else tenths > self.high
            if goes and not rests:
                self.over = not self.over
        if goes and not rests:
            self.ran = at
            return True
        return False


@given(
    direction=DIRECTION,
    threshold=st.sampled_from((0, 0.3, 1, 1.5)),
    band=BAND,
    cooldown=st.sampled_from((1, 60, 300)),
    first=VALUES,
    steps=st.lists(STEP, max_size=30),
)
@settings(max_examples=400)
def test_crossings_are_those_of_a_plain_model(
    direction: Direction,
    threshold: float,
    band: float,
    cooldown: int,
    first: float | None,
    steps: list[tuple[float | None, int]],
) -> None:
    began = datetime.fromisoformat("2026-04-01T12:00:00Z")
    watch = Watch(
        name="mrr",
        threshold=threshold,
        direction=direction,
        hysteresis=band,
        cooldown=timedelta(seconds=cooldown),
    )
    state, plain, at = begun(watch, first, began), Plain(threshold, direction, band, cooldown, first), 0
    for value, ahead in steps:
        at += ahead
        now = began + timedelta(seconds=at)
        state = state_from(state_data(state))  # as after a restart
        found = crossing(watch, state, value, now)
        assert (found is not None and found.runs) == plain.tells(value, at)
        if found is not None and found.rests_until is None:
            state = State(side=found.side, at=now, ran_at=now if found.runs else state.ran_at)


@given(
    direction=DIRECTION,
    band=BAND,
    first=st.sampled_from((0, 1, 2)),
    steps=st.lists(
        st.tuples(st.sampled_from((-1, 0, 0.5, 0.9, 1, 1.1, 2)), st.sampled_from((0, 60)), st.integers(0, 5)),
        min_size=1,
        max_size=6,
    ),
)
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_what_is_told_over_restarts_is_what_a_plain_model_tells(
    business: Door,
    calendar: Calendar,
    direction: Direction,
    band: float,
    first: float,
    steps: list[tuple[float, int, int]],
) -> None:
    id = metric(business, first)
    handler = watch(business, id, threshold=1, direction=direction, hysteresis=band, cooldown=30)
    plain, at, wanted = Plain(1, direction, band, 30, first), 0, list[float]()
    for value, ahead, chance in steps:
        at += ahead
        calendar.at += timedelta(seconds=ahead)
        if ahead and plain.tells(first, at):  # what was crossed while it cooled down
            wanted.append(first)
        settled(business)
        if chance == 0:  # the end comes before anybody looks
            _unwatched(business, f"$.Metric.record({id!r}, value={value})")
            business.reopen()
        else:
            record(business, id, value)
            if chance == 1:
                business.reopen()
        settled(business)
        if plain.tells(value, at):
            wanted.append(value)
        first = value
    found = [run for run in settled(business) if run["handler"] == handler]
    assert [run["input"]["value"] for run in found] == wanted
    business.do(f"$.handlers.remove({handler!r})")
    crossed = [
        event["after"]["state"]["run"]
        for event in business("events", entity=handler, after=0)
        if event["event"] == "Handler.crossed" and event["after"]["state"].get("ranAt") == event["after"]["state"]["at"]
    ]
    assert list(dict.fromkeys(crossed)) == [run["$id"] for run in found]
