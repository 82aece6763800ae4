"""A data folder, open: its tenants, and the calls that any face may make of them."""

import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import structlog

from runtime import tenant_files, wire
from runtime.calls import house, proofs
from runtime.calls.do import do
from runtime.calls.dollar import units_of
from runtime.calls.fetch import fetch
from runtime.calls.measures import watched
from runtime.calls.search import search
from runtime.calls.transfer import export_page, export_start, import_rows, import_start
from runtime.catalogue import shipped
from runtime.clock import Clock, system_clock
from runtime.errors import Conflict, InvalidArguments, Unavailable, VerbenaError, did_you_mean
from runtime.event_log import NewSalt, new_salt
from runtime.folder import sync_folder
from runtime.handlers.runner import Runner
from runtime.handlers.timetable import is_awaited
from runtime.ids import NewId, new_id
from runtime.outside.hosts import Hosts
from runtime.outside.outside import client
from runtime.own_nouns import FOLDED
from runtime.proofs.signing import Keyring
from runtime.rewrite import complete, differing, rebuilt, without_erased
from runtime.sandbox.nursery import NoWorker, Nursery
from runtime.sandbox.pool import Pool
from runtime.store import Instance, TenantFile
from runtime.store.instance import InstanceLimits
from runtime.subscription import Subscription
from runtime.tail import Tails, Wake
from runtime.tenant import Tenant, TenantOptions
from runtime.unit import Caller
from runtime.writer import Step, no_step

# Files beyond this are let go of, the least recently used first: each costs a descriptor and a quarter of a megabyte.
OPEN_TENANTS_MAX = 200
UPKEEP_SECONDS = 1.0
# Calls that are at work on a tenant are waited for as long, before its file is taken from under them.
RELEASE_SECONDS_MAX = 10.0

log = structlog.get_logger()

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """What an engine is given from outside; a test supplies other values."""

    base_url: str = "http://localhost:4747"
    clock: Clock = system_clock
    salt: NewSalt = new_salt
    new_id: NewId = new_id
    step: Step = no_step
    limits: InstanceLimits = field(default_factory=InstanceLimits)
    cache_bytes: int = 112 << 20  # entities kept in memory, by all open tenants together
    workers: int = 2  # sandbox workers that are kept warm
    run_seconds_max: float | None = None  # of each run of code, where that is less than the key's level allows
    hosts: Hosts = field(default_factory=Hosts)  # that tenants may ask, see `runtime.outside`
    accept_fewer_walls: bool = False  # several tenants run code also where the kernel has no walls between them
    nursery: Nursery | None = None  # of sandbox workers, where it is not the platform's to say


class Engine:
    """The owner of a data folder. Only one process may have one, see `runtime.daemon.own`."""

    def __init__(self, data: Path, options: EngineOptions | None = None) -> None:
        self._options = options or EngineOptions()
        self._data = data
        self._folder = data / "tenants"
        wire.private_folder(self._folder)
        self._instance = Instance(self._options.limits, spill=data / "tmp")
        self._catalogue = shipped()
        self.keyring = Keyring(data / "keys")
        self._tenants: dict[str, Tenant] = {}
        self._lock = threading.Lock()
        self._at_work: Counter[str] = Counter()  # calls in the middle of being answered, by tenant
        self._released: dict[str, str] = {}  # tenants that nobody may open now, and why
        self._settled = threading.Condition()  # of the two above
        self._rewriting = threading.Lock()
        self._tails = Tails()
        self._closing = threading.Event()
        self._http = client(self._options.hosts)
        self.pool = Pool(
            size=self._options.workers,
            nursery=self._options.nursery,
            why_not=self._why_no_code,
            seconds_max=self._options.run_seconds_max,
        )
        self._upkeep = threading.Thread(target=self._keep_up, name="verbena-upkeep", daemon=True)
        self._upkeep.start()

    def tenant(self, name: str) -> Tenant:
        """An open tenant, made when nobody asked for it before."""
        if name in self._released:
            self._refuse_released(name)
        found = self._tenants.get(name)
        if found is None:
            if not wire.TENANT_NAME.match(name):
                raise InvalidArguments(f"{name[:80]!r} is no name of a tenant", hint=wire.TENANT_NAME_HINT)
            self._refuse_second(name)
            with self._lock:
                found = self._tenants.get(name)
                if found is None:
                    self._refuse_released(name)
                    self._make_room()
                    found = self._tenants[name] = Tenant(self._instance, self._folder, name, self._tenant_options())
                    for each in self._tenants.values():
                        each.graph.cache_bytes_max = self._options.cache_bytes // len(self._tenants)
        found.last_used = time.monotonic()
        return found

    def answer(self, question: wire.Question) -> bytes:
        """The result of one call, as compact JSON text; raises the VerbenaError that it ends in."""
        call = CALLS.get(question.call)
        if call is None:
            raise InvalidArguments(f"no call is named {question.call[:80]!r}", hint=did_you_mean(question.call, CALLS))
        if self.pool.faults and call is not _doctor:
            raise Unavailable(
                f"the walls of the sandbox do not hold: {'; '.join(self.pool.faults)}",
                hint="verbena doctor shows them all",
            )
        caller = Caller(tenant=question.tenant, actor=question.actor)
        with self._working(question.tenant):
            answer = wire.encode(call(self, caller, question.arguments))
            tenant = self._tenants.get(question.tenant)
            if tenant is not None and tenant.erasing:
                self._forget_erased(question.tenant)  # nobody hears "erased" while the file still holds it
            return answer

    def follow(self, question: wire.Question, wake: Wake) -> Subscription:
        """A subscription to a tenant's events, see there; `wake` is called in the writer's turn when there may be more."""
        name = question.tenant

        def read(work: Callable[[Tenant], T]) -> T:
            with self._working(name):
                return work(self.tenant(name))

        return Subscription(name, question.arguments, tails=self._tails, wake=wake, read=read)

    def _refuse_second(self, name: str) -> None:
        """Refuse to make another tenant where the kernel has no walls between the code of two."""
        others = tenant_files.names(self._folder)
        if not others or name in others or self._options.accept_fewer_walls:
            return
        try:
            lacking = self.pool.inspection().lacking
        except NoWorker:
            return  # then there is no code either
        if lacking:
            raise Unavailable(
                f"a second tenant beside {others[0]} is not made here: {_without(lacking)}", hint=_HOW_TO_ACCEPT
            )

    def _why_no_code(self, lacking: Sequence[str]) -> str | None:
        """Why code of tenants may not run where walls are missing, or None."""
        count = len(tenant_files.names(self._folder))
        if count < 2 or self._options.accept_fewer_walls:
            return None
        return f"{_without(lacking)}, and there are {count} tenants; {_HOW_TO_ACCEPT}"

    # -- tenants as files ------------------------------------------------------------------------------------------

    def tenants(self) -> list[dict[str, Any]]:
        """`{name, bytes, changedAt, open}` of every tenant of the folder, by name."""
        return [{**shape, "open": shape["name"] in self._tenants} for shape in tenant_files.listed(self._folder)]

    def back_up(self, name: str, to: Path) -> dict[str, Any]:
        """Copy a tenant's file as it is at this moment, while others go on: `{file, seq, at, bytes}`."""
        if not tenant_files.exists(self._folder, name):
            raise tenant_files.no_tenant(self._folder, name)
        tenant = self.tenant(name)
        seq = tenant.copy_to(to)
        return {"file": str(to), "tenant": name, "seq": seq, "bytes": to.stat().st_size}

    def restore(self, name: str, staged: str, *, force: bool) -> dict[str, Any]:
        """Put a file, which lies among the tenants under the name `staged`, in the place of a tenant's: `{former}`.

        Raises Conflict where the tenant has events, unless `force`; the former file is kept beside it in any case.
        """
        if not wire.TENANT_NAME.match(name):
            raise InvalidArguments(f"{name[:80]!r} is no name of a tenant", hint=wire.TENANT_NAME_HINT)
        tenant_files.check_staged(self._folder, name, staged)
        with self._apart(name, "is being restored"):
            if not force and (events := tenant_files.events(self._instance, self._folder, name)):
                raise Conflict(
                    f"the tenant {name} has {events:,} events",
                    hint="--force puts the backup in its place and keeps the present file, or --tenant another name",
                )
            former = tenant_files.put_in_place(self._data, name, staged, at=self._options.clock())
            self._tails.replaced(name)
        return {"tenant": name, "former": None if former is None else str(former)}

    def delete(self, name: str) -> dict[str, Any]:
        """Remove everything of a tenant but its backups: `{deleted}`, False where there was nothing of it."""
        if not wire.TENANT_NAME.match(name):
            raise InvalidArguments(f"{name[:80]!r} is no name of a tenant", hint=wire.TENANT_NAME_HINT)
        with self._apart(name, "is being deleted"):
            self._tails.replaced(name)
            return {"tenant": name, "deleted": tenant_files.remove(self._data, name)}

    def rebuild(self, name: str, *, replace: bool) -> dict[str, Any]:
        """Fold the tables of a tenant from its log alone and compare: `{events, differences, replaced}`.

        With `replace`, tables that differ are replaced by those that the log gives. Nobody else is answered meanwhile.
        """
        tenant = self.tenant(name)
        path, events = tenant.file.path, tenant.writer.seq
        nouns = [*FOLDED, *(tenant.vocabulary.noun(each) for each in tenant.vocabulary.names)]
        with self._apart(name, "is being rebuilt"), self._new_file(path) as new:
            with (
                closing(TenantFile(self._instance, path, name)) as file,
                closing(rebuilt(self._instance, file, new, self._catalogue, list(FOLDED))) as made,
            ):
                found = differing(file, made, nouns)
                if found and replace:
                    complete(file, made)
            if found and replace:
                self._put_in_place(new, path)
        return {"events": events, "differences": found, "replaced": bool(found) and replace}

    def _forget_erased(self, name: str) -> None:
        """Write a tenant's file anew without what was erased, and drop what was derived from it."""
        with self._rewriting:
            tenant = self.tenant(name)
            if not tenant.erasing:
                return
            path = tenant.file.path
            tenant.outside.forget_erased(tenant.vocabulary)  # first: as long as the file holds it, this is done again
            with self._apart(name, "is being written anew after an erasure"), self._new_file(path) as new:
                with (
                    closing(TenantFile(self._instance, path, name)) as file,
                    closing(without_erased(self._instance, file, new, tenant.vocabulary)) as made,
                ):
                    made.checkpoint()
                self._put_in_place(new, path)

    @contextmanager
    def _new_file(self, path: Path) -> Generator[Path]:
        """A path beside a tenant's file where nothing is; whatever is left there goes."""
        new = path.with_name(f".{path.stem}.rewriting")
        leftovers = [new, new.with_name(new.name + ".wal")]
        for left in leftovers:
            left.unlink(missing_ok=True)
        try:
            yield new
        finally:
            for left in leftovers:
                left.unlink(missing_ok=True)

    def _put_in_place(self, new: Path, path: Path) -> None:
        """Put a file that was written anew in the place of a tenant's, which is closed; its text index is made again."""
        shutil.rmtree(path.with_suffix(".index"), ignore_errors=True)
        path.with_name(path.name + ".wal").unlink(missing_ok=True)
        os.replace(new, path)
        sync_folder(path.parent)

    @contextmanager
    def _apart(self, name: str, why: str) -> Generator[None]:
        """A tenant closed, and kept closed: who asks for it meanwhile is told `why`."""
        with self._settled:
            self._refuse_released(name)
            self._released[name] = why
        try:
            with self._settled:
                # This very call is one of those at work.
                self._settled.wait_for(lambda: self._at_work[name] <= 1, RELEASE_SECONDS_MAX)
            with self._lock:
                tenant = self._tenants.pop(name, None)
            if tenant is not None:
                tenant.close()
            yield
        finally:
            with self._settled:
                del self._released[name]

    @contextmanager
    def _working(self, name: str) -> Generator[None]:
        """Around an answer: counted, and told apart from a failure where its tenant was closed under it."""
        with self._settled:
            self._at_work[name] += 1
        tenant = self._tenants.get(name)
        try:
            yield
        except duckdb.Error as error:
            if name not in self._released and (tenant is None or not tenant.closed):
                raise
            raise Unavailable(f"the tenant {name} was closed in the middle of the call", hint="try again") from error
        finally:
            with self._settled:
                self._at_work[name] -= 1
                if not self._at_work[name]:
                    del self._at_work[name]
                self._settled.notify_all()

    def _refuse_released(self, name: str) -> None:
        why = self._released.get(name)
        if why is not None:
            raise Unavailable(f"the tenant {name} {why}", hint="try again in a moment")

    def rotate_key(self, tenant: str) -> dict[str, Any]:
        """Replace the installation's signing key; `{former, key}` as the verifier keys of one tenant's log.

        The open tenants have it in their logs at once, the others before the next head of theirs is signed.
        """
        asked = self.tenant(tenant)
        former = asked.prover.key()
        self.keyring.rotate(self._options.clock())
        for each in list(self._tenants.values()):
            try:
                each.prover.checkpoint()
            except VerbenaError:  # a log that cannot be signed must not keep the others from their event
                log.exception("no head was signed after the key was replaced", tenant=each.name)
        return {"former": former.text, "key": asked.prover.key().text}

    def close(self) -> None:
        """Close every tenant and every worker."""
        self._closing.set()
        self.pool.close()
        self._upkeep.join()  # its cursor cannot be closed while it is in the middle of a query
        with self._lock:
            for tenant in self._tenants.values():
                tenant.close()
            self._tenants.clear()
        self._instance.close()

    def _tenant_options(self) -> TenantOptions:
        given = self._options
        return TenantOptions(
            catalogue=self._catalogue,
            base_url=given.base_url,
            keyring=self.keyring,
            checkpoints=self._data / "checkpoints",
            clock=given.clock,
            salt=given.salt,
            new_id=given.new_id,
            step=given.step,
            http=self._http,
            runs=self._runner,
            committed=self._tails.committed,
        )

    def _runner(self, tenant: Tenant) -> Runner:
        return Runner(
            units_of(tenant, self.pool),
            lambda unit, name, from_log: watched(tenant, unit, name, from_log=from_log),
        )

    def _make_room(self) -> None:
        while len(self._tenants) >= OPEN_TENANTS_MAX:
            resting = [name for name in self._tenants if not self._at_work[name]]
            if not resting:
                return  # as many calls as tenants: bounded by the connections, and over in a moment
            name = min(resting, key=lambda each: (_runs_by_itself(self._tenants[each]), self._tenants[each].last_used))
            self._tenants.pop(name).close()

    def awaits_runs(self) -> bool:
        """Whether something is to be run by the clock, or again, and so by nobody who would come and ask."""
        return any(_runs_by_itself(tenant) for tenant in list(self._tenants.values()))

    def _open_waiting(self) -> None:
        """Open the tenants in which something is to be run: nobody else may come by, and what they missed is due."""
        for shape in tenant_files.listed(self._folder)[: OPEN_TENANTS_MAX - 1]:
            name = shape["name"]
            try:
                with self._working(name):
                    with self._lock:
                        known = name in self._tenants or name in self._released or self._closing.is_set()
                        waiting = not known and tenant_files.runs_by_itself(self._instance, self._folder, name)
                    if waiting:
                        self.tenant(name)
            except (duckdb.Error, VerbenaError):
                log.exception("nobody knows whether a tenant has something to run", tenant=name)

    def _keep_up(self) -> None:
        if not self._closing.wait(UPKEEP_SECONDS):
            self._open_waiting()
        while not self._closing.wait(UPKEEP_SECONDS):
            for tenant in list(self._tenants.values()):
                if self._closing.is_set():
                    return
                try:
                    tenant.keep_up()
                    if tenant.erasing:  # by a handler, whose end nobody waits for
                        with self._working(tenant.name):
                            self._forget_erased(tenant.name)
                except Exception:
                    log.exception("upkeep failed", tenant=tenant.name)


_HOW_TO_ACCEPT = "a data folder for each, or VERBENA_ACCEPT_FEWER_WALLS=yes"


def _without(lacking: Sequence[str]) -> str:
    return f"without {' and '.join(lacking)}, code of one tenant that got past the language could read every file"


def _runs_by_itself(tenant: Tenant) -> bool:
    now = tenant.clock()
    return not tenant.runs.is_idle or any(is_awaited(handler, now) for handler in tenant.handlers.all.values())


Call = Callable[[Engine, Caller, Mapping[str, Any]], Any]


def _search(engine: Engine, caller: Caller, given: Mapping[str, Any]) -> Any:
    tenant = engine.tenant(caller.tenant)
    return search(tenant, tenant.unit(caller), given)


def _fetch(engine: Engine, caller: Caller, given: Mapping[str, Any]) -> Any:
    tenant = engine.tenant(caller.tenant)
    return fetch(tenant, tenant.unit(caller), given)


def _do(engine: Engine, caller: Caller, given: Mapping[str, Any]) -> Any:
    return do(engine.tenant(caller.tenant), engine.pool, caller, given)


def _dollar(engine: Engine, caller: Caller, given: Mapping[str, Any]) -> Any:
    return house.dollar(engine.tenant(caller.tenant), engine.pool, caller, given)


def _nouns(engine: Engine, caller: Caller, given: Mapping[str, Any]) -> Any:
    return house.nouns(engine.tenant(caller.tenant), engine.pool, caller, given)


def _events(engine: Engine, caller: Caller, given: Mapping[str, Any]) -> Any:
    return house.events(engine.tenant(caller.tenant), caller, given)


def _doctor(engine: Engine, caller: Caller, given: Mapping[str, Any]) -> Any:
    return house.doctor(engine.tenant(caller.tenant), engine.pool, caller, given)


def _import_start(engine: Engine, caller: Caller, given: Mapping[str, Any]) -> Any:
    return import_start(engine.tenant(caller.tenant), caller, given)


def _import(engine: Engine, caller: Caller, given: Mapping[str, Any]) -> Any:
    return import_rows(engine.tenant(caller.tenant), engine.pool, caller, given)


def _export_start(engine: Engine, caller: Caller, given: Mapping[str, Any]) -> Any:
    return export_start(engine.tenant(caller.tenant), caller, given)


def _export(engine: Engine, caller: Caller, given: Mapping[str, Any]) -> Any:
    return export_page(engine.tenant(caller.tenant), caller, given)


def _rebuild(engine: Engine, caller: Caller, given: Mapping[str, Any]) -> Any:
    return engine.rebuild(caller.tenant, replace=given.get("replace") is True)


def _tenants(engine: Engine, caller: Caller, given: Mapping[str, Any]) -> Any:
    return engine.tenants()


def _backup(engine: Engine, caller: Caller, given: Mapping[str, Any]) -> Any:
    to = given.get("to")
    if not isinstance(to, str) or not Path(to).is_absolute():
        raise InvalidArguments("to is the whole path of a file", hint='to="/backups/acme.duckdb"')
    return engine.back_up(caller.tenant, Path(to))


def _restore(engine: Engine, caller: Caller, given: Mapping[str, Any]) -> Any:
    return engine.restore(caller.tenant, str(given.get("staged")), force=given.get("force") is True)


def _delete_tenant(engine: Engine, caller: Caller, given: Mapping[str, Any]) -> Any:
    return engine.delete(caller.tenant)


# Every call that a face may make, by its name on the wire.
CALLS: dict[str, Call] = {
    "search": _search,
    "fetch": _fetch,
    "do": _do,
    "$": _dollar,
    "nouns": _nouns,
    "events": _events,
    "doctor": _doctor,
    "rebuild": _rebuild,
    "prove": lambda engine, caller, given: proofs.prove(engine.tenant(caller.tenant), given),
    "checkpoint": lambda engine, caller, given: proofs.checkpoint(engine.tenant(caller.tenant), given),
    "consistency": lambda engine, caller, given: proofs.consistency(engine.tenant(caller.tenant), given),
    "verify": lambda engine, caller, given: proofs.verify(engine.tenant(caller.tenant), given),
    "key": lambda engine, caller, given: proofs.key(engine.tenant(caller.tenant), given),
    "rotateKey": lambda engine, caller, given: engine.rotate_key(caller.tenant),
    "import-start": _import_start,
    "import": _import,
    "export-start": _export_start,
    "export": _export,
    "tenants": _tenants,
    "backup": _backup,
    "restore": _restore,
    "delete-tenant": _delete_tenant,
}
