"""The three upscalers.

Bedrock cuts answers off at 16,777,216 bytes, and an upscaled PNG is larger, so they make
JPEGs unless the client asks for something else. Creative upscale always makes about ten
million pixels, so that ``models.toml`` leaves png to the core there.
"""

from __future__ import annotations

from retouch_bedrock.families.stability import STYLED, service

CREATIVE = service(
    {**STYLED, "creativity": (0.1, 0.5)},
    max_ratio=None,
    output_format="jpeg",
)
CONSERVATIVE = service(
    {"creativity": (0.1, 0.5), "negative_prompt": None, "seed": None}, output_format="jpeg"
)
FAST = service({}, prompt="none", max_ratio=None, output_format="jpeg")
