from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import retouch
from tests.house.tree import CORE, ROOT, files, imports, plugin_sources, pyproject, short, top

MODULES = files(".py", under=CORE)
PLUGINS = plugin_sources()
ACME = ROOT / "examples" / "acme_provider"

#: Which modules of the core may import a library; every other one stays independent of it.
SEAMS = {
    "pluggy": ("hookspecs.py", "plugins.py", "dispatch.py", "testing/"),
    "starlette": ("http/", "testing/"),
    "uvicorn": ("server.py", "http/protocol.py", "testing/"),
    "httptools": ("http/protocol.py",),
    "uvloop": ("server.py",),
    "multipart": ("http/intake.py", "http/intake_multipart.py", "testing/"),
    "aiohttp": ("upstream/client.py", "upstream/direct.py", "testing/"),
    "yarl": ("upstream/client.py",),
    "PIL": ("media/", "testing/"),
    "openai": ("testing/",),
    "pytest": ("testing/",),
}
#: Rooms that know nothing of others.
WALLS = {
    "media/": ("retouch.http", "retouch.pipeline", "retouch.routing", "retouch.plugins"),
    "upstream/": ("retouch.http", "retouch.pipeline", "retouch.routing", "retouch.plugins"),
    "pipeline.py": ("retouch.http", "starlette"),
    "types.py": ("retouch.http", "retouch.pipeline", "retouch.config"),
}


def name_of(path: Path) -> str:
    return path.relative_to(CORE).as_posix()


@pytest.mark.parametrize("library", SEAMS)
def test_libraries_stay_behind_their_seams(library: str) -> None:
    allowed = SEAMS[library]
    users = {
        name_of(path) for path in MODULES if library in {top(module) for module, _ in imports(path)}
    }
    assert {name for name in users if not name.startswith(allowed)} == set()


@pytest.mark.parametrize("room", WALLS)
def test_rooms_do_not_know_the_front_door(room: str) -> None:
    for path in MODULES:
        if name_of(path).startswith(room):
            for module, name in imports(path):
                whole = f"{module}.{name}" if name else module
                assert not f"{whole}.".startswith(tuple(f"{wall}." for wall in WALLS[room])), whole


def test_the_core_knows_no_plugin() -> None:
    names = "|".join([plugin.name for plugin in PLUGINS] + ["retouch_acme"])
    for path in MODULES:
        assert not re.search(rf"\b({names})\b", path.read_text("utf-8")), name_of(path)


def test_there_are_plugins_to_look_at() -> None:
    assert {"retouch_local", "retouch_openai"} <= {plugin.name for plugin in PLUGINS}


def plugin_files() -> list[Path]:
    return [path for plugin in PLUGINS for path in files(".py", under=plugin)] + [
        ACME / "retouch_acme.py"
    ]


def test_plugins_use_the_public_surface_only() -> None:
    wrong = [
        f"{short(path)}: {module} {name}"
        for path in plugin_files()
        for module, name in imports(path)
        if top(module) == "retouch" and (module != "retouch" or name not in retouch.__all__)
    ]
    assert wrong == []


#: Where an import is named otherwise than its distribution.
DISTRIBUTIONS = {"PIL": "pillow", "patchmatch": "pypatchmatch"}


#: Part of what another distribution promises: aiohttp takes yarl's addresses, openai httpx2's
#: clients.
THROUGH_OTHERS = {"yarl", "httpx2"}


def needed(path: Path) -> set[str]:
    """The distributions that a file imports something of."""
    names = {top(module) for module, _ in imports(path)} - set(sys.stdlib_module_names)
    return {DISTRIBUTIONS.get(name, name.replace("_", "-")).lower() for name in names}


def declared(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w.-]", text)[0].lower() for text in requirements}


def test_plugins_declare_what_they_import() -> None:
    """And nothing that a plugin needs comes from another plugin."""
    for path in plugin_files():
        folder = next(parent for parent in path.parents if (parent / "pyproject.toml").exists())
        project = pyproject(folder / "pyproject.toml")["project"]
        allowed = declared(project["dependencies"]) | {project["name"]}
        assert needed(path) - allowed == set(), short(path)


def test_the_core_declares_what_it_imports() -> None:
    project = pyproject(ROOT / "core" / "pyproject.toml")["project"]
    allowed = declared(project["dependencies"]) | THROUGH_OTHERS | {"retouch"}
    testing = declared(project["optional-dependencies"]["testing"])
    for path in MODULES:
        more = testing if name_of(path).startswith("testing/") else set()
        assert needed(path) - allowed - more == set(), name_of(path)
