"""What an owner is started with comes to it as it was given."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.client import OwnerOptions

OPTIONS = st.builds(
    OwnerOptions,
    idle_s=st.floats(allow_nan=False),
    base_url=st.text(st.characters()),  # lone surrogates too: that is how Python reads bytes that are no UTF-8
    http_hosts=st.text(),
    accept_fewer_walls=st.booleans(),
)


@given(OPTIONS)
def test_the_argument_of_a_command_holds_all_options(options: OwnerOptions) -> None:
    assert OwnerOptions.from_argument(options.as_argument()) == options


@pytest.mark.parametrize("text", ["", "{", "[]", '{"idle_s": "long"}', '{"accept_fewer_walls": 1}'])
def test_another_argument_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        OwnerOptions.from_argument(text)
