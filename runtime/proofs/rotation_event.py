"""A replaced key as an event of each log: `Keys.rotated`, with the statement that both keys signed.

It is made before the first head that the new key signs, so the log itself tells from which position on the former key
says nothing any more.
"""

from runtime import values
from runtime.declaration import declare
from runtime.entity import Body, Entity
from runtime.proofs.note import encoded
from runtime.proofs.signing import Rotation
from runtime.unit import Change, Unit

# No noun of a tenant: the name is reserved, and only the runtime performs its verb.
KEYS = declare(
    "Keys",
    {
        "former": "string!",
        "present": "string!",
        "statement": "text!",
        "rotate": "Rotated",
        "create": None,
        "update": None,
        "delete": None,
    },
)
ID = f"{KEYS.key}_signing"


def stage(unit: Unit, rotations: list[Rotation]) -> None:
    """Stage an event for each rotation that the log does not have yet: its version is how many it has."""
    before = unit.read(KEYS, ID)
    for rotation in rotations[before.version if before else 0 :]:
        now = values.format_datetime(unit.now)
        body: Body = {} if before is None else dict(before.body)
        version = before.version + 1 if before else 1
        body |= {"former": encoded(rotation.former), "present": encoded(rotation.present), "statement": rotation.note}
        body |= {"$id": ID, "$type": KEYS.name, "$version": version, "$updatedAt": now}
        if before is None:
            body |= {"$createdAt": now, "$createdBy": unit.caller.actor}
        before = Entity(KEYS.name, ID, version, before.number if before else 0, body)
        unit.stage(Change(noun=KEYS, verb=KEYS.verbs["rotate"], entity=before, input={}, changed={}))
