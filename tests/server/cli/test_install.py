"""`verbena install claude-desktop`: asks, keeps a copy, and never writes over what it cannot read."""

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "Claude" / "claude_desktop_config.json"


def test_the_server_is_entered_where_there_was_no_file(verbena: Any, config: Path, data: Path) -> None:
    done = verbena("install", "claude-desktop", "--yes", "--tenant", "acme", "--config", str(config))
    assert done.returncode == 0, done.stderr
    server = json.loads(config.read_text())["mcpServers"]["verbena"]
    assert Path(server["command"]).is_absolute()
    assert server["args"] == ["mcp", "--tenant", "acme", "--data", str(data)]


def test_everything_else_stays_and_a_copy_is_kept(verbena: Any, config: Path) -> None:
    former = {"theme": "dark", "mcpServers": {"other": {"command": "/bin/other"}}}
    config.parent.mkdir()
    config.write_text(json.dumps(former))
    assert verbena("install", "claude-desktop", "--yes", "--config", str(config)).returncode == 0
    written = json.loads(config.read_text())
    assert written["theme"] == "dark" and set(written["mcpServers"]) == {"other", "verbena"}
    (copy,) = config.parent.glob("*.bak-*")
    assert json.loads(copy.read_text()) == former


def test_a_second_time_changes_nothing(verbena: Any, config: Path) -> None:
    verbena("install", "claude-desktop", "--yes", "--config", str(config))
    done = verbena("install", "claude-desktop", "--yes", "--config", str(config))
    assert "nothing to do" in done.stdout
    assert [file.name for file in config.parent.iterdir()] == [config.name]


@pytest.mark.parametrize(("words", "given"), [(["--dry-run"], ""), ([], "n\n"), ([], "")])
def test_nothing_is_written_unless_somebody_says_yes(verbena: Any, config: Path, words: list[str], given: str) -> None:
    verbena("install", "claude-desktop", "--config", str(config), *words, given=given)
    assert not config.exists()


@pytest.mark.parametrize("content", ['{"mcpServers": {', "[]", '{"mcpServers": []}', '"text"'])
def test_a_file_that_is_not_understood_is_left_alone(verbena: Any, config: Path, content: str) -> None:
    config.parent.mkdir()
    config.write_text(content)
    done = verbena("install", "claude-desktop", "--yes", "--config", str(config))
    assert done.returncode == 1 and "nothing was touched" in done.stderr
    assert config.read_text() == content and len(list(config.parent.iterdir())) == 1
