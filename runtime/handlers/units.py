"""How a unit comes about: in the writer's turn where no code is asked, else beside it, and again after a conflict."""

import contextlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

from runtime.errors import Conflict
from runtime.handlers.before import AnswerFor, Before
from runtime.sandbox.pool import Pool
from runtime.tenant import TRIES_MAX, HandlersAreAsked, Tenant
from runtime.unit import Caller, Unit
from runtime.writer import Committed, Keep

# After this many conflicts a unit takes the entities that it rests on, and whoever else wants them waits.
CONFLICTS_BEFORE_RESERVING = 2


@dataclass(frozen=True, slots=True)
class Units:
    """The units of one tenant. `answer_for` gives `$` to the code that runs on one."""

    tenant: Tenant
    pool: Pool
    answer_for: AnswerFor

    def in_turn(
        self,
        caller: Caller,
        body: Callable[[Unit], Any],
        *,
        run: str | None = None,
        via: str | None = None,
        keep: Keep | None = None,
    ) -> Committed:
        """Run `body` on a unit and commit it: in the writer's own turn, where it never meets a conflict, if no handler is asked."""
        try:
            return self.tenant.in_turn(caller, body, run=run, via=via, keep=keep)
        except HandlersAreAsked:
            return self.with_code(lambda: self.tenant.unit(caller, run=run, via=via), body, keep=keep)

    def with_code(
        self,
        make_unit: Callable[[], Unit],
        body: Callable[[Unit], Any],
        *,
        keep: Keep | None = None,
        nested: bool = False,
    ) -> Committed:
        """Run `body`, and the handlers that are asked before what it does, on a unit beside the writer, and commit it.

        What met somebody else's change is run again, a bounded number of times; then Conflict names what is in the way.
        `nested` says that `body` runs code itself.
        """
        tenant = self.tenant
        rests_on: Collection[str] = ()
        last = Conflict("it was never tried")
        for tried in range(TRIES_MAX):
            reserving = tried >= CONFLICTS_BEFORE_RESERVING
            held = tenant.reservations.held(rests_on) if reserving else contextlib.nullcontext(make_unit)
            with held as token:
                unit = make_unit()
                with tenant.outside.on_record(unit):
                    with self.before(unit, nested=nested):
                        value = body(unit)
                    rests_on = {*unit.reads, *unit.overlay.entities}
                    tenant.reservations.wait_for(token, rests_on)
                    kept = None if keep is None else _keeping(keep, value)
                    try:
                        return replace(tenant.commit(unit, keep=kept), value=value)
                    except Conflict as conflict:
                        tenant.outside.refuse_again(unit, conflict)
                        last = conflict
        raise Conflict(
            f"{last.message}, {TRIES_MAX} times over",
            hint="it was run again by itself each time; try later",
            **last.details,
        )

    def before(self, unit: Unit, *, nested: bool) -> Before:
        """The BEFORE handlers of a unit, while it is staged."""
        return Before(self.tenant, self.pool, self.answer_for, unit, nested=nested)


def _keeping(keep: Keep, value: Any) -> Keep:
    return lambda _, rows: keep(value, rows)
