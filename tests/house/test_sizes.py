from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.house.tree import ROOT, files, short

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50
MAX_README_LINES = 150
#: What may be longer, and why.
EXCEPTIONS: dict[str, str] = {}


def too_long(path: Path) -> Iterator[str]:
    yield from too_long_text(short(path), path.read_text("utf-8"))


def too_long_text(name: str, text: str) -> Iterator[str]:
    lines = text.count("\n")
    if lines > MAX_FILE_LINES:
        yield f"{name}: {lines} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                yield f"{name}: {length} lines in {node.name}"


def test_files_and_functions_are_short() -> None:
    python = files(".py")
    assert len(python) > 100
    found = [problem for path in python for problem in too_long(path)]
    assert [problem for problem in found if problem.partition(":")[0] not in EXCEPTIONS] == []


def test_exceptions_have_reasons_and_are_needed() -> None:
    for name, reason in EXCEPTIONS.items():
        assert reason
        assert list(too_long(ROOT / name)), f"{name} is short by now: take it off the list"


def test_the_measure_itself() -> None:
    short_enough = "def f():\n" + "    x = 1\n" * 49 + "\n" * 350
    assert list(too_long_text("x", short_enough)) == []
    assert list(too_long_text("x", short_enough + "\n")) == ["x: 401 lines"]
    assert list(too_long_text("x", "def f():\n" + "    x = 1\n" * 50)) == ["x: 51 lines in f"]


def test_the_readme_is_read_in_minutes() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) < MAX_README_LINES
