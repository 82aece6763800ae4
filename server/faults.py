"""ONE table: what a refusal is over HTTP and to the shell."""

from collections.abc import Mapping
from typing import Any, cast

from runtime.errors import BY_CODE, VerbenaError

# Error code → HTTP status. Every code of `runtime.errors` has its line; a test sees to it.
HTTP_STATUS = {
    "invalid_type": 400,
    "invalid_filter": 400,
    "invalid_sort": 400,
    "invalid_cursor": 400,
    "invalid_fields": 400,
    "invalid_include": 400,
    "invalid_id": 400,
    "invalid_arguments": 400,
    "not_found": 404,
    "validation_failed": 422,
    "unique_violation": 409,
    "invalid_transition": 409,
    "rejected": 422,
    "conflict": 409,
    "permission_denied": 403,
    "unauthorized": 401,
    "rate_limited": 429,
    "limit_exceeded": 413,
    "timeout": 504,
    "memory_exceeded": 507,
    "execution_error": 422,
    "unavailable": 503,
}

# So many of the entities that are in the way of an undo are listed; --json gives them all.
IN_THE_WAY_MAX = 20

EXIT_REFUSED = 1  # the request was understood and refused, or failed
EXIT_USAGE = 2  # the command line itself was wrong, as shells and typer have it


def http_status(error: VerbenaError) -> int:
    """The status that says the same as `error`."""
    return HTTP_STATUS[error.code]


def in_words(error: VerbenaError) -> str:
    """What the shell prints: the message with its code on one line, then place, what is in the way, and hint, as there are."""
    lines = [f"{error.code}: {_one_line(error.message)}"]
    line, column = error.details.get("line"), error.details.get("column")
    if line is not None:
        lines.append(f"  at line {line}" + (f", column {column}" if column is not None else ""))
    lines += _in_the_way(error.details.get("inTheWay"))
    if error.hint:
        lines.append(f"  hint: {_one_line(error.hint)}")
    return "\n".join(lines)


def _in_the_way(listed: Any) -> list[str]:
    """A line for each entity that cannot be led back, and why."""
    reasons = cast("list[Mapping[str, Any]]", listed) if isinstance(listed, list) else []
    lines = [_one_line(f"  {each.get('id') or 'it'}: {each.get('reason')}") for each in reasons[:IN_THE_WAY_MAX]]
    more = len(reasons) - len(lines)
    return [*lines, f"  and {more} more"] if more else lines


def unlisted() -> set[str]:
    """Codes that lack a line in the table, or lines that lack a code."""
    return set(BY_CODE) ^ set(HTTP_STATUS)


def _one_line(text: str) -> str:
    """Without line breaks and control characters: what others wrote must not steer the terminal."""
    return "".join(mark if mark.isprintable() else " " for mark in text)
