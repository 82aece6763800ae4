"""Tenants as files of a folder: which there are, one put in the place of another, and one removed with all that
belongs to it.

Whoever calls these has closed the tenant first, see `Engine.restore` and `Engine.delete`.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runtime import values, wire
from runtime.errors import InvalidArguments, NotFound, Unavailable, did_you_mean
from runtime.folder import sync_folder
from runtime.outside.journal import SUFFIX as EFFECTS_SUFFIX
from runtime.own_nouns import HANDLER, RUN
from runtime.sql import Sql
from runtime.store import Instance, TenantFile

SUFFIX = ".duckdb"
# A file that is checked before it is put in place lies under such a name among the tenants.
_STAGED = re.compile(r"\.[a-z0-9-]{1,63}\.restoring-[0-9a-f]{16}\Z")
COPY_SECONDS_MAX = 3_600.0
# In a process of its own: POSIX locks belong to a process and a file, so that opening and closing the file here as well
# would drop the lock by which DuckDB keeps others out.
_COPY = """
import os, shutil, sys
made = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
with open(sys.argv[1], "rb") as file, os.fdopen(made, "wb") as copy:
    shutil.copyfileobj(file, copy, 1 << 20)
    copy.flush()
    os.fsync(copy.fileno())
"""


def listed(folder: Path) -> list[dict[str, Any]]:
    """`{name, bytes, changedAt}` of every tenant, by name."""
    found: list[dict[str, Any]] = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            facts = path.stat()
        except FileNotFoundError:
            continue
        if wire.TENANT_NAME.match(path.stem):
            at = values.format_datetime(datetime.fromtimestamp(int(facts.st_mtime), UTC))
            found.append({"name": path.stem, "bytes": facts.st_size + _wal_bytes(path), "changedAt": at})
    return found


def names(folder: Path) -> list[str]:
    """Of every tenant, in order."""
    return sorted(path.stem for path in folder.glob(f"*{SUFFIX}") if wire.TENANT_NAME.match(path.stem))


def exists(folder: Path, name: str) -> bool:
    """Whether there is a tenant of this name."""
    return bool(wire.TENANT_NAME.match(name)) and (folder / f"{name}{SUFFIX}").is_file()


def no_tenant(folder: Path, name: str) -> NotFound:
    """The refusal of a name that no tenant has."""
    return NotFound(
        f"there is no tenant {name[:80]!r}", hint=did_you_mean(name, [each["name"] for each in listed(folder)])
    )


def copy_apart(file: Path, to: Path) -> None:
    """Copy a file that may be open, to a path where nothing is yet; on disk when this returns."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _COPY, str(file), str(to)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=COPY_SECONDS_MAX,
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().rsplit("\n", 1)[-1][:300]
        if "FileExistsError" not in said:
            to.unlink(missing_ok=True)
        raise Unavailable(f"{file.name} could not be copied: {said}", hint="is there such a folder, and room in it?")


def check_staged(folder: Path, name: str, staged: str) -> None:
    """Refuse what is no file that waits to be put in this tenant's place."""
    if not _STAGED.match(staged) or not staged.startswith(f".{name}.") or not (folder / staged).is_file():
        raise InvalidArguments(f"{staged[:80]!r} is no file that waits to be restored", hint="verbena restore FILE")


def runs_by_itself(instance: Instance, folder: Path, name: str) -> bool:
    """Whether a tenant that is closed has code that runs by the clock or watches something, or runs that have not ended."""
    file = TenantFile(instance, folder / f"{name}{SUFFIX}", name)
    awaited = (
        (HANDLER, "kind IN ('schedule', 'watch') AND status = 'Active'"),
        (RUN, "status IN ('Waiting', 'Retrying')"),
    )
    try:
        return any(
            (table := file.table(noun)) is not None and file.rows(Sql(f"SELECT 1 FROM {table} WHERE {where} LIMIT 1"))
            for noun, where in awaited
        )
    finally:
        file.close()


def events(instance: Instance, folder: Path, name: str) -> int:
    """How many events a tenant has that is closed."""
    if not exists(folder, name):
        return 0
    file = TenantFile(instance, folder / f"{name}{SUFFIX}", name)
    try:
        return file.rows(Sql(f"SELECT count(*) FROM {file.catalog}.events"))[0][0]
    finally:
        file.close()


def put_in_place(data: Path, name: str, staged: str, *, at: datetime) -> Path | None:
    """Put the staged file in the tenant's place; where the former one is kept now, None where there was none.

    What is derived from the former file goes: the text index is made anew, and the signed heads are kept with the
    former file, since those of a later state would say that the restored log was cut off.
    """
    folder = data / "tenants"
    present = folder / f"{name}{SUFFIX}"
    stamp = at.strftime("%Y%m%dT%H%M%SZ")
    shutil.rmtree(folder / f"{name}.index", ignore_errors=True)
    former: Path | None = None
    effects = folder / f"{name}{EFFECTS_SUFFIX}"
    if effects.exists():  # its runs are of another log
        effects.rename(_free(folder, f"{effects.name}.before-restore-{stamp}"))
    if present.exists():
        former = _free(folder, f"{present.name}.before-restore-{stamp}")
        for path in (_wal(present), present):  # its WAL first: alone it would be read into the restored file
            if path.exists():
                path.rename(former.with_name(former.name + path.name.removeprefix(present.name)))
    heads = data / "checkpoints" / name
    if heads.exists():
        heads.rename(_free(heads.parent, f"{name}.before-restore-{stamp}"))
    os.replace(folder / staged, present)
    sync_folder(folder)
    return former


def remove(data: Path, name: str) -> bool:
    """Remove a tenant's file and all that belongs to it; False where there was nothing. Cut off, it is done by doing
    it again.
    """
    folder = data / "tenants"
    file = folder / f"{name}{SUFFIX}"
    found = False
    # The file last: as long as it is there, the tenant is, and what is gone already is made anew.
    for path in [*_belonging(data, name), _wal(file), file]:
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists():
            path.unlink()
        else:
            continue
        found = True
    if found:
        sync_folder(folder)
    return found


def _belonging(data: Path, name: str) -> Iterator[Path]:
    folder = data / "tenants"
    yield folder / f"{name}.index"
    yield folder / f"{name}{EFFECTS_SUFFIX}"
    yield from folder.glob(f"{name}{SUFFIX}.before-restore-*")
    yield from folder.glob(f"{name}{EFFECTS_SUFFIX}.before-restore-*")
    yield from folder.glob(f".{name}.restoring-*")
    yield data / "checkpoints" / name
    yield from (data / "checkpoints").glob(f"{name}.before-restore-*")


def _free(folder: Path, name: str) -> Path:
    """A path that nobody has yet: two restores may come within a second."""
    path, number = folder / name, 1
    while path.exists():
        number += 1
        path = folder / f"{name}-{number}"
    return path


def _wal(file: Path) -> Path:
    return file.with_name(file.name + ".wal")


def _wal_bytes(file: Path) -> int:
    try:
        return _wal(file).stat().st_size
    except FileNotFoundError:
        return 0
