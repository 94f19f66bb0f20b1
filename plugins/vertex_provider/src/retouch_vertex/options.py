"""Request fields of this provider, in Google's own names."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

#: Google's ``int32``.
MAX_SEED = 2_147_483_647
Unit = Annotated[float, Meta(ge=0, le=1)]
#: Google takes these in either case; ``one_of`` in ``checks`` compares them.
Word = Annotated[str, Meta(max_length=64)]


class _Strict(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """An unknown key is an error, also inside a list."""


class ControlConfig(_Strict, frozen=True, kw_only=True):
    """What a control picture is; Google computes it from an ordinary picture if asked."""

    control_type: Literal[
        "CONTROL_TYPE_DEFAULT",
        "CONTROL_TYPE_CANNY",
        "CONTROL_TYPE_SCRIBBLE",
        "CONTROL_TYPE_FACE_MESH",
    ] = "CONTROL_TYPE_DEFAULT"
    enable_control_image_computation: bool | None = None


class StyleConfig(_Strict, frozen=True, kw_only=True):
    """What the style is."""

    style_description: str | None = None


class SubjectConfig(_Strict, frozen=True, kw_only=True):
    """What the subject is."""

    subject_description: str | None = None
    subject_type: Literal[
        "SUBJECT_TYPE_DEFAULT",
        "SUBJECT_TYPE_PERSON",
        "SUBJECT_TYPE_ANIMAL",
        "SUBJECT_TYPE_PRODUCT",
    ] = "SUBJECT_TYPE_DEFAULT"


class Reference(_Strict, frozen=True, kw_only=True):
    """What one picture of the request is for Imagen.

    :param reference_id: what the prompt calls it, ``[1]``; its place from 1 if left out.
    """

    reference_type: Literal[
        "REFERENCE_TYPE_RAW",
        "REFERENCE_TYPE_CONTROL",
        "REFERENCE_TYPE_STYLE",
        "REFERENCE_TYPE_SUBJECT",
    ]
    reference_id: Annotated[int, Meta(ge=0, le=1000)] | None = None
    control_image_config: ControlConfig | None = None
    style_image_config: StyleConfig | None = None
    subject_image_config: SubjectConfig | None = None


class OutputOptions(_Strict, frozen=True, kw_only=True):
    """Imagen's own choice of a format."""

    mime_type: Literal["image/png", "image/jpeg"]
    compression_quality: Annotated[int, Meta(ge=0, le=100)] | None = None

    @property
    def lossless(self) -> bool:
        """Whether there is nothing to compress."""
        return self.mime_type == "image/png"


class SafetySetting(_Strict, frozen=True, kw_only=True):
    """How strict Gemini is about one kind of harm."""

    category: Word
    threshold: Word


class Options(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Request fields of this provider; each belongs to Imagen, to Gemini or to both.

    :param reference_images: what the pictures are, in their order; in a form by number.
    :param dilation: share of the picture's width, 0 to 1, by which the mask grows.
    :param safety_settings: as Google has it, or threshold by category, as a form can say it.
    :param mask_as_hint: send the mask to Gemini as a picture with an explanation.
    """

    seed: Annotated[int, Meta(ge=0, le=MAX_SEED)] | None = None
    aspect_ratio: Annotated[str, Meta(max_length=8)] | None = None
    person_generation: Word | None = None
    labels: dict[str, str] | None = None
    edit_mode: (
        Literal[
            "EDIT_MODE_DEFAULT",
            "EDIT_MODE_INPAINT_REMOVAL",
            "EDIT_MODE_INPAINT_INSERTION",
            "EDIT_MODE_OUTPAINT",
            "EDIT_MODE_BGSWAP",
            "EDIT_MODE_CONTROLLED_EDITING",
            "EDIT_MODE_STYLE",
            "EDIT_MODE_PRODUCT_IMAGE",
        ]
        | None
    ) = None
    mask_mode: (
        Literal[
            "MASK_MODE_USER_PROVIDED",
            "MASK_MODE_BACKGROUND",
            "MASK_MODE_FOREGROUND",
            "MASK_MODE_SEMANTIC",
        ]
        | None
    ) = None
    mask_classes: (
        Annotated[
            list[Annotated[int, Meta(ge=0, le=193)]],
            Meta(
                min_length=1,
                max_length=5,
                extra_json_schema={
                    "description": "a list of one to five whole numbers from 0 to 193"
                },
            ),
        ]
        | None
    ) = None
    dilation: Unit | None = None
    base_steps: Annotated[int, Meta(ge=1, le=75)] | None = None
    guidance_scale: Annotated[float, Meta(ge=0, le=500)] | None = None
    negative_prompt: Annotated[str, Meta(max_length=32_000)] | None = None
    safety_setting: Word | None = None
    language: Literal["auto", "en", "es", "hi", "ja", "ko", "pt", "zh", "zh-CN", "zh-TW"] | None = (
        None
    )
    add_watermark: bool | None = None
    output_options: OutputOptions | None = None
    reference_images: list[Reference] | dict[str, Reference] | None = None
    image_size: Literal["512", "1K", "2K", "4K"] | None = None
    thinking_level: Word | None = None
    safety_settings: list[SafetySetting] | dict[str, str] | None = None
    mask_as_hint: bool | None = msgspec.field(default=None, name="mask_as_hint")

    def given(self) -> dict[str, Any]:
        """The options that are set, by the names that clients know."""
        names = zip(self.__struct_fields__, self.__struct_encode_fields__, strict=True)
        values = ((known, getattr(self, name)) for name, known in names)
        return {known: value for known, value in values if value is not None}
