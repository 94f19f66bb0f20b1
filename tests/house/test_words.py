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
#: Written backwards, or this file would be the first to be found.
UNFINISHED = re.compile(
    r"\b(" + "|".join(w[::-1] for w in ("ODOT", "EMXIF", "XXX", "KCAH")) + r")\b"
)
#: Files whose samples break a rule on purpose.
SAMPLES = {"tests/testing/test_contract.py": "what the conformance kit refuses in other's tests"}


def found(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{short(path)}:{number}: {line.strip()[:100]}"
        for path in TEXTS
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_file_names_a_registry() -> None:
    assert found(re.compile("|".join(map(re.escape, HOSTS)))) == []


def test_no_file_names_a_folder_of_a_machine() -> None:
    assert found(HOMES) == []


def test_nothing_is_left_to_do() -> None:
    assert "README.md" in {short(path) for path in TEXTS}
    assert [line for line in found(UNFINISHED) if "KCAH" not in line] == []


def test_text_files_have_unix_line_ends() -> None:
    for path in TEXTS:
        data = path.read_bytes()
        assert b"\r" not in data, short(path)
        assert not data or data.endswith(b"\n"), short(path)


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


def test_every_skip_has_a_reason() -> None:
    silent = [
        f"{short(path)}:{line}"
        for path in files(".py")
        for line, said in skips(path)
        if not said and short(path) not in SAMPLES
    ]
    assert silent == []


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
