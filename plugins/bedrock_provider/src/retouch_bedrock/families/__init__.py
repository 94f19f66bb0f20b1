"""Families of models: each says what it accepts, the body it builds, how it reads the answer.

A model's ``family`` in ``models.toml`` or in the configuration is a key of ``FAMILIES``.
"""

from __future__ import annotations

from retouch import ModelInfo, UnknownModel
from retouch_bedrock.families.background import REMOVE_BACKGROUND
from retouch_bedrock.families.canvas import NOVA_CANVAS, TITAN_IMAGE_V2
from retouch_bedrock.families.control import CONTROL
from retouch_bedrock.families.inpaint import ERASE, INPAINT
from retouch_bedrock.families.outpaint import OUTPAINT
from retouch_bedrock.families.sd3 import SD3
from retouch_bedrock.families.search import RECOLOR, REPLACE
from retouch_bedrock.families.shape import Family
from retouch_bedrock.families.style import STYLE_GUIDE, STYLE_TRANSFER
from retouch_bedrock.families.upscale import CONSERVATIVE, CREATIVE, FAST

FAMILIES: dict[str, Family] = {
    "stability-inpaint": INPAINT,
    "stability-erase": ERASE,
    "stability-outpaint": OUTPAINT,
    "stability-search-replace": REPLACE,
    "stability-search-recolor": RECOLOR,
    "stability-remove-background": REMOVE_BACKGROUND,
    "stability-control-sketch": CONTROL,
    "stability-control-structure": CONTROL,
    "stability-style-guide": STYLE_GUIDE,
    "stability-style-transfer": STYLE_TRANSFER,
    "stability-creative-upscale": CREATIVE,
    "stability-conservative-upscale": CONSERVATIVE,
    "stability-fast-upscale": FAST,
    "stability-sd3-5-large": SD3,
    "nova-canvas": NOVA_CANVAS,
    "titan-image-v2": TITAN_IMAGE_V2,
}


def of(model: ModelInfo | None) -> Family:
    """The family of a model.

    :raises UnknownModel: when the configuration names none, or one that does not exist.
    """
    family = FAMILIES.get(model.family) if model is not None else None
    if family is None:
        raise UnknownModel(
            "This model's `family` is not known: the account's configuration must name one of "
            f"{', '.join(FAMILIES)}.",
            param="model",
        )
    return family
