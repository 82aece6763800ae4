"""Plans: what a dry run would have written, kept for an hour, so that exactly that can be committed or nothing."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec

from runtime.clock import Clock
from runtime.declaration import from_data
from runtime.entity import Entity, title
from runtime.errors import Conflict, InvalidArguments, LimitExceeded, NotFound
from runtime.own_nouns import NOUN, RUN
from runtime.sql import Sql
from runtime.store import Key, TenantFile
from runtime.unit import Change, Lookup, Unit
from runtime.values import parse_datetime
from runtime.vocabulary import Vocabulary

HELD = timedelta(hours=1)
PLANS_MAX = 1_000
PLAN_BYTES_MAX = 16 << 20
# A plan is shown with at most this many of its writes; all of them are committed.
WRITES_SHOWN_MAX = 100

# The same content gives the same bytes. Nobody else computes these hashes, so they need not be those of RFC 8785, whose
# encoder took a third of a dry run.
_encode = msgspec.json.Encoder(order="deterministic").encode


class _Staged(msgspec.Struct, array_like=True):
    """A change, as it is kept."""

    noun: str
    verb: str
    id: str
    version: int
    number: int
    body: dict[str, Any]
    input: dict[str, Any]
    changed: dict[str, Any]
    taken: list[tuple[str, str, str]]
    freed: list[tuple[str, str, str]]


class Plan(msgspec.Struct):
    """Everything that a dry run staged and rests on, and what it answered."""

    changes: list[_Staged]
    reads: list[tuple[str, str, int]]  # noun, id, version
    deletions: list[tuple[str, str]]
    lookups: list[tuple[str, str, Any, tuple[str, ...]]]  # noun, key, value, and who had it
    declarations: str  # stands for the tenant's nouns as they were
    result: Any
    output: str
    run: str
    call: str  # stands for what was to be done
    handlers: str = ""  # stands for the tenant's handlers as they were
    queried: list[str] = []  # nouns that a BEFORE handler queried
    began_at: int = 0
    outside: list[dict[str, Any]] = []  # the calls that it would have made, which were not made


@dataclass(frozen=True, slots=True)
class PlanShelf:
    """The plans of one tenant."""

    file: TenantFile
    clock: Clock

    @property
    def _table(self) -> str:
        return f'{self.file.catalog}."$plans"'

    def keep(self, plan: Plan) -> str:
        """Keep a plan for an hour; its hash. The caller holds the writer's lock."""
        content = _encode(plan)
        if len(content) > PLAN_BYTES_MAX:
            raise LimitExceeded(
                f"the plan has {len(content) >> 20} MB, at most {PLAN_BYTES_MAX >> 20} MB are kept",
                hint="plan less at once",
            )
        now = self.clock().replace(tzinfo=None)
        hash = hashlib.sha256(content).hexdigest()
        # Each statement that writes is a commit of its own: what nobody is to delete is looked for, and not deleted.
        (count, outdated) = self.file.rows(
            Sql(f'SELECT count(*), count(*) FILTER (WHERE "at" < ? OR hash = ?) FROM {self._table}', (now - HELD, hash))
        )[0]
        if outdated:
            self.file.execute(f'DELETE FROM {self._table} WHERE "at" < ? OR hash = ?', (now - HELD, hash))
        if count - outdated >= PLANS_MAX:
            raise LimitExceeded(
                f"{PLANS_MAX} plans are being kept", hint="commit or forget some; each is kept for an hour"
            )
        self.file.execute(f"INSERT INTO {self._table} VALUES (?, ?, ?)", (hash, now, content.decode()))
        return hash

    def find(self, hash: str) -> Plan:
        """The plan with this hash. Raises NotFound where there is none, or none any more."""
        since = (self.clock() - HELD).replace(tzinfo=None)
        sql = f'SELECT content FROM {self._table} WHERE hash = ? AND "at" >= ?'
        rows = self.file.rows(Sql(sql, (hash, since)))
        if not rows:
            raise NotFound(f"no plan {hash[:80]!r}", hint="plans are kept for an hour; run it with dryRun again")
        return msgspec.json.decode(rows[0][0], type=Plan)


def planned(
    unit: Unit, result: Any, output: str, *, call: str, handlers: str, outside: Sequence[dict[str, Any]] = ()
) -> Plan:
    """What a unit that is not committed would write."""
    return Plan(
        changes=[
            _Staged(
                change.noun.name,
                change.verb.name,
                change.entity.id,
                change.entity.version,
                change.entity.number,
                dict(change.entity.body),
                dict(change.input),
                dict(change.changed),
                list(change.taken),
                list(change.freed),
            )
            for change in unit.changes
        ],
        reads=[(noun.name, id, version) for id, (noun, version) in unit.reads.items()],
        deletions=[(noun.name, id) for noun, id in unit.deletions],
        lookups=[(lookup.noun.name, lookup.key, lookup.value, lookup.ids) for lookup in unit.lookups],
        declarations=fingerprint(unit.began_with),
        result=result,
        output=output,
        run=unit.run or "",
        call=call,
        handlers=handlers,
        queried=sorted(unit.queried),
        began_at=unit.began_at,
        outside=list(outside),
    )


def staged_again(plan: Plan, unit: Unit, *, handlers: str) -> None:
    """Stage in a fresh unit exactly what a plan holds. Raises Conflict where the tenant's nouns are others by now."""
    if fingerprint(unit.vocabulary) != plan.declarations:
        raise Conflict("a noun was changed since the plan was made", hint="run it with dryRun again")
    if plan.outside:
        raise InvalidArguments(
            f"the plan would make {len(plan.outside)} calls to the outside: it can only be shown",
            hint="what a service would have answered is not known; run the code without dryRun",
        )
    for each in plan.changes:
        if each.noun == NOUN.name:
            unit.vocabulary = unit.vocabulary.with_noun(from_data(each.body["declaration"]))

    if plan.handlers != handlers:
        raise Conflict("a handler was stored or changed since the plan was made", hint="run it with dryRun again")
    unit.planned, unit.began_at = True, plan.began_at
    unit.queried.update(plan.queried)
    for name, id, version in plan.reads:
        unit.reads[id] = (unit.vocabulary.noun(name), version)
    for each in plan.changes:
        unit.now = max(unit.now, parse_datetime(each.body["$updatedAt"]))
        noun = unit.vocabulary.noun(each.noun)
        unit.stage(
            Change(
                noun=noun,
                verb=noun.verbs[each.verb],
                entity=Entity(noun.name, each.id, each.version, each.number, each.body),
                input=each.input,
                changed=each.changed,
                taken=_keys(each.taken),
                freed=_keys(each.freed),
            )
        )
    unit.deletions.extend((unit.vocabulary.noun(name), id) for name, id in plan.deletions)
    unit.lookups.extend(Lookup(unit.vocabulary.noun(name), key, value, ids) for name, key, value, ids in plan.lookups)


def shown(plan: Plan, hash: str, vocabulary: Vocabulary) -> dict[str, Any]:
    """A plan as a caller gets it: its writes, what they rest on, and the same in words."""
    writes: list[dict[str, Any]] = []
    for each in _shown(plan):
        noun = vocabulary.noun(each.noun)
        write: dict[str, Any] = {
            "event": f"{noun.name}.{noun.verbs[each.verb].past}",
            "entity": each.id,
            "version": each.version,
        }
        write["changed" if each.version > 1 else "after"] = each.changed if each.version > 1 else _own(each.body)
        if each.input:
            write["input"] = each.input
        writes.append(write)
    shape: dict[str, Any] = {"hash": hash, "writes": writes, "diff": difference(plan, vocabulary)}
    if len(_own_changes(plan)) > WRITES_SHOWN_MAX:
        shape["writesTotal"] = len(_own_changes(plan))
    if plan.outside:
        shape["outside"] = plan.outside[:WRITES_SHOWN_MAX]
    shape["restsOn"] = {id: version for _, id, version in plan.reads}
    return shape


def difference(plan: Plan, vocabulary: Vocabulary) -> str:
    """The plan as lines that people can read: `~ Deal "Big" (deal_…) won: stage Proposal → Won`."""
    lines: list[str] = []
    for each in _shown(plan):
        noun = vocabulary.noun(each.noun)
        past = noun.verbs[each.verb].past
        sign = "+" if each.version == 1 else "-" if "$deletedAt" in each.body else "~"
        head = f'{sign} {noun.name} "{title(noun, each.body)[:60]}" ({each.id}) {past}'
        if each.version == 1:
            parts = [f"{key} {_word(value)}" for key, value in _own(each.body).items()]
        else:
            parts = [f"{key} {_word(ends.get('from'))} → {_word(ends.get('to'))}" for key, ends in each.changed.items()]
        lines.append(f"{head}: {', '.join(parts)}" if parts else head)
    return "\n".join(lines)


def fingerprint(vocabulary: Vocabulary) -> str:
    """Stands for a tenant's nouns: another one means that something about them was changed."""
    declared: Sequence[Any] = [vocabulary.noun(name).declaration for name in vocabulary.names]
    return hashlib.sha256(_encode(declared)).hexdigest()[:16]


def _own_changes(plan: Plan) -> list[_Staged]:
    """The changes of the graph; that handlers ran is told apart from them."""
    return [each for each in plan.changes if each.noun != RUN.name]


def _shown(plan: Plan) -> list[_Staged]:
    return _own_changes(plan)[:WRITES_SHOWN_MAX]


def _own(body: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if not key.startswith("$")}


def _keys(pairs: list[tuple[str, str, str]]) -> tuple[Key, ...]:
    return tuple((noun, field, value) for noun, field, value in pairs)


def _word(value: Any) -> str:
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else text[:57] + "…"
