"""A log that somebody tampered with, in the file itself: the check finds it, and says where."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from runtime.leaf import Envelope, leaf_of
from runtime.proofs.merkle import folded
from runtime.proofs.note import Checkpoint
from runtime.proofs.signing import Keyring
from tests.runtime.proofs.door import Door

EVENTS = 600
FILL = f'for n in range({EVENTS}): $.Contact.create(name=f"N{{n}}")'


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with 600 events, its tiles, and heads over 300 and 600 of them."""
    door = Door(tmp_path_factory.mktemp("filled") / "data")
    door.do(FILL.replace(str(EVENTS), str(EVENTS // 2)))
    door("checkpoint")
    door.do(FILL.replace(str(EVENTS), str(EVENTS // 2)))
    door.rest()
    assert door.faults() == []
    door.close()
    return door.data


@pytest.fixture
def door(filled: Path, tmp_path: Path) -> Door:
    """A copy of that folder, with its engine closed: `faults` opens it."""
    shutil.copytree(filled, tmp_path / "data")
    door = Door(tmp_path / "data")
    door.close()
    return door


def faults(door: Door) -> list[tuple[int | None, str]]:
    door.engine = door.opened()
    try:
        return door.faults()
    finally:
        door.close()


def change(door: Door, *statements: str) -> None:
    with duckdb.connect(str(door.file)) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(
    "column",
    [
        '"at" = "at" + INTERVAL 1 MICROSECOND',
        "type = 'Kontact'",
        "verb = 'created'",
        "event = 'Contact.createD'",
        "entity = 'contact_zzzzzzzzzz'",
        "version = 2",
        "actor = 'somebody'",
        "cause = 'evt_1'",
        "run = NULL",
        "via = 'import'",
        "payload = replace(payload, 'N', 'M')",
        "payload = payload || ' '",
        "payload = NULL",
        "salt = 'sixteen bytes...'::BLOB",
        "salt = NULL",
        "leaf = sha256('x')[:32]::BLOB",
        "leaf = 'short'::BLOB",
    ],
)
def test_a_change_in_any_column_of_an_event_is_found(door: Door, column: str) -> None:
    change(door, f"UPDATE events SET {column} WHERE seq = 400")
    assert faults(door)[0][0] == 400


@pytest.mark.parametrize(
    ("statements", "seq", "says"),
    [
        (["DELETE FROM events WHERE seq = 400"], 400, "event 400 is missing"),
        (["DELETE FROM events WHERE seq BETWEEN 400 AND 450"], 400, "events 400 to 450 are missing"),
        (["DELETE FROM events WHERE seq <= 10"], 1, "events 1 to 10 are missing"),
        (["INSERT INTO events SELECT * FROM events WHERE seq = 400"], 400, "two events at position 400"),
        (["INSERT INTO events SELECT * REPLACE (0 AS seq) FROM events WHERE seq = 400"], 0, "events at 0"),
        (
            [
                "UPDATE events SET seq = 0 WHERE seq = 400",
                "UPDATE events SET seq = 400 WHERE seq = 401",
                "UPDATE events SET seq = 401 WHERE seq = 0",
            ],
            400,
            "not what was logged",
        ),
        (
            [
                "UPDATE events SET seq = seq + 1 WHERE seq >= 400",
                "INSERT INTO events SELECT * REPLACE (400 AS seq) FROM events WHERE seq = 399",
            ],
            400,
            "not what was logged",
        ),
        (["UPDATE events SET seq = 700 WHERE seq = 600"], 600, "missing"),
        (["DELETE FROM events WHERE seq > 500"], 500, "last events were removed"),
        (["DELETE FROM events"], 0, "last events were removed"),
        (["""UPDATE "$tiles" SET hash = sha256('x')[:32]::BLOB WHERE tile = 1"""], 257, "events 257 to 512"),
        (['UPDATE contact SET "$version" = 9, "$body" = \'{}\' WHERE "$seq" = 400'], None, "the row of contact_"),
        (["""DELETE FROM contact WHERE "$seq" = 400"""], None, "the row of contact_"),
    ],
)
def test_events_and_rows_that_were_removed_added_or_moved_are_found(
    door: Door, statements: list[str], seq: int | None, says: str
) -> None:
    change(door, *statements)
    assert [(at, says in what) for at, what in faults(door)[:1]] == [(seq, True)]


def test_an_event_that_was_rewritten_with_its_leaf_is_found_by_its_tile(door: Door) -> None:
    rewrite(door, 400)
    assert faults(door)[0] == (
        257,
        "events 257 to 512 do not give the hash that was kept of them: leaves among them were changed, or that hash was",
    )


def test_an_event_that_was_rewritten_with_leaf_and_tile_is_found_by_the_signed_head(door: Door) -> None:
    rewrite(door, 400)
    with duckdb.connect(str(door.file)) as connection:
        leaves = connection.execute("SELECT leaf FROM events WHERE seq BETWEEN 257 AND 512 ORDER BY seq").fetchall()
        connection.execute('UPDATE "$tiles" SET hash = ? WHERE tile = 1', [folded([leaf for (leaf,) in leaves])])
    assert [(seq, "events 301 to 600 was changed" in what) for seq, what in faults(door)] == [(301, True)]


def test_a_file_that_was_put_back_is_found(door: Door, filled: Path) -> None:
    door.engine = door.opened()
    door.do(FILL)
    door("checkpoint")
    door.close()
    shutil.copy(filled / "tenants" / "default.duckdb", door.file)
    found = faults(door)
    assert [(seq, "the log ends at 600, and a head over 1200 events was signed" in what) for seq, what in found] == [
        (600, True)
    ]
    door.engine = door.opened()
    door.do(FILL + "\n" + FILL)  # it goes on another way, past the head
    assert [(seq, "events 601 to 1200 was changed" in what) for seq, what in door.faults()] == [(601, True)]
    door.close()


def forged(door: Door) -> None:
    other = Keyring(door.data / "others")
    checkpoint = Checkpoint("localhost:4747/~default", EVENTS, hashlib.sha256(b"x").digest())
    append(door, other.signed(checkpoint.text, name=checkpoint.origin))


def altered(door: Door) -> None:
    path = door.data / "checkpoints" / "default"
    path.write_text(path.read_text().replace("\n600\n", "\n599\n"))


def stale(door: Door) -> None:
    records = (door.data / "checkpoints" / "default").read_text().split("2026-")
    append(door, records[1].partition("\n")[2][:-1])


def garbage(door: Door) -> None:
    append(door, "no note\n\nat all\n")


def append(door: Door, note: str) -> None:
    with (door.data / "checkpoints" / "default").open("a") as file:
        file.write(f"2026-11-21T10:00:00Z\n{note}\n")


@pytest.mark.parametrize(
    ("tamper", "says"),
    [
        (forged, "head 3 in checkpoints/default, over 600 events, is not signed by any key"),
        (altered, "head 2 in checkpoints/default, over 599 events, is not signed by any key"),
        (stale, "head 3 in checkpoints/default is over fewer events than the one before it"),
        (garbage, "head 3 in checkpoints/default cannot be read"),
    ],
)
def test_a_head_that_we_did_not_sign_there_is_found(door: Door, tamper: Callable[[Door], None], says: str) -> None:
    tamper(door)
    assert says in faults(door)[0][1]


def test_a_head_that_a_thief_signed_with_a_replaced_key_is_found(door: Door) -> None:
    stolen = door.data / "stolen"
    shutil.copytree(door.data / "keys", stolen)
    door.engine = door.opened()
    door("rotateKey")
    head = door("checkpoint")
    door.close()
    checkpoint = Checkpoint("localhost:4747/~default", head["size"], bytes.fromhex(head["root"]))
    append(door, Keyring(stolen).signed(checkpoint.text, name=checkpoint.origin))
    assert [what for _, what in faults(door)] == [
        "head 4 in checkpoints/default is signed by a key that was replaced before"
    ]


def test_an_erased_payload_leaves_a_hole_and_no_fault(door: Door) -> None:
    change(
        door,
        "UPDATE events SET payload = NULL, salt = NULL WHERE seq = 400",
        # Kept in place of the salt, its hash lets everything but the payload be checked.
        "UPDATE events SET payload = NULL, salt = unhex(sha256(salt || payload::BLOB)) WHERE seq = 401",
    )
    assert faults(door) == []
    change(door, "UPDATE events SET actor = 'somebody' WHERE seq = 401")
    assert [seq for seq, _ in faults(door)] == [401]


def test_a_check_since_a_checkpoint_finds_what_changed_before_it(door: Door) -> None:
    door.engine = door.opened()
    since = door("checkpoint")["checkpoint"]
    door.do(FILL)
    assert door("verify", since=since) == {"reached": 600, "size": 1200, "faults": []}
    door.close()
    rewrite(door, 100)
    change(door, 'DELETE FROM "$tiles"')
    door.engine = door.opened()
    piece = door("verify", leavesOnly=True)
    assert [fault["seq"] for fault in piece["faults"]] == [1]
    door.close()


def rewrite(door: Door, seq: int) -> None:
    """Change who did it, as somebody would who knows how leaves are made."""
    with duckdb.connect(str(door.file)) as connection:
        connection.execute("SET TimeZone='UTC'")
        (row,) = connection.execute(
            "SELECT strftime(\"at\", '%Y-%m-%dT%H:%M:%SZ'), entity, event, sha256(salt || payload::BLOB), run, type, verb, version "
            "FROM events WHERE seq = ?",
            [seq],
        ).fetchall()
        at, entity, event, payload, run, type, verb, version = row
        leaf = leaf_of(
            Envelope(
                actor="somebody",
                at=at,
                entity=entity,
                event=event,
                payload=payload,
                run=run,
                seq=seq,
                type=type,
                verb=verb,
                version=version,
            )
        )
        connection.execute("UPDATE events SET actor = 'somebody', leaf = ? WHERE seq = ?", [leaf, seq])
