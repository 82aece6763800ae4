"""State machines: which verb leads which field from where to where."""

from collections.abc import Mapping
from typing import Any

from runtime.entity import Body
from runtime.errors import InvalidTransition
from runtime.noun import Noun, Transition, Verb


def enter(noun: Noun, verb: Verb, before: Body | None, after: Body, *, by_import: bool) -> None:
    """Set the states that the verb leads to, and refuse those that it does not; an import may set any state."""
    if by_import and verb.name == "create":
        return
    for field in noun.states:
        steps = [step for step in noun.transitions if step.field == field]
        moves = [step for step in steps if step.verb == verb.name]
        was = None if before is None else before.get(field)
        if verb.name == "create":
            _begin(noun, field, moves, after)
        elif moves and verb.name != "update":
            target = _led_to(moves, was)
            if target is None:
                raise _not_from_here(noun, verb, field, moves, before or {})
            if after.get(field) not in (was, target):
                raise InvalidTransition(
                    f"{noun.name}.{verb.name} sets {field} to {target}, not to {after.get(field)}",
                    hint=f"leave {field} out",
                )
            after[field] = target
        elif after.get(field) != was and not by_import:
            _move(noun, field, steps, was, after.get(field), before or {})


def allowed_verbs(noun: Noun, body: Mapping[str, Any]) -> list[str]:
    """The verbs that lead somewhere from the states that an entity is in, the best answer to a refused one."""
    return sorted(
        {
            step.verb
            for step in noun.transitions
            if step.verb not in ("create", "update") and (step.sources is None or body.get(step.field) in step.sources)
        }
    )


def _begin(noun: Noun, field: str, moves: list[Transition], after: Body) -> None:
    initial = [step.target for step in moves]
    if not initial:
        return
    state = after.setdefault(field, initial[0])
    if state not in initial:
        verbs = [step.verb for step in noun.transitions if (step.field, step.target) == (field, state)]
        on = " or ".join(sorted({"update" if verb == "create" else f"$.{noun.name}.{verb}(id)" for verb in verbs}))
        raise InvalidTransition(
            f"a new {noun.name} cannot begin with {field} {state}",
            hint=f"it begins with {' or '.join(initial)}; {on or 'a verb'} leads on from there",
            field=field,
        )


def _led_to(moves: list[Transition], was: Any) -> str | None:
    return next((step.target for step in moves if step.sources is None or was in step.sources), None)


def _move(noun: Noun, field: str, steps: list[Transition], was: Any, wanted: Any, body: Body) -> None:
    """A plain update makes only the transitions that are marked for it."""
    if wanted is not None and any(
        step.verb == "update" and step.target == wanted and (step.sources is None or was in step.sources)
        for step in steps
    ):
        return
    if was is None and wanted is not None and not any(step.verb == "create" for step in steps):
        return
    verbs = sorted(
        {
            step.verb
            for step in steps
            if step.target == wanted
            and step.verb not in ("create", "update")
            and (step.sources is None or was in step.sources)
        }
    )
    if verbs:
        raise InvalidTransition(
            f"update cannot lead {noun.name}.{field} from {was} to {wanted}",
            hint=f"use {' or '.join(f'$.{noun.name}.{verb}(id)' for verb in verbs)}",
            field=field,
            allowed=verbs,
        )
    reachable = sorted(
        {step.target for step in steps if step.verb == "update" and (not step.sources or was in step.sources)}
    )
    allowed = allowed_verbs(noun, body)
    raise InvalidTransition(
        f"{noun.name}.{field} does not lead from {was} to {wanted}",
        hint="; ".join(
            part
            for part in (
                f"by update it leads to {', '.join(reachable)}" if reachable else "",
                f"verbs allowed now: {', '.join(allowed)}" if allowed else "",
            )
            if part
        )
        or f"{was} is final",
        field=field,
        allowed=allowed,
    )


def _not_from_here(noun: Noun, verb: Verb, field: str, moves: list[Transition], body: Body) -> InvalidTransition:
    sources = sorted({source for step in moves for source in step.sources or ()})
    allowed = allowed_verbs(noun, body)
    now = body.get(field)
    return InvalidTransition(
        f"{noun.name}.{verb.name} does not lead on from {field} {now}; it leads from {', '.join(sources)}",
        hint=f"allowed now: {', '.join(allowed)}" if allowed else f"{field} {now} is final",
        field=field,
        state=now,
        allowed=allowed,
    )
