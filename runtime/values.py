"""One value of one field: from what a caller gives to what is stored, and from that to what DuckDB takes.

Stored forms are plain JSON: text for string-like types, dates and decimals; numbers for numbers; `true` and `false`.
Equal values have equal stored forms, so that uniques, versions and the log can compare them as they are.
"""

import copy
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, cast
from uuid import UUID

from runtime.canonical import INT_MAX, canonical, check_number, check_plain, check_text
from runtime.errors import ValidationFailed, did_you_mean
from runtime.noun import Field

STRING_TYPES = ("string", "text", "markdown", "url", "email", "id", "uuid", "ulid")
NUMBER_TYPES = ("number", "float", "int", "decimal")
TIME_TYPES = ("date", "datetime", "timestamp")
SCALAR_TYPES = (*STRING_TYPES, *NUMBER_TYPES, "boolean", *TIME_TYPES, "json")

STRING_CHARS_MAX = 1_000_000
ID_CHARS_MAX = 200
EMAIL_CHARS_MAX = 320  # RFC 3696, erratum 1690: 64 + 1 + 255
URL_CHARS_MAX = 20_000  # long enough for a signed link or a small data: image
JSON_BYTES_MAX = 1_000_000
JSON_DEPTH_MAX = 64
LIST_ITEMS_MAX = 10_000
SHOWN_CHARS_MAX = 80  # of a refused value in a message
DECIMAL_DIGITS_MAX = 38  # DuckDB's DECIMAL holds no more

_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_DATETIME = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[Tt ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?\s?(?:[Zz]|[+-]\d{2}(?::?\d{2})?)?)?", re.ASCII
)
_DECIMAL = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)", re.ASCII)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_ID = re.compile(r"\S+")
_ENTITY_ID = re.compile(r"[a-z][A-Za-z0-9]*_[A-Za-z0-9]+", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.IGNORECASE | re.ASCII)
_FIRST_OF = re.compile(r"first\(([a-z][A-Za-z0-9]*)\)", re.ASCII)
_PART_END = re.compile(r"[\W_]+")

_SQL_TYPES = {
    **dict.fromkeys((*STRING_TYPES, "enum", "relation"), "VARCHAR"),
    "number": "DOUBLE",
    "float": "DOUBLE",
    "int": "BIGINT",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "datetime": "TIMESTAMP",
    "timestamp": "TIMESTAMP",
    "json": "JSON",
}


def parse(field: Field, value: object, *, where: str) -> Any:
    """The stored form of `value`; `where` ("Deal.value") is how the error calls it.

    Takes JSON values and Python's datetime, date, Decimal and UUID. Nothing is converted that could have been meant
    otherwise: "5" is not a number, `true` is not one either. Raises ValidationFailed, which says what would be right.
    """
    if not field.many:
        return _PARSERS[field.type](field, value, where)
    if not isinstance(value, list | tuple):
        raise _refused(where, f"a list of {_expected(field)}", value)
    items = cast("list[object] | tuple[object, ...]", value)
    if len(items) > LIST_ITEMS_MAX:
        raise ValidationFailed(f"{where} has {len(items)} items; at most {LIST_ITEMS_MAX} are stored", field=where)
    one = _PARSERS[field.type]
    return [one(field, item, f"{where}[{position}]") for position, item in enumerate(items)]


def sql_type(field: Field) -> str:
    """The type of the field's column in DuckDB."""
    one = f"DECIMAL({field.precision},{field.scale})" if field.type == "decimal" else _SQL_TYPES[field.type]
    return f"{one}[]" if field.many else one


def to_sql(field: Field, stored: Any) -> Any:
    """The stored value as a parameter or appender takes it; datetimes are naive and mean UTC."""
    to_column = _TO_COLUMN.get(field.type)
    if to_column is None or stored is None:
        return stored
    return [to_column(item) for item in stored] if field.many else to_column(stored)


def default_of(field: Field, fields_so_far: Mapping[str, Any], now: datetime) -> Any:
    """The stored default of `field` for a new entity that has `fields_so_far`, or None; the caller owns the result.

    `now()` and `today()` are functions on dates and times, `first(key)` on text: the first part of another key's
    text, up to what is no letter or digit ("deal" of "deal_closed", "Contact" of "Contact.qualified").
    """
    default = field.default
    if not is_default_function(field, default):
        return copy.deepcopy(default)
    if field.type == "date":
        return now.astimezone(UTC).date().isoformat()
    if field.type in TIME_TYPES:
        at = now.astimezone(UTC)
        return format_datetime(at.replace(hour=0, minute=0, second=0, microsecond=0) if default == "today()" else at)
    found = _FIRST_OF.fullmatch(default)
    source = fields_so_far.get(found[1]) if found else None
    if not isinstance(source, str):
        return None
    return next((part for part in _PART_END.split(source) if part), source)


def is_default_function(field: Field, default: object) -> bool:
    """Whether a default is worked out when an entity is made, and is not itself the value."""
    if not isinstance(default, str) or field.many:
        return False
    if field.type in TIME_TYPES:
        return default in ("now()", "today()")
    return field.type in STRING_TYPES and _FIRST_OF.fullmatch(default) is not None


def default_source(default: str) -> str | None:
    """The key that a `first(key)` reads."""
    found = _FIRST_OF.fullmatch(default)
    return found[1] if found else None


def format_datetime(at: datetime) -> str:
    """UTC with `Z`, with six fraction digits or none. A datetime without a zone means UTC already."""
    if at.tzinfo is UTC:
        return at.isoformat()[: -len("+00:00")] + "Z"
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    # isoformat pads the year to four digits, which strftime does not everywhere.
    return at.replace(tzinfo=None).isoformat() + "Z"


def parse_datetime(text: str) -> datetime:
    """The moment that ISO 8601 text names, aware, in UTC. Without a zone it means UTC; a bare date is its midnight.

    Raises ValueError for anything else, for a day that is in no calendar, and for years outside 1 to 9999.
    """
    text = text.strip()
    if not _DATETIME.fullmatch(text):
        raise ValueError(f"not an ISO 8601 date and time: {text[:SHOWN_CHARS_MAX]!r}")
    try:
        at = datetime.fromisoformat(text.upper().replace(",", "."))
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the year must be from 1 to 9999") from error


def shown(value: object) -> str:
    """A refused value as a message may show it: short, on one line."""
    if isinstance(value, str):
        return repr(value if len(value) <= SHOWN_CHARS_MAX else value[:SHOWN_CHARS_MAX] + "…")
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, int):
        # The text of a huge int is refused by Python itself past 4,300 digits.
        return str(value) if value.bit_length() < 256 else "a huge number"
    return f"a {type(value).__name__}"


def naive_datetime(stored: str) -> datetime:
    """A stored date and time as a column takes it: naive, in UTC."""
    if stored[-1:] == "Z" and len(stored) >= len("2026-11-21T10:00:00Z"):  # as it is written here; thrice as quick
        return datetime.fromisoformat(stored[:-1])
    return parse_datetime(stored).replace(tzinfo=None)


def _string(field: Field, value: object, where: str) -> str:
    if type(value) is str and len(value) <= STRING_CHARS_MAX and value.isascii():
        return value  # almost every text; what follows tells the others apart
    if isinstance(value, UUID):
        return str(value)
    if not isinstance(value, str):
        raise _refused(where, _expected(field), value)
    if len(value) > STRING_CHARS_MAX:
        raise ValidationFailed(
            f"{where} has {len(value)} characters; at most {STRING_CHARS_MAX} are stored", field=where
        )
    check_text(value, where=where)
    return str(value)


def _shaped(shape: re.Pattern[str], chars_max: int) -> Callable[[Field, object, str], str]:
    def parse_shaped(field: Field, value: object, where: str) -> str:
        text = _string(field, value, where)
        if len(text) > chars_max or not shape.fullmatch(text):
            raise _refused(where, _expected(field), value)
        return text

    return parse_shaped


def _uuid(field: Field, value: object, where: str) -> str:
    text = _string(field, value, where)
    if not _UUID.fullmatch(text):
        raise _refused(where, _expected(field), value)
    return text.lower()


def _ulid(field: Field, value: object, where: str) -> str:
    text = _string(field, value, where)
    if not _ULID.fullmatch(text):
        raise _refused(where, _expected(field), value)
    return text.upper()


def _number(field: Field, value: object, where: str) -> int | float:
    if isinstance(value, Decimal):
        value = int(value) if value.is_finite() and value == value.to_integral_value() else float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refused(where, _expected(field), value)
    check_number(value, where=where)
    # 5.0 and 5 are one number and have one stored form; minus zero is zero.
    return int(value) if value == math.floor(value) and abs(value) <= INT_MAX else value


def _int(field: Field, value: object, where: str) -> int:
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _refused(where, _expected(field), value)
    check_number(value, where=where)
    return int(value)


def _decimal(field: Field, value: object, where: str) -> str:
    number = _decimal_of(value)
    if number is None:
        raise _refused(where, _expected(field), value)
    sign, digits, exponent = number.as_tuple()
    # Counted on the digits themselves: Python's decimal context would round silently at 28.
    text = "".join(map(str, digits))
    places = -cast(int, exponent)
    if places < 0:
        text, places = text + "0" * -places, 0
    text = text.rjust(places + 1, "0")
    whole, fraction = text[: len(text) - places].lstrip("0"), text[len(text) - places :].rstrip("0")
    if len(fraction) > field.scale or len(whole) > field.precision - field.scale:
        raise _refused(where, _expected(field), value)
    stored = (whole or "0") + (f".{fraction.ljust(field.scale, '0')}" if field.scale else "")
    return f"-{stored}" if sign and stored.strip("0.") else stored


def _decimal_of(value: object) -> Decimal | None:
    """The exact decimal that was meant; a float means the digits that it prints."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int) and value.bit_length() <= 128:
        return Decimal(value)
    if isinstance(value, float) and math.isfinite(value) and abs(value) < 1e38:
        return Decimal(repr(value))
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) <= DECIMAL_DIGITS_MAX:
        return value
    if isinstance(value, str) and len(value) <= 2 * DECIMAL_DIGITS_MAX and _DECIMAL.fullmatch(value.strip()):
        try:
            return Decimal(value.strip())
        except InvalidOperation:
            return None
    return None


def _boolean(field: Field, value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise _refused(where, _expected(field), value)
    return value


def _date(field: Field, value: object, where: str) -> str:
    if isinstance(value, datetime):
        return format_datetime(value)[:10]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):
        text = value.strip()
        try:
            if _DATE.fullmatch(text):
                return date.fromisoformat(text).isoformat()
            # Programs write a date as its midnight; with any other time the day depends on the reader's zone.
            if len(text) <= 40 and "T00:00" in text and parse_datetime(text).time().isoformat() == "00:00:00":
                return parse_datetime(text).date().isoformat()
        except ValueError as error:
            raise _refused(where, _expected(field), value) from error
    raise _refused(where, _expected(field), value)


def _datetime(field: Field, value: object, where: str) -> str:
    try:
        if isinstance(value, datetime):
            return format_datetime(value)
        if isinstance(value, date):
            return f"{value.isoformat()}T00:00:00Z"
        if isinstance(value, str):
            return format_datetime(parse_datetime(value))
    except (ValueError, OverflowError) as error:
        raise _refused(where, _expected(field), value) from error
    raise _refused(where, _expected(field), value)


def _json(field: Field, value: object, where: str) -> Any:
    if value is None:
        raise _refused(where, _expected(field), value)
    check_plain(value, where=where, depth_max=JSON_DEPTH_MAX)
    if len(canonical(value)) > JSON_BYTES_MAX:
        raise ValidationFailed(f"{where} is longer than {JSON_BYTES_MAX} bytes as JSON", field=where)
    return value


def _enum(field: Field, value: object, where: str) -> str:
    if isinstance(value, str) and value in field.values:
        return str(value)
    raise ValidationFailed(
        f"{where} must be one of {', '.join(field.values[:20])}, not {shown(value)}",
        hint=did_you_mean(value, field.values) if isinstance(value, str) else None,
        field=where,
        allowed=list(field.values),
    )


def _relation(field: Field, value: object, where: str) -> str:
    given = value
    if isinstance(value, Mapping):
        value = cast("Mapping[str, object]", value).get("$id")
    target = field.target or ""
    prefix = f"{target[:1].lower()}{target[1:]}_"
    if (
        isinstance(value, str)
        and len(value) <= ID_CHARS_MAX
        and _ENTITY_ID.fullmatch(value)
        and value.startswith(prefix)
        and len(value) > len(prefix)
    ):
        return str(value)
    refused = _refused(where, _expected(field), given)
    refused.hint = f'$.{target}.findOne(name="…").id gives one' if target else None
    raise refused


def _expected(field: Field) -> str:
    match field.type:
        case "string" | "text" | "markdown":
            return "text"
        case "url":
            return f"a URL with its scheme (https://example.com/path), at most {URL_CHARS_MAX} characters"
        case "email":
            return "an email address (name@example.com)"
        case "id":
            return f"an id: text without spaces, at most {ID_CHARS_MAX} characters"
        case "uuid":
            return "a UUID (123e4567-e89b-12d3-a456-426614174000)"
        case "ulid":
            return "a ULID (26 characters, 01ARZ3NDEKTSV4RRFFQ69G5FAV)"
        case "number" | "float":
            return "a number"
        case "int":
            return "a whole number"
        case "decimal":
            example = "1234" + (f".{'5'.ljust(field.scale, '0')}" if field.scale else "")
            return (
                f"a decimal with at most {field.precision - field.scale} digits before the point "
                f'and {field.scale} after it ("{example}")'
            )
        case "boolean":
            return "true or false"
        case "date":
            return "a date (2026-11-21)"
        case "datetime" | "timestamp":
            return "a date and time in ISO 8601 (2026-11-21T10:00:00Z)"
        case "json":
            return "a JSON value"
        case "enum":
            return f"one of {', '.join(field.values[:20])}"
        case _:
            target = field.target or "entity"
            return f"the id of a {target} ({target[:1].lower()}{target[1:]}_…)"


def _refused(where: str, expected: str, value: object) -> ValidationFailed:
    return ValidationFailed(
        f"{where} must be {expected}, not {shown(value)}", hint=_nearer(expected, value), field=where
    )


def _nearer(expected: str, value: object) -> str | None:
    """What to write where the value is right and only its form is not."""
    if not isinstance(value, str):
        return None
    text = value.strip()
    if "number" in expected and _NUMERAL.fullmatch(text):
        return f'write {text}, not "{text}"'
    if expected.startswith("true") and text.lower() in ("true", "false"):
        return f'write {text.capitalize()}, not "{text}"'
    if expected.startswith("a date"):
        return "year, month and day, as in 2027-01-31; $.now() is a time as well"
    return None


_NUMERAL = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")


_PARSERS: Mapping[str, Callable[[Field, object, str], Any]] = {
    "string": _string,
    "text": _string,
    "markdown": _string,
    "url": _shaped(_URL, URL_CHARS_MAX),
    "email": _shaped(_EMAIL, EMAIL_CHARS_MAX),
    "id": _shaped(_ID, ID_CHARS_MAX),
    "uuid": _uuid,
    "ulid": _ulid,
    "number": _number,
    "float": _number,
    "int": _int,
    "decimal": _decimal,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
    "timestamp": _datetime,
    "json": _json,
    "enum": _enum,
    "relation": _relation,
}

# How a stored value becomes what a column takes, where that is another thing.
_TO_COLUMN: Mapping[str, Callable[[Any], Any]] = {
    "number": float,
    "float": float,
    "decimal": Decimal,
    "date": date.fromisoformat,
    "datetime": naive_datetime,
    "timestamp": naive_datetime,
    "json": lambda stored: canonical(stored).decode(),
}
