"""A replaced key as an event of each log: `Keys.rotated`, with the statement that both keys signed.

It is made before the first head that the new key signs, so the log itself tells from which position on the former key
says nothing any more.
"""

from runtime.own_nouns import KEYS
from runtime.proofs.note import encoded
from runtime.proofs.signing import Rotation
from runtime.unit import Unit

ID = f"{KEYS.key}_signing"


def stage(unit: Unit, rotations: list[Rotation]) -> None:
    """Stage an event for each rotation that the log does not have yet: its version is how many it has."""
    before = unit.read(KEYS, ID)
    for rotation in rotations[before.version if before else 0 :]:
        present = {"former": encoded(rotation.former), "present": encoded(rotation.present)}
        unit.stage_own(KEYS, "rotate", ID, {**present, "statement": rotation.note})
