"""The local provider keeps the contract with both of its models."""

from __future__ import annotations

import retouch_local
from retouch.testing import ProviderContract

TOGETHER = {"output_compression": {"output_format": "jpeg"}}


class LocalContract(ProviderContract):
    plugin = retouch_local
    base_url_setting = None
    together = TOGETHER


class TestInpaint(LocalContract):
    model = "inpaint"


class TestOps(LocalContract):
    model = "ops"
    prompt = "blur 4"
    free_prompt = False
    # Only `outpaint` takes it.
    foreign_options = frozenset({"seed"})
