"""A moment: a datetime in UTC that compares with the ISO texts in which entities hold their times."""

import datetime
from typing import Any


class Moment(datetime.datetime):
    """What `$.now()` gives. `moment > deal.createdAt` and `moment - timedelta(days=7) > deal.createdAt` both work."""

    @classmethod
    def read(cls, text: str) -> "Moment":
        """The moment of an ISO text; without a zone it is UTC. Raises ValueError."""
        value = datetime.datetime.fromisoformat(text)
        aware = value.replace(tzinfo=datetime.UTC) if value.tzinfo is None else value.astimezone(datetime.UTC)
        return cls.combine(aware.date(), aware.timetz())

    def isoformat(self, sep: str = "T", timespec: str = "auto") -> str:
        """As entities store it, `2026-11-21T10:00:00Z`."""
        text = super().isoformat(sep, timespec)
        return text[:-6] + "Z" if text.endswith("+00:00") else text

    def __str__(self) -> str:
        return self.isoformat()

    def __repr__(self) -> str:
        return self.isoformat()

    def __eq__(self, other: object) -> bool:
        return super().__eq__(_moment(other))

    def __hash__(self) -> int:
        return super().__hash__()

    def __lt__(self, other: Any) -> bool:
        return super().__lt__(_moment(other))

    def __le__(self, other: Any) -> bool:
        return super().__le__(_moment(other))

    def __gt__(self, other: Any) -> bool:
        return super().__gt__(_moment(other))

    def __ge__(self, other: Any) -> bool:
        return super().__ge__(_moment(other))

    def __sub__(self, other: Any) -> Any:
        subtract: Any = super().__sub__  # its two overloads have no common type
        return subtract(_moment(other))

    def __rsub__(self, other: Any) -> Any:
        other = _moment(other)  # the text of an entity, as in `deal.expectedCloseDate - $.now()`
        return other - self if isinstance(other, datetime.datetime) else NotImplemented


def _moment(value: Any) -> Any:
    if type(value) is str:
        try:
            return Moment.read(value)
        except ValueError:
            return value
    if isinstance(value, datetime.datetime) and value.tzinfo is None:
        return value.replace(tzinfo=datetime.UTC)
    return value
