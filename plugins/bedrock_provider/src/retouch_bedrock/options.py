"""The request fields of Bedrock's models beyond OpenAI's, named as AWS names them.

One struct for all families, since a provider has one; ``families`` says which model takes
which field, and within which of its own bounds.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Text = Annotated[str, Meta(min_length=1, max_length=10_000)]
Share = Annotated[float, Meta(ge=0, le=1)]
Tenths = Annotated[float, Meta(ge=0.1, le=1)]
Border = Annotated[int, Meta(ge=0, le=2000)]
Colour = Annotated[str, Meta(pattern=r"^#[0-9A-Fa-f]{6}$", description="a colour such as #FF8800")]

TaskType = Literal[
    "TEXT_IMAGE",
    "COLOR_GUIDED_GENERATION",
    "IMAGE_VARIATION",
    "INPAINTING",
    "OUTPAINTING",
    "BACKGROUND_REMOVAL",
    "VIRTUAL_TRY_ON",
]
StylePreset = Literal[
    "3d-model",
    "analog-film",
    "anime",
    "cinematic",
    "comic-book",
    "digital-art",
    "enhance",
    "fantasy-art",
    "isometric",
    "line-art",
    "low-poly",
    "modeling-compound",
    "neon-punk",
    "origami",
    "photographic",
    "pixel-art",
    "tile-texture",
]
AspectRatio = Literal["16:9", "1:1", "21:9", "2:3", "3:2", "4:5", "5:4", "9:16", "9:21"]
NovaStyle = Literal[
    "3D_ANIMATED_FAMILY_FILM",
    "DESIGN_SKETCH",
    "FLAT_VECTOR_ILLUSTRATION",
    "GRAPHIC_NOVEL_ILLUSTRATION",
    "MAXIMALISM",
    "MIDCENTURY_RETRO",
    "PHOTOREALISM",
    "SOFT_DIGITAL_PAINTING",
]
GarmentClass = Literal[
    "UPPER_BODY",
    "LOWER_BODY",
    "FULL_BODY",
    "FOOTWEAR",
    "LONG_SLEEVE_SHIRT",
    "SHORT_SLEEVE_SHIRT",
    "NO_SLEEVE_SHIRT",
    "OTHER_UPPER_BODY",
    "LONG_PANTS",
    "SHORT_PANTS",
    "OTHER_LOWER_BODY",
    "LONG_DRESS",
    "SHORT_DRESS",
    "FULL_BODY_OUTFIT",
    "OTHER_FULL_BODY",
    "SHOES",
    "BOOTS",
    "OTHER_FOOTWEAR",
]
MaskShape = Literal["CONTOUR", "BOUNDING_BOX", "DEFAULT"]
Keep = Literal["ON", "OFF", "DEFAULT"]


class _Nested(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """An object inside a Nova request: camel case, and only what the client has set."""


class GarmentStyling(_Nested, frozen=True, kw_only=True):
    """How the garment is worn."""

    long_sleeve_style: Literal["SLEEVE_DOWN", "SLEEVE_UP"] | None = None
    tucking_style: Literal["UNTUCKED", "TUCKED"] | None = None
    outer_layer_style: Literal["CLOSED", "OPEN"] | None = None


class GarmentBasedMask(_Nested, frozen=True, kw_only=True):
    """What is replaced, by the kind of garment."""

    garment_class: GarmentClass
    mask_shape: MaskShape | None = None
    garment_styling: GarmentStyling | None = None


class PromptBasedMask(_Nested, frozen=True, kw_only=True):
    """What is replaced, in words."""

    mask_prompt: Annotated[str, Meta(min_length=1, max_length=1024)]
    mask_shape: MaskShape | None = None


class MaskExclusions(_Nested, frozen=True, kw_only=True):
    """What of the person stays as it is."""

    preserve_body_pose: Keep | None = None
    preserve_hands: Keep | None = None
    preserve_face: Keep | None = None


class TryOn(_Nested, frozen=True, kw_only=True):
    """``virtualTryOnParams`` without its pictures, which come as ``image`` and ``mask``."""

    mask_type: Literal["IMAGE", "GARMENT", "PROMPT"] | None = None
    garment_based_mask: GarmentBasedMask | None = None
    prompt_based_mask: PromptBasedMask | None = None
    mask_exclusions: MaskExclusions | None = None
    merge_style: Literal["BALANCED", "SEAMLESS", "DETAILED"] | None = None
    return_mask: bool | None = None


class GenerationConfig(_Nested, frozen=True, kw_only=True):
    """``imageGenerationConfig``, for requests that are written as AWS documents them."""

    width: Annotated[int, Meta(ge=1, le=4096)] | None = None
    height: Annotated[int, Meta(ge=1, le=4096)] | None = None
    quality: Literal["standard", "premium"] | None = None
    cfg_scale: Annotated[float, Meta(ge=1.1, le=10)] | None = None
    seed: Annotated[int, Meta(ge=0, le=2_147_483_646)] | None = None
    number_of_images: Annotated[int, Meta(ge=1, le=5)] | None = None


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Request fields of this provider; the README says which model takes which."""

    # Stability AI (and, for `seed`, Amazon).
    negative_prompt: Text | None = None
    seed: Annotated[int, Meta(ge=0, le=4_294_967_294)] | None = None
    style_preset: StylePreset | None = None
    grow_mask: Annotated[int, Meta(ge=0, le=20)] | None = None
    search_prompt: Text | None = None
    select_prompt: Text | None = None
    left: Border | None = None
    right: Border | None = None
    up: Border | None = None
    down: Border | None = None
    creativity: Tenths | None = None
    control_strength: Share | None = None
    aspect_ratio: AspectRatio | None = None
    fidelity: Share | None = None
    composition_fidelity: Share | None = None
    style_strength: Share | None = None
    change_strength: Tenths | None = None
    strength: Share | None = None
    # Amazon Nova Canvas and Titan Image Generator.
    task_type: TaskType | None = msgspec.field(default=None, name="taskType")
    mask_prompt: Text | None = msgspec.field(default=None, name="maskPrompt")
    negative_text: Text | None = msgspec.field(default=None, name="negativeText")
    out_painting_mode: Literal["DEFAULT", "PRECISE"] | None = msgspec.field(
        default=None, name="outPaintingMode"
    )
    similarity_strength: Annotated[float, Meta(ge=0.2, le=1)] | None = msgspec.field(
        default=None, name="similarityStrength"
    )
    control_mode: Literal["CANNY_EDGE", "SEGMENTATION"] | None = msgspec.field(
        default=None, name="controlMode"
    )
    nova_control_strength: Share | None = msgspec.field(default=None, name="controlStrength")
    style: NovaStyle | None = None
    colors: Annotated[tuple[Colour, ...], Meta(min_length=1, max_length=10)] | None = None
    cfg_scale: Annotated[float, Meta(ge=1.1, le=10)] | None = msgspec.field(
        default=None, name="cfgScale"
    )
    return_mask: bool | None = msgspec.field(default=None, name="returnMask")
    virtual_try_on: TryOn | None = msgspec.field(default=None, name="virtualTryOnParams")
    generation: GenerationConfig | None = msgspec.field(default=None, name="imageGenerationConfig")
