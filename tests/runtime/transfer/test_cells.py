"""A cell is read as its field's type, if it cannot be meant otherwise, and written so that it is read back."""

from typing import Any

import pytest

from runtime.noun import Field
from runtime.transfer.cells import cell, json_cell, reader_of


@pytest.mark.parametrize(
    ("type", "text", "value"),
    [
        ("string", " 007 ", " 007 "),
        ("number", " 12 ", 12),
        ("number", "-1.5e3", -1500.0),
        ("number", "1,234", "1,234"),
        ("number", "1_000", "1_000"),
        ("number", "nan", "nan"),
        ("int", "123456789012345678901234567890", "123456789012345678901234567890"),
        ("boolean", "Yes", True),
        ("boolean", "0", False),
        ("boolean", "perhaps", "perhaps"),
        ("date", "03/04/2026", "03/04/2026"),
        ("email", " a@x.com", "a@x.com"),
        ("json", '{"a": [1]}', {"a": [1]}),
        ("json", "plain", "plain"),
    ],
)
def test_a_cell_is_read_by_its_type(type: str, text: str, value: Any) -> None:
    assert reader_of(Field(name="x", type=type))(text) == value


def test_an_enum_word_is_known_in_any_case() -> None:
    read = reader_of(Field(name="x", type="enum", values=("Lead", "Customer")))
    assert [read("lead"), read(" CUSTOMER "), read("other")] == ["Lead", "Customer", "other"]


def test_a_list_is_json_or_parts_between_semicolons() -> None:
    read = reader_of(Field(name="x", type="int", many=True))
    assert [read("[1, 2]"), read("1; 2"), read("1")] == [[1, 2], [1, 2], [1]]


@pytest.mark.parametrize("value", ["text", "[1]", True, 12, 1.5, ["a", "b;c"], [], {"a": None}])
def test_a_json_value_comes_back(value: Any) -> None:
    assert reader_of(Field(name="x", type="json"))(json_cell(value)) == value


def test_a_list_comes_back() -> None:
    assert reader_of(Field(name="x", type="string", many=True))(cell(["a", "b;c", "[d]"])) == ["a", "b;c", "[d]"]
