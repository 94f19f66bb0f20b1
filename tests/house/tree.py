"""The repository as the house tests see it: files, syntax trees, names."""

from __future__ import annotations

import ast
import functools
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CORE = ROOT / "core" / "src" / "retouch"
#: Folders that are not ours or not kept, where git cannot tell.
SKIPPED = frozenset(
    {".git", ".venv", "node_modules", "__pycache__", "dist", "out", ".hypothesis", "peers"}
    | {".mypy_cache", ".pytest_cache", ".ruff_cache"}
)
BINARY = frozenset({".png", ".jpg", ".jpeg", ".webp", ".svg", ".gif", ".pyc", ".gz"})


@functools.cache
def _all_files() -> tuple[Path, ...]:
    """What git knows (work that is not added yet is nobody's business), or what lies there."""
    listing = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached"]
    try:
        done = subprocess.run(listing, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return tuple(sorted(_walk(ROOT)))
    paths = (ROOT / name for name in done.stdout.split("\0") if name)
    return tuple(sorted(path for path in paths if path.is_file()))


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name in SKIPPED or path.name.endswith(".egg-info"):
            continue
        if path.is_dir():
            yield from _walk(path)
        elif path.is_file():
            yield path


def files(*suffixes: str, under: Path = ROOT) -> list[Path]:
    """Every file that belongs to the repository, optionally of some suffixes only."""
    return [
        path
        for path in _all_files()
        if path.is_relative_to(under)
        and (path.suffix in suffixes or (not suffixes and path.suffix not in BINARY))
    ]


def short(path: Path) -> str:
    """The path as it is named in the repository."""
    return path.relative_to(ROOT).as_posix()


def plugin_folders() -> list[Path]:
    """The folders of the plugins of this repository."""
    return sorted(
        {path.parent for path in files(".toml") if path.match("plugins/*/pyproject.toml")}
    )


def plugin_sources() -> list[Path]:
    """The import packages of the plugins."""
    return sorted(path for folder in plugin_folders() for path in folder.glob("src/retouch_*"))


@functools.cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of a Python file."""
    return ast.parse(path.read_text("utf-8"), str(path))


def imports(path: Path) -> Iterator[tuple[str, str | None]]:
    """``(module, name)`` of every import, wherever it stands; the name is of ``from`` only."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{short(path)}: relative import"
            yield from ((node.module or "", alias.name) for alias in node.names)


def top(module: str) -> str:
    """The first part of a dotted name."""
    return module.partition(".")[0]


def pyproject(path: Path) -> dict[str, Any]:
    """A decoded ``pyproject.toml``."""
    return tomllib.loads(path.read_text("utf-8"))


def packages() -> list[Path]:
    """The ``pyproject.toml`` of every distribution of this repository."""
    return [folder / "pyproject.toml" for folder in (ROOT / "core", *plugin_folders())]
