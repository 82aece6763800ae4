"""What is shipped: exactly what is imported, under names that nobody else has, with nothing of anybody's machine."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

from server.version import VERSION

ROOT = Path(__file__).parents[2]
PACKAGES = ("server", "runtime", "connectors")
# Import name → distribution, where they differ.
DISTRIBUTIONS = {"mcp_types": "mcp"}
README_LINES_MAX = 150


def test_every_import_is_a_declared_dependency_and_the_other_way_round() -> None:
    own = {*PACKAGES, *sys.stdlib_module_names}
    imported = {DISTRIBUTIONS.get(name.lower(), name.lower()) for name in _imports() if name not in own}
    assert imported == set(_declared(_project()["dependencies"]))


def test_the_version_is_said_once_and_repeated_rightly() -> None:
    assert _project()["version"] == VERSION


@pytest.mark.parametrize("package", PACKAGES)
def test_no_other_distribution_brings_a_package_of_our_names(package: str) -> None:
    assert set(packages_distributions().get(package, [])) <= {"verbena"}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_that_it_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def test_tests_have_no_packages_that_could_hide_ours() -> None:
    assert [path for path in (ROOT / "tests").rglob("__init__.py") if "node_modules" not in path.parts] == []


def test_the_lock_has_a_hash_for_everything_and_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    pins = re.findall(r"^[a-z0-9][a-z0-9._-]*==\S+", lock, re.MULTILINE)
    assert len(pins) > 40
    assert lock.count(" \\\n    --hash=sha256:") >= len(pins)
    assert "://" not in lock and "--index" not in lock and "--find-links" not in lock


def test_the_lock_pins_every_declared_dependency() -> None:
    project = _project()
    pinned = set(re.findall(r"^([a-z0-9][a-z0-9._-]*)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    assert set(_declared([*project["dependencies"], *project["optional-dependencies"]["dev"]])) <= pinned


def test_no_file_names_a_registry_or_a_machine() -> None:
    # Spelt in pieces, so that this file does not name them.
    forbidden = ["pypi" + ".org", "python" + "hosted" + ".org", "registry." + "npmjs", "/ro" + "ot/", "/wo" + "rk/"]
    found = {
        f"{path.relative_to(ROOT)}: {word}"
        for path in _tracked()
        for word in forbidden
        if word in path.read_text(errors="ignore")
    }
    assert found == set()


def test_the_readme_can_be_read_in_one_sitting() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_LINES_MAX


def test_the_license_is_the_one_that_the_project_names() -> None:
    assert _project()["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _declared(requirements: list[str]) -> list[str]:
    """The names in a list of requirements, as indexes spell them."""
    return [re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0].lower() for requirement in requirements]


def _imports() -> set[str]:
    """The top-level names that our code imports."""
    names: set[str] = set()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    names |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names.add(node.module.partition(".")[0])
    return names


def _tracked() -> list[Path]:
    """The files that belong to the project: what git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]
