"""What Stability AI's services share: a flat JSON body with one picture in and one out.

Unknown fields are refused upstream, so a body holds only what the service has. Source of
every field and bound: "Stability AI Image Services" in AWS's Bedrock user guide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from retouch import EditRequest
from retouch_bedrock.answer import read_stability
from retouch_bedrock.families.shape import (
    Bounds,
    Family,
    encoded,
    given,
    nothing_more,
    options,
    pictures,
)

#: Long side to short side, of the pictures of most services.
MAX_RATIO = 2.5
#: Of most services that have a prompt.
STYLED: dict[str, Bounds | None] = {"negative_prompt": None, "style_preset": None, "seed": None}


def service(
    accepts: Mapping[str, Bounds | None],
    *,
    prompt: Literal["required", "optional", "none"] = "required",
    image: Callable[[EditRequest], dict[str, Any]] | None = None,
    max_ratio: float | None = MAX_RATIO,
    output_format: str | None = None,
    check: Callable[[EditRequest], None] = nothing_more,
) -> Family:
    """A family of one service.

    :param prompt: a service without one refuses the field, so that it is left out there.
    :param image: the fields with pictures, and what is computed from them.
    :param output_format: asked for when the client does not say; ``None``: the model's own.
    """

    def document(edit: EditRequest) -> dict[str, Any]:
        body: dict[str, Any] = {}
        if prompt == "required" or (prompt == "optional" and edit.prompt.strip()):
            body["prompt"] = edit.prompt
        body |= one_image(edit) if image is None else image(edit)
        body |= {name: value for name, value in given(options(edit)) if name in accepts}
        if (wanted := edit.output_format or output_format) is not None:
            body["output_format"] = wanted
        return body

    return Family(
        accepts=accepts, max_ratio=max_ratio, document=document, read=read_stability, check=check
    )


def one_image(edit: EditRequest) -> dict[str, Any]:
    """The only picture."""
    return {"image": encoded(pictures(edit)[0])}
