"""Columns find their fields by name; what finds none is named with the nearest one."""

import pytest

from runtime.errors import InvalidArguments, ValidationFailed
from runtime.noun import Field
from runtime.transfer.columns import Columns

FIELDS = {name: Field(name=name, type="string") for name in ("name", "firstName", "email", "leadScore")}


def columns(*mapped: str, ignore: bool = False, ids: bool = False) -> Columns:
    return Columns(FIELDS, mapped=mapped, ignore_unknown=ignore, keep_ids=ids)


@pytest.mark.parametrize(
    ("column", "field"),
    [
        ("name", "name"),
        ("First Name", "firstName"),
        ("FIRST_NAME", "firstName"),
        ("first-name", "firstName"),
        ("E-Mail", "email"),
        ("Lead.Score", "leadScore"),
        ("$version", None),
        ("$id", None),
        ("#reason", None),
    ],
)
def test_case_and_what_stands_between_words_make_no_difference(column: str, field: str | None) -> None:
    assert columns().field_of(column) == field


def test_an_unknown_column_is_named_with_the_nearest_field() -> None:
    with pytest.raises(ValidationFailed, match=r"'emial' \(did you mean email\?\)") as refused:
        columns().settle(["name", "emial"])
    assert '--map "emial=email"' in (refused.value.hint or "")


def test_an_unknown_column_may_be_left_out() -> None:
    assert columns(ignore=True).field_of("foo") is None


def test_a_column_is_mapped_by_hand() -> None:
    assert columns("Kontakt=name").field_of("Kontakt") == "name"
    assert columns("a=b=name").field_of("a=b") == "name"


def test_a_map_to_no_field_names_the_nearest() -> None:
    with pytest.raises(InvalidArguments) as refused:
        columns("Kontakt=nmae")
    assert refused.value.hint == "did you mean 'name'?"


def test_a_map_of_no_column_is_refused() -> None:
    with pytest.raises(ValidationFailed, match="no column 'Kontakt'"):
        columns("Kontakt=name").settle(["email"])


def test_two_columns_of_one_field_are_refused() -> None:
    with pytest.raises(ValidationFailed, match="both be email"):
        columns().settle(["email", "E-Mail"])


def test_ids_are_taken_only_where_they_are_kept() -> None:
    assert columns(ids=True).field_of("$id") == "$id"
