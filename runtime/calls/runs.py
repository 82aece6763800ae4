"""A run as it is shown: what the ledger has of it, with what it changed and what it waits for."""

from typing import Any

from runtime import entity as entities
from runtime.errors import InvalidArguments, NotFound
from runtime.ids import event_id
from runtime.own_nouns import RUN
from runtime.sql import Sql
from runtime.tenant import Tenant
from runtime.unit import Unit

# A run is shown with so many of its events; the log has all of them.
EVENTS_SHOWN_MAX = 100


def shown_run(tenant: Tenant, unit: Unit, id: Any) -> dict[str, Any]:
    """The run with `events`, what it changed, and `why`, where it has not ended. Raises NotFound."""
    if not isinstance(id, str):
        raise InvalidArguments("which run?", hint='$.runs.get("run_…")')
    tenant.write_noted()
    found = unit.read(RUN, id)
    rows = tenant.file.events(Sql("run = ? AND type <> ?", (id, RUN.name)), limit=EVENTS_SHOWN_MAX)
    events = [{"id": event_id(row.seq), "event": row.event, "entity": row.entity} for row in rows]
    if found is None:
        if not rows:
            raise NotFound(f"no run {id[:80]!r}", hint="$.runs.list() gives runs that are known")
        # A structured action runs no code; what it did is in the log alone.
        return {"$id": id, "$type": RUN.name, "kind": "do", "status": "Succeeded", "events": events}
    shape = entities.shown(RUN, found.body, tenant.context) | {"events": events}
    why = tenant.runs.why(found)
    return {**shape, "why": why} if why else shape
