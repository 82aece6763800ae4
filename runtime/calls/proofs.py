"""Calls about what can be proven: signed heads, proofs of events, the check of the whole log, and the key."""

from collections.abc import Mapping
from typing import Any

from runtime.errors import InvalidArguments, InvalidId, NotFound, did_you_mean
from runtime.ids import event_seq, prefix_of
from runtime.proofs.audit import EVENTS_DEFAULT, Audit
from runtime.sql import Sql
from runtime.store import EventRow
from runtime.tenant import Tenant


def prove(tenant: Tenant, given: Mapping[str, Any]) -> dict[str, Any]:
    """The proof of an event by its id, or of an entity's latest event, as `runtime.proofs.proof` describes it.

    With `seq`, of the event that was an entity's latest at that position; with `version`, of the one that made it. With
    `from`, also the proof that the log extends its first so many events.
    """
    _check_names("prove", given, ("id", "seq", "version", "from"))
    row = event_of(tenant, given.get("id"), seq=_count(given, "seq"), version=_count(given, "version"))
    return tenant.prover.prove(row, former=_count(given, "from"))


def checkpoint(tenant: Tenant, given: Mapping[str, Any]) -> dict[str, Any]:
    """`{origin, size, root, checkpoint, key}`: the log's signed head as it is now, and the key that signs it."""
    _check_names("checkpoint", given, ())
    head = tenant.prover.checkpoint()
    found = head.checkpoint
    return {
        "origin": found.origin,
        "size": found.size,
        "root": found.root.hex(),
        "checkpoint": head.note,
        "key": tenant.prover.key().text,
    }


def consistency(tenant: Tenant, given: Mapping[str, Any]) -> dict[str, Any]:
    """`{from, size, hashes, checkpoint}`: that the log begins with what its first `from` events were."""
    _check_names("consistency", given, ("from",))
    former = _count(given, "from")
    if former is None:
        raise InvalidArguments(
            "consistency from how many events on?", hint="from=1000, the size of an earlier checkpoint"
        )
    return tenant.prover.consistency(former)


def verify(tenant: Tenant, given: Mapping[str, Any]) -> dict[str, Any]:
    """One piece of the check of a log: `{reached, size, faults: [{seq, what}, …]}`.

    Events `after` a position, up to `limit` of them, of the first `size` (all that there are, if it is not given);
    `leavesOnly` checks the hashes and not what the events say. `since`, a checkpoint, first: `reached` is its size, and
    with it comes whether the log extends it. `tables` last: the tables against the log.
    """
    _check_names("verify", given, ("after", "limit", "size", "leavesOnly", "since", "tables"))
    vocabulary = tenant.vocabulary
    nouns = [vocabulary.noun(name) for name in vocabulary.names]
    audit = Audit(file=tenant.file, prover=tenant.prover, nouns=nouns)
    if given.get("tables"):
        faults = audit.tables()
        if faults:  # somebody may have written in between: in the writer's pause nobody does
            with tenant.writer.pause():
                faults = audit.tables()
        return {
            "reached": tenant.writer.seq,
            "size": tenant.writer.seq,
            "faults": [fault.as_dict() for fault in faults],
        }
    if given.get("since") is not None:
        if not isinstance(given["since"], str):
            raise InvalidArguments("since is the text of a checkpoint", hint="verbena log checkpoint prints one")
        size = tenant.writer.seq
        return {"reached": audit.extends(given["since"], size).size, "size": size, "faults": []}
    after = _count(given, "after") or 0
    faults = []
    size = _count(given, "size")
    if size is None:
        with tenant.writer.pause():
            size = tenant.writer.seq
            faults = audit.ends(size) if after == 0 else []
    if size > tenant.writer.seq:
        raise InvalidArguments(f"the log has {tenant.writer.seq} events, not {size}")
    limit = _count(given, "limit") or EVENTS_DEFAULT
    reached, found = audit.piece(after, limit, size, leaves_only=bool(given.get("leavesOnly")))
    return {"reached": reached, "size": size, "faults": [fault.as_dict() for fault in [*faults, *found]]}


def key(tenant: Tenant, given: Mapping[str, Any]) -> dict[str, Any]:
    """`{key, rotations}`: the verifier key of this log's heads, and the statements about those before it."""
    _check_names("key", given, ())
    rotations = tenant.prover.keyring.rotations()
    return {"key": tenant.prover.key().text, "rotations": [rotation.note for rotation in rotations]}


def event_of(tenant: Tenant, id: object, *, seq: int | None = None, version: int | None = None) -> EventRow:
    """The event that an id means, see `prove`. Raises InvalidId and NotFound."""
    position = event_seq(id)
    if position is not None:
        return _only(tenant.file.events(Sql("seq = ?", (position,)), limit=1), f"the log has no event {id}", tenant)
    if not isinstance(id, str) or prefix_of(id) is None:
        raise InvalidId(
            f"{str(id)[:80]!r} is no id", hint="an entity's, such as contact_fX9bL5nRdK, or an event's: evt_42"
        )
    where = Sql("entity = ?", (id,))
    if version is not None:
        where += Sql(" AND version = ?", (version,))
    if seq is not None:
        where += Sql(" AND seq <= ?", (seq,))
    if seq is None and version is None:
        latest = _latest(tenant, id)
        if latest is not None:
            return latest
    return _only(tenant.file.events(where, limit=1, newest_first=True), f"the log has no such event of {id}", tenant)


def _latest(tenant: Tenant, id: str) -> EventRow | None:
    """By the position in the entity's row: to look for it in the log costs a scan."""
    vocabulary = tenant.vocabulary
    for name in vocabulary.names:
        noun = vocabulary.noun(name)
        table = tenant.file.table(noun) if noun.key == prefix_of(id) else None
        if table is not None:
            for (seq,) in tenant.file.rows(Sql(f'SELECT "$seq" FROM {table} WHERE "$id" = ?', (id,))):
                rows = tenant.file.events(Sql("seq = ?", (seq,)), limit=1)
                return rows[0] if rows and rows[0].entity == id else None
    return None


def _only(rows: list[EventRow], otherwise: str, tenant: Tenant) -> EventRow:
    if not rows:
        raise NotFound(otherwise, hint=f"its latest is evt_{tenant.writer.seq}")
    return rows[0]


def _check_names(call: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    unknown = next((name for name in given if name not in known), None)
    if unknown is not None:
        raise InvalidArguments(f"{call} takes no {unknown[:80]!r}", hint=did_you_mean(unknown, known))


def _count(given: Mapping[str, Any], name: str) -> int | None:
    value = given.get(name)
    if value is None:
        return None
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise InvalidArguments(f"{name} is a number from 0 on, not {value!r:.80}")
    return value
