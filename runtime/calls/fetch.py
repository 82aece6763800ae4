"""`fetch`: one entity by its id, or one of the specials that are no entities."""

from collections.abc import Mapping
from typing import Any

from runtime import entity, event_log, find, schema
from runtime.calls import measures, proofs
from runtime.calls.runs import shown_run
from runtime.errors import InvalidArguments, InvalidId, NotFound, did_you_mean
from runtime.ids import event_seq, prefix_of
from runtime.noun import Noun
from runtime.own_nouns import EFFECT, HANDLER, OWN_NOUNS, RUN
from runtime.sql import Sql
from runtime.tenant import Tenant
from runtime.unit import Unit
from runtime.vocabulary import Vocabulary

ARGUMENTS = ("id", "type", "fields", "include", "asOf", "proof")
TEXT_CHARS_MAX = 20_000


def fetch(tenant: Tenant, unit: Unit, given: Mapping[str, Any]) -> dict[str, Any]:
    """With `type`, the entity itself or the special; with the id alone `{id, title, text, url, metadata, entity}`.

    `Schema` gives a noun as JSON Schema, or without an id all nouns in brief; `LogEvent` an event of the log; `Measure`
    a number of the business with its history, or without an id all of them; `Status` the state of the business; `Handler`
    stored code; `Run` a run of code, with what it changed and what it waits for. With
    `proof`, the answer has one more key, `proof`: that the log holds exactly this, see `runtime.proofs.proof`.
    """
    unknown = next((name for name in given if name not in ARGUMENTS), None)
    if unknown is not None:
        raise InvalidArguments(f"fetch takes no {unknown[:80]!r}", hint=did_you_mean(unknown, ARGUMENTS))
    arguments = {name: value for name, value in given.items() if value not in (None, "", [], {})}
    id, type = arguments.pop("id", None), arguments.pop("type", None)
    if id is not None and not isinstance(id, str):
        raise InvalidId(f"an id is a text, not {id!r:.80}", hint='such as "contact_fX9bL5nRdK"')
    if type is None and event_seq(id) is not None:
        type = "LogEvent"
    proof = arguments.pop("proof", False)
    if not isinstance(proof, bool):
        raise InvalidArguments(f"proof is true or false, not {proof!r:.80}")
    if type == "Schema":
        if proof:
            raise InvalidArguments("a schema is not in the log, so there is no proof of it")
        _, seq = tenant.unit_at(unit, arguments.get("asOf"))
        return _schema(unit.vocabulary if seq is None else tenant.vocabulary_at(seq), id)
    if type == "LogEvent":
        event = _event(tenant, id)
        return {**event, "proof": proofs.prove(tenant, {"id": id})} if proof else event
    if type in ("Measure", "Status"):
        if proof:
            raise InvalidArguments(f"a {type.lower()} is worked out, so there is no proof of it")
        asked = arguments if id is None else {"id": id, **arguments}
        return (measures.measure if type == "Measure" else measures.status)(tenant, unit, asked)
    staged = proof and any(change.entity.id == id for change in unit.changes)
    if staged:
        raise InvalidArguments(f"{id} was changed here and is not committed yet: only the log can be proven")
    unit, seq = tenant.unit_at(unit, arguments.pop("asOf", None))
    if id is None:
        listed = {HANDLER.name: "$.handlers.list()", RUN.name: "$.runs.list()"}.get(str(type))
        raise InvalidArguments(
            "fetch needs an id",
            hint=f"{listed} gives them" if listed else 'id="deal_…", or type="Schema" to see what there is',
        )
    if type == RUN.name and seq is None and not proof:
        return shown_run(tenant, unit, id)
    if type is not None and not isinstance(type, str):
        raise InvalidArguments(f"type is the name of a noun, not {type!r:.80}")
    noun = _noun_of(unit, id) if type is None else unit.vocabulary.noun(type)
    if noun in (RUN, EFFECT):
        tenant.write_noted()
    if type is not None:
        shown = find.entity(unit, tenant.context, noun, id, arguments)
        return {**shown, "proof": _proof(tenant, id, shown, seq)} if proof else shown
    found = find.entity(unit, tenant.context, noun, id, arguments)
    whole = unit.read(noun, id)
    answer = {
        "id": id,
        "title": entity.title(noun, found if whole is None else whole.body),
        "text": _text(found),
        "url": f"{tenant.context}/{noun.name}/{id}",
        "metadata": {"type": noun.name, "version": found.get("$version"), "updatedAt": found.get("$updatedAt")},
        "entity": found,
    }
    return {**answer, "proof": _proof(tenant, id, found, seq)} if proof else answer


def _noun_of(unit: Unit, id: str) -> Noun:
    prefix = prefix_of(id)
    if prefix is None:
        raise InvalidId(f"{id[:80]!r} is no id", hint="ids look like contact_fX9bL5nRdK; search gives them")
    for name in (*unit.vocabulary.names, *OWN_NOUNS):
        noun = unit.vocabulary.noun(name)
        if noun.key == prefix:
            return noun
    keys = [unit.vocabulary.noun(name).key for name in unit.vocabulary.names]
    raise NotFound(f"no noun has ids that begin with {prefix}_", hint=did_you_mean(prefix, keys))


def _schema(vocabulary: Vocabulary, name: str | None) -> dict[str, Any]:
    if name is not None:
        return schema.json_schema(vocabulary.noun(name), vocabulary)
    nouns = [vocabulary.noun(each) for each in vocabulary.names]
    return {
        "nouns": [
            {"name": noun.name, "verbs": [v.name for v in noun.verbs.values() if not v.built_in]} for noun in nouns
        ],
        "hint": 'fetch(type="Schema", id="Deal") shows the fields, relations, verbs and transitions of one',
    }


def _event(tenant: Tenant, id: str | None) -> dict[str, Any]:
    seq = event_seq(id)
    if seq is None:
        raise InvalidId(f"{str(id)[:80]!r} is no id of an event", hint="such as evt_42; history gives them")
    rows = tenant.file.events(Sql("seq = ?", (seq,)), limit=1)
    if not rows:
        raise NotFound(f"the log has no event {id}", hint=f"its latest is evt_{tenant.writer.seq}")
    return {**event_log.shown(rows[0]), "leaf": rows[0].leaf.hex()}


def _proof(tenant: Tenant, id: str, found: Mapping[str, Any], seq: int | None) -> dict[str, Any]:
    """The proof of the event that left the entity as it was found."""
    row = proofs.event_of(tenant, id, seq=seq)
    version = found.get("$version", row.version)
    if version != row.version:  # somebody wrote between the reading and this
        row = proofs.event_of(tenant, id, version=version)
    return tenant.prover.prove(row)


def _text(found: Mapping[str, Any]) -> str:
    lines = [f"{key}: {value}" for key, value in found.items() if not key.startswith("$")]
    return "\n".join(lines)[:TEXT_CHARS_MAX]
