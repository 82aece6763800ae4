"""What goes in and out by the thousand: a batch of rows as one unit, and the entities of a noun a page at a time."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from runtime import entity as entities
from runtime import values
from runtime.calls import arguments
from runtime.calls.dollar import units_of
from runtime.entity import Entity
from runtime.errors import (
    Conflict,
    InvalidArguments,
    InvalidId,
    InvalidType,
    LimitExceeded,
    PermissionDenied,
    ValidationFailed,
    VerbenaError,
    did_you_mean,
)
from runtime.filter_sql import columns_of, to_sql
from runtime.filters import parse_filter
from runtime.find import without_dead_links
from runtime.graph import Source
from runtime.ids import ALPHABET, SUFFIX_CHARS, NewId, prefix_of
from runtime.noun import Field, Noun, Verb
from runtime.own_nouns import NOUN
from runtime.perform import perform
from runtime.sandbox.pool import Pool
from runtime.sql import Sql, quoted
from runtime.tenant import Tenant
from runtime.unit import Caller, Unit

ROWS_MAX = 1_000
# What one page of an export carries at most, one entity at least; a frame holds twice as much.
PAGE_BYTES_MAX = 8 << 20
ID_CHARS_MAX = 64
FILE_CHARS_MAX = 200

_IMPORT = ("type", "rows", "import", "first", "by", "keepIds", "file", "again", "after")
_EXPORT = ("type", "filter", "asOf", "after", "until", "limit")

_decode = msgspec.json.Decoder(dict[str, Any]).decode


# -- in ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """The rows of one import that are one unit."""

    noun: Noun
    rows: list[tuple[int, dict[str, Any]]]  # line and values
    by: str | None
    keep_ids: bool
    file: str
    run: str


def import_start(tenant: Tenant, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
    """`{fields, seq}`: the fields that the rows of a noun may have, and the position of the log before the first of
    them.
    """
    noun = _noun(tenant, given.get("type"))
    _verb(noun, "create")
    by = given.get("by")
    if by is not None:
        _by(noun, by)
    return {"fields": [_field(field) for field in noun.fields.values()], "seq": tenant.writer.seq}


def import_rows(tenant: Tenant, pool: Pool, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
    """Commit a batch as one unit: `{created, updated, unchanged, known, errors: [{line, code, message, hint?}]}`.

    A bad row is told and left out, the others are kept. `import` and `first` name the batch: with `again`, rows of it
    that are in the log `after` a position are not carried out twice; `known` counts them. States may be any; the
    events say `via: import`, and file and line.
    """
    batch = _batch(tenant, given)
    if caller.level < 1:
        raise PermissionDenied("this key may only read", hint="use a key of level L1 or more")

    def body(unit: Unit) -> dict[str, Any]:
        known = _lines_in_log(tenant, batch.run, given.get("after", 0)) if given.get("again") is True else {}
        return _carry_out(tenant, unit, batch, known)

    return units_of(tenant, pool).in_turn(caller, body, run=batch.run, via="import").value


def _carry_out(tenant: Tenant, unit: Unit, batch: _Batch, known: Mapping[int, str]) -> dict[str, Any]:
    create, update = _verb(batch.noun, "create"), batch.noun.verbs.get("update")
    present = _found_by(tenant, unit, batch)
    _warm(tenant, unit, batch)
    counts = {"created": 0, "updated": 0, "unchanged": 0}
    errors: list[dict[str, Any]] = []
    for line, row in batch.rows:
        if line in known:
            counts["created" if known[line] == "create" else "updated"] += 1
            continue
        staged = len(unit.changes)
        try:
            # `perform` stages nothing when it raises, so a bad row needs no falling back.
            outcome = _put(unit, batch, create, update, present, row, {"file": batch.file, "line": line})
        except VerbenaError as error:
            told = error.as_dict()
            told.pop("details", None)
            errors.append({"line": line, **told})
            continue
        if len(unit.changes) > staged:
            counts[outcome] += 1
        else:
            counts["unchanged"] += 1
    return {**counts, "known": len(known), "errors": errors}


def _put(
    unit: Unit,
    batch: _Batch,
    create: Verb,
    update: Verb | None,
    present: dict[Any, list[str]],
    row: dict[str, Any],
    origin: dict[str, Any],
) -> str:
    """Create or update the entity of one row; `origin` is its file and line."""
    noun, by = batch.noun, batch.by
    given = row if "$id" not in row else {key: value for key, value in row.items() if key != "$id"}
    wanted: str | None = None
    if "$id" in row:
        wanted = _wanted_id(noun, row["$id"]) if batch.keep_ids or by == "$id" else None
    key: Any = None
    if by is not None:
        key = _key_of(noun, by, row)
        ids = present.get(key, [])
        if len(ids) > 1:
            raise InvalidArguments(
                f"several {noun.name} have this {by}: {', '.join(ids[:3])}", hint="name a field that only one has"
            )
        if ids:
            if update is None:
                raise InvalidType(f"{noun.name} has no verb update", hint="import without --by")
            perform(unit, noun, update, ids[0], given, origin=origin)
            return "updated"
    if wanted is not None and unit.read(noun, wanted) is not None:
        raise Conflict(f"{wanted} is there already", hint="by $id, the row would change it")
    fresh = unit.new_id
    if wanted is not None and batch.keep_ids:
        unit.new_id = _first(wanted, noun.key, fresh)
    try:
        made = perform(unit, noun, create, None, given, origin=origin)
    finally:
        unit.new_id = fresh
    if by is not None:
        present[key] = [made.id]
    return "created"


def _first(wanted: str, key: str, fresh: NewId) -> NewId:
    """Gives the wanted id once, and fresh ones from then on and to other nouns: a handler may make entities too."""
    left = [wanted]
    return lambda prefix: left.pop() if left and prefix == key else fresh(prefix)


def _key_of(noun: Noun, by: str, row: Mapping[str, Any]) -> Any:
    if row.get(by) is None:
        raise ValidationFailed(f"the row has no {by}, by which it would be found", hint=f"give every row its {by}")
    return row[by] if by == "$id" else values.parse(noun.fields[by], row[by], where=f"{noun.name}.{by}")


def _wanted_id(noun: Noun, id: Any) -> str:
    if prefix_of(id) != noun.key:
        raise InvalidId(f"{values.shown(id)} is not the id of a {noun.name}", hint=f"such as {noun.key}_fX9bL5nRdK")
    return id


def _found_by(tenant: Tenant, unit: Unit, batch: _Batch) -> dict[Any, list[str]]:
    """The ids of the live entities that have one of the batch's values of `by`, in one query instead of one a row."""
    if batch.by is None:
        return {}
    wanted: set[Any] = set()
    for _, row in batch.rows:
        try:
            wanted.add(_key_of(batch.noun, batch.by, row))
        except VerbenaError:
            continue  # told when its turn comes
    view, noun = unit.overlay, batch.noun
    table = view.table(noun)
    ids: list[str] = []
    if table is not None and wanted:
        kind = "VARCHAR" if batch.by == "$id" else values.sql_type(noun.fields[batch.by])
        asked = list(wanted) if batch.by == "$id" else [values.to_sql(noun.fields[batch.by], each) for each in wanted]
        sql = f"""SELECT "$id" FROM {table} WHERE {quoted(batch.by)} IN (SELECT unnest(?::{kind}[]))
            AND "$deletedAt" IS NULL"""
        ids = [row[0] for row in view.rows(Sql(sql, (asked,)))]
    found: dict[str, Entity] = {**tenant.graph.get_many(noun, ids), **view.staged(noun)}
    present: dict[Any, list[str]] = {}
    for entity in found.values():
        value = entity.body.get(batch.by)
        if value in wanted and not entity.deleted:
            present.setdefault(value, []).append(entity.id)
    return present


def _warm(tenant: Tenant, unit: Unit, batch: _Batch) -> None:
    """Bring the entities that the rows point at into the cache, in one query a relation instead of one a row."""
    for name, field in batch.noun.fields.items():
        if field.target is None or field.target not in unit.vocabulary.names:
            continue
        pointed_at: set[str] = set()
        for _, row in batch.rows:
            given = row.get(name)
            pointed_at.update(id for id in arguments.listed(given) or [given] if isinstance(id, str))
        if pointed_at:
            tenant.graph.get_many(unit.vocabulary.noun(field.target), sorted(pointed_at))


def _lines_in_log(tenant: Tenant, run: str, after: Any) -> dict[int, str]:
    """The lines of a batch whose events are committed, with their verbs: what became of it where its answer was never
    heard.
    """
    if type(after) is not int or after < 0:
        raise InvalidArguments("after is a position in the log")
    sql = f"SELECT verb, payload FROM {tenant.file.catalog}.events WHERE seq > ? AND run = ? AND payload IS NOT NULL"
    found = tenant.file.rows(Sql(sql, (after, run)))
    return {line: verb for verb, payload in found if (line := _decode(payload)["input"].get("line")) is not None}


def _batch(tenant: Tenant, given: Mapping[str, Any]) -> _Batch:
    _check_names("import", given, _IMPORT)
    noun = _noun(tenant, given.get("type"))
    rows = arguments.listed(given.get("rows"))
    if rows is None or not rows:
        raise InvalidArguments("rows is a list of [line, {field: value}]")
    if len(rows) > ROWS_MAX:
        raise LimitExceeded(f"a batch has at most {ROWS_MAX:,} rows, not {len(rows):,}", hint="send several batches")
    by = given.get("by")
    name, first = _text("import", given.get("import"), ID_CHARS_MAX), given.get("first", 0)
    if type(first) is not int or not 0 <= first < 1 << 53:
        raise InvalidArguments("first is the number of the batch's first row")
    return _Batch(
        noun=noun,
        rows=[_row(each) for each in rows],
        by=None if by is None else _by(noun, by),
        keep_ids=given.get("keepIds") is True,
        file=_text("file", given.get("file", "rows"), FILE_CHARS_MAX),
        run=_run_id(name, first),
    )


def _row(given: Any) -> tuple[int, dict[str, Any]]:
    pair = arguments.listed(given)
    row = arguments.mapping(pair[1]) if pair is not None and len(pair) == 2 else None
    if pair is None or row is None or type(pair[0]) is not int:
        raise InvalidArguments("a row is [line, {field: value}]")
    return pair[0], row


def _run_id(name: str, first: int) -> str:
    """The run of a batch: always the same for the same batch, so that the log tells whether it was carried out."""
    digest = hashlib.sha256(f"{name}/{first}".encode("utf-8", "surrogatepass")).digest()
    return "run_" + "".join(
        ALPHABET[int.from_bytes(digest[at : at + 2], "big") % len(ALPHABET)] for at in range(0, 2 * SUFFIX_CHARS, 2)
    )


def _by(noun: Noun, by: Any) -> str:
    if by == "$id":
        return by
    field = noun.fields.get(by) if isinstance(by, str) else None
    if field is None:
        unique = [key for key, each in noun.fields.items() if each.unique]
        raise InvalidArguments(
            f"{noun.name} has no field {str(by)[:80]!r}", hint=did_you_mean(str(by), unique or noun.fields)
        )
    if field.many or field.type == "json":
        raise InvalidArguments(f"{noun.name}.{by} holds no single value to find an entity by")
    return field.name


def _verb(noun: Noun, name: str) -> Verb:
    found = noun.verbs.get(name)
    if found is None:
        raise InvalidType(f"{noun.name} has no verb {name}", hint=did_you_mean(name, noun.verbs))
    return found


def _field(field: Field) -> dict[str, Any]:
    """What a reader of rows needs to know of a field."""
    shape: dict[str, Any] = {"name": field.name, "type": field.type}
    if field.many:
        shape["many"] = True
    if field.values:
        shape["values"] = list(field.values)
    if field.target is not None:
        shape["target"] = field.target
    if field.required:
        shape["required"] = True
    if field.type == "decimal":
        shape |= {"precision": field.precision, "scale": field.scale}
    return shape


# -- out ---------------------------------------------------------------------------------------------------------------


def export_start(tenant: Tenant, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
    """`{seq, nouns: [{name, fields, stored}], defined}`: how far the log is, every noun, what the tenant declared
    itself.
    """
    _check_names("export", given, ("asOf",))
    unit, seq = tenant.unit_at(tenant.unit(caller), given.get("asOf"))
    nouns = [unit.vocabulary.noun(name) for name in unit.vocabulary.names]
    table = tenant.file.table(NOUN)
    defined = [] if table is None else tenant.file.rows(Sql(f'SELECT "$body" FROM {table} ORDER BY "$number"'))
    return {
        "seq": tenant.writer.seq if seq is None else seq,
        "nouns": [
            {
                "name": noun.name,
                "fields": [_field(field) for field in noun.fields.values()],
                "stored": tenant.file.table(noun) is not None,
            }
            for noun in nouns
        ],
        "defined": [_decode(text)["declaration"] for (text,) in defined],
    }


def export_page(tenant: Tenant, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
    """`{rows, after}`: live entities of a noun in the order of their creation; `after` leads on, None at the end.

    `until` bounds them to what was created up to a position of the log, so that an export ends although others go on
    writing.
    """
    _check_names("export", given, _EXPORT)
    noun = _noun(tenant, given.get("type"))
    after, until = _position("after", given.get("after", 0)), _position("until", given.get("until", 1 << 62))
    limit = given.get("limit", ROWS_MAX)
    if type(limit) is not int or not 1 <= limit <= ROWS_MAX:
        raise InvalidArguments(f"limit is a number from 1 to {ROWS_MAX}")
    unit, _ = tenant.unit_at(tenant.unit(caller), given.get("asOf"))
    noun = unit.vocabulary.noun(noun.name)
    source = Source(unit.overlay)
    parsed = parse_filter(given.get("filter") or None, noun, unit.vocabulary, now=unit.now)
    if unit.overlay.table(noun) is None:
        return {"rows": [], "after": None}
    table = source.table(noun, columns_of(parsed) | {"$deletedAt", "$number", "$body"})
    numbers = [
        row[0]
        for row in unit.overlay.rows(
            Sql('SELECT t."$number" FROM ')
            + table
            + Sql(' AS t WHERE t."$deletedAt" IS NULL AND t."$number" > ? AND t."$number" <= ? AND ', (after, until))
            + to_sql(parsed, alias="t", source=source)
            + f' ORDER BY t."$number" LIMIT {limit}'
        )
    ]
    if not numbers:
        return {"rows": [], "after": None}
    among = Sql(
        ' AS t WHERE t."$number" BETWEEN ? AND ? AND t."$number" IN (SELECT unnest(?))',
        (numbers[0], numbers[-1], numbers),
    )
    sizes = unit.overlay.rows(
        Sql('SELECT t."$number", strlen(t."$body") FROM ') + table + among + ' ORDER BY t."$number"'
    )
    kept = _that_fit(sizes)
    among = Sql(among.text, (kept[0], kept[-1], kept))
    texts = unit.overlay.rows(Sql('SELECT t."$body" FROM ') + table + among + ' ORDER BY t."$number"')
    ended = len(numbers) < limit and len(kept) == len(numbers)
    return {"rows": _shown(unit, noun, [text for (text,) in texts]), "after": None if ended else kept[-1]}


def _that_fit(sizes: Sequence[tuple[Any, ...]]) -> list[int]:
    kept: list[int] = []
    total = 0
    for number, size in sizes:
        total += size
        if kept and total > PAGE_BYTES_MAX:
            break
        kept.append(number)
    return kept


def _shown(unit: Unit, noun: Noun, texts: Iterable[str]) -> list[msgspec.Raw]:
    """The stored entities as they are, unless a key was renamed since, or a link may lead to a deleted one."""
    links = [unit.vocabulary.noun(field.target) for field in noun.fields.values() if field.target is not None]
    if not noun.renamed and not any(unit.overlay.has_deleted(target) for target in links):
        return [msgspec.Raw(text.encode()) for text in texts]
    bodies = [entities.renamed(noun, _decode(text)) for text in texts]
    live = without_dead_links(unit.overlay, unit.vocabulary, noun, bodies)
    return [msgspec.Raw(msgspec.json.encode(body)) for body in live]


def _noun(tenant: Tenant, name: Any) -> Noun:
    names = tenant.vocabulary.names
    if not isinstance(name, str) or name not in names:
        raise InvalidType(f"there is no noun {str(name)[:80]!r}", hint=did_you_mean(str(name), names))
    return tenant.vocabulary.noun(name)


def _check_names(call: str, given: Mapping[str, Any], known: Sequence[str]) -> None:
    unknown = next((name for name in given if name not in known), None)
    if unknown is not None:
        raise InvalidArguments(f"{call} takes no {unknown[:80]!r}", hint=did_you_mean(unknown, known))


def _text(name: str, value: Any, chars_max: int) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= chars_max:
        raise InvalidArguments(f"{name} is a text of at most {chars_max} characters")
    return value


def _position(name: str, value: Any) -> int:
    if type(value) is not int or not 0 <= value <= 1 << 62:
        raise InvalidArguments(f"{name} is a position in the log, not {value!r:.80}")
    return value
