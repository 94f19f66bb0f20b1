"""Stable Diffusion 3.5 Large, picture to picture.

``strength`` is required upstream: 0 keeps the picture, 1 ignores it.
"""

from __future__ import annotations

from typing import Any

from retouch import EditRequest
from retouch_bedrock.families.stability import one_image, service

#: What AWS documents as the default of Stable Image Ultra, whose field of the same name means
#: the same; this model has none.
DEFAULT_STRENGTH = 0.35


def _image(edit: EditRequest) -> dict[str, Any]:
    # What the client says comes on top of it.
    return {"mode": "image-to-image", **one_image(edit), "strength": DEFAULT_STRENGTH}


SD3 = service(
    {"strength": None, "negative_prompt": None, "seed": None}, image=_image, max_ratio=None
)
