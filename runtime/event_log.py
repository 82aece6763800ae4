"""The log: what an event is, what of it is hashed, and how it is read.

An event's leaf commits to everything in it, but to its payload (`after`, `changed`, `input`) only through a salted hash:
once payload and salt are gone, the leaf still stands and tells nothing.
"""

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from runtime import values
from runtime.canonical import canonical
from runtime.errors import InvalidArguments, did_you_mean
from runtime.ids import event_id, event_seq
from runtime.leaf import Envelope, leaf_of, payload_hash
from runtime.sql import Sql
from runtime.store import EventRow, TenantFile
from runtime.unit import Change
from runtime.vocabulary import Vocabulary

# A difference between two moments names at most this many entities.
DIFFERENCE_MAX = 1_000
SALT_BYTES = 16
# One read of the log gives at most this many events.
EVENTS_LIMIT_MAX = 1_000
EVENTS_LIMIT_DEFAULT = 20

NewSalt = Callable[[], bytes]

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def new_salt() -> bytes:
    """Sixteen random bytes: without them nobody can guess a payload from its hash."""
    return secrets.token_bytes(SALT_BYTES)


def recorded(
    change: Change,
    text: str,
    *,
    seq: int,
    at: datetime,
    shown_at: str,
    actor: str,
    cause: str | None,
    run: str | None,
    via: str | None,
    salt: bytes,
) -> EventRow:
    """A staged change as a row of the log, with its leaf; `text` is the entity as it is stored, `shown_at` is `at` in words."""
    # The entity is canonical JSON already, and it comes first among the keys of the payload: it is put in as it is.
    rest = canonical({"changed": change.changed, "input": change.input}) if change.changed or change.input else _NOTHING
    payload = b'{"after":' + text.encode() + b"," + rest[1:]
    envelope = Envelope(
        actor=actor,
        at=shown_at,
        cause=cause,
        entity=change.entity.id,
        event=event_name(change),
        payload=payload_hash(payload, salt),
        run=run,
        seq=seq,
        type=change.noun.name,
        verb=change.verb.name,
        version=change.entity.version,
        via=via,
    )
    return EventRow(
        seq,
        at.replace(tzinfo=None),
        change.noun.name,
        change.verb.name,
        envelope.event,
        change.entity.id,
        change.entity.version,
        actor,
        cause,
        run,
        via,
        payload.decode(),
        salt,
        leaf_of(envelope),
    )


_NOTHING = canonical({"changed": {}, "input": {}})


def event_name(change: Change) -> str:
    """`Type.past`, the one canonical name of an event."""
    return f"{change.noun.name}.{change.verb.past}"


def shown(row: EventRow) -> dict[str, Any]:
    """An event as every face gives it; what is empty is left out, `payload` is None once it was erased."""
    shape: dict[str, Any] = {
        "id": event_id(row.seq),
        "seq": row.seq,
        "at": values.format_datetime(row.at.replace(tzinfo=UTC)),
        "type": row.type,
        "verb": row.verb,
        "event": row.event,
        "entity": row.entity,
        "version": row.version,
        "actor": row.actor,
    }
    for name, value in (("cause", row.cause), ("run", row.run), ("via", row.via)):
        if value is not None:
            shape[name] = value
    payload: dict[str, Any] = _decode(row.payload) if row.payload is not None else {"erased": True}
    shape |= {name: value for name, value in payload.items() if value != {}}
    return shape


def list_events(file: TenantFile, vocabulary: Vocabulary, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Events by `type`, `verb`, `event`, `entity`, `actor`, `run`, `after` and `before` (positions in the log).

    The newest first, unless `after` is given: then in the order of the log, so that a reader can go on from there.
    """
    conditions = [Sql("TRUE")]
    limit = EVENTS_LIMIT_DEFAULT
    for name, value in arguments.items():
        if name == "type":
            vocabulary.noun(_text(name, value))  # a noun that does not exist has no events, and is most likely misspelt
        if name in ("type", "verb", "event", "entity", "actor", "run"):
            conditions.append(Sql(f"{name} = ?", (_text(name, value),)))
        elif name in ("after", "before"):
            conditions.append(Sql(f"seq {'>' if name == 'after' else '<'} ?", (_position(name, value),)))
        elif name == "limit":
            if type(value) is not int or not 1 <= value <= EVENTS_LIMIT_MAX:
                raise InvalidArguments(f"limit is a number from 1 to {EVENTS_LIMIT_MAX}", hint="limit=20")
            limit = value
        else:
            known = ["type", "verb", "event", "entity", "actor", "run", "after", "before", "limit"]
            raise InvalidArguments(f"events are not listed by {name[:80]!r}", hint=did_you_mean(name, known))
    rows = file.events(Sql.join(" AND ", conditions), limit=limit, newest_first="after" not in arguments)
    return [shown(row) for row in rows]


def history(file: TenantFile, id: str) -> list[dict[str, Any]]:
    """What happened to an entity, from its first event on: who did what, and which values changed; the latest 1,000."""
    rows = file.events(Sql("entity = ?", (id,)), limit=EVENTS_LIMIT_MAX, newest_first=True)
    return [_in_brief(shown(row)) for row in reversed(rows)]


def done_by(file: TenantFile, id: str, verb: str) -> list[dict[str, Any]]:
    """Who did a verb on an entity, the newest first: `{actor, at, seq}`."""
    rows = file.events(Sql("entity = ? AND verb = ?", (id, verb)), limit=EVENTS_LIMIT_MAX, newest_first=True)
    return [
        {"actor": row.actor, "at": values.format_datetime(row.at.replace(tzinfo=UTC)), "seq": row.seq} for row in rows
    ]


def set_by(file: TenantFile, id: str, key: str) -> dict[str, Any] | None:
    """The event that gave a key of an entity the value that it has, or that took its value away; None for one never set."""
    changed = Sql("entity = ? AND json_exists(payload, ?)", (id, f'$.changed."{key}"'))
    given = Sql("entity = ? AND version = 1 AND json_exists(payload, ?)", (id, f'$.after."{key}"'))
    rows = file.events(changed, limit=1, newest_first=True) or file.events(given, limit=1)
    return _in_brief(shown(rows[0])) if rows else None


def _in_brief(event: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("id", "seq", "at", "event", "verb", "version", "actor", "cause", "run", "via", "input", "changed")
    return {key: event[key] for key in kept if key in event}


def difference(
    file: TenantFile, first: int, last: int, *, type: str | None = None, id: str | None = None
) -> dict[str, Any]:
    """`{from, to, created, deleted, changed}`: which entities differ between two positions, and of the changed ones how.

    At most a thousand entities are told; `more` says that there are others.
    """
    narrowed = [Sql("seq > ? AND seq <= ?", (first, last))]
    narrowed += [Sql("type = ?", (type,))] if type is not None else []
    narrowed += [Sql("entity = ?", (id,))] if id is not None else []
    events = f"{file.catalog}.events"
    touched = Sql(f"SELECT entity, arg_max(payload, seq) FROM {events} WHERE ") + Sql.join(" AND ", narrowed)
    rows = file.rows(touched + f" GROUP BY entity ORDER BY min(seq) LIMIT {DIFFERENCE_MAX + 1}")
    now = {entity: _after(payload) for entity, payload in rows[:DIFFERENCE_MAX]}
    before_sql = f"""SELECT entity, arg_max(payload, seq) FROM {events}
        WHERE entity IN (SELECT unnest(?)) AND seq <= ? GROUP BY entity"""
    before = {entity: _after(payload) for entity, payload in file.rows(Sql(before_sql, (list(now), first)))}
    shape: dict[str, Any] = {"from": first, "to": last, "created": [], "deleted": [], "changed": []}
    for entity, after in now.items():
        was = before.get(entity)
        if not _lives(was) and _lives(after):
            shape["created"].append(entity)
        elif _lives(was) and not _lives(after):
            shape["deleted"].append(entity)
        elif _lives(was) and _lives(after):
            changes = _changes(was or {}, after or {})
            if changes:
                shape["changed"].append({"id": entity, "changes": changes})
    if len(rows) > DIFFERENCE_MAX:
        shape["more"] = True
    return shape


def _after(payload: str | None) -> dict[str, Any] | None:
    return None if payload is None else _decode(payload)["after"]


def _lives(body: Mapping[str, Any] | None) -> bool:
    return body is not None and "$deletedAt" not in body


def _changes(was: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Which keys differ, and how, in the form of an event's `changed`."""
    return {
        key: {side: body[key] for side, body in (("from", was), ("to", now)) if key in body}
        for key in sorted({*was, *now})
        if not key.startswith("$") and was.get(key) != now.get(key)
    }


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidArguments(f"{name} is a text, not {value!r:.80}")
    return value


def _position(name: str, value: Any) -> int:
    seq = event_seq(value)
    if seq is None and type(value) is int and 0 <= value < 1 << 62:
        seq = value
    if seq is None:
        raise InvalidArguments(
            f"{name} is a position in the log, not {value!r:.80}", hint=f"{name}=120, or an event's id"
        )
    return seq
