"""What a tool takes and how it answers."""

from typing import Any

import msgspec
import pytest

from runtime.errors import InvalidArguments, LimitExceeded, NotFound
from server.mcp import TOOLS
from server.mcp.do import DO
from server.mcp.fetch import FETCH
from server.mcp.search import SEARCH
from server.mcp.server import INSTRUCTIONS
from server.mcp.tool import DEPTH_MAX, answered, refused


def test_the_tools_take_what_the_contract_says() -> None:
    assert {tool.name: set(tool.arguments) for tool in TOOLS} == {
        "search": {"query", "type", "filter", "sort", "limit", "cursor", "fields", "include", "total", "asOf"},
        "fetch": {"id", "type", "fields", "include", "asOf", "proof"},
        "do": {"code", "action", "type", "id", "data", "dryRun", "expect", "idempotencyKey"},
    }


def test_a_model_reads_at_most_5_kb_about_the_tools() -> None:
    assert len(msgspec.json.encode([tool.listed() for tool in TOOLS])) <= 5_000
    assert len(INSTRUCTIONS) <= 1_500


def test_arguments_pass_as_they_were_given() -> None:
    given: dict[str, Any] = {
        "type": "Deal",
        "filter": {"value": {"$gt": 3}},
        "sort": ["-value"],
        "limit": 5,
        "total": True,
    }
    assert SEARCH.read(given) == given


def test_null_and_empty_text_count_as_not_given() -> None:
    assert SEARCH.read({"query": "", "cursor": None, "type": "Deal"}) == {"type": "Deal"}


@pytest.mark.parametrize("sort", ["-value", ["-value", "name"], {"value": "desc"}])
def test_sort_may_be_text_list_or_object(sort: Any) -> None:
    assert SEARCH.read({"sort": sort}) == {"sort": sort}


def test_json_in_a_string_is_read_as_what_it_holds() -> None:
    assert SEARCH.read({"filter": '{"stage": "Lead"}'}) == {"filter": {"stage": "Lead"}}
    assert DO.read({"data": '[{"action": "create"}]'}) == {"data": [{"action": "create"}]}
    assert FETCH.read({"fields": "name, stage"}) == {"fields": ["name", "stage"]}


def test_code_that_looks_like_json_stays_code() -> None:
    assert DO.read({"code": "[1, 2]"}) == {"code": "[1, 2]"}


def test_an_unknown_argument_is_refused_with_the_nearest_word() -> None:
    with pytest.raises(InvalidArguments) as refusal:
        SEARCH.read({"filters": {}})
    assert refusal.value.as_dict() == {
        "code": "invalid_arguments",
        "message": "search takes no argument 'filters'",
        "hint": "did you mean 'filter'?",
        "details": {"argument": "filters", "allowed": list(SEARCH.arguments)},
    }


@pytest.mark.parametrize(
    ("tool", "given", "message"),
    [
        (SEARCH, {"limit": "many"}, "limit of search is a whole number, not a text"),
        (SEARCH, {"limit": True}, "limit of search is a whole number, not true or false"),
        (SEARCH, {"limit": 1.5}, "limit of search is a whole number, not a number"),
        (SEARCH, {"filter": []}, "filter of search is an object, not a list"),
        (SEARCH, {"filter": "stage=Lead"}, "filter of search is an object, not a text"),
        (SEARCH, {"filter": '{"stage": "Lead"'}, "filter of search is an object, not a text that is no JSON"),
        (SEARCH, {"filter": "[1]"}, "filter of search is an object, not a text"),
        (SEARCH, {"fields": [1]}, "fields of search is a list of texts, not a list"),
        (FETCH, {"id": 7}, "id of fetch is a text, not a whole number"),
        (DO, {"data": 7}, "data of do is an object or a list, not a whole number"),
    ],
)
def test_a_wrong_kind_is_refused_in_words(tool: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArguments) as refusal:
        tool.read(given)
    assert refusal.value.message == message


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_cannot_carry_is_refused(number: float) -> None:
    with pytest.raises(InvalidArguments):
        DO.read({"data": {"value": [number]}})


def test_arguments_are_nested_to_a_bound() -> None:
    nested: dict[str, Any] = {}
    for _ in range(DEPTH_MAX + 1):
        nested = {"$not": nested}
    with pytest.raises(LimitExceeded):
        SEARCH.read({"filter": nested})


def test_a_whole_float_is_a_whole_number() -> None:
    assert SEARCH.read({"limit": 5.0}) == {"limit": 5}


def test_an_answer_is_compact_text_and_the_same_structured() -> None:
    assert answered(b'{"id":"x","none":null}') == {
        "content": [{"type": "text", "text": '{"id":"x","none":null}'}],
        "structuredContent": {"id": "x", "none": None},
        "isError": False,
        "resultType": "complete",
    }


def test_a_refusal_has_the_one_shape_in_both_places() -> None:
    assert refused(NotFound("no such deal", hint="search for it")) == {
        "content": [
            {
                "type": "text",
                "text": '{"error":{"code":"not_found","message":"no such deal","hint":"search for it"}}',
            }
        ],
        "structuredContent": {"error": {"code": "not_found", "message": "no such deal", "hint": "search for it"}},
        "isError": True,
        "resultType": "complete",
    }
