"""Every refusal that Verbena gives: a stable code, one sentence, one hint, and details for programs.

VerbenaError
├── InvalidType          a noun or verb that does not exist
├── InvalidFilter        a filter with an unknown field, operator or value
├── InvalidSort          a sort key that cannot be sorted by
├── InvalidCursor        a cursor that is broken or of another query
├── InvalidFields        a field that cannot be selected
├── InvalidInclude       a relation that cannot be included
├── InvalidId            an id that is not one of ours
├── InvalidArguments     an argument that is unknown, missing or of the wrong shape
├── NotFound             nothing with that id in this tenant
├── ValidationFailed     values that do not fit their noun
├── UniqueViolation      a unique value that somebody else has
├── InvalidTransition    a verb that the current state does not allow
├── Rejected             a BEFORE handler said no
├── Conflict             somebody changed it first
├── PermissionDenied     the caller may not
├── Unauthorized         the caller is not known
├── RateLimited          too many requests
├── LimitExceeded        more than a stated bound
├── Timeout              it took longer than its deadline
├── MemoryExceeded       it needed more memory than it may have
├── ExecutionError       the code itself failed
└── Unavailable          the store or a service cannot answer now
"""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

MESSAGE_CHARS_MAX = 2_000


class VerbenaError(Exception):
    """The root: `code` for programs, `message` for everybody, `hint` for the next attempt."""

    code: ClassVar[str] = "execution_error"

    def __init__(self, message: str, *, hint: str | None = None, **details: Any) -> None:
        self.message = message[:MESSAGE_CHARS_MAX]
        self.hint = hint
        self.details: dict[str, Any] = details
        super().__init__(self.message)

    def as_dict(self) -> dict[str, Any]:
        """`{code, message, hint?, details?}`, the one shape on every wire."""
        shape: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.hint:
            shape["hint"] = self.hint
        if self.details:
            shape["details"] = self.details
        return shape


class InvalidType(VerbenaError):
    code = "invalid_type"


class InvalidFilter(VerbenaError):
    code = "invalid_filter"


class InvalidSort(VerbenaError):
    code = "invalid_sort"


class InvalidCursor(VerbenaError):
    code = "invalid_cursor"


class InvalidFields(VerbenaError):
    code = "invalid_fields"


class InvalidInclude(VerbenaError):
    code = "invalid_include"


class InvalidId(VerbenaError):
    code = "invalid_id"


class InvalidArguments(VerbenaError):
    code = "invalid_arguments"


class NotFound(VerbenaError):
    code = "not_found"


class ValidationFailed(VerbenaError):
    code = "validation_failed"


class UniqueViolation(VerbenaError):
    code = "unique_violation"


class InvalidTransition(VerbenaError):
    code = "invalid_transition"


class Rejected(VerbenaError):
    code = "rejected"


class Conflict(VerbenaError):
    code = "conflict"


class PermissionDenied(VerbenaError):
    code = "permission_denied"


class Unauthorized(VerbenaError):
    code = "unauthorized"


class RateLimited(VerbenaError):
    code = "rate_limited"


class LimitExceeded(VerbenaError):
    code = "limit_exceeded"


class Timeout(VerbenaError):
    code = "timeout"


class MemoryExceeded(VerbenaError):
    code = "memory_exceeded"


class ExecutionError(VerbenaError):
    code = "execution_error"


class Unavailable(VerbenaError):
    code = "unavailable"


BY_CODE: dict[str, type[VerbenaError]] = {kind.code: kind for kind in VerbenaError.__subclasses__()}


def from_dict(shape: Mapping[str, Any]) -> VerbenaError:
    """The exception that `as_dict` described, as a client raises it again."""
    kind = BY_CODE.get(str(shape.get("code")), ExecutionError)
    error = kind(str(shape.get("message", "")), hint=shape.get("hint"))
    error.details.update(shape.get("details") or {})
    return error


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The known word that looks most like `word`, without regard to case; None when none does."""
    by_lower = {known.lower(): known for known in words}
    found = difflib.get_close_matches(word.lower()[:80], by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def did_you_mean(word: str, words: Iterable[str]) -> str | None:
    """A hint that names the nearest word, or, where none is near, some that exist."""
    known = sorted(words)
    near = nearest(word, known)
    if near is not None:
        return f"did you mean {near!r}?"
    return f"there is: {', '.join(known[:12])}{', …' if len(known) > 12 else ''}" if known else None
