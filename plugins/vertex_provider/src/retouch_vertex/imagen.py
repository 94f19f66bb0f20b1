"""Imagen's editing models: ``:predict`` with reference pictures.

Google's pages: "Customize images" (imagen-api-customization), "Edit images" (imagen-api-edit),
and the discovery document of ``aiplatform`` v1, revision 20261106.
"""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec

from retouch import (
    Base64,
    Body,
    EditedImage,
    EditRequest,
    EditResult,
    InvalidRequest,
    Mask,
    Picture,
    Price,
    UpstreamInvalid,
    UpstreamResponse,
    cut,
    json_body,
    upright,
)
from retouch_vertex import checks, failures, pictures
from retouch_vertex.checks import refuse
from retouch_vertex.options import Options, OutputOptions, Reference

OPTIONS = frozenset(
    {
        "addWatermark",
        "aspectRatio",
        "baseSteps",
        "dilation",
        "editMode",
        "guidanceScale",
        "labels",
        "language",
        "maskClasses",
        "maskMode",
        "negativePrompt",
        "outputOptions",
        "personGeneration",
        "referenceImages",
        "safetySetting",
        "seed",
    }
)
#: All references of a request, the mask among them.
MAX_REFERENCES = 4
RATIOS = ("1:1", "3:4", "4:3", "9:16", "16:9")
PERSONS = ("dont_allow", "allow_adult", "allow_all")
SAFETY = ("block_low_and_above", "block_medium_and_above", "block_only_high", "block_none")
#: OpenAI's qualities as diffusion steps; Google advises 35 to begin with, 75 at most.
STEPS = {"low": 16, "medium": 35, "high": 75}
USER_PROVIDED, SEMANTIC = "MASK_MODE_USER_PROVIDED", "MASK_MODE_SEMANTIC"
DEFAULT, INSERTION = "EDIT_MODE_DEFAULT", "EDIT_MODE_INPAINT_INSERTION"
#: Edit modes without a meaning unless there is a mask.
MASKED_MODES = frozenset(
    {
        "EDIT_MODE_BGSWAP",
        "EDIT_MODE_INPAINT_INSERTION",
        "EDIT_MODE_INPAINT_REMOVAL",
        "EDIT_MODE_OUTPAINT",
    }
)
RAW: Final = "REFERENCE_TYPE_RAW"
CONTROL: Final = "REFERENCE_TYPE_CONTROL"
STYLE: Final = "REFERENCE_TYPE_STYLE"
SUBJECT: Final = "REFERENCE_TYPE_SUBJECT"
_CONFIGS = {
    CONTROL: "controlImageConfig",
    STYLE: "styleImageConfig",
    SUBJECT: "subjectImageConfig",
}


def check(edit: EditRequest) -> None:
    """Google's rules; it would answer most offences with an error, and some with nonsense.

    :raises InvalidRequest: naming the field.
    """
    options = checks.options_of(edit)
    checks.only(options, OPTIONS)
    _check_references(edit, options)
    _check_mask(edit, options)
    _check_output(edit, options)
    checks.one_of("personGeneration", options.person_generation, PERSONS)
    checks.one_of("safetySetting", options.safety_setting, SAFETY)
    checks.one_of("aspectRatio", options.aspect_ratio, RATIOS)
    checks.labels(options.labels)
    checks.seed(edit, options)
    if options.seed is not None and options.add_watermark:
        raise refuse("`seed` works only without the watermark.", "addWatermark")
    if edit.quality in STEPS:
        checks.exclusive("quality", "baseSteps", options.base_steps)
    if edit.moderation == "low":
        checks.exclusive("moderation", "safetySetting", options.safety_setting)
    if options.aspect_ratio is not None and _masked(edit, options):
        raise refuse("`aspectRatio` cannot be chosen with a mask.", "aspectRatio")


def method(edit: EditRequest) -> str:
    """There is no streaming."""
    return "predict"


def body(edit: EditRequest) -> Body:
    """One instance, its parameters and the labels."""
    options = checks.options_of(edit)
    instance = {"prompt": edit.prompt, "referenceImages": _references(edit, options)}
    value: dict[str, Any] = {"instances": [instance], "parameters": _parameters(edit, options)}
    if options.labels:
        value["labels"] = options.labels
    return json_body(value)


def read(response: UpstreamResponse, edit: EditRequest, price: Price | None) -> EditResult:
    """The pictures that came; filtered ones are named in ``filtered`` and cost nothing.

    :raises ContentRejected: when all of them were filtered.
    :raises UpstreamInvalid: for an answer that is none.
    """
    rest = cut(response.body, "bytesBase64Encoded")
    try:
        answer = msgspec.json.decode(rest.text, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamInvalid from error
    if answer.error is not None:
        raise UpstreamInvalid("Google answered with an error in place of a picture.")
    predictions = answer.predictions or []
    # Safety attributes of the prompt, for example, come as a prediction without a picture.
    made = [item for item in predictions if item.bytes_base64_encoded is not None]
    reasons = [item.rai_filtered_reason for item in predictions if item.rai_filtered_reason]
    if not made:
        raise failures.rejected(
            " ".join(reasons) or "Google's safety system left no picture, and gave no reason."
        )
    data = [rest.restore(item.bytes_base64_encoded or "") for item in made]
    return EditResult(
        images=tuple(
            EditedImage(data=text, revised_prompt=item.prompt or None)
            for text, item in zip(data, made, strict=True)
        ),
        output_format=pictures.format_of(data[0]),
        size=pictures.size_of(data[0]),
        cost=None if price is None else price.of_images(len(made)),
        extra={"filtered": reasons} if reasons else {},
    )


class _Prediction(msgspec.Struct, rename="camel"):
    bytes_base64_encoded: str | None = msgspec.field(default=None, name="bytesBase64Encoded")
    prompt: str | None = None
    rai_filtered_reason: str | None = None


class _Answer(msgspec.Struct):
    predictions: list[_Prediction] | None = None
    error: Any = None


def _masked(edit: EditRequest, options: Options) -> bool:
    return edit.mask is not None or options.mask_mode is not None


def _check_mask(edit: EditRequest, options: Options) -> None:
    mode = options.mask_mode
    if edit.mask is not None and mode not in (None, USER_PROVIDED):
        raise refuse(f"`maskMode` must be {USER_PROVIDED} with a mask of your own.", "maskMode")
    if edit.mask is None and mode == USER_PROVIDED:
        raise InvalidRequest(f"`mask` is missing for {USER_PROVIDED}.", param="mask")
    if mode == SEMANTIC and not options.mask_classes:
        raise refuse(f"{SEMANTIC} needs `maskClasses`.", "maskClasses")
    if options.mask_classes is not None and mode != SEMANTIC:
        raise refuse(f"`maskClasses` needs `maskMode` {SEMANTIC}.", "maskClasses")
    masked = _masked(edit, options)
    if options.dilation is not None and not masked:
        raise refuse("`dilation` needs a mask or a `maskMode`.", "dilation")
    if options.edit_mode in MASKED_MODES and not masked:
        raise refuse(f"{options.edit_mode} needs a mask or a `maskMode`.", "editMode")
    if options.edit_mode == DEFAULT and masked:
        raise refuse(f"{DEFAULT} uses no mask.", "editMode")


def _check_references(edit: EditRequest, options: Options) -> None:
    described = _described(options)
    if described is None and len(edit.images) > 1:
        raise InvalidRequest(
            "This model edits one picture. Say what the others are with `referenceImages`.",
            param="image",
            code="too_many_images",
        )
    if described is None:
        described = [Reference(reference_type=RAW)]
    if len(described) != len(edit.images):
        raise refuse(
            f"`referenceImages` must describe each of the {len(edit.images)} image(s), in order.",
            "referenceImages",
        )
    kinds = [item.reference_type for item in described]
    if kinds.count(RAW) > 1:
        raise refuse(f"`referenceImages` may have one {RAW}.", "referenceImages")
    masked = _masked(edit, options)
    if masked and kinds[0] != RAW:
        raise refuse(f"With a mask the first image must be the {RAW}.", "referenceImages")
    if len(kinds) + masked > MAX_REFERENCES:
        raise InvalidRequest(
            f"This model takes at most {MAX_REFERENCES} images, the mask among them.",
            param="image",
            code="too_many_images",
        )
    _check_together(edit, described)


def _check_together(edit: EditRequest, described: list[Reference]) -> None:
    """What each reference says of itself, and what they must have in common."""
    numbers = _numbers(described)
    shown = [_shown_size(cast("Picture", picture)) for picture in edit.images]
    raw = [size for item, size in zip(described, shown, strict=True) if item.reference_type == RAW]
    for item, number, size in zip(described, numbers, shown, strict=True):
        for kind, name in _CONFIGS.items():
            if _config(item, name) is not None and item.reference_type != kind:
                raise refuse(f"{item.reference_type} has no `{name}`.", "referenceImages")
        if item.reference_type != SUBJECT and numbers.count(number) > 1:
            raise refuse(
                f"`referenceImages` uses the `referenceId` {number} twice; only the pictures of "
                "one subject share theirs.",
                "referenceImages",
            )
        if item.reference_type == CONTROL and raw and size != raw[0]:
            raise refuse(f"A {CONTROL} must have the size of the {RAW}.", "image")


def _check_output(edit: EditRequest, options: Options) -> None:
    if options.output_options is not None and (edit.output_format or edit.output_compression):
        raise refuse(
            "`outputOptions` and `output_format` say the same; send one of them.", "outputOptions"
        )
    chosen = options.output_options
    if chosen is not None and chosen.compression_quality is not None and chosen.lossless:
        raise refuse("`outputOptions`: `compressionQuality` is for image/jpeg.", "outputOptions")
    lossless = edit.output_format in (None, "png")
    if edit.output_compression not in (None, 100) and lossless:
        raise refuse(
            "`output_compression` below 100 needs `output_format` jpeg or webp.",
            "output_compression",
        )


def _described(options: Options) -> list[Reference] | None:
    """``referenceImages`` in the order of the pictures; a form numbers them from 1."""
    given = options.reference_images
    if not isinstance(given, dict):
        return given
    wanted = [str(number) for number in range(1, len(given) + 1)]
    if set(given) != set(wanted):
        raise refuse("`referenceImages` must be numbered from 1.", "referenceImages")
    return [given[number] for number in wanted]


def _numbers(described: list[Reference]) -> list[int]:
    """What the prompt calls them: their place, unless they say otherwise."""
    return [
        place if item.reference_id is None else item.reference_id
        for place, item in enumerate(described, 1)
    ]


def _shown_size(picture: Picture) -> tuple[int, int]:
    sides = picture.width, picture.height
    return sides[::-1] if picture.orientation >= 5 else sides


def _references(edit: EditRequest, options: Options) -> list[dict[str, Any]]:
    described = _described(options) or [Reference(reference_type=RAW)]
    numbers = _numbers(described)
    made: list[dict[str, Any]] = []
    for item, number, image in zip(described, numbers, edit.images, strict=True):
        # The models' capabilities let no references to pictures elsewhere through.
        picture = cast("Picture", image)
        if isinstance(edit.mask, Mask) and item.reference_type in (RAW, CONTROL):
            # Whether Google turns a picture by its EXIF notes is not documented, and these lie
            # over each other.
            picture = upright(picture)
        reference: dict[str, Any] = {
            "referenceType": item.reference_type,
            "referenceId": number,
            "referenceImage": {
                "bytesBase64Encoded": Base64(picture.blob),
                "mimeType": picture.mime,
            },
        }
        name = _CONFIGS.get(item.reference_type)
        if name is not None and (config := _config(item, name)) is not None:
            reference[name] = _given(config)
        made.append(reference)
    if _masked(edit, options):
        made.append(_mask(edit, options, 1 + max(numbers)))
    return made


def _mask(edit: EditRequest, options: Options, number: int) -> dict[str, Any]:
    config = {
        "maskMode": options.mask_mode or USER_PROVIDED,
        "maskClasses": options.mask_classes,
        "dilation": options.dilation,
    }
    reference: dict[str, Any] = {
        "referenceType": "REFERENCE_TYPE_MASK",
        "referenceId": number,
        "maskImageConfig": _given(config),
    }
    if isinstance(edit.mask, Mask):
        white = edit.mask.upright().white_edits(binary=True)
        reference["referenceImage"] = {
            "bytesBase64Encoded": Base64(white),
            "mimeType": "image/png",
        }
    return reference


def _parameters(edit: EditRequest, options: Options) -> dict[str, Any]:
    steps = options.base_steps or STEPS.get(edit.quality or "")
    safety = options.safety_setting or ("block_only_high" if edit.moderation == "low" else None)
    values = {
        # Google's own default is four.
        "sampleCount": edit.n or 1,
        "editMode": options.edit_mode or (INSERTION if _masked(edit, options) else DEFAULT),
        "editConfig": {"baseSteps": steps} if steps is not None else None,
        "guidanceScale": options.guidance_scale,
        "seed": options.seed,
        "addWatermark": False if options.seed is not None else options.add_watermark,
        "negativePrompt": options.negative_prompt,
        "aspectRatio": options.aspect_ratio,
        "personGeneration": options.person_generation and options.person_generation.lower(),
        "safetySetting": safety and safety.lower(),
        "language": options.language,
        "outputOptions": _output(edit, options),
        # Without it a filtered picture is simply missing.
        "includeRaiReason": True,
    }
    return _given(values)


def _output(edit: EditRequest, options: Options) -> dict[str, Any] | None:
    chosen = options.output_options
    if chosen is None and edit.output_format in ("png", "jpeg"):
        jpeg = edit.output_format == "jpeg"
        chosen = OutputOptions(
            mime_type="image/jpeg" if jpeg else "image/png",
            compression_quality=edit.output_compression if jpeg else None,
        )
    return None if chosen is None else _given(msgspec.to_builtins(chosen))


def _config(item: Reference, name: str) -> dict[str, Any] | None:
    """What the reference says under one of Google's names."""
    found: dict[str, Any] | None = msgspec.to_builtins(item)[name]
    return found


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
