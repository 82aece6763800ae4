"""The limits that the contract names, and those of other pages, are those that the code keeps: each row is written out
here from the constants.
"""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from runtime import (
    aggregate,
    declaration,
    engine,
    event_log,
    field_notation,
    filters,
    idempotency,
    include,
    ledger,
    operands,
    paths,
    plans,
    query,
    schedule,
    sort,
    tail,
    unit,
    values,
    vocabulary,
    watch,
)
from runtime.calls import do, dollar, search
from runtime.handlers import attempt, handler, runner, watches
from runtime.measures import books, history, subscriptions
from runtime.outside import effects, guard, hosts, http, message
from runtime.outside.message import Caps
from runtime.proofs import proof
from runtime.sandbox import frames, turns
from runtime.sandbox.limits import BY_LEVEL
from runtime.transfer import importing, rows

DOCS = Path(__file__).parents[2] / "docs"
_ROW = re.compile(r"^\| (.+?) \| (.+?) \|$", re.MULTILINE)
KB, MB = 1 << 10, 1 << 20
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def _by_level(bounds: list[float]) -> str:
    return " / ".join(f"{bound:,.0f}" for bound in bounds)


# What is bounded → by how much, in the words of the page.
LIMITS = {
    "one `do` at level L0 / L1 / L2 / L3": (
        f"{_by_level([each.seconds for each in BY_LEVEL])} s of the code itself, and twice that with what `$` takes; "
        f"{_by_level([each.memory_bytes / MB for each in BY_LEVEL])} MB; "
        f"{_by_level([each.calls for each in BY_LEVEL])} calls of `$`. Local callers are L3"
    ),
    "code; a result; what is printed": (
        f"{frames.CODE_BYTES_MAX // KB} KB; {frames.FRAME_BYTES_MAX // MB} MB; {frames.OUTPUT_CHARS_MAX:,} characters"
    ),
    "events of one unit, of one undo; items of one `batch`": f"{unit.EVENTS_MAX:,}; {dollar.BATCH_MAX:,}",
    "handlers of a tenant; the code of one": f"{handler.HANDLERS_MAX:,}; {handler.SOURCE_BYTES_MAX // KB} KB",
    "handlers that set each other off; runs from one cause": (
        f"{ledger.DEPTH_MAX} deep; {ledger.RUNS_OF_ONE_CAUSE_MAX:,}"
    ),
    "runs of handlers at once, of one tenant; how long one that ended is kept, and how many": (
        f"{runner.RUNS_AT_ONCE}; {ledger.KEPT // DAY} days, {ledger.RUNS_MAX:,}"
    ),
    "callers of one tenant that wait for a place in the sandbox": f"{turns.WAITING_MAX}",
    "tenants that are kept open; those in which the engine looks for schedules and watches when it starts": (
        f"{engine.OPEN_TENANTS_MAX}; {engine.OPEN_TENANTS_MAX - 1}"
    ),
    "rows of a page; ranked hits of a text query": f"{query.LIMIT_MAX}; {search.HITS_MAX:,}",
    "a filter": (
        f"{filters.DEPTH_MAX} levels, {filters.CONDITIONS_MAX} conditions, {operands.VALUES_MAX:,} values in one `$in`, "
        f"{paths.STEPS_MAX} relations in a path"
    ),
    "a text that is compared; a `$regex`; the words of one `$text`": (
        f"{operands.TEXT_CHARS_MAX:,} characters; {operands.PATTERN_CHARS_MAX:,} characters; {operands.WORDS_MAX}"
    ),
    "`sort` keys; relations in `include`; related entities of one relation": (
        f"{sort.KEYS_MAX}; {include.INCLUDES_MAX}, {include.DEPTH_MAX} deep; {include.RELATED_MAX}"
    ),
    "an aggregate": (f"{aggregate.GROUPS_MAX} groups, {aggregate.MEASURES_MAX} measures, {aggregate.LIMIT_MAX:,} rows"),
    "the history of a measure; an amount, a quantity that it counts": (
        f"{history.POINTS_MAX} values; below {books.AMOUNT_BELOW:,}, below {subscriptions.QUANTITY_BELOW:,}"
    ),
    "one text; one `json` value; items of a list": (
        f"{values.STRING_CHARS_MAX:,} characters; {values.JSON_BYTES_MAX // 1_000_000} MB, {values.JSON_DEPTH_MAX} levels; "
        f"{values.LIST_ITEMS_MAX:,}"
    ),
    "nouns of a tenant; keys of a noun; words of an enum": (
        f"{vocabulary.NOUNS_MAX}; {declaration.KEYS_MAX}; {field_notation.ENUM_WORDS_MAX}"
    ),
    "events of one reading of the log, of one `history`; entities of one `diff`": f"{event_log.EVENTS_LIMIT_MAX:,}",
    "plans of a tenant; one plan; how long it is held": (
        f"{plans.PLANS_MAX:,}; {plans.PLAN_BYTES_MAX // MB} MB; {plans.HELD // HOUR} hour"
    ),
    "an `idempotencyKey`; how long its answer is known; how long a repeated call waits for the first": (
        f"{idempotency.KEY_CHARS_MAX} characters; {idempotency.KEPT // HOUR} hours; {idempotency.WAIT_SECONDS_MAX:.0f} s"
    ),
    "subscriptions of all tenants together; an event's payload in one": (
        f"{tail.FOLLOWERS_MAX}; {tail.EVENT_CHARS_MAX // MB} million characters, else `omitted` says how many it has"
    ),
    "a schedule: how often; `$.at`: how far ahead; a clock put back by less repeats nothing": (
        f"once in {schedule.EVERY_MIN // MINUTE} minute to once in {schedule.EVERY_MAX // DAY} days; "
        f"{schedule.AT_MAX // DAY:,} days; {schedule.SKEW_MAX // MINUTE} minutes"
    ),
    "a watch: its cool-down; looks by time alone; what looking takes, for all watches of a tenant": (
        f"{watch.COOLDOWN_MIN // SECOND} second to {watch.COOLDOWN_MAX // DAY} days; "
        f"once in {watches.BY_TIME // MINUTE} minute; 1/{1 + watches.RESTS_TIMES} of one core"
    ),
    "a proof file; a batch of an import; one of its rows": (
        f"{proof.PROOF_BYTES_MAX // MB} MB; {importing.BATCH_ROWS:,} rows or {importing.BATCH_BYTES // MB} MB; "
        f"{rows.ROW_CHARS_MAX // 1_000_000} million characters, {rows.COLUMNS_MAX:,} columns"
    ),
}


# Rows of other pages by page and section: what is bounded → what the row says first.
ELSEWHERE = {
    ("hooks.md", "What a handler may do"): {
        "handlers of a tenant; the source of one": (f"{handler.HANDLERS_MAX:,}; {handler.SOURCE_BYTES_MAX // KB} KB"),
        "handlers that set each other off": (
            f"{ledger.DEPTH_MAX} deep, {ledger.RUNS_OF_ONE_CAUSE_MAX:,} runs from one cause;"
        ),
        "failures in a row": f"{attempt.FAILURES_MAX}, then",
        "tries of what passes": f"{1 + len(attempt.BACKOFF)}",
        "runs of a tenant at once": f"{runner.RUNS_AT_ONCE}",
        "what is kept of a run's output": f"{ledger.OUTPUT_CHARS_MAX:,} characters",
        "handlers that a `do` names and waits for": f"{do.HANDLERS_SHOWN_MAX}; {do.HANDLERS_SECONDS_MAX:.0f} s",
    },
    ("outside.md", "Which hosts"): {
        "a request, its headers": f"{Caps().request_bytes // MB} MB, {message.HEADER_BYTES_MAX // KB} KB",
        "an answer, unpacked; its headers": (
            f"{Caps().answer_bytes // MB} MB; {message.HEADER_BYTES_MAX // KB} KB, {message.HEADERS_MAX} of them"
        ),
        "time to connect, between two pieces, in all": (
            f"{Caps().connect_seconds:.0f} s, {Caps().read_seconds:.0f} s, {Caps().whole_seconds:.0f} s"
        ),
        "redirects of a read": f"{http.REDIRECTS_MAX}, each judged",
        "calls of a run": f"{effects.CALLS_MAX:,}, and",
        "hosts in the list; a URL; looking a name up": (
            f"{hosts.ENTRIES_MAX}; {guard.URL_CHARS_MAX:,} characters; {guard.RESOLVE_SECONDS_MAX:.0f} s, "
            f"{guard.ADDRESSES_MAX} addresses"
        ),
    },
}


def _told(page: str = "contract.md", heading: str = "Limits") -> dict[str, str]:
    """The tables of a section: what is bounded, and by how much."""
    section = (DOCS / page).read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return {of: most for of, most in _ROW.findall(section) if of not in ("of", "---")}


@pytest.mark.parametrize("of", sorted(_told().keys() | LIMITS.keys()))
def test_a_limit_of_the_contract_is_the_one_that_is_kept(of: str) -> None:
    assert _told().get(of) == LIMITS.get(of)


@pytest.mark.parametrize(("page", "heading", "of"), [(*place, of) for place, rows in ELSEWHERE.items() for of in rows])
def test_a_limit_of_another_page_is_the_one_that_is_kept(page: str, heading: str, of: str) -> None:
    most = ELSEWHERE[page, heading][of] + " "
    assert (_told(page, heading).get(of, "") + " ")[: len(most)] == most


def test_what_the_contract_bounds_together_has_one_bound() -> None:
    assert event_log.DIFFERENCE_MAX == event_log.EVENTS_LIMIT_MAX
    assert {each.whole_seconds / each.seconds for each in BY_LEVEL} == {2}
