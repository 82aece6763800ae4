"""The notation of state machines: which verb leads a state field from which states to which.

create -> Trialing | Active             the states that an entity may start in
Lead -qualify-> Qualified -> Customer   by the verb `qualify`; then, without a verb, by update
Won | Lost -reopen-> Prospecting        from either
* -reset-> OnTrack                      from any
Draft <-> Published                     by update, both ways
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from runtime.errors import ValidationFailed, did_you_mean
from runtime.noun import Field, Transition

CLAUSES_MAX = 500  # of one state field
CLAUSE_CHARS_MAX = 2_000

_ARROW = re.compile(r"<->|-(?:([a-z][A-Za-z0-9]*)-)?>", re.ASCII)


def clauses_of(written: str | Sequence[str]) -> tuple[str, ...]:
    """The clauses of a notation, written as one text with `;` between them or as a list."""
    parts = written.split(";") if isinstance(written, str) else [part for text in written for part in text.split(";")]
    return tuple(" ".join(part.split()) for part in parts if part.strip())


def parse_transitions(field: Field, clauses: Sequence[str], *, verbs: Iterable[str], where: str) -> list[Transition]:
    """The transitions of one state field, one for each verb and target, in the order written.

    Raises ValidationFailed where a clause cannot be read, names an unknown state or verb, or where one verb would
    lead from one state to two.
    """
    if len(clauses) > CLAUSES_MAX:
        raise ValidationFailed(f"{where} has {len(clauses)} transitions; at most {CLAUSES_MAX} are allowed")
    known = sorted({*verbs, "create", "update"})
    found: dict[tuple[str, str], set[str] | None] = {}
    for clause in clauses:
        for verb, sources, target in _steps(field, clause, known, where):
            before = found.get((verb, target), set[str]())
            found[verb, target] = None if before is None or sources is None else before | sources
    _refuse_forks(found, where)
    return [
        Transition(field=field.name, verb=verb, sources=None if sources is None else frozenset(sources), target=target)
        for (verb, target), sources in found.items()
    ]


def _steps(
    field: Field, clause: str, verbs: Sequence[str], where: str
) -> Iterable[tuple[str, frozenset[str] | None, str]]:
    """Each arrow of a clause as (verb, sources, target)."""
    if len(clause) > CLAUSE_CHARS_MAX:
        raise ValidationFailed(f"{where}: a transition is longer than {CLAUSE_CHARS_MAX} characters")
    arrows = list(_ARROW.finditer(clause))
    if not arrows:
        raise ValidationFailed(f"{where}: {clause!r} has no arrow", hint="write 'Open -pay-> Paid' or 'Open -> Paid'")
    starts = [0, *(arrow.end() for arrow in arrows)]
    ends = [*(arrow.start() for arrow in arrows), len(clause)]
    stops = [clause[start:end].strip() for start, end in zip(starts, ends, strict=True)]
    for arrow, left, right in zip(arrows, stops, stops[1:], strict=False):
        targets = _states(field, right, clause, where)
        if left == "create" and arrow is arrows[0]:
            if arrow[0] != "->":
                raise ValidationFailed(f"{where}: {clause!r}: after create stands '->'", hint="'create -> Open'")
            yield from (("create", None, target) for target in targets)
            continue
        sources = None if left == "*" and arrow is arrows[0] else frozenset(_states(field, left, clause, where))
        verb = arrow[1] or "update"
        if verb not in verbs:
            raise ValidationFailed(f"{where}: {clause!r}: no verb {verb!r}", hint=did_you_mean(verb, verbs))
        if verb == "create":
            raise ValidationFailed(f"{where}: {clause!r}: create leads from no state", hint="'create -> Open'")
        if len(targets) > 1 and arrow[1]:
            raise ValidationFailed(
                f"{where}: {clause!r}: {verb!r} can lead to one state only, not to {' or '.join(targets)}",
                hint="use a verb for each",
            )
        yield from ((verb, sources, target) for target in targets)
        if arrow[0] == "<->":
            if sources is None:
                raise ValidationFailed(f"{where}: {clause!r}: '*' stands only before '->'")
            yield from (("update", frozenset(targets), source) for source in _states(field, left, clause, where))


def _states(field: Field, text: str, clause: str, where: str) -> list[str]:
    states = [word.strip() for word in text.split("|")]
    for state in states:
        if state == "*":
            raise ValidationFailed(f"{where}: {clause!r}: '*' stands only first, before the arrow")
        if state not in field.values:
            raise ValidationFailed(
                f"{where}: {clause!r}: no state {state!r}",
                hint=did_you_mean(state, field.values),
                allowed=list(field.values),
            )
    return states


def _refuse_forks(found: Mapping[tuple[str, str], set[str] | None], where: str) -> None:
    target_of: dict[str, dict[str | None, str]] = {}
    for (verb, target), sources in found.items():
        if verb in ("create", "update"):
            continue
        targets = target_of.setdefault(verb, {})
        for source in sources if sources is not None else (None,):
            other = targets.setdefault(source, target)
            fork = other if other != target else None
            if fork is None and source is None:
                fork = next((seen for seen in targets.values() if seen != target), None)
            elif fork is None and None in targets and targets[None] != target:
                fork = targets[None]
            if fork is not None:
                raise ValidationFailed(
                    f"{where}: {verb!r} leads from {source or 'any state'} to {fork} and to {target}",
                    hint="use a verb for each",
                )
