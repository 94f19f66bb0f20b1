from __future__ import annotations

from pathlib import Path

from tests.house.tree import CORE, ROOT, files, plugin_folders, short

CHECKS = "run against good and broken providers by tests/testing/test_contract_catches.py"
#: Modules without a test file of their own, and where they are tested instead.
EXCEPTIONS = {
    "media/pixels.py": "Pillow's side of masks and conversion: tests/media/test_masks.py and "
    "tests/media/test_convert.py look at its pixels",
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


def test_every_module_of_the_core_has_its_test_file() -> None:
    missing = [
        name_of(module)
        for module in MODULES
        if name_of(module) not in EXCEPTIONS
        and not (
            test_file_of(module).exists() and "def test_" in test_file_of(module).read_text("utf-8")
        )
    ]
    assert missing == []


def test_exceptions_exist_and_name_the_tests_that_stand_in() -> None:
    for name, reason in EXCEPTIONS.items():
        assert (CORE / name).exists(), name
        assert not test_file_of(CORE / name).exists(), f"{name} has its test: take it off the list"
        for word in reason.split():
            if word.startswith("tests/"):
                assert (ROOT / word).exists(), word


def test_no_test_file_has_lost_its_module() -> None:
    """``test_x.py`` or, where that would be too long, ``test_x_topic.py``."""
    for folder in ("", "http", "media", "upstream"):
        stems = [path.stem.removeprefix("_") for path in MODULES if path.parent == CORE / folder]
        for path in (ROOT / "tests" / folder).glob("test_*.py"):
            stem = path.stem.removeprefix("test_")
            assert any(f"{stem}_".startswith(f"{known}_") for known in stems), short(path)


def test_every_plugin_has_tests_of_its_own() -> None:
    for folder in plugin_folders():
        assert list(folder.glob("tests/test_*.py")), short(folder)
