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
    "multipart": ("http/intake_multipart.py",),
    "aiohttp": ("upstream/client.py", "testing/"),
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


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_the_core_knows_no_plugin(path: Path) -> None:
    names = {plugin.name for plugin in PLUGINS} | {"retouch_acme"}
    assert names & {top(module) for module, _ in imports(path)} == set()
    text = path.read_text("utf-8")
    assert not re.search(r"\bretouch_(openai|azure|bedrock|vertex|local)\b", text)


def test_there_are_plugins_to_look_at() -> None:
    assert {"retouch_local", "retouch_openai"} <= {plugin.name for plugin in PLUGINS}


def plugin_files() -> list[Path]:
    return [path for plugin in PLUGINS for path in files(".py", under=plugin)] + [
        ACME / "retouch_acme.py"
    ]


@pytest.mark.parametrize("path", plugin_files(), ids=short)
def test_plugins_use_the_public_surface_only(path: Path) -> None:
    for module, name in imports(path):
        if top(module) == "retouch":
            assert module == "retouch", f"{module}: not part of the surface"
            assert name in retouch.__all__, f"{name}: not exported"


#: Where an import is named otherwise than its distribution.
DISTRIBUTIONS = {"PIL": "pillow", "patchmatch": "pypatchmatch"}


@pytest.mark.parametrize("path", plugin_files(), ids=short)
def test_plugins_declare_what_they_import(path: Path) -> None:
    """And nothing that a plugin needs comes from another plugin."""
    folder = next(parent for parent in path.parents if (parent / "pyproject.toml").exists())
    dependencies = pyproject(folder / "pyproject.toml")["project"]["dependencies"]
    declared = {re.split(r"[^\w.-]", text)[0].lower() for text in dependencies}
    own = path.stem if path.parent == folder else path.relative_to(folder / "src").parts[0]
    for module, _ in imports(path):
        name = top(module)
        if name not in sys.stdlib_module_names and name != own:
            distribution = DISTRIBUTIONS.get(name, name.replace("_", "-")).lower()
            assert distribution in declared, f"{name} is not among the dependencies"


def test_the_core_declares_what_it_imports() -> None:
    project = pyproject(ROOT / "core" / "pyproject.toml")["project"]
    declared = {re.split(r"[^\w.-]", text)[0].lower() for text in project["dependencies"]}
    extra = project["optional-dependencies"]["testing"]
    testing = {re.split(r"[^\w.-]", text)[0].lower() for text in extra}
    for path in MODULES:
        allowed = declared | (testing if name_of(path).startswith("testing/") else set())
        for module, _ in imports(path):
            name = top(module)
            if name in sys.stdlib_module_names or name == "retouch":
                continue
            distribution = DISTRIBUTIONS.get(name, name.replace("_", "-")).lower()
            if distribution in ("yarl", "httpx2"):  # part of aiohttp's and openai's own surface
                continue
            assert distribution in allowed, f"{name_of(path)}: {name}"
