"""A noun as JSON Schema, with its verbs, transitions and relations beside it: what a caller needs to use it right."""

from collections.abc import Mapping
from typing import Any

from runtime import values
from runtime.noun import Field, Noun, Verb
from runtime.vocabulary import Vocabulary

DIALECT = "https://json-schema.org/draft/2020-12/schema"

# The longest text is a million characters: said once in the docs, not at every field.
_STRING: Mapping[str, Any] = {"type": "string"}
_SCALARS: Mapping[str, Mapping[str, Any]] = {
    "string": _STRING,
    "text": _STRING,
    "markdown": {**_STRING, "contentMediaType": "text/markdown"},
    "url": {"type": "string", "format": "uri", "maxLength": values.URL_CHARS_MAX},
    "email": {"type": "string", "format": "email", "maxLength": values.EMAIL_CHARS_MAX},
    "id": {"type": "string", "maxLength": values.ID_CHARS_MAX},
    "uuid": {"type": "string", "format": "uuid"},
    "ulid": {"type": "string", "pattern": "^[0-7][0-9A-HJKMNP-TV-Z]{25}$"},
    "number": {"type": "number"},
    "float": {"type": "number"},
    "int": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
    "timestamp": {"type": "string", "format": "date-time"},
    "json": {},
}
_META: Mapping[str, Mapping[str, Any]] = {
    "$id": {"type": "string", "readOnly": True},
    "$type": {"type": "string", "readOnly": True},
    "$context": {"type": "string", "readOnly": True},
    "$version": {"type": "integer", "minimum": 1, "readOnly": True},
    "$createdAt": {"type": "string", "format": "date-time", "readOnly": True},
    "$updatedAt": {"type": "string", "format": "date-time", "readOnly": True},
    "$createdBy": {"type": "string", "readOnly": True},
}


def json_schema(noun: Noun, vocabulary: Vocabulary) -> dict[str, Any]:
    """JSON Schema 2020-12 of the noun's entities, with `x-verbs`, `x-transitions` and `x-relations`.

    `required` lists what an entity always has; a key with a default may be left out of a create all the same.
    """
    resolved = vocabulary.noun(noun.name)
    properties: dict[str, Any] = {key: dict(shape) for key, shape in _META.items()}
    properties["$type"] = {"const": resolved.name, "readOnly": True}
    properties |= {key: property_schema(field) for key, field in resolved.fields.items()}
    return {
        "$schema": DIALECT,
        "title": resolved.name,
        "type": "object",
        "properties": properties,
        "required": ["$id", "$type", "$version", *(key for key, field in resolved.fields.items() if field.required)],
        "additionalProperties": False,
        "x-verbs": [_verb(resolved, verb) for verb in resolved.verbs.values()],
        "x-transitions": _transitions(resolved),
        "x-relations": _relations(resolved),
    }


def property_schema(field: Field) -> dict[str, Any]:
    """The JSON Schema of one field, with `x-` keys for what JSON Schema cannot say."""
    match field.type:
        case "enum":
            shape: dict[str, Any] = {"enum": list(field.values)}
        case "relation":
            shape = {"type": "string", "x-noun": field.target}
        case "decimal":
            digits = f"\\d{{1,{field.precision - field.scale or 1}}}"
            shape = {
                "type": "string",
                "pattern": f"^-?{digits}" + (f"\\.\\d{{{field.scale}}}$" if field.scale else "$"),
            }
        case _:
            shape = dict(_SCALARS[field.type])
    if field.many:
        shape = {"type": "array", "items": shape, "maxItems": values.LIST_ITEMS_MAX}
    if field.type not in ("enum", "relation", "string", "number", "boolean", "json"):
        shape["x-type"] = field.type
    if field.default is not None:
        shape["x-default" if values.is_default_function(field, field.default) else "default"] = field.default
    if field.unique:
        shape["x-unique"] = True
    elif field.indexed:
        shape["x-indexed"] = True
    return shape


def _verb(noun: Noun, verb: Verb) -> dict[str, Any]:
    shape: dict[str, Any] = {"name": verb.name}
    if verb.event:
        shape |= {"event": f"{noun.name}.{verb.past}", "before": verb.gerund, "after": verb.past}
    if verb.inputs:
        shape["inputs"] = {key: property_schema(field) for key, field in verb.inputs.items()}
    if verb.effects:
        shape["sets"] = dict(verb.effects)
    leads = [_arrow(move.sources, move.target) for move in noun.transitions if move.verb == verb.name]
    if leads and not verb.built_in:
        shape["transitions"] = leads
    return shape


def _transitions(noun: Noun) -> dict[str, Any]:
    """Per state field `{"initial": [...], "moves": [...]}`: where it starts (without: anywhere), and how it moves."""
    shape: dict[str, Any] = {}
    for move in noun.transitions:
        of_field = shape.setdefault(move.field, {})
        if move.verb == "create":
            of_field.setdefault("initial", []).append(move.target)
        else:
            arrow = f"{_source_text(move.sources)} -{move.verb}-> {move.target}"
            of_field.setdefault("moves", []).append(arrow)
    return shape


def _relations(noun: Noun) -> dict[str, Any]:
    shape: dict[str, Any] = {}
    for key, field in noun.fields.items():
        if field.type == "relation":
            shape[key] = {"to": field.target, "many": field.many}
            if field.inverse:
                shape[key]["inverse"] = field.inverse
    for key, inverse in noun.inverses.items():
        shape[key] = {"from": f"{inverse.source}.{inverse.key}", "many": inverse.many}
    return shape


def _arrow(sources: frozenset[str] | None, target: str) -> str:
    return f"{_source_text(sources)} -> {target}"


def _source_text(sources: frozenset[str] | None) -> str:
    return "*" if sources is None else " | ".join(sorted(sources))
