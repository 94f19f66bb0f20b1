"""What a model can do, as data; checked by the core before a plugin or a provider is asked.

``Capabilities`` usually come from a plugin's ``models.toml`` and may be overridden per model
in the configuration. ``check`` compares an edit with them and either refuses the edit with
the field's name or returns it ready for the plugin.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from retouch.errors import InvalidImage, InvalidRequest, UnsupportedParameter
from retouch.types import PARAMETERS, EditRequest, Picture, PictureFile, PictureUrl

#: What OpenAI itself assumes when a field is left out. Sending such a value changes nothing,
#: so it is never an error; a model without the parameter simply is not sent it.
OPENAI_DEFAULTS: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "size": ("auto",),
    "quality": ("auto",),
    "background": ("auto",),
    "input_fidelity": ("low",),
    "moderation": ("auto",),
    "partial_images": (0,),
    "stream": (False,),
    "output_compression": (100,),
}
#: Parameters that the core does for every provider (see ``pipeline`` and ``http.render``).
CORE_PARAMETERS = frozenset(
    {
        "n",
        "output_compression",
        "output_format",
        "partial_images",
        "response_format",
        "safety_identifier",
        "stream",
        "user",
    }
)
#: Output formats that the core can make from any picture that a provider returns.
CORE_OUTPUT_FORMATS = ("png", "jpeg", "webp")

MIB = 1024 * 1024


class Range(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whole numbers from ``min`` to ``max``, both included."""

    min: int
    max: int


class SizeRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Free ``WIDTHxHEIGHT`` sizes: sides in pixels, ``max_ratio`` as long side to short side."""

    multiple_of: int = 1
    min_side: int = 1
    max_side: int = 16_384
    min_pixels: int = 1
    max_pixels: int = 100_000_000
    max_ratio: float = 100.0

    def problem(self, width: int, height: int) -> str | None:
        """What is wrong with this size, as the end of a sentence; ``None`` if it is allowed."""
        sides, pixels = (width, height), width * height
        if any(side % self.multiple_of for side in sides):
            return f"both sides must be multiples of {self.multiple_of}"
        if min(sides) < self.min_side or max(sides) > self.max_side:
            return f"sides must be from {self.min_side} to {self.max_side} pixels"
        if not self.min_pixels <= pixels <= self.max_pixels:
            return f"it must have {self.min_pixels} to {self.max_pixels} pixels in all"
        if max(sides) > self.max_ratio * min(sides):
            return f"the long side may be at most {self.max_ratio:g} times the short side"
        return None


#: What a model accepts for one parameter: anything, one of some values, or a range.
Rule = bool | tuple[str, ...] | Range


class Capabilities(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one model accepts. All sizes in bytes or pixels.

    :param max_images: input pictures per edit.
    :param max_n: results per upstream call; a larger ``n`` is split by the core.
    :param mask: whether the model takes a mask: ``never``, ``may`` or ``must`` have one.
    :param mask_option: the provider's option (true or false) that lets a mask through where
        ``mask`` is ``never``, for a model that can only be shown what a mask means.
    :param image_formats: formats taken as input; others are converted to the first of these.
    :param image_urls: whether ``https`` picture addresses can be passed on.
    :param file_ids: whether OpenAI ``file_id`` references can be passed on.
    :param streaming: whether the provider streams; if not, the core makes the events.
    :param sizes: allowed ``size`` values, or a rule for free sizes; ``None`` allows only ``auto``.
    :param keeps_size: whether results are as large as the first picture: where ``sizes`` is
        ``None``, that size may be asked for by its numbers.
    :param random_seed: the provider's ``seed`` that stands for a random one; when ``n`` is split
        every call gets it, while other seeds count up.
    :param parameters: OpenAI parameters the provider itself takes, each with a rule;
        ``None`` passes every OpenAI parameter on and lets the provider decide.
    :param extra_fields: whether fields that nobody declared are refused or forwarded.
    """

    max_images: int = 1
    max_n: int = 1
    mask: Literal["never", "may", "must"] = "never"
    mask_option: str | None = None
    markup: bool = False
    image_formats: tuple[Literal["png", "jpeg", "webp"], ...] = ("png", "jpeg", "webp")
    max_image_bytes: int = 50 * MIB
    max_image_pixels: int = 100_000_000
    max_image_side: int = 16_384
    min_image_side: int = 1
    max_prompt_chars: int = 32_000
    image_urls: bool = False
    file_ids: bool = False
    streaming: bool = False
    sizes: tuple[str, ...] | SizeRule | None = None
    keeps_size: bool = False
    random_seed: int | None = None
    parameters: dict[str, Rule] | None = msgspec.field(default_factory=dict)
    extra_fields: Literal["refuse", "forward"] = "refuse"


def check(
    edit: EditRequest, can: Capabilities, *, drop: bool = False
) -> tuple[EditRequest, tuple[str, ...]]:
    """The edit as this model may see it, and the names of the parameters that were dropped.

    :param drop: leave unsupported parameters out instead of refusing them (``drop_params``).
    :raises UnsupportedParameter: for a parameter or value that the model does not have.
    :raises InvalidImage: for pictures outside the model's limits.
    :raises InvalidRequest: for a missing or unwanted mask, or too long a prompt.
    """
    if len(edit.prompt) > can.max_prompt_chars:
        raise InvalidRequest(
            f"The prompt may have at most {can.max_prompt_chars} characters for this model.",
            param="prompt",
            code="string_above_max_length",
        )
    _check_pictures(edit, can)
    _check_mask(edit, can)
    changes: dict[str, Any] = {}
    dropped: list[str] = []
    for name in PARAMETERS:
        value = getattr(edit, name)
        problem = None if value is None else _problem(edit, name, value, can)
        if problem is None:
            continue
        if value not in OPENAI_DEFAULTS.get(name, ()):
            if not drop:
                raise UnsupportedParameter(f"`{name}`: {problem}.", param=name)
            dropped.append(name)
        changes[name] = None
    return (msgspec.structs.replace(edit, **changes) if changes else edit), tuple(dropped)


def check_bytes(picture: Picture, can: Capabilities, param: str = "image") -> None:
    """Refuse a picture with too many bytes, as it came or after it was converted.

    :raises InvalidImage: naming ``param``.
    """
    if picture.blob.size > can.max_image_bytes:
        raise InvalidImage(
            f"A picture may have at most {can.max_image_bytes} bytes for this model.", param=param
        )


def takes(can: Capabilities, name: str, value: Any) -> bool:
    """Whether the provider itself handles this parameter with this value."""
    return can.parameters is None or _matches(can.parameters.get(name, False), value)


def _problem(edit: EditRequest, name: str, value: Any, can: Capabilities) -> str | None:
    if name == "size":
        return _size_problem(edit, value, can)
    if name in CORE_PARAMETERS or can.parameters is None:
        return _core_problem(edit, name, value, can)
    rule = can.parameters.get(name, False)
    if _matches(rule, value):
        return None
    if isinstance(rule, Range):
        return f"this model takes whole numbers from {rule.min} to {rule.max}"
    if isinstance(rule, tuple):
        return f"this model takes {_one_of(rule)}"
    return "this model does not have this parameter"


def _core_problem(edit: EditRequest, name: str, value: Any, can: Capabilities) -> str | None:
    if takes(can, name, value):
        return None
    if name == "output_compression" and edit.output_format not in ("jpeg", "webp"):
        return "it needs `output_format` jpeg or webp"
    if name == "output_format" and value not in CORE_OUTPUT_FORMATS:
        return f"this model takes {_one_of(CORE_OUTPUT_FORMATS)}"
    if name == "response_format" and value != "b64_json":
        return "results are returned as b64_json; links are not offered"
    return None


def _matches(rule: Rule, value: Any) -> bool:
    if isinstance(rule, bool):
        return rule
    if isinstance(rule, Range):
        return isinstance(value, int) and rule.min <= value <= rule.max
    return value in rule


def _size_problem(edit: EditRequest, value: str, can: Capabilities) -> str | None:
    if can.parameters is None and can.sizes is None:
        return None
    if isinstance(can.sizes, SizeRule):
        if value == "auto":
            return None
        width, _, height = value.partition("x")
        if not (width.isdecimal() and height.isdecimal() and len(value) < 16):
            return "it must be WIDTHxHEIGHT in pixels, such as 1024x1024, or auto"
        return can.sizes.problem(int(width), int(height))
    if can.sizes is None:
        return _kept_size_problem(edit, value, can)
    return None if value in can.sizes else f"this model takes {_one_of(can.sizes)}"


def _kept_size_problem(edit: EditRequest, value: str, can: Capabilities) -> str | None:
    first = edit.images[0] if edit.images else None
    if not can.keeps_size or not isinstance(first, Picture):
        return "this model has no choice of size"
    stored = f"{first.width}x{first.height}"
    # Whether a turned picture comes back turned is the provider's to decide.
    shown = stored if first.orientation < 5 else f"{first.height}x{first.width}"
    if value in ("auto", stored, shown):
        return None
    return f"the result of this model is as large as the picture, {shown}"


def _check_pictures(edit: EditRequest, can: Capabilities) -> None:
    if len(edit.images) > can.max_images:
        raise InvalidRequest(
            f"This model takes at most {can.max_images} image(s); {len(edit.images)} were sent.",
            param="image",
            code="too_many_images",
        )
    for picture in (*edit.images, edit.markup):
        if isinstance(picture, Picture):
            _check_picture(picture, can, "markup" if picture is edit.markup else "image")
        elif picture is not None:
            _check_reference(picture, can, "image")
    if edit.markup is not None and not can.markup:
        raise UnsupportedParameter("`markup`: this model does not have it.", param="markup")


def _check_picture(picture: Picture, can: Capabilities, param: str) -> None:
    sides = (picture.width, picture.height)
    check_bytes(picture, can, param)
    if max(sides) > can.max_image_side or sides[0] * sides[1] > can.max_image_pixels:
        raise InvalidImage(
            f"A picture of {sides[0]}x{sides[1]} pixels is too large for this model: at most "
            f"{can.max_image_side} a side and {can.max_image_pixels} in all.",
            param=param,
        )
    if min(sides) < can.min_image_side:
        raise InvalidImage(
            f"Both sides of a picture must have at least {can.min_image_side} pixels.", param=param
        )


def _check_reference(ref: PictureUrl | PictureFile, can: Capabilities, param: str) -> None:
    if isinstance(ref, PictureUrl) and not can.image_urls:
        raise InvalidRequest(
            "This model cannot fetch picture addresses; send the picture itself, as a file or "
            "a data: URL.",
            param=param,
            code="image_url_not_supported",
        )
    if isinstance(ref, PictureFile) and not can.file_ids:
        raise InvalidRequest(
            "This model cannot read OpenAI file ids; send the picture itself, as a file or a "
            "data: URL.",
            param=param,
            code="file_id_not_supported",
        )


def _check_mask(edit: EditRequest, can: Capabilities) -> None:
    mask = edit.mask
    if mask is None:
        if can.mask == "must":
            raise InvalidRequest("This model needs a mask.", param="mask", code="mask_required")
        return
    if can.mask == "never" and not (
        can.mask_option is not None and getattr(edit.options, can.mask_option, None)
    ):
        hint = "" if can.mask_option is None else f" `{can.mask_option}` shows it as a hint."
        raise UnsupportedParameter(
            f"`mask`: this model cannot restrict an edit to a masked area.{hint}", param="mask"
        )
    if isinstance(mask, PictureUrl | PictureFile):
        _check_reference(mask, can, "mask")


def _one_of(values: tuple[str, ...]) -> str:
    return values[0] if len(values) == 1 else f"{', '.join(values[:-1])} or {values[-1]}"
