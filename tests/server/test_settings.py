"""The settings: option before variable before default, and nothing misspelt in silence."""

from pathlib import Path

import pytest

from runtime.client import OwnerOptions
from runtime.errors import InvalidArguments
from server.settings import Settings, claude_desktop_config, per_user_folder, read


def test_without_any_setting_the_defaults_hold() -> None:
    assert read({"XDG_DATA_HOME": "/xdg"}) == Settings(
        data=per_user_folder("linux", {"XDG_DATA_HOME": "/xdg"}, Path.home()),
        tenant="default",
        base_url="http://localhost:4747",
        idle_s=600.0,
        http_hosts="",
        accept_fewer_walls=False,
        log="warning",
    )


def test_every_variable_is_read() -> None:
    given = {
        "VERBENA_DATA": "/data",
        "VERBENA_TENANT": "acme",
        "VERBENA_BASE_URL": "https://verbena.example/",
        "VERBENA_IDLE_S": "5",
        "VERBENA_HTTP_HOSTS": " api.example.com, http://127.0.0.1:4010=Idempotency-Key ",
        "VERBENA_ACCEPT_FEWER_WALLS": "yes",
        "VERBENA_LOG": "INFO",
    }
    assert read(given) == Settings(
        data=Path("/data"),
        tenant="acme",
        base_url="https://verbena.example",
        idle_s=5.0,
        http_hosts="api.example.com, http://127.0.0.1:4010=Idempotency-Key",
        accept_fewer_walls=True,
        log="info",
    )


def test_whoever_starts_the_owner_of_the_folder_hands_on_all_that_concerns_it() -> None:
    settings = read(
        {
            "VERBENA_BASE_URL": "https://verbena.example",
            "VERBENA_IDLE_S": "5",
            "VERBENA_HTTP_HOSTS": "api.example.com",
            "VERBENA_ACCEPT_FEWER_WALLS": "yes",
        }
    )
    assert settings.owner == OwnerOptions(
        idle_s=5.0, base_url="https://verbena.example", http_hosts="api.example.com", accept_fewer_walls=True
    )


def test_an_option_goes_before_its_variable() -> None:
    settings = read({"VERBENA_DATA": "/data", "VERBENA_TENANT": "acme"}, data="/other", tenant="rival")
    assert (settings.data, settings.tenant) == (Path("/other"), "rival")


def test_a_misspelt_variable_is_refused_with_the_nearest() -> None:
    with pytest.raises(InvalidArguments) as refused:
        read({"VERBENA_TENNANT": "acme"})
    assert refused.value.hint == "did you mean 'VERBENA_TENANT'?"


@pytest.mark.parametrize("tenant", ["../acme", "a/b", ".hidden", "a b", "", "é", "x" * 65, "-a"])
def test_a_tenant_that_is_no_plain_word_is_refused(tenant: str) -> None:
    if tenant == "":
        assert read({"VERBENA_TENANT": ""}).tenant == "default"
        return
    with pytest.raises(InvalidArguments):
        read({"VERBENA_TENANT": tenant})


@pytest.mark.parametrize(
    "given",
    [
        {"VERBENA_IDLE_S": "soon"},
        {"VERBENA_IDLE_S": "nan"},
        {"VERBENA_IDLE_S": "0"},
        {"VERBENA_HTTP_HOSTS": "http://*"},
        {"VERBENA_LOG": "loud"},
        {"VERBENA_BASE_URL": "ftp://verbena.example"},
    ],
)
def test_a_value_that_cannot_be_one_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(InvalidArguments):
        read(given)


@pytest.mark.parametrize(
    ("platform", "environment", "folder"),
    [
        ("linux", {}, "/home/ada/.local/share/verbena"),
        ("linux", {"XDG_DATA_HOME": "/xdg"}, "/xdg/verbena"),
        ("darwin", {}, "/home/ada/Library/Application Support/verbena"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/verbena"),
    ],
)
def test_data_goes_where_the_platform_keeps_it(platform: str, environment: dict[str, str], folder: str) -> None:
    assert per_user_folder(platform, environment, Path("/home/ada")) == Path(folder)


@pytest.mark.parametrize(
    ("platform", "environment", "file"),
    [
        ("linux", {}, "/home/ada/.config/Claude/claude_desktop_config.json"),
        ("linux", {"XDG_CONFIG_HOME": "/xdg"}, "/xdg/Claude/claude_desktop_config.json"),
        ("darwin", {}, "/home/ada/Library/Application Support/Claude/claude_desktop_config.json"),
        ("win32", {"APPDATA": "/roaming"}, "/roaming/Claude/claude_desktop_config.json"),
    ],
)
def test_claude_desktop_keeps_its_configuration_by_platform(
    platform: str, environment: dict[str, str], file: str
) -> None:
    assert claude_desktop_config(platform, environment, Path("/home/ada")) == Path(file)


@pytest.mark.parametrize("text", ["1", "true", "no", "YES"])
def test_fewer_walls_are_accepted_in_one_word_only(text: str) -> None:
    with pytest.raises(InvalidArguments) as refused:
        read({"VERBENA_ACCEPT_FEWER_WALLS": text})
    assert refused.value.hint == "yes, or leave it out; verbena doctor shows the walls"
