"""The conformance kit: derive a test class from ``ProviderContract`` and run pytest.

Needs the extra ``retouch[testing]``. See ``docs/writing-a-provider.md``.
"""

from __future__ import annotations

import pytest

_PARTS = ("plugin", "request", "limit", "wire", "mask", "failure", "connection", "secrecy", "sdk")
# Only then does pytest explain a failed assertion of the kit; it must come before the imports.
pytest.register_assert_rewrite(*(f"{__name__}.{part}_checks" for part in _PARTS))

from retouch.testing import samples  # noqa: E402
from retouch.testing.contract import ProviderContract, departs  # noqa: E402
from retouch.testing.replies import Reply, reply  # noqa: E402
from retouch.testing.upstream import Received  # noqa: E402

__all__ = ["ProviderContract", "Received", "Reply", "departs", "reply", "samples"]
