from __future__ import annotations

import re
from pathlib import Path

import pytest

import retouch
from tests.house.tree import ROOT, packages, pyproject, short

LOCK = ROOT / "requirements" / "lock.txt"
PIN = re.compile(r"([a-z0-9][a-z0-9.-]*)==(\d[\w.+!]*)(?: ; .+)?")


def normal(name: str) -> str:
    """A distribution's name as the lock writes it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def name_of(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9][\w.-]*", requirement)
    assert found is not None, requirement
    return normal(found[0])


def pins() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for line in LOCK.read_text("utf-8").splitlines():
        match = PIN.fullmatch(line)
        assert match is not None, line
        found.setdefault(match[1], set()).add(match[2])
    return found


def test_all_packages_share_one_version() -> None:
    versions = {short(path): pyproject(path)["project"]["version"] for path in packages()}
    assert set(versions.values()) == {retouch.__version__}, versions


def test_the_changelogs_newest_heading_is_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    headings = re.findall(r"^## \[?v?([\w.]+)\]?", text, re.MULTILINE)
    assert headings[0] == retouch.__version__


def test_the_lock_is_pins_and_nothing_else() -> None:
    """No address, no hash (pip refuses editable installs with any), no options."""
    text = LOCK.read_text("utf-8")
    assert "://" not in text
    assert "--" not in text
    assert pins()


@pytest.mark.parametrize("path", packages(), ids=short)
def test_the_lock_covers_every_dependency(path: Path) -> None:
    project = pyproject(path)
    wanted = [
        *project["project"]["dependencies"],
        *project["build-system"]["requires"],
        *[
            text
            for extra in project["project"].get("optional-dependencies", {}).values()
            for text in extra
        ],
    ]
    names = {name_of(text) for text in wanted} - set(pins())
    assert {
        name for name in names if name != "retouch" and not name.startswith("retouch-")
    } == set()


def test_the_lock_covers_every_tool() -> None:
    tools = (ROOT / "requirements" / "tools.in").read_text("utf-8").split()
    assert {name_of(tool) for tool in tools} <= set(pins())


@pytest.mark.parametrize("path", packages(), ids=short)
def test_dependencies_are_ranges_with_a_floor(path: Path) -> None:
    """A library pins nothing; the lowest version that was looked at is said."""
    for requirement in pyproject(path)["project"]["dependencies"]:
        assert re.search(r">=|~=", requirement), requirement
        assert "==" not in requirement.partition(";")[0]


def test_everything_is_installed_by_the_same_file() -> None:
    text = (ROOT / "requirements" / "dev.txt").read_text("utf-8")
    assert "-c lock.txt" in text
    for path in packages():
        assert f"-e ./{short(path.parent)}\n" in text, short(path.parent)
    assert "://" not in text


def test_what_must_pass_before_a_landing() -> None:
    run = (ROOT / ".ci" / "run").read_text("utf-8")
    assert re.search(r"^make lint$", run, re.MULTILINE)
    assert re.search(r"^make test$", run, re.MULTILINE)
    for recipe in re.findall(r"^\t(.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE):
        assert re.fullmatch(r"@?scripts/[\w-]+( \S+)*", recipe), recipe


def test_the_licence() -> None:
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    for path in packages():
        assert pyproject(path)["project"]["license"] == "Apache-2.0"
