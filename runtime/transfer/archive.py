"""A whole tenant as a folder or a zip of plain files, and back: its nouns, its entities, and its log to read.

    tenant.json              what is in it: the nouns that the tenant defined, and how many entities of each noun
    entities/Contact.ndjson  one file a noun, in the order of creation
    log.ndjson               every event; it is not imported: a tenant's log is its own, and `backup` is what keeps it

Ids are kept, since the entities point at each other by them. Where two nouns, or the entities of one, point at each
other, the entities come first and the relations behind them: such an entity has a second version.
"""

import shutil
import tempfile
import zipfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec

from runtime.client import Connection
from runtime.errors import InvalidArguments, LimitExceeded, ValidationFailed
from runtime.noun import Field
from runtime.transfer.exporting import Export, Start, pages, start
from runtime.transfer.importing import Import, Imported, import_file

FORMAT = 1
MANIFEST = "tenant.json"
EVENTS_AT_ONCE = 1_000
_MANIFEST_BYTES_MAX = 16 << 20


class Manifest(msgspec.Struct, kw_only=True):
    """What an archive holds."""

    format: int
    tenant: str
    seq: int
    entities: dict[str, int]
    defined: list[dict[str, Any]]


Heard = Callable[[str, int], None]  # a noun, or "log", and how much of it was written
ImportHeard = Callable[[str, Imported], None]


def export_tenant(
    connection: Connection, tenant: str, to: Path, heard: Heard, *, as_of: str | int | None = None
) -> Manifest:
    """Write a folder, or a zip where the name ends so. Raises InvalidArguments where something is there already."""
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise InvalidArguments(f"{to} is there already", hint="name a new folder, or a new file ending in .zip")
    begun = start(connection, as_of)
    counts: dict[str, int] = {}
    with _writing(to) as opened:
        for name in [noun["name"] for noun in begun.nouns if noun["stored"]]:
            counts[name] = 0
            asked = Export(type=name, format="ndjson", as_of=as_of)
            with opened(f"entities/{name}.ndjson") as file:
                for rows in pages(connection, asked, begun.seq):
                    file.write(b"".join(bytes(row) + b"\n" for row in rows))
                    counts[name] += len(rows)
                    heard(name, counts[name])
        with opened("log.ndjson") as file:
            for events in _log(connection, begun.seq):
                file.write(b"".join(bytes(event) + b"\n" for event in events))
                heard("log", msgspec.json.decode(events[-1])["seq"])
        manifest = Manifest(format=FORMAT, tenant=tenant, seq=begun.seq, entities=counts, defined=list(begun.defined))
        with opened(MANIFEST) as file:
            file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
    return manifest


def is_archive(path: Path) -> bool:
    """Whether this is a folder or zip with a tenant in it, as far as its outside tells."""
    return path.suffix.lower() == ".zip" or (path / MANIFEST).is_file()


def import_tenant(
    connection: Connection, data: Path, tenant: str, archive: Path, bad_rows: Path, heard: ImportHeard
) -> dict[str, Imported]:
    """Import an archive into a tenant: its nouns, then their entities by their ids; what became of each noun.

    May be repeated: what is there already and the same makes no event. Bad rows go to a folder, a file a noun.
    """
    with _reading(archive) as folder:
        manifest = _manifest(folder)
        present = start(connection)
        for declaration in manifest.defined:
            if declaration not in present.defined:
                connection.ask("$", {"path": ["define"], "args": [declaration]})
        told: dict[str, Imported] = {}
        names = [name for name, count in manifest.entities.items() if count]
        order = _in_order(start(connection), connection, names)
        for second, (name, later) in [(False, each) for each in order] + [(True, each) for each in order if each[1]]:
            asked = Import(
                file=folder / "entities" / f"{name}.ndjson",
                type=name,
                format="ndjson",
                bad_rows=bad_rows / f"{name}{'.relations' if second else ''}.ndjson",
                by="$id",
                keep_ids=True,
                left_out=frozenset() if second else later,
                only_with=later if second else frozenset(),
            )
            bad_rows.mkdir(parents=True, exist_ok=True)
            done = import_file(connection, data, tenant, asked, lambda imported, name=name: heard(name, imported))
            told[f"{name}, relations" if second else name] = done
        if bad_rows.is_dir() and not any(bad_rows.iterdir()):
            bad_rows.rmdir()
    return told


def _in_order(begun: Start, connection: Connection, names: Sequence[str]) -> list[tuple[str, frozenset[str]]]:
    """The nouns, those that others need first; each with its relations that can only be written behind all entities."""
    relations: dict[str, list[Field]] = {}
    for name in names:
        told = connection.ask("import-start", {"type": name})["fields"]
        relations[name] = [
            Field(name=each["name"], type=each["type"], target=each["target"], required=each.get("required", False))
            for each in told
            if each.get("target")
        ]
    left, done = list(names), set[str]()
    order: list[tuple[str, frozenset[str]]] = []
    while left:
        # Whose required relations all lead to what is there, and of those the one with the fewest that do not.
        possible = [name for name in left if not _missing(relations[name], done, left, required=True) - {name}] or left
        name = min(possible, key=lambda each: len(_missing(relations[each], done, left, required=False)))
        later = frozenset(field.name for field in relations[name] if field.target in left and not field.required)
        order.append((name, later))
        left.remove(name)
        done.add(name)
    return order


def _missing(fields: Sequence[Field], done: set[str], left: Sequence[str], *, required: bool) -> set[str]:
    return {
        field.target
        for field in fields
        if field.target is not None and field.target in left and field.target not in done and field.required >= required
    }


def _log(connection: Connection, until: int) -> Iterator[list[msgspec.Raw]]:
    decode = msgspec.json.Decoder(list[msgspec.Raw]).decode
    after, limit = 0, EVENTS_AT_ONCE
    while after < until:
        try:
            events = decode(connection.ask_text("events", {"after": after, "limit": min(limit, until - after)}))
        except LimitExceeded:
            if limit == 1:
                raise
            limit = max(1, limit // 10)  # large events: fewer of them go into one message
            continue
        if not events:
            return
        yield events
        after += len(events)


def _manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    if not path.is_file() or path.stat().st_size > _MANIFEST_BYTES_MAX:
        raise ValidationFailed(f"there is no {MANIFEST} in it", hint="verbena export -o FOLDER makes such an archive")
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except msgspec.DecodeError as error:
        raise ValidationFailed(f"{MANIFEST} cannot be read: {error}") from error
    if manifest.format > FORMAT:
        raise ValidationFailed("the archive was written by a newer version", hint="update verbena")
    for name in manifest.entities:
        if not name.isascii() or not name.isalnum():
            raise ValidationFailed(f"{name[:80]!r} is no name of a noun")
    return manifest


Opened = Callable[[str], Any]


@contextmanager
def _writing(to: Path) -> Generator[Opened]:
    if to.suffix.lower() == ".zip":
        new = to.with_name(f".{to.name}.part")
        try:
            with zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
                yield lambda name: archive.open(name, "w", force_zip64=True)
            new.replace(to)
        finally:
            new.unlink(missing_ok=True)
        return
    (to / "entities").mkdir(mode=0o700, parents=True, exist_ok=True)

    def opened(name: str) -> IO[bytes]:
        return (to / name).open("wb")

    yield opened


@contextmanager
def _reading(archive: Path) -> Generator[Path]:
    """The archive as a folder; a zip is laid out beside itself first, its entities and its manifest alone."""
    if archive.suffix.lower() != ".zip":
        yield archive
        return
    with tempfile.TemporaryDirectory(prefix="verbena-import-") as laid_out:
        folder = Path(laid_out)
        (folder / "entities").mkdir()
        try:
            with zipfile.ZipFile(archive) as held:
                for name in held.namelist():
                    inner = name.removeprefix("entities/").removesuffix(".ndjson")
                    if name != MANIFEST and not (name == f"entities/{inner}.ndjson" and inner.isalnum()):
                        continue
                    with held.open(name) as packed, (folder / name).open("wb") as file:
                        shutil.copyfileobj(packed, file, 1 << 20)
        except (zipfile.BadZipFile, OSError, RuntimeError) as error:
            raise ValidationFailed(f"{archive.name} is no zip that can be read: {error}") from error
        yield folder
