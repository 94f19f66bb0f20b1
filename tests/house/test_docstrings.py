from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.tree import CORE, files, plugin_sources, short, tree

SOURCES = [path for folder in (CORE, *plugin_sources()) for path in files(".py", under=folder)]
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def public(node: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[tuple[str, Documented]]:
    """What other modules may use: no underscore, and no magic method."""
    for child in node.body:
        if not isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if child.name.startswith("_") or overloads(child):
            continue
        yield f"{prefix}{child.name}", child
        if isinstance(child, ast.ClassDef):
            yield from public(child, f"{child.name}.")


def overloads(node: Documented) -> bool:
    decorators = getattr(node, "decorator_list", [])
    return any("overload" in ast.unparse(decorator) for decorator in decorators)


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_modules_and_public_names_are_documented(path: Path) -> None:
    module = tree(path)
    missing = [name for name, node in public(module) if not ast.get_docstring(node)]
    assert ast.get_docstring(module), "the module has no docstring"
    assert missing == []


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_parameters_in_docstrings_exist(path: Path) -> None:
    """A ``:param`` that was renamed misleads more than none."""
    for name, node in public(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = node.args
            known = {
                a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
            }
        elif isinstance(node, ast.ClassDef):
            known = attributes(node)
        else:
            continue
        for line in (ast.get_docstring(node) or "").splitlines():
            if line.strip().startswith(":param "):
                parameter = line.strip().removeprefix(":param ").partition(":")[0]
                assert parameter in known or not known, f"{name}: {parameter}"


def attributes(node: ast.ClassDef) -> set[str]:
    """Fields of a struct and parameters of ``__init__``; empty where a base class has them."""
    found = set()
    for child in node.body:
        if isinstance(child, ast.AnnAssign) and isinstance(child.target, ast.Name):
            found.add(child.target.id)
        elif isinstance(child, ast.FunctionDef) and child.name == "__init__":
            found |= {argument.arg for argument in (*child.args.args, *child.args.kwonlyargs)}
    return found
