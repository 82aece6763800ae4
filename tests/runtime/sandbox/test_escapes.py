"""The escapes of the corpus that try the language: refused or given nothing, and the pool answers after each."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.sandbox.limits import Outcome

Run = Callable[..., Outcome]
CORPUS = Path(__file__).parents[4] / "shared" / "vectors" / "escapes.jsonl"
NO_SHARED = "needs the folder `shared` beside the checkout"
SECRET = "the-content-of-the-canary"


def snippets() -> list[Any]:
    if not CORPUS.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason=NO_SHARED))]
    rows = [json.loads(line) for line in CORPUS.read_text("utf-8").splitlines()]
    return [pytest.param(row, id=row["id"]) for row in rows if row["id"].startswith("L")]


def answer(path: list[str], arguments: list[Any], keywords: dict[str, Any]) -> Any:
    """A tenant that would betray itself: who can name another tenant, or compare as equal, gets something."""
    return "OTHER" if "other" in "".join(path) else []


@pytest.mark.parametrize("snippet", snippets())
def test_an_escape_gets_nothing(run: Run, snippet: dict[str, Any], tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.write_text(SECRET)
    code = snippet["code"].replace("{CANARY}", str(canary)).replace("{CANARY_DIR}", str(tmp_path))
    outcome = run(f"{code}\nresult", answer=answer, seconds=0.5, memory_bytes=64 * 2**20)
    assert SECRET not in f"{outcome.result}{outcome.output}{outcome.error}"
    assert "0x" not in str(outcome.result)
    if outcome.error is None:
        assert outcome.result in (False, None)  # what a snippet got would be in its `result`
    assert run("1 + 1").result == 2
