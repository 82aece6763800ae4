"""A data folder, open: its tenants, and the calls that any face may make of them."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from runtime import wire
from runtime.calls import house
from runtime.calls.do import do
from runtime.calls.fetch import fetch
from runtime.calls.search import search
from runtime.catalogue import shipped
from runtime.clock import Clock, system_clock
from runtime.errors import InvalidArguments, did_you_mean
from runtime.event_log import NewSalt, new_salt
from runtime.ids import NewId, new_id
from runtime.sandbox.pool import Pool
from runtime.store import Instance
from runtime.store.instance import InstanceLimits
from runtime.tenant import Tenant, TenantOptions
from runtime.unit import Caller
from runtime.writer import Step, no_step

# Files beyond this are let go of, the least recently used first: each costs a descriptor and a quarter of a megabyte.
OPEN_TENANTS_MAX = 200
UPKEEP_SECONDS = 1.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """What an engine is given from outside; a test supplies other values."""

    base_url: str = "http://localhost:4747"
    clock: Clock = system_clock
    salt: NewSalt = new_salt
    new_id: NewId = new_id
    step: Step = no_step
    limits: InstanceLimits = InstanceLimits()
    workers: int = 2  # sandbox workers that are kept warm


class Engine:
    """The owner of a data folder. Only one process may have one, see `runtime.daemon.own`."""

    def __init__(self, data: Path, options: EngineOptions | None = None) -> None:
        self._options = options or EngineOptions()
        self._data = data
        self._folder = data / "tenants"
        wire.private_folder(self._folder)
        self._instance = Instance(self._options.limits)
        self._catalogue = shipped()
        self._tenants: dict[str, Tenant] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self.pool = Pool(size=self._options.workers)
        threading.Thread(target=self._keep_up, name="verbena-upkeep", daemon=True).start()

    def tenant(self, name: str) -> Tenant:
        """An open tenant, made when nobody asked for it before."""
        found = self._tenants.get(name)
        if found is None:
            if not wire.TENANT_NAME.match(name):
                raise InvalidArguments(f"{name[:80]!r} is no name of a tenant", hint=wire.TENANT_NAME_HINT)
            with self._lock:
                found = self._tenants.get(name)
                if found is None:
                    self._make_room()
                    found = self._tenants[name] = Tenant(self._instance, self._folder, name, self._tenant_options())
        found.last_used = time.monotonic()
        return found

    def answer(self, question: wire.Question) -> bytes:
        """The result of one call, as compact JSON text; raises the VerbenaError that it ends in."""
        call = CALLS.get(question.call)
        if call is None:
            raise InvalidArguments(f"no call is named {question.call[:80]!r}", hint=did_you_mean(question.call, CALLS))
        caller = Caller(tenant=question.tenant, actor=question.actor)
        return wire.encode(call(self, caller, question.arguments))

    def close(self) -> None:
        """Close every tenant and every worker."""
        self._closing.set()
        self.pool.close()
        with self._lock:
            for tenant in self._tenants.values():
                tenant.close()
            self._tenants.clear()
        self._instance.close()

    def _tenant_options(self) -> TenantOptions:
        given = self._options
        return TenantOptions(
            catalogue=self._catalogue, base_url=given.base_url, clock=given.clock, salt=given.salt, new_id=given.new_id, step=given.step
        )

    def _make_room(self) -> None:
        while len(self._tenants) >= OPEN_TENANTS_MAX:
            name = min(self._tenants, key=lambda each: self._tenants[each].last_used)
            self._tenants.pop(name).close()

    def _keep_up(self) -> None:
        while not self._closing.wait(UPKEEP_SECONDS):
            for tenant in list(self._tenants.values()):
                try:
                    tenant.keep_up()
                except Exception:
                    log.exception("upkeep failed", tenant=tenant.name)


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
    return house.dollar(engine.tenant(caller.tenant), caller, given)


def _nouns(engine: Engine, caller: Caller, given: Mapping[str, Any]) -> Any:
    return house.nouns(engine.tenant(caller.tenant), caller, given)


def _events(engine: Engine, caller: Caller, given: Mapping[str, Any]) -> Any:
    return house.events(engine.tenant(caller.tenant), caller, given)


def _doctor(engine: Engine, caller: Caller, given: Mapping[str, Any]) -> Any:
    return house.doctor(engine.tenant(caller.tenant), engine.pool, caller, given)


# Every call that a face may make, by its name on the wire.
CALLS: dict[str, Call] = {
    "search": _search,
    "fetch": _fetch,
    "do": _do,
    "$": _dollar,
    "nouns": _nouns,
    "events": _events,
    "doctor": _doctor,
}
