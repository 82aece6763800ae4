"""What log and ledger of a tenant must say of its handlers, whatever was done to them."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any

import msgspec

from runtime.check import differences
from runtime.event_pattern import parse_pattern
from runtime.handlers.runner import Runner
from runtime.ids import event_id, event_seq
from runtime.ledger import DEPTH_MAX, RUNS_OF_ONE_CAUSE_MAX
from runtime.own_nouns import FOLDED, RUN
from runtime.sql import Sql
from runtime.store import EventRow
from runtime.tenant import Tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """A function that a machine stores: its source, and what one success of it leaves behind."""

    name: str
    source: str
    kind: str = "after"
    makes: tuple[str, ...] = ()  # the events of other entities that each success makes


def _read(payload: str | None) -> dict[str, Any] | None:
    return None if payload is None else msgspec.json.decode(payload)["after"]


class Told:
    """Log and ledger as they are at one moment, for whoever holds the writer."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        file = tenant.file
        self.events: list[EventRow] = file.events(Sql("TRUE"), limit=1_000_000)
        table = file.table(RUN)
        rows = file.rows(Sql(f'SELECT "$number", "$body" FROM {table} ORDER BY "$number"')) if table else []
        self.runs: dict[str, tuple[int, dict[str, Any]]] = {}
        for number, text in rows:
            body = msgspec.json.decode(text)
            self.runs[body["$id"]] = (number, body)
        self._ends: dict[str, list[EventRow]] = defaultdict(list)
        for event in self.events:
            if event.type == RUN.name:
                self._ends[event.entity].append(event)

    def findings(self, behaviours: dict[str, Behaviour]) -> list[str]:
        """What is not as it was promised, a sentence each. `behaviours` by the hash of their source."""
        tenant = self._tenant
        nouns = [*FOLDED, *(tenant.vocabulary.noun(name) for name in tenant.vocabulary.names)]
        return [
            *differences(tenant.file, nouns),
            *self._causes(),
            *self._ledger(),
            *self._runs_of_each_cause(),
            *self._before_runs(),
            *self._effects(behaviours),
            *self._order(),
            *self._bounds(),
        ]

    def unrun(self) -> list[str]:
        """Runs that wait although their handler is there and active."""
        handlers = self._tenant.handlers.all
        return [
            id
            for id, (_, body) in self.runs.items()
            if body["status"] == "Waiting" and (not (handler := handlers.get(body["handler"])) or handler.active)
        ]

    def _causes(self) -> Iterator[str]:
        for event in self.events:
            if event.cause is not None and not 0 < (event_seq(event.cause) or 0) < event.seq:
                yield f"{event_id(event.seq)} {event.event} has the cause {event.cause}"
        for id, (_, body) in self.runs.items():
            if "cause" in body and not 0 < (event_seq(body["cause"]) or 0) <= len(self.events):
                yield f"{id} has the cause {body['cause']}"

    def _ledger(self) -> Iterator[str]:
        """Each row is what the latest event of its run left, if that was not erased; without events it waits or never ran."""
        numbers = Counter(number for number, _ in self.runs.values())
        yield from (f"{count} runs have the number {number}" for number, count in numbers.items() if count > 1)
        for id in self._ends.keys() - self.runs.keys():
            yield f"{id} has events and no row"
        for id, (_, body) in self.runs.items():
            ends = self._ends.get(id, [])
            for event, after in pairwise(ends):
                if event.verb in ("succeed", "release"):
                    yield f"{id} had ended with {event.event}, and then came {after.event}"
            if body["$version"] != len(ends):
                yield f"{id} has version {body['$version']} and {len(ends)} events"
            elif ends and ends[-1].payload is not None and _read(ends[-1].payload) != body:
                yield f"{id} is not what its latest event left"
            elif not ends and body["kind"] == "after" and not _may_be_without_events(body):
                yield f"{id} is {body['status']} without an event"

    def _runs_of_each_cause(self) -> Iterator[str]:
        """Each event has set off one run of each handler that was active for it, and nothing else was set off."""
        found = Counter((body["cause"], body["handler"]) for _, body in self.runs.values() if body["kind"] == "after")
        wanted: set[tuple[str, str]] = set()
        for unit, active in self._units():
            for event in unit:
                for id, handler in active.items():
                    if handler["kind"] != "after" or handler["status"] != "Active":
                        continue
                    pattern = parse_pattern(handler["pattern"], self._tenant.vocabulary)
                    if pattern.matches(type=event.type, event=event.event, entity=event.entity):
                        wanted.add((event_id(event.seq), id))
        yield from (f"{handler} has no run for {cause}" for cause, handler in sorted(wanted - found.keys()))
        yield from (f"{handler} has a run for {cause}" for cause, handler in sorted(found.keys() - wanted))
        yield from (f"{handler} has {count} runs for {cause}" for (cause, handler), count in found.items() if count > 1)

    def _before_runs(self) -> Iterator[str]:
        """Each verb has asked each handler that was to be asked before it, once, in the unit that it stands in."""
        for unit, active in self._units():
            if any(event.type == RUN.name and event.payload is None for event in unit):
                continue  # which handlers' runs these were was erased
            wanted: Counter[str] = Counter()
            for event in unit:
                verb = f"{event.type}.{event.verb}"
                wanted.update(
                    id
                    for id, each in active.items()
                    if each["kind"] == "before" and each["status"] == "Active" and each["pattern"] == verb
                )
            found = Counter(
                body["handler"]
                for event in unit
                if event.type == RUN.name and (body := _read(event.payload)) and body["kind"] == "before"
            )
            if found != wanted:
                yield f"before {event_id(unit[0].seq)}… ran {dict(found)}, and not {dict(wanted)}"

    def _units(self) -> Iterator[tuple[list[EventRow], dict[str, dict[str, Any]]]]:
        """The events that belong to one run, with the handlers that stood when it began."""
        standing: dict[str, dict[str, Any]] = {}
        unit: list[EventRow] = []
        for event in [*self.events, None]:
            if (
                event is not None
                and unit
                and (event.run, event.actor == "verbena")
                == (
                    unit[0].run,
                    unit[0].actor == "verbena",
                )
            ):
                unit.append(event)
                continue
            if unit:
                yield unit, dict(standing)
                for each in unit:
                    if each.type == "Handler" and (body := _read(each.payload)) is not None:
                        standing[each.entity] = body
            unit = [event] if event is not None else []

    def _effects(self, behaviours: dict[str, Behaviour]) -> Iterator[str]:
        """A run that succeeded has done what its code does, once; one that did not has done nothing."""
        done: dict[str, list[str]] = defaultdict(list)
        for event in self.events:
            if event.run is not None and event.type not in ("Run", "Handler"):
                done[event.run].append(event.event)
        for id, (_, body) in self.runs.items():
            if body["kind"] != "after":
                continue
            successes = sum(event.verb == "succeed" for event in self._ends[id])
            if successes > 1:
                yield f"{id} succeeded {successes} times"
            behaviour = behaviours.get(body["code"])
            wanted = list(behaviour.makes) * successes if behaviour is not None else done[id]
            if done[id] != wanted:
                yield f"{id} of {body['name']} has made {done[id]}, and not {wanted}"

    def _order(self) -> Iterator[str]:
        """Runs about one entity ended in their order, but for those that were held, released or tried again."""
        disabled = [
            (event.entity, event.seq) for event in self.events if event.event in ("Handler.disabled", "Handler.removed")
        ]
        latest: dict[str, tuple[int, int, str]] = {}
        for id, (number, body) in self.runs.items():  # in the order of their numbers
            ends = self._ends.get(id)
            if body["kind"] != "after" or not ends or ends[0].verb == "release":
                continue
            first, cause = ends[0].seq, event_seq(body["cause"]) or 0
            if any(handler == body["handler"] and cause < seq < first for handler, seq in disabled):
                continue
            before = latest.get(body["entity"])
            if before is not None and first < before[1]:
                yield f"{id}, number {number}, ended at {first}: before {before[2]}, number {before[0]}, at {before[1]}"
            if before is None or first > before[1]:
                latest[body["entity"]] = (number, first, id)

    def _bounds(self) -> Iterator[str]:
        roots = Counter(body.get("root") for _, body in self.runs.values() if body["kind"] == "after")
        yield from (
            f"{root} set off {count} runs" for root, count in roots.items() if count > RUNS_OF_ONE_CAUSE_MAX + 1
        )
        for id, (_, body) in self.runs.items():
            if body["kind"] == "after" and body["depth"] > DEPTH_MAX and body["status"] not in ("Dead", "Released"):
                yield f"{id} is {body['status']} at depth {body['depth']}"


def _may_be_without_events(body: dict[str, Any]) -> bool:
    return body["status"] == "Waiting" or (body["status"] == "Dead" and body["error"]["code"] == "limit_exceeded")


def settle(tenant: Tenant, *, seconds: float = 60.0) -> list[str]:
    """Wait until nothing runs; the runs that were forgotten: they wait, and nobody is about to run them."""
    runs = tenant.runs
    assert isinstance(runs, Runner)
    for _ in range(1_000):
        with tenant.writer.pause():
            waiting = Told(tenant).unrun()
        if not waiting:
            return []
        runs.stand(waiting, seconds)
        with tenant.writer.pause():
            still = set(Told(tenant).unrun()) & set(waiting)
        if still:
            return sorted(still)
    raise AssertionError("runs set each other off without an end")


LONG = timedelta(hours=1)
