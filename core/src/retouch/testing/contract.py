"""The whole contract in one class, and the test that nothing of it was taken away."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from retouch.testing.connection_checks import ConnectionChecks
from retouch.testing.declared import listed
from retouch.testing.failure_checks import FailureChecks
from retouch.testing.limit_checks import LimitChecks
from retouch.testing.mask_checks import MaskChecks
from retouch.testing.plugin_checks import PluginChecks
from retouch.testing.request_checks import RequestChecks
from retouch.testing.sdk_checks import SdkChecks
from retouch.testing.secrecy_checks import SecrecyChecks
from retouch.testing.wire_checks import WireChecks

F = TypeVar("F", bound=Callable[..., Any])


def departs(reason: str) -> Callable[[F], F]:
    """Mark a test of your own that takes the place of an inherited one, and say why."""

    def mark(function: F) -> F:
        function.__dict__["departs"] = reason
        return function

    return mark


class ProviderContract(
    PluginChecks,
    RequestChecks,
    LimitChecks,
    WireChecks,
    MaskChecks,
    FailureChecks,
    ConnectionChecks,
    SecrecyChecks,
    SdkChecks,
):
    """What every provider plugin promises. Derive a class, name your plugin, run pytest.

    A test that your provider cannot pass is overridden with
    ``@pytest.mark.xfail(reason=...)`` or with ``@departs("reason")``; removing it fails
    ``test_no_inherited_test_was_taken_away``.
    """

    def test_no_inherited_test_was_taken_away(self) -> None:
        """A contract with a hole says so: every test runs, or has a written reason not to."""
        problems = []
        for name, _ in inspect.getmembers(ProviderContract, inspect.isfunction):
            if name.startswith("test_") and name != "test_no_inherited_test_was_taken_away":
                found = getattr(type(self), name, None)
                if not callable(found):
                    problems.append(f"`{name}` was removed")
                elif found is not getattr(ProviderContract, name) and not _has_reason(found):
                    problems.append(f"`{name}` was overridden without a reason")
        problems += [f"the class is marked `{mark}`" for mark in _switched_off(type(self))]
        assert not problems, listed(
            [*problems, "use @pytest.mark.xfail(reason=...) or @retouch.testing.departs(...)"]
        )


def _has_reason(test: Any) -> bool:
    marks = getattr(test, "pytestmark", [])
    return bool(getattr(test, "departs", "")) or any(
        mark.name == "xfail" and mark.kwargs.get("reason") for mark in marks
    )


def _switched_off(kind: type) -> Iterator[str]:
    marks = getattr(kind, "pytestmark", [])
    for mark in marks if isinstance(marks, list) else [marks]:
        if mark.name in ("skip", "skipif", "xfail"):
            yield mark.name
