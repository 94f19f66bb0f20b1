from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.house.tree import ROOT, files, short, tree

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50
MAX_README_LINES = 150
#: What may be longer, and why.
EXCEPTIONS: dict[str, str] = {}


def too_long(path: Path) -> Iterator[str]:
    lines = len(path.read_text("utf-8").splitlines())
    if lines > MAX_FILE_LINES:
        yield f"{short(path)}: {lines} lines"
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                yield f"{short(path)}: {length} lines in {node.name}"


def test_files_and_functions_are_short() -> None:
    python = files(".py")
    assert len(python) > 100
    found = [problem for path in python for problem in too_long(path)]
    assert [problem for problem in found if problem.partition(":")[0] not in EXCEPTIONS] == []


def test_exceptions_have_reasons_and_are_needed() -> None:
    for name, reason in EXCEPTIONS.items():
        assert reason
        assert list(too_long(ROOT / name)), f"{name} is short by now: take it off the list"


def test_the_measure_finds_what_is_too_long(tmp_path: Path) -> None:
    path = ROOT / "core" / "src" / "retouch" / "errors.py"
    assert list(too_long(path)) == []
    long = tmp_path / "long.py"
    long.write_text("def f():\n" + "    x = 1\n" * 50 + "\n" * 400)
    lines = long.read_text().count("\n")
    assert lines > MAX_FILE_LINES
    function = ast.parse(long.read_text()).body[0]
    assert (function.end_lineno or 0) - function.lineno + 1 > MAX_FUNCTION_LINES


def test_the_readme_is_read_in_minutes() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) < MAX_README_LINES
