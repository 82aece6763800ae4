"""What is committed, as everybody sees it: point reads from a bounded cache, everything else from the store."""

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import msgspec

from runtime import entity as entities
from runtime import values
from runtime.entity import Body, Entity, decoded
from runtime.noun import Noun
from runtime.sql import Sql, quoted
from runtime.store import Key, KeyFilter, TenantFile, schema

# Warming reads so many rows at once: some 10 ms, in which nobody else is held up.
WARM_ROWS = 2_000
WARM_READS_MAX = 100


_decode = msgspec.json.Decoder(dict[str, Any]).decode


class View(Protocol):
    """A state of the graph that a verb can look at: what is committed, or that with something staged over it."""

    def get(self, noun: Noun, id: str) -> Entity | None:
        """The entity, deleted or not; None where there never was one."""
        ...

    def get_many(self, noun: Noun, ids: Iterable[str]) -> dict[str, Entity]:
        """Those of several entities of one noun that there are, deleted or not."""
        ...

    def earlier(self, noun: Noun, id: str, version: int) -> Body | None:
        """The values of an entity at one of its versions; None where there was none, or it was erased."""
        ...

    def owner(self, key: Key) -> str | None:
        """Who has a unique value."""
        ...

    def staged(self, noun: Noun) -> Mapping[str, Entity]:
        """The entities of a noun that differ from what is stored."""
        ...

    def has_deleted(self, noun: Noun) -> bool:
        """Whether any entity of a noun is deleted; as long as none is, links need no second look."""
        ...

    def table(self, noun: Noun) -> str | None:
        """The table of what is stored of a noun, as it stands in SQL; None as long as there is none."""
        ...

    def rows(self, sql: Sql) -> list[tuple[Any, ...]]:
        """Everything that a query over the store gives."""
        ...


class Graph:
    """The committed state of one tenant. The writer tells it of every commit before the commit is acknowledged."""

    # Bodies are kept as text: a tenth of the memory of decoded ones, and every reader gets a copy of its own.
    CACHE_BYTES_DEFAULT = 48 << 20
    _ENTRY_BYTES = 300  # what an entry costs beside its text: key, tuple, links; measured with tracemalloc

    def __init__(self, file: TenantFile) -> None:
        self.cache_bytes_max = self.CACHE_BYTES_DEFAULT  # the engine shares its budget out among the open tenants
        self._file = file
        self._cache: OrderedDict[str, tuple[int, str]] = OrderedDict()
        self._cache_bytes = 0
        self._lock = threading.Lock()
        self._commits = 0  # what a reader found may only be cached if no commit came in between
        self._keys: KeyFilter | None = None
        self._keys_lock = threading.Lock()
        self._has_deleted: dict[str, bool] = {}

    def get(self, noun: Noun, id: str) -> Entity | None:
        found = self.text(noun, id)
        return None if found is None else decoded(noun, id, *found)

    def text(self, noun: Noun, id: str) -> tuple[int, str] | None:
        """`(number, body as JSON text)` of an entity, deleted or not."""
        if not id.startswith(noun.key + "_"):
            return None  # an id of another noun, which the cache would know
        entry = self._cache.get(id)
        if entry is not None:
            with contextlib.suppress(KeyError):  # dropped by another thread a moment ago
                self._cache.move_to_end(id)
            return entry
        commits = self._commits
        entry = self._file.body(noun, id)
        if entry is not None:
            with self._lock:
                if commits == self._commits:
                    self._remember(id, entry)
        return entry

    def get_many(self, noun: Noun, ids: Iterable[str]) -> dict[str, Entity]:
        """The entities of a noun with these ids, deleted ones too, in one query for what is not cached."""
        ids = [id for id in ids if id.startswith(noun.key + "_")]
        found = {id: entry for id in ids if (entry := self._cache.get(id)) is not None}
        missing = [id for id in ids if id not in found]
        if missing:
            commits = self._commits
            read = self._file.bodies(noun, missing)
            with self._lock:
                if commits == self._commits:
                    for id, entry in read.items():
                        self._remember(id, entry)
            found |= read
        return {id: decoded(noun, id, *entry) for id, entry in found.items()}

    def earlier(self, noun: Noun, id: str, version: int) -> Body | None:
        rows = self._file.events(Sql("entity = ? AND version = ?", (id, version)), limit=1)
        if not rows or rows[0].payload is None:
            return None
        return entities.renamed(noun, _decode(rows[0].payload)["after"])

    def owner(self, key: Key) -> str | None:
        return self._file.owners([key]).get(key) if self._key_filter().may_hold(key) else None

    def owners(self, keys: Iterable[Key]) -> dict[Key, str]:
        """Who has which of these unique values; one query for those that the filter cannot rule out."""
        held = self._key_filter()
        asked = [key for key in keys if held.may_hold(key)]
        return self._file.owners(asked) if asked else {}

    def staged(self, noun: Noun) -> Mapping[str, Entity]:
        return {}

    def has_deleted(self, noun: Noun) -> bool:
        known = self._has_deleted.get(noun.name)
        if known is None:
            table = self._file.table(noun)
            if table is None:
                return False
            sql = Sql(f'SELECT 1 FROM {table} WHERE "$deletedAt" IS NOT NULL LIMIT 1')
            known = self._has_deleted[noun.name] = bool(self._file.rows(sql))
        return known

    def table(self, noun: Noun) -> str | None:
        return self._file.table(noun)

    def rows(self, sql: Sql) -> list[tuple[Any, ...]]:
        return self._file.rows(sql)

    def committed(self, changed: Iterable[tuple[Entity, str]]) -> None:
        """Take in what was committed: the entities with their texts."""
        with self._lock:
            self._commits += 1
            for entity, text in changed:
                self._remember(entity.id, (entity.number, text))
                if entity.deleted:
                    self._has_deleted[entity.noun] = True

    def reserve(self, taken: Iterable[Key]) -> None:
        """Unique values that are about to be committed: from now on the filter lets them through to the store."""
        held = self._key_filter()
        for key in taken:
            held.add(key)

    def forget_keys(self) -> None:
        """Read the unique values again when they are asked for next: a noun was changed, and some have other names."""
        with self._keys_lock:
            self._keys = None

    def dropped(self, ids: Iterable[str]) -> None:
        """Take these out of the cache: their rows are gone."""
        with self._lock:
            self._commits += 1
            for id in ids:
                former = self._cache.pop(id, None)
                if former is not None:
                    self._cache_bytes -= len(former[1]) + self._ENTRY_BYTES

    def forget(self) -> None:
        """Drop the cache, after a commit failed half known."""
        with self._lock:
            self._commits += 1
            self._cache.clear()
            self._cache_bytes = 0

    def warm(self, noun: Noun, goes_on: Callable[[], bool]) -> None:
        """Read the youngest entities of a noun into three quarters of the cache, so that a first read need not."""
        table = self._file.table(noun)
        before: int | None = None
        for _ in range(WARM_READS_MAX):
            if table is None or not goes_on() or self._cache_bytes >= self.cache_bytes_max * 3 // 4:
                return
            commits = self._commits
            # Where they begin is asked first: to sort the bodies themselves takes thrice as long as to read a range of them.
            younger = "TRUE" if before is None else f'"$number" < {before:d}'
            numbers = f'SELECT "$number" FROM {table} WHERE {younger} ORDER BY "$number" DESC LIMIT {WARM_ROWS}'
            found = self._file.rows(Sql(f'SELECT min("$number") FROM ({numbers})'))[0][0]
            if found is None:
                return
            among = f'{younger} AND "$number" >= {found:d}'
            rows = self._file.rows(Sql(f'SELECT "$id", "$number", "$body" FROM {table} WHERE {among}'))
            rows.sort(key=lambda row: row[1], reverse=True)
            with self._lock:
                if commits != self._commits:
                    continue  # what was read may be older than what was committed meanwhile
                for id, number, text in rows:
                    if id not in self._cache:
                        self._remember(id, (number, text))
            if len(rows) < WARM_ROWS:
                return
            before = rows[-1][1]

    def _remember(self, id: str, entry: tuple[int, str]) -> None:
        former = self._cache.pop(id, None)
        if former is not None:
            self._cache_bytes -= len(former[1]) + self._ENTRY_BYTES
        self._cache[id] = entry
        self._cache_bytes += len(entry[1]) + self._ENTRY_BYTES
        while self._cache_bytes > self.cache_bytes_max:
            _, dropped = self._cache.popitem(last=False)
            self._cache_bytes -= len(dropped[1]) + self._ENTRY_BYTES

    def _key_filter(self) -> KeyFilter:
        held = self._keys
        if held is None:
            with self._keys_lock:
                held = self._keys = self._keys or KeyFilter(self._file.instance, self._file.catalog)
        return held


class Overlay:
    """Staged changes over another view. The writer puts one over the graph for a batch, every unit one for itself."""

    def __init__(self, below: View) -> None:
        self._below = below
        self.entities: dict[str, Entity] = {}
        self.keys: dict[Key, str | None] = {}  # None: freed
        self.versions: dict[tuple[str, int], Entity] = {}  # every state that was staged, not only the last
        self._by_noun: dict[str, dict[str, Entity]] = {}

    def get(self, noun: Noun, id: str) -> Entity | None:
        found = self.entities.get(id)
        return found if found is not None and found.noun == noun.name else self._below.get(noun, id)

    def get_many(self, noun: Noun, ids: Iterable[str]) -> dict[str, Entity]:
        wanted = list(ids)
        mine = {id: found for id in wanted if (found := self.entities.get(id)) is not None and found.noun == noun.name}
        rest = [id for id in wanted if id not in mine]
        return mine | (self._below.get_many(noun, rest) if rest else {})

    def earlier(self, noun: Noun, id: str, version: int) -> Body | None:
        staged = self.versions.get((id, version))
        return staged.body if staged is not None else self._below.earlier(noun, id, version)

    def has(self, id: str) -> bool:
        """Whether an entity is staged, here or in what this stands on."""
        return id in self.entities or (isinstance(self._below, Overlay) and self._below.has(id))

    @property
    def nouns(self) -> set[str]:
        """The nouns of which something is staged."""
        return {name for name, entities in self._by_noun.items() if entities}

    def owner(self, key: Key) -> str | None:
        return self.keys[key] if key in self.keys else self._below.owner(key)

    def staged(self, noun: Noun) -> Mapping[str, Entity]:
        mine = self._by_noun.get(noun.name)
        below = self._below.staged(noun)
        return below if not mine else ({**below, **mine} if below else mine)

    def has_deleted(self, noun: Noun) -> bool:
        return any(entity.deleted for entity in self._by_noun.get(noun.name, {}).values()) or self._below.has_deleted(
            noun
        )

    def table(self, noun: Noun) -> str | None:
        return self._below.table(noun)

    def rows(self, sql: Sql) -> list[tuple[Any, ...]]:
        return self._below.rows(sql)

    def put(self, entity: Entity) -> None:
        """Stage an entity's new state."""
        self.entities[entity.id] = entity
        self.versions[entity.id, entity.version] = entity
        self._by_noun.setdefault(entity.noun, {})[entity.id] = entity

    def absorb(self, other: "Overlay") -> None:
        """Take over what another overlay on top of this one staged."""
        for entity in other.entities.values():
            self.put(entity)
        self.versions.update(other.versions)
        self.keys.update(other.keys)

    def copy(self) -> "Overlay":
        """The same staged changes, apart from these: what a rejected verb falls back to."""
        twin = Overlay(self._below)
        twin.absorb(self)
        return twin


class Source:
    """The rows that a query over a view reads: a table, or the table less what is staged plus what is staged."""

    def __init__(self, view: View) -> None:
        self._view = view

    def has_deleted(self, noun: Noun) -> bool:
        return self._view.has_deleted(noun)

    def table(self, noun: Noun, columns: frozenset[str]) -> Sql:
        """What stands in a FROM clause for a noun's rows with at least these columns, deleted ones included."""
        stored = self._view.table(noun)
        staged = self._view.staged(noun)
        if stored is not None and not staged:
            return Sql(stored)
        wanted = sorted(columns | {"$id", "$number", "$deletedAt"})
        names = ", ".join(quoted(name) for name in wanted)
        rows = staged_rows(noun, staged, wanted)
        if stored is None:
            return "(" + rows + ")"
        kept = f'SELECT {names} FROM {stored} WHERE "$id" NOT IN (SELECT unnest(?))'
        return Sql(f"({kept} UNION ALL ", (list(staged),)) + rows + ")"


def staged_rows(noun: Noun, staged: Mapping[str, Entity], columns: list[str]) -> Sql:
    """A SELECT that gives staged entities as rows, each column handed over as one typed list."""
    kinds = {name: kind.removesuffix(" PRIMARY KEY") for name, kind in schema.OWN_COLUMNS}
    kinds |= {name: values.sql_type(field) for name, field in noun.fields.items()}
    order = schema.columns(noun)
    rows = [
        # Staged rows count as younger than everything that is committed, in the order in which they were staged.
        entities.row(noun, entity, _STAGED_NUMBER + place, entity.encoded())
        for place, entity in enumerate(staged.values())
    ]
    text = ", ".join(f"unnest(?::{kinds[name]}[]) AS {quoted(name)}" for name in columns)
    return Sql(f"SELECT {text}", tuple([row[order.index(name)] for row in rows] for name in columns))


_STAGED_NUMBER = 1 << 62
