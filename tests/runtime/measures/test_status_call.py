"""`$.status()` is the `Status` of `fetch`."""

import pytest

from runtime.errors import InvalidArguments
from tests.runtime.door import Door


def test_status_is_a_member_of_dollar(business: Door) -> None:
    business.do('$.Lead.create(name="L", source="Fair")')
    assert business.do("$.status()") == business("fetch", type="Status")
    assert business.do("[$.status(asOf=0).pipeline.leads, $.status({'asOf': 1}).pipeline.leads]") == [0, 1]
    assert business("$", path=["status"], args=[], kwargs={}) == business("fetch", type="Status")


def test_it_takes_nothing_but_a_moment(business: Door) -> None:
    with pytest.raises(InvalidArguments, match="'on'"):
        business("$", path=["status"], args=[], kwargs={"on": "today"})
