"""What an owner is started with comes to it as it was given, and who has one that died is given another."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import wire
from runtime.client import Line, OwnerOptions, wait_until_free

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


def test_a_question_after_the_owner_was_killed_goes_to_another_owner(tmp_path: Path) -> None:
    """Also where nothing ran meanwhile that could have heard of its end."""
    options = OwnerOptions(idle_s=20)

    async def ask_twice() -> list[bytes]:
        line = Line(tmp_path, options=options)
        answers = [await line.ask("do", {"code": "1"})]
        os.kill(owner_of(tmp_path), signal.SIGKILL)
        wait_until_free(tmp_path)
        answers.append(await line.ask("do", {"code": "2"}))
        await line.close()
        return answers

    assert [wire.decode(answer)["result"] for answer in asyncio.run(ask_twice())] == [1, 2]
    os.kill(owner_of(tmp_path), signal.SIGTERM)
    wait_until_free(tmp_path)


def owner_of(data: Path) -> int:
    return int((data / "verbena.lock").read_text())
