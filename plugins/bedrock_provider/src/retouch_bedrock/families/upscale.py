"""The three upscalers.

Bedrock cuts answers off at 16,777,216 bytes, and an upscaled PNG is larger, so they make
JPEGs unless the client asks for something else.
"""

from __future__ import annotations

from retouch_bedrock.families.shape import Limits
from retouch_bedrock.families.stability import STANDARD, STYLED, service

CREATIVE = service(
    {**STYLED, "creativity": (0.1, 0.5)},
    limits=Limits(min_pixels=4096),
    output_format="jpeg",
)
CONSERVATIVE = service(
    {"creativity": (0.1, 0.5), "negative_prompt": None, "seed": None},
    limits=STANDARD,
    output_format="jpeg",
)
FAST = service({}, prompt="none", limits=Limits(min_pixels=1024), output_format="jpeg")
