"""The kit finds what it promises to find: every broken provider fails the right tests only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.testing.broken_answers import ANSWER_FAULTS
from tests.testing.broken_providers import ACME, REQUEST_FAULTS, Fault
from tests.testing.packages import run

FAULTS = REQUEST_FAULTS + ANSWER_FAULTS
BASE = "(ProviderContract):\n"
#: Seconds that the kit waits for something that must happen; most faults need none of it.
PATIENCE = "    patience = 4.0\n"
#: About 60 runs of the kit, a second each on an idle machine.
RUN_SECONDS = 400
pytestmark = pytest.mark.timeout(RUN_SECONDS + 20)
INI = "[pytest]\nfilterwarnings = error\naddopts = --strict-config --strict-markers\n"
#: Python before 3.11.8 breaks off a whole run (gh-106905) when it collects garbage while it
#: parses the source of a failed test, and the gateway's thread logs a traceback meanwhile.
CONFTEST = """
import gc
import pytest

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport():
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
"""


@pytest.fixture(scope="session")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, set[str]]:
    """The names of the failed tests by module, from one run of the kit over all providers."""
    folder = tmp_path_factory.mktemp("broken-providers")
    (folder / "pytest.ini").write_text(INI)
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "retouch_acme.py").write_text((ACME / "retouch_acme.py").read_text())
    (folder / "test_acme.py").write_text((ACME / "test_acme.py").read_text())
    for fault in FAULTS:
        for name, text in fault.files().items():
            (folder / name).write_text(text.replace(BASE, BASE + PATIENCE))
    _install(folder, ["acme = retouch_acme", *(f"{f.module} = {f.module}" for f in FAULTS)])
    report = folder / "report.xml"
    options = ["-q", "--tb=short", "-n", "2", "--dist=loadfile", "--timeout=60"]
    # The kit needs neither of the two plugins.
    options += ["-p", "no:cacheprovider", "-p", "no:asyncio", f"--junitxml={report}"]
    done = run("pytest", *options, sites=(folder,), folder=folder, timeout=RUN_SECONDS)
    assert report.exists(), done.stdout[-4000:] + done.stderr[-4000:]
    cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    # A test whose process died leaves a case without a name.
    assert all("classname" in case.attrib for case in cases), done.stdout[-4000:]
    return _failures(cases)


def test_the_example_without_a_fault_passes(failed: Mapping[str, set[str]]) -> None:
    assert failed["test_acme"] == set()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_right_tests_fail(failed: Mapping[str, set[str]], fault: Fault) -> None:
    assert failed[f"test_{fault.module}"] == set(fault.caught_by)


def _install(folder: Path, entry_points: list[str]) -> None:
    """What pip leaves behind of an installed package, as far as discovery needs it."""
    metadata = folder / "broken_providers-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: broken-providers\nVersion: 1\n"
    )
    (metadata / "entry_points.txt").write_text("[retouch]\n" + "\n".join(entry_points) + "\n")


def _failures(cases: list[ElementTree.Element]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for case in cases:
        module = case.attrib["classname"].partition(".")[0]
        failures = found.setdefault(module, set())
        if case.find("failure") is not None or case.find("error") is not None:
            failures.add(case.attrib["name"].partition("[")[0])
    return found
