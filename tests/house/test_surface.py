from __future__ import annotations

import ast
import inspect
import json
import subprocess
import sys
from types import ModuleType

import pytest

import retouch
from tests.house.tree import CORE, tree


def test_all_is_exact() -> None:
    """What ``__init__`` imports is what plugins may use: nothing more, nothing less."""
    bound = set()
    for node in tree(CORE / "__init__.py").body:
        if isinstance(node, ast.ImportFrom) and node.module != "__future__":
            bound |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign):
            bound |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    assert {name for name in bound if not name.startswith("_")} == set(retouch.__all__)


def test_all_is_sorted_and_has_no_duplicates() -> None:
    assert retouch.__all__ == sorted(set(retouch.__all__))


@pytest.mark.parametrize("name", retouch.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    value = getattr(retouch, name)
    if inspect.isclass(value) or inspect.isfunction(value) or isinstance(value, ModuleType):
        assert (inspect.getdoc(value) or "").strip()


#: What makes a start slow or pulls a vendor's world in. Nothing of it is needed before the first
#: edit that uses it.
HEAVY = frozenset(
    {
        "PIL",
        "numpy",
        "patchmatch",
        "openai",
        "pytest",
        "_pytest",
        "hypothesis",
        "httpx2",
        "pydantic",
    }
    | {"boto3", "botocore", "google", "azure", "msal", "torch", "requests"}
)
STARTS = {
    "the library": "import retouch",
    "the command line": "import retouch.cli",
    "the plugins": (
        "import retouch.plugins as p; loaded = p.load(); "
        "assert not [x.error for x in loaded.found if x.error], loaded.found; "
        "assert {'local', 'openai'} <= loaded.providers.keys()"
    ),
    "the application": (
        "import retouch.plugins as p, retouch.config as c, retouch.routing as r; "
        "from retouch.http.app import create_app; config = c.load(None); "
        "create_app(config, r.build(config, p.load()))"
    ),
}


@pytest.mark.parametrize("code", STARTS.values(), ids=STARTS.keys())
def test_starting_loads_nothing_heavy(code: str) -> None:
    script = f"{code}; import sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True
    )
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert "retouch" in loaded
    assert loaded & HEAVY == set()


def test_commands_that_do_not_serve_need_no_server() -> None:
    script = "import retouch.cli, sys; print('uvicorn' in sys.modules, 'aiohttp' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.split()[0] == "False"
