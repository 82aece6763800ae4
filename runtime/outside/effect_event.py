"""What was asked of the outside, as events of the log: `Effect.intended`, `Effect.answered`, `Effect.failed`.

An effect says which call it was and how it ended, and never what was said: bodies and headers stay in the journal, until
its run has ended. Which effects the log has is read from the log itself, so folding twice changes nothing.
"""

from collections.abc import Collection, Sequence

from runtime.ids import ALPHABET
from runtime.outside.journal import Call
from runtime.outside.records import Intent, Outcome
from runtime.own_nouns import EFFECT
from runtime.unit import Unit


def stage(unit: Unit, calls: Sequence[Call], *, fresh: Collection[int] = ()) -> None:
    """Stage what the log does not know yet of the writes of a run.

    `fresh` are places of which the log cannot know anything, so that it is not asked.
    """
    for call in calls:
        if call.intent is not None:
            _stage(unit, call.intent, call.outcome, fresh=call.intent.position in fresh)


def effect_id(run: str, position: int) -> str:
    """The id of one call: the run's own letters, then its place, so that the log has each once."""
    places = ""
    for _ in range(3):
        position, digit = divmod(position, len(ALPHABET))
        places = ALPHABET[digit] + places
    return f"{EFFECT.key}_{run.partition('_')[2]}{places}"


def _stage(unit: Unit, intent: Intent, outcome: Outcome | None, *, fresh: bool) -> None:
    id = effect_id(intent.run, intent.position)
    known = None if fresh else unit.read(EFFECT, id)
    if known is None:
        said = {
            "run": intent.run,
            "position": intent.position,
            "state": "Intended",
            "method": intent.method,
            "host": intent.host,
            "path": intent.path,
            "bytes": intent.bytes,
            "hash": intent.fingerprint,
            "intendedAt": intent.at,
        }
        known = unit.stage_own(EFFECT, "intend", id, said, fresh=fresh)
    if outcome is None or known.body.get("endedAt") == outcome.at:
        return
    failed = outcome.status == 0
    came = {
        "state": "Failed" if failed else "Answered",
        "status": outcome.status or None,
        "answerBytes": outcome.bytes,
        "error": outcome.error and outcome.error["code"],
        "endedAt": outcome.at,
    }
    unit.stage_own(EFFECT, "fail" if failed else "answer", id, came)
