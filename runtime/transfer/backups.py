"""Backups of a tenant: copies of its own file, each checked against the log that it holds, and a list of those that
were made.

A backup is a DuckDB file like the tenant's own. The list lies beside the tenants, so that it outlives them, and
whoever erases somebody's data can say which backups still hold it.
"""

import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from runtime import wire
from runtime.catalogue import shipped
from runtime.client import Connection
from runtime.clock import system_clock
from runtime.declaration import from_data
from runtime.errors import InvalidArguments, NotFound, Unavailable, ValidationFailed, VerbenaError
from runtime.noun import Noun
from runtime.own_nouns import NOUN
from runtime.proofs.audit import Audit
from runtime.proofs.heads import Heads
from runtime.proofs.prover import Prover
from runtime.proofs.signing import Keyring
from runtime.proofs.tree import Tree
from runtime.sql import Sql
from runtime.store import Instance, TenantFile
from runtime.store.instance import InstanceLimits
from runtime.transfer.rows import content_hash
from runtime.values import format_datetime

# The check reads the log in pieces of this many events; between them it says how far it is.
EVENTS_AT_ONCE = 32_768
FINDINGS_SHOWN_MAX = 5
_CHECK_LIMITS = InstanceLimits(memory_mb=512)

Heard = Callable[[int, int], None]  # events that were checked, of how many


class Backup(msgspec.Struct, kw_only=True, frozen=True):
    """One backup that was made; `sha256` is empty as long as its check is not over."""

    tenant: str
    file: str
    at: str
    seq: int
    bytes: int
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A backup in a tenant's place, and where the file that was there is kept."""

    tenant: str
    seq: int
    former: str | None


_decode = msgspec.json.Decoder(Backup).decode


def back_up(connection: Connection, data: Path, tenant: str, to: Path | None, heard: Heard) -> Backup:
    """Copy a tenant's file while others use it, check the copy, and enter it in the list.

    Raises ValidationFailed where the copy is not what its log says, and then leaves it, entered as not checked.
    """
    at = system_clock().replace(microsecond=0)
    if to is None:
        to = data / "backups" / f"{tenant}-{at.strftime('%Y%m%dT%H%M%SZ')}-{secrets.token_hex(2)}.duckdb"
        wire.private_folder(to.parent)
    to = to.absolute()
    if to.exists():
        raise InvalidArguments(f"{to} is there already", hint="name a file that is not")
    told = connection.ask("backup", {"to": str(to)})
    made = Backup(tenant=tenant, file=str(to), at=format_datetime(at), seq=told["seq"], bytes=told["bytes"])
    _enter(data, made)
    seq = check(to, heard)
    if seq != made.seq:
        raise ValidationFailed(f"the copy has {seq} events, and the tenant had {made.seq}", hint="make another one")
    made = msgspec.structs.replace(made, bytes=to.stat().st_size, sha256=content_hash(to))
    _enter(data, made)
    return made


def restore(connection: Connection, data: Path, tenant: str, file: Path, *, force: bool, heard: Heard) -> Restored:
    """Check a backup, and put it in a tenant's place; what was there is kept beside it.

    Raises NotFound, ValidationFailed where the backup is not what its log says or not what was entered in the list, and
    Conflict where the tenant has events, unless `force`.
    """
    if not file.is_file():
        raise NotFound(f"there is no file {file}", hint="verbena backups lists those that were made")
    if not wire.TENANT_NAME.match(tenant):
        raise InvalidArguments(f"{tenant[:80]!r} is no name of a tenant", hint=wire.TENANT_NAME_HINT)
    known = next((each for each in kept(data) if each.file == str(file.absolute())), None)
    if known is not None and known.sha256 and known.sha256 != content_hash(file):
        raise ValidationFailed(
            f"{file.name} is not what it was when it was made: its bytes differ", hint="take another"
        )
    folder = data / "tenants"
    wire.private_folder(folder)
    staged = folder / f".{tenant}.restoring-{secrets.token_hex(8)}"
    try:
        shutil.copyfile(file, staged)
        wal = file.with_name(file.name + ".wal")
        if wal.exists():
            shutil.copyfile(wal, staged.with_name(staged.name + ".wal"))
        try:
            seq = check(staged, heard)
        except VerbenaError as error:  # which speaks of the copy that was looked at
            said = error.message.replace(str(staged), str(file)).replace(staged.name, file.name)
            raise type(error)(said, hint=error.hint, **error.details) from error
        told = connection.ask("restore", {"staged": staged.name, "force": force})
    finally:
        staged.unlink(missing_ok=True)
        staged.with_name(staged.name + ".wal").unlink(missing_ok=True)
    return Restored(tenant=tenant, seq=seq, former=told["former"])


def kept(data: Path, tenant: str | None = None) -> list[Backup]:
    """The backups of the list that are still there, and the files that restores put aside; the oldest first."""
    found: dict[str, Backup] = {}
    try:
        lines = _list(data).read_bytes().splitlines()
    except FileNotFoundError:
        lines = []
    for line in lines:
        try:
            made = _decode(line)
        except msgspec.DecodeError:
            continue  # cut off while it was written; the file it is about is not whole either
        found[made.file] = made
    for path in (data / "tenants").glob("*.duckdb.before-restore-*"):
        name, _, stamp = path.name.partition(".duckdb.before-restore-")
        if not stamp.endswith(".wal"):
            found[str(path)] = Backup(tenant=name, file=str(path), at=_time(stamp), seq=0, bytes=path.stat().st_size)
    there = [each for each in found.values() if Path(each.file).exists() and tenant in (None, each.tenant)]
    return sorted(there, key=lambda each: each.at)


def check(path: Path, heard: Heard) -> int:
    """Hold a tenant's file that nobody has open to its log: every event, every table; how many events it has.

    Raises ValidationFailed with the first things that are wrong, and Unavailable where it cannot be read at all.
    """
    instance = Instance(_CHECK_LIMITS)
    try:
        file = TenantFile(instance, path, "checked")
        try:
            return _checked(file, path, heard)
        except duckdb.Error as error:
            said = str(error).splitlines()[0][:200]
            raise ValidationFailed(f"{path.name} is damaged: {said}", hint="take another backup") from error
        finally:
            file.close()
    finally:
        instance.close()


def _checked(file: TenantFile, path: Path, heard: Heard) -> int:
    size, _ = file.head()
    prover = Prover(
        origin="checked",
        tree=Tree(file),
        heads=Heads(path.with_name(path.name + ".heads")),  # there are none: who signed what is not asked here
        keyring=Keyring(path.with_name(path.name + ".keys")),
        clock=system_clock,
        size=lambda: size,
        record_rotations=lambda keyring: None,
    )
    audit = Audit(file=file, prover=prover, nouns=_nouns(file))
    at, wrong = 0, list[str]()
    while at < size and len(wrong) < FINDINGS_SHOWN_MAX:
        at, faults = audit.piece(at, EVENTS_AT_ONCE, size)
        wrong += [fault.what for fault in faults]
        heard(at, size)
    wrong += [fault.what for fault in audit.tables()]
    if wrong:
        more = f" and {len(wrong) - FINDINGS_SHOWN_MAX} more" if len(wrong) > FINDINGS_SHOWN_MAX else ""
        raise ValidationFailed(
            f"{path.name} is not what its log says: {'; '.join(wrong[:FINDINGS_SHOWN_MAX])}{more}",
            hint="take another backup",
        )
    return size


def _nouns(file: TenantFile) -> list[Noun]:
    vocabulary = shipped()
    table = file.table(NOUN)
    bodies = [] if table is None else file.rows(Sql(f'SELECT "$body" FROM {table} ORDER BY "$seq"'))
    for (text,) in bodies:
        body: dict[str, Any] = msgspec.json.decode(text)
        vocabulary = vocabulary.with_noun(from_data(body["declaration"]))
    return [vocabulary.noun(name) for name in vocabulary.names]


def _enter(data: Path, made: Backup) -> None:
    path = _list(data)
    wire.private_folder(path.parent)
    with path.open("ab") as file:
        file.write(msgspec.json.encode(made) + b"\n")


def _list(data: Path) -> Path:
    return data / "backups" / "list.ndjson"


def _time(stamp: str) -> str:
    """`20261122T003156Z` as `2026-11-22T00:31:56Z`."""
    if len(stamp) < 16:
        raise Unavailable(f"a file put aside has no time in its name: {stamp[:80]!r}")
    return f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}T{stamp[9:11]}:{stamp[11:13]}:{stamp[13:15]}Z"
