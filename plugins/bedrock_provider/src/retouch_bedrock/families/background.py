"""Remove background: the object alone, on transparency."""

from __future__ import annotations

from typing import Any

from retouch import EditRequest, UnsupportedParameter
from retouch_bedrock.families.stability import one_image, service


def _keeps_alpha(edit: EditRequest) -> None:
    if edit.output_format == "jpeg":
        raise UnsupportedParameter(
            "`output_format`: a JPEG has no transparency, so that the background would come "
            "back; this model makes png or webp.",
            param="output_format",
        )


def _image(edit: EditRequest) -> dict[str, Any]:
    # Whoever asks for transparency by name gets a format that has it, whatever the default is.
    asked = {"output_format": "png"} if edit.background == "transparent" else {}
    return one_image(edit) | asked


REMOVE_BACKGROUND = service({}, prompt="none", image=_image, check=_keeps_alpha)
