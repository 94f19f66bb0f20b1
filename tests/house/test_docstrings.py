from __future__ import annotations

import ast
import re
from collections.abc import Iterator

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


def test_modules_and_public_names_are_documented() -> None:
    missing = [short(path) for path in SOURCES if not ast.get_docstring(tree(path))]
    for path in SOURCES:
        missing += [
            f"{short(path)}: {name}"
            for name, node in public(tree(path))
            if not ast.get_docstring(node)
        ]
    assert len(SOURCES) > 50
    assert missing == []


def test_parameters_in_docstrings_exist() -> None:
    """A ``:param`` that was renamed misleads more than none."""
    wrong = [
        f"{short(path)}: {name}: {parameter}"
        for path in SOURCES
        for name, node in public(tree(path))
        for parameter in documented(node) - parameters(node)
        if parameters(node)
    ]
    assert wrong == []


def documented(node: Documented) -> set[str]:
    return set(re.findall(r"^:param (\w+):", ast.get_docstring(node) or "", re.MULTILINE))


def parameters(node: Documented) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        found = node.args
        return {each.arg for each in (*found.posonlyargs, *found.args, *found.kwonlyargs)}
    return attributes(node) if isinstance(node, ast.ClassDef) else set()


def attributes(node: ast.ClassDef) -> set[str]:
    """Fields of a struct and parameters of ``__init__``; empty where a base class has them."""
    found = set()
    for child in node.body:
        if isinstance(child, ast.AnnAssign) and isinstance(child.target, ast.Name):
            found.add(child.target.id)
        elif isinstance(child, ast.FunctionDef) and child.name == "__init__":
            found |= {argument.arg for argument in (*child.args.args, *child.args.kwonlyargs)}
    return found
