"""The runtime's own nouns: they stand in every tenant's file and log, and no tenant can define, create or change them.

What a tenant defines, what it stores to run, and what ran are entities like all others: with versions, events, a history,
and found by the same filters.
"""

from collections.abc import Mapping

from runtime.declaration import declare
from runtime.noun import Noun

_NO_CRUD = {"create": None, "update": None, "delete": None}

# The noun of nouns: `declaration` is what was written.
NOUN = declare("Noun", {"name": "string!", "declaration": "json!", "define": "Defined", **_NO_CRUD})

# A replaced signing key, see `runtime.proofs.rotation_event`.
KEYS = declare(
    "Keys", {"former": "string!", "present": "string!", "statement": "text!", "rotate": "Rotated", **_NO_CRUD}
)

# Code that the tenant stored to run before or after something, see `runtime.handlers`.
HANDLER = declare(
    "Handler",
    {
        "name": "string!",
        "kind": "before | after | schedule | watch",
        "pattern": "string!#",  # Deal.close for a verb, Deal.closed or *.created for events
        "status": "Active | Disabled | Removed = Active",
        "source": "text!",
        "hash": "string!",  # of the source: which code it is
        "parameters": "int",  # how many the function takes; none where it takes any number
        "position": "int!",  # handlers of one event run in this order
        "actor": "string!",  # whose rights it has
        "level": "int!",
        "options": "json",  # of its kind: a filter, a schedule, a threshold
        "reason": "string",  # why it is disabled
        "state": "json",  # of a watch: on which side of its threshold the value is, and when it ran
        "store": "Stored",
        "disable": "Disabled",
        "enable": "Enabled",
        "move": "Moved",
        "cross": "Crossed",
        "remove": "Removed",
        **_NO_CRUD,
    },
)

# The ledger: every run of code, see `runtime.ledger`. Its rows are kept, not folded: only how a handler's run ended is in
# the log.
RUN = declare(
    "Run",
    {
        "kind": "do | before | after | schedule | watch",
        "status": "Waiting | Retrying | Stuck | Succeeded | Failed | Rejected | Dead | Released",
        "handler": "string#",
        "name": "string",
        "code": "string",  # hash of the code
        "cause": "string#",  # the event that set it off
        "entity": "string#",  # which that event was about
        "parent": "string#",  # the run in whose unit it ran, or whose event set it off
        "root": "string",  # the event, or the run by the clock, that everything goes back to
        "depth": "int",
        "actor": "string",
        "level": "int",
        "attempts": "int",
        "dueAt": "datetime",  # when it is tried again
        "startedAt": "datetime",
        "seconds": "float",
        "calls": "int",
        "limits": "json",  # {seconds, memoryBytes, calls}
        "output": "text",
        "error": "json",
        "changes": "int",  # how many events it made
        "touched": "string[]",  # entities that it changed or read by id
        "input": "json",  # what it is given where that is no event's entity
        "succeed": "Succeeded",
        "fail": "Failed",
        "stick": "Stuck",
        "bury": "DeadLettered",
        "release": "Released",
        "retry": "Retried",
        **_NO_CRUD,
    },
)

# A write to the outside, see `runtime.outside`: which call it was and how it ended, never what was said.
EFFECT = declare(
    "Effect",
    {
        "run": "string!#",
        "position": "int!",  # which call of the run
        "state": "Intended | Answered | Failed = Intended",  # Intended: nobody knows what became of it
        "method": "string!",
        "host": "string!",
        "path": "string",  # without what looks like a secret
        "status": "int",
        "bytes": "int",  # of the body that was sent
        "answerBytes": "int",
        "hash": "string",  # of the request, salted: nobody can try out what was asked
        "error": "string",  # the code, where the answer could not be given
        "intendedAt": "datetime",
        "endedAt": "datetime",
        "intend": "Intended",
        "answer": "Answered",
        "fail": "Failed",
        **_NO_CRUD,
    },
)

OWN_NOUNS: Mapping[str, Noun] = {noun.name: noun for noun in (NOUN, KEYS, HANDLER, RUN, EFFECT)}

# Those whose tables are folded from the log.
FOLDED = (NOUN, KEYS, HANDLER, EFFECT)
