"""Which column of a file is which field of a noun."""

import re
from collections.abc import Iterable, Mapping, Sequence

from runtime.errors import InvalidArguments, ValidationFailed, did_you_mean, nearest
from runtime.noun import META_FIELDS, Field

# At most so many unknown columns are named in one refusal.
_NAMED_MAX = 8
_BETWEEN_WORDS = re.compile(r"[\s_\-./]+")
# What is no value of the noun, though an export writes it; `$id` is taken where ids are kept.
_META = frozenset((*META_FIELDS, "$deletedAt"))


class Columns:
    """The mapping of one import: from the names of columns to those of fields."""

    def __init__(
        self, fields: Mapping[str, Field], *, mapped: Iterable[str], ignore_unknown: bool, keep_ids: bool
    ) -> None:
        """`mapped` holds texts such as "E-mail=email". Raises InvalidArguments where one of them leads nowhere."""
        self._fields = fields
        self._by_fold = {_folded(name): name for name in fields}
        self._ignore_unknown = ignore_unknown
        self._keep_ids = keep_ids
        self._mapped = dict(self._pair(text) for text in mapped)
        self._known: dict[str, str | None] = {}  # what was settled, for each column that was met

    def settle(self, columns: Sequence[str]) -> None:
        """Find the field of every column at once. Raises ValidationFailed, which names those that are none."""
        unknown = [name for name in columns if self._find(name) is None and not self._may_be_left(name)]
        if unknown:
            raise self._no_fields(unknown)
        taken: dict[str, str] = {}
        for name in columns:
            field = self._find(name)
            if field is not None and taken.setdefault(field, name) != name:
                raise ValidationFailed(
                    f"the columns {taken[field]!r} and {name!r} would both be {field}",
                    hint=f'say which one: --map "{name}=…", or rename one',
                )
        missing = [name for name in self._mapped if name not in columns]
        if missing:
            raise ValidationFailed(
                f"the file has no column {missing[0][:80]!r}", hint=did_you_mean(missing[0], columns)
            )
        self._known = {name: self._find(name) for name in columns}

    def field_of(self, column: str) -> str | None:
        """The field of a column; None where it is left out. Raises ValidationFailed where it is none."""
        if column not in self._known:
            field = self._find(column)
            if field is None and not self._may_be_left(column):
                raise self._no_fields([column])
            self._known[column] = field
        return self._known[column]

    def _find(self, column: str) -> str | None:
        if column in self._mapped:
            return self._mapped[column]
        if column in self._fields:
            return column
        if column == "$id" and self._keep_ids:
            return column
        if column.startswith(("$", "#")):
            return None
        field = self._by_fold.get(_folded(column))
        return None if field in self._mapped.values() else field

    def _may_be_left(self, column: str) -> bool:
        return self._ignore_unknown or column in _META or column.startswith("#")

    def _no_fields(self, columns: Sequence[str]) -> ValidationFailed:
        named: list[str] = []
        for name in columns[:_NAMED_MAX]:
            near = nearest(name, self._fields)
            named.append(f"{name[:80]!r}" + (f" (did you mean {near}?)" if near else ""))
        more = f" and {len(columns) - _NAMED_MAX} more" if len(columns) > _NAMED_MAX else ""
        example = nearest(columns[0], self._fields) or next(iter(self._fields), "name")
        return ValidationFailed(
            f"no field is called {', '.join(named)}{more}",
            hint=f'--map "{columns[0][:80]}={example}" names the field, --ignore leaves out what has none',
        )

    def _pair(self, text: str) -> tuple[str, str]:
        column, equals, field = text.rpartition("=")
        if not equals or not column or not field:
            raise InvalidArguments(f"{text[:80]!r} maps nothing", hint='--map "E-mail=email"')
        if field != "$id" and field not in self._fields:
            raise InvalidArguments(f"there is no field {field[:80]!r}", hint=did_you_mean(field, self._fields))
        return column, field


def _folded(name: str) -> str:
    """A name without regard to case, spaces, underscores, hyphens, dots and slashes."""
    return _BETWEEN_WORDS.sub("", name).casefold()
