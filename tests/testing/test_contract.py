"""The class as authors see it: what it exports, and its test against holes."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

import retouch.testing
from retouch.testing import ProviderContract, departs

NAME = "test_no_inherited_test_was_taken_away"


def verdict(**attributes: Any) -> str:
    """What the test against holes says of a class with these attributes; empty if nothing."""
    kind = type("TestIt", (ProviderContract,), attributes)
    try:
        getattr(kind(), NAME)()
    except AssertionError as error:
        return str(error)
    return ""


def test_a_class_without_changes_is_whole() -> None:
    assert verdict() == ""


def test_more_tests_are_welcome() -> None:
    assert verdict(test_of_my_own=lambda self: None) == ""


def test_removed_and_replaced_tests_are_named() -> None:
    said = verdict(test_the_sdk_streams=None, test_redirects_are_not_followed=lambda self: None)
    assert "`test_the_sdk_streams` was removed" in said
    assert "`test_redirects_are_not_followed` was overridden without a reason" in said


def test_a_reason_is_enough() -> None:
    @departs("Acme has no events")
    def one(self: Any) -> None: ...

    @pytest.mark.xfail(reason="Acme follows them itself")
    def other(self: Any) -> None: ...

    assert verdict(test_the_sdk_streams=one, test_redirects_are_not_followed=other) == ""


def test_an_xfail_without_a_reason_is_not() -> None:
    @pytest.mark.xfail
    def one(self: Any) -> None: ...

    assert "without a reason" in verdict(test_the_sdk_streams=one)


@pytest.mark.parametrize("mark", [pytest.mark.skip, pytest.mark.xfail(reason="later")])
def test_the_whole_class_cannot_be_switched_off(mark: Any) -> None:
    assert "the class is marked" in verdict(pytestmark=mark)
    assert "the class is marked" in verdict(pytestmark=[mark])


def test_every_test_says_what_it_promises() -> None:
    tests = [name for name in dir(ProviderContract) if name.startswith("test_")]
    assert len(tests) >= 50
    for name in tests:
        assert (getattr(ProviderContract, name).__doc__ or "").strip(), name


def test_exports() -> None:
    assert retouch.testing.__all__ == sorted(retouch.testing.__all__)
    for name in retouch.testing.__all__:
        assert hasattr(retouch.testing, name)


def test_the_gateway_needs_nothing_of_the_kit() -> None:
    """An installation without the extra has neither pytest nor the SDK."""
    code = (
        "import sys, retouch, retouch.cli, retouch.server\n"
        "print([name for name in ('pytest', 'openai', 'retouch.testing') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
