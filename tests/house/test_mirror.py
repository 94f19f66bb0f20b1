from __future__ import annotations

from pathlib import Path

import pytest

from tests.house.tree import CORE, ROOT, files, short

CHECKS = "run against good and broken providers by tests/testing/test_contract_catches.py"
#: Modules without a test file of their own, and where they are tested instead.
EXCEPTIONS = {
    "defaults.py": "its one hook is tested by tests/test_dispatch.py and tests/test_hookspecs.py",
    "testing/connection_checks.py": CHECKS,
    "testing/declared.py": CHECKS,
    "testing/failure_checks.py": CHECKS,
    "testing/kit.py": CHECKS,
    "testing/limit_checks.py": CHECKS,
    "testing/mask_checks.py": CHECKS,
    "testing/plugin_checks.py": CHECKS,
    "testing/replies.py": CHECKS,
    "testing/request_checks.py": CHECKS,
    "testing/sdk_checks.py": CHECKS,
    "testing/secrecy_checks.py": CHECKS,
    "testing/subject.py": CHECKS,
    "testing/wire_checks.py": CHECKS,
}
MODULES = [path for path in files(".py", under=CORE) if path.name != "__init__.py"]


def name_of(module: Path) -> str:
    return module.relative_to(CORE).as_posix()


def test_file_of(module: Path) -> Path:
    """``media/x.py`` is tested by ``tests/media/test_x.py``."""
    name = f"test_{module.stem.removeprefix('_')}.py"
    return ROOT / "tests" / module.relative_to(CORE).parent / name


test_file_of.__test__ = False  # type: ignore[attr-defined]


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_every_module_of_the_core_has_its_test_file(module: Path) -> None:
    mirrored = test_file_of(module)
    if name_of(module) in EXCEPTIONS:
        assert not mirrored.exists(), f"{short(mirrored)} exists: take it off the list"
    else:
        assert mirrored.exists(), f"{short(mirrored)} is missing"
        assert "def test_" in mirrored.read_text("utf-8")


def test_exceptions_exist_and_name_the_tests_that_stand_in() -> None:
    for name, reason in EXCEPTIONS.items():
        assert (CORE / name).exists(), name
        for word in reason.split():
            if word.startswith("tests/"):
                assert (ROOT / word).exists(), word


def test_no_test_file_has_lost_its_module() -> None:
    """Only for the folders that mirror one of the core."""
    folders = [path.name for path in CORE.iterdir() if path.is_dir() and path.name != "__pycache__"]
    stems = {
        (name_of(module).rpartition("/")[0], module.stem.removeprefix("_")) for module in MODULES
    }
    for folder in ("", *folders):
        if folder == "testing":
            continue
        for path in (ROOT / "tests" / folder).glob("test_*.py"):
            assert (folder, path.stem.removeprefix("test_")) in stems, short(path)


def test_every_plugin_has_tests_of_its_own() -> None:
    for plugin in ROOT.glob("plugins/*/src/*/__init__.py"):
        tests = list(plugin.parents[2].glob("tests/test_*.py"))
        assert tests, short(plugin.parents[2])
