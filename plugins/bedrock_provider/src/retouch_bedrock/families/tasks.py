"""The tasks of Amazon's picture models, as data.

Sources: "Request and response structure for image generation" in AWS's Nova user guide, and
"Amazon Titan Image Generator G1 models" in its Bedrock user guide.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One ``taskType``.

    :param params: the key of the object that describes the task.
    :param images: least and most pictures.
    :param text: the key of the prompt in ``params``; ``None``: the task has no prompt.
    :param text_required: whether an empty prompt is an error upstream.
    :param mask: which colour marks what is edited; ``None``: the task takes no mask.
    :param fields: the request fields of this task alone, as they stand in ``params``.
    :param sized: whether ``width`` and ``height`` may be sent; else the result is as large as
        the picture.
    :param configured: whether it takes an ``imageGenerationConfig`` at all.
    """

    params: str
    images: tuple[int, int] = (1, 1)
    text: str | None = "text"
    text_required: bool = True
    mask: Literal["black", "white"] | None = None
    fields: frozenset[str] = frozenset()
    sized: bool = False
    configured: bool = True


TEXT_IMAGE = Task(
    params="textToImageParams",
    fields=frozenset({"negativeText", "style", "controlMode", "controlStrength"}),
    sized=True,
)
COLOR_GUIDED_GENERATION = Task(
    params="colorGuidedGenerationParams",
    fields=frozenset({"negativeText", "colors"}),
    sized=True,
)
IMAGE_VARIATION = Task(
    params="imageVariationParams",
    images=(1, 5),
    fields=frozenset({"negativeText", "similarityStrength"}),
    sized=True,
)
INPAINTING = Task(
    params="inPaintingParams",
    text_required=False,
    mask="black",
    fields=frozenset({"negativeText", "maskPrompt"}),
)
OUTPAINTING = Task(
    params="outPaintingParams",
    text_required=False,
    mask="white",
    fields=frozenset({"negativeText", "maskPrompt", "outPaintingMode"}),
)
BACKGROUND_REMOVAL = Task(params="backgroundRemovalParams", text=None, configured=False)
VIRTUAL_TRY_ON = Task(
    params="virtualTryOnParams",
    images=(2, 2),
    text=None,
    mask="black",
    fields=frozenset({"virtualTryOnParams", "maskPrompt", "returnMask"}),
)

NOVA = {
    "TEXT_IMAGE": TEXT_IMAGE,
    "COLOR_GUIDED_GENERATION": COLOR_GUIDED_GENERATION,
    "IMAGE_VARIATION": IMAGE_VARIATION,
    "INPAINTING": INPAINTING,
    "OUTPAINTING": OUTPAINTING,
    "BACKGROUND_REMOVAL": BACKGROUND_REMOVAL,
    "VIRTUAL_TRY_ON": VIRTUAL_TRY_ON,
}
_MASKED = {"returnMask"}
TITAN = {
    "TEXT_IMAGE": msgspec.structs.replace(TEXT_IMAGE, fields=TEXT_IMAGE.fields - {"style"}),
    "COLOR_GUIDED_GENERATION": COLOR_GUIDED_GENERATION,
    "IMAGE_VARIATION": IMAGE_VARIATION,
    "INPAINTING": msgspec.structs.replace(INPAINTING, fields=INPAINTING.fields | _MASKED),
    "OUTPAINTING": msgspec.structs.replace(
        OUTPAINTING, fields=OUTPAINTING.fields | _MASKED, text_required=True
    ),
    "BACKGROUND_REMOVAL": BACKGROUND_REMOVAL,
}
