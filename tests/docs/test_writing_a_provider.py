"""The tutorial, done as it says: every file written, every change made, every program run."""

from __future__ import annotations

import ast
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT
from tests.fakes.gateway import Gateway
from tests.fakes.pictures import opened, photo
from tests.testing.packages import install, run, run_kit

PAGE = (ROOT / "docs" / "writing-a-provider.md").read_text()
#: A block of code with the note before it: what it is for, and a file's name.
_NOTED = re.compile(r"<!-- (\w+)(?:: (.*?))? -->\n```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
Step = tuple[str, str, str]
STEPS: list[Step] = [(kind, name, text) for kind, name, text in _NOTED.findall(PAGE)]


def changed(module: str, piece: str) -> str:
    """``module`` with the definitions of ``piece`` in place of those of the same name.

    That is what a reader does with the blocks that follow the first: imports go to the others,
    what has a known name replaces it, and what is new goes to the end.
    """
    old, new = ast.parse(module).body, ast.parse(piece).body
    found = {name: node for node in new if (name := _defined(node))}
    kept = [found.pop(_defined(node), node) for node in old]
    imports = [node for node in new if not _defined(node)]
    start = 1 if isinstance(kept[0], ast.Expr) else 0
    body = [*kept[:start], *imports, *kept[start:], *found.values()]
    return ast.unparse(ast.Module(body, type_ignores=[])) + "\n"


def _defined(node: ast.stmt) -> str:
    """The name that a statement defines; empty for any other."""
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return str(getattr(node, "name", ""))


def written(folder: Path, steps: list[Step]) -> Path:
    """The files of these steps."""
    for kind, name, text in steps:
        if kind == "file":
            (folder / name).write_text(text)
        elif kind == "change":
            (folder / name).write_text(changed((folder / name).read_text(), text))
    return folder


def noted(kind: str) -> str:
    """The only block of its kind."""
    (text,) = (text for other, _, text in STEPS if other == kind)
    return text


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project when the kit is run for the first time."""
    until = [kind for kind, _, _ in STEPS].index("failures")
    return written(tmp_path_factory.mktemp("first"), STEPS[:until])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project at the end."""
    return written(tmp_path_factory.mktemp("finished"), STEPS)


@pytest.fixture(scope="module")
def first_site(first: Path) -> Path:
    """Where the first version is installed."""
    return install(first, first / "site")


@pytest.fixture
def stand_in(first: Path) -> Iterator[str]:
    """The stand-in for Acme, on a free port; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = (first / "fake_acme.py").read_text().replace("9000", str(port))
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL) as process:
        yield f"http://127.0.0.1:{port}"
        process.terminate()


def test_every_block_of_python_has_its_place() -> None:
    """All but the one in "More than one request", which shows a form."""
    assert (
        PAGE.count("\n```python\n") == sum(kind in ("file", "change") for kind, _, _ in STEPS) - 1
    )
    loose = PAGE[PAGE.index("## More than one request") :].partition("```python\n")[2]
    ast.parse(loose.partition("```")[0])


def test_it_is_listed_as_the_tutorial_shows(first_site: Path) -> None:
    done = run("retouch.cli", "plugins", sites=(first_site,))
    assert done.returncode == 0, done.stderr
    assert noted("output") in done.stdout


def test_the_program_edits_a_picture(
    first: Path,
    first_site: Path,
    stand_in: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(first_site))
    monkeypatch.setenv("ACME_API_KEY", "anything")
    config = (first / "retouch.toml").read_text().replace("http://127.0.0.1:9000", stand_in)
    gateway = Gateway(config, tmp_path / "gateway")
    try:
        (tmp_path / "photo.png").write_bytes(photo("coffee.png"))
        program = (
            (first / "try_acme.py").read_text().replace("http://127.0.0.1:8080/v1", gateway.v1)
        )
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    finally:
        gateway.stop()
    assert done.stdout == "acme None\n", done.stderr
    assert opened((tmp_path / "edited.png").read_bytes()).size == (600, 400)


def test_the_first_version_fails_where_the_tutorial_says(first: Path, first_site: Path) -> None:
    done = run_kit(first_site, first, "--tb=no", "-rf", "test_acme.py")
    failed = re.findall(r"^FAILED test_acme.py::TestAcme::(\w+)", done.stdout, re.MULTILINE)
    assert sorted(failed) == sorted(noted("failures").split())


def test_the_finished_version_passes(finished: Path) -> None:
    site = install(finished, finished / "site")
    done = run_kit(site, finished, "test_acme.py")
    assert done.returncode == 0, done.stdout[-4000:]
    assert "no mask" not in done.stdout


def test_every_attribute_and_reply_is_described() -> None:
    from retouch.testing import ProviderContract

    declared = {
        name
        for kind in ProviderContract.__mro__
        for name in vars(kind).get("__annotations__", {})
        if not name.startswith("_")
    }
    tables = PAGE[PAGE.index("## What the kit asks for") :]
    rows = re.findall(r"^\| (`.*?) \|", tables, re.MULTILINE)
    described = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    replies = {"ok", "two", "stream", "throttled", "denied", "refused", "failed", "broken"}
    assert described == declared | replies
