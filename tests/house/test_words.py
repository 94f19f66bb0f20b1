from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.house.tree import files, short, tree

TEXTS = files()
#: Hosts of package registries. Where packages come from is the machine's matter, not ours.
HOSTS = [".".join(parts) for parts in (
    ("pypi", "org"), ("pythonhosted", "org"), ("registry", "npmjs", "org"), ("yarnpkg", "com"),
    ("crates", "io"), ("rubygems", "org"), ("anaconda", "org"), ("proxy", "golang", "org"),
)]  # fmt: skip
#: Folders of a developer's machine.
HOMES = re.compile(r"(?<![\w.])/(?:root|work|home|Users|mnt|tmp/lab)/\w")
UNFINISHED = re.compile(rf"\b({'TODO'}|{'FIXME'}|{'XXX'}|{'HACK'})\b")


def lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


@pytest.mark.parametrize("path", TEXTS, ids=short)
def test_no_file_names_a_registry_or_a_machine(path: Path) -> None:
    for number, line in enumerate(lines(path), 1):
        for host in HOSTS:
            assert host not in line, f"{short(path)}:{number} names {host}"
        assert not HOMES.search(line), f"{short(path)}:{number}: {line.strip()[:100]}"


@pytest.mark.parametrize("path", TEXTS, ids=short)
def test_nothing_is_left_to_do(path: Path) -> None:
    for number, line in enumerate(lines(path), 1):
        assert not UNFINISHED.search(line), f"{short(path)}:{number}: {line.strip()[:100]}"


@pytest.mark.parametrize("path", TEXTS, ids=short)
def test_text_files_end_with_one_line_end(path: Path) -> None:
    data = path.read_bytes()
    assert b"\r" not in data
    assert not data or (data.endswith(b"\n") and not data.endswith(b"\n\n"))


def skips(path: Path) -> list[tuple[int, bool]]:
    """Line of every skip and expected failure, and whether it says why."""
    found = []
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.Call):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in (
                "pytest.mark.skip",
                "pytest.mark.xfail",
            ):
                found.append((node.lineno, False))
            continue
        name = ast.unparse(node.func)
        if name in ("pytest.mark.skip", "pytest.mark.skipif", "pytest.mark.xfail"):
            found.append((node.lineno, keyword(node, "reason")))
        elif name in ("pytest.skip", "pytest.xfail"):
            found.append((node.lineno, bool(node.args) or keyword(node, "reason")))
        elif name == "pytest.importorskip":
            found.append((node.lineno, keyword(node, "reason")))
    called = {line for line, said in found if said}
    return [(line, said or line in called) for line, said in found]


def keyword(node: ast.Call, name: str) -> bool:
    values = [item.value for item in node.keywords if item.arg == name]
    return any(not isinstance(value, ast.Constant) or value.value for value in values)


@pytest.mark.parametrize("path", files(".py"), ids=short)
def test_every_skip_has_a_reason(path: Path) -> None:
    assert [line for line, said in skips(path) if not said] == []


@pytest.mark.parametrize(
    ("source", "good"),
    [
        ("import pytest\n@pytest.mark.skip\ndef test(): pass\n", False),
        ("import pytest\n@pytest.mark.skip()\ndef test(): pass\n", False),
        ("import pytest\n@pytest.mark.skip(reason='')\ndef test(): pass\n", False),
        ("import pytest\n@pytest.mark.skip(reason='why')\ndef test(): pass\n", True),
        ("import pytest\n@pytest.mark.skipif(True)\ndef test(): pass\n", False),
        ("import pytest\n@pytest.mark.xfail\ndef test(): pass\n", False),
        ("import pytest\npytest.skip()\n", False),
        ("import pytest\npytest.skip('why')\n", True),
        ("import pytest\npytest.importorskip('x')\n", False),
        ("import pytest\npytest.importorskip('x', reason='why')\n", True),
    ],
)
def test_the_search_for_skips_finds_them(tmp_path: Path, source: str, good: bool) -> None:
    path = tmp_path / "sample.py"
    path.write_text(source)
    found = skips(path)
    assert found
    assert all(said for _, said in found) is good
