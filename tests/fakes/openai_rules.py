"""What OpenAI's image-edit endpoint refuses, with the error objects it answers.

A second reading of OpenAI's contract, independent of the program's own: models and rules as
of November 2026. Where the real error code is not known, only status and ``param`` count.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
from dataclasses import dataclass
from typing import Any

from PIL import Image

from tests.fakes.multipart_form import Part

#: Model id -> generation; ids that were shut down are unknown.
MODELS: dict[str, float] = {
    "gpt-image-1-mini": 1.0,
    "gpt-image-1.5": 1.5,
    "gpt-image-1.5-2025-12-16": 1.5,
    "chatgpt-image-latest": 1.5,
    "gpt-image-2": 2.0,
    "gpt-image-2-2026-04-21": 2.0,
    "gpt-image-2.5-sunburst": 2.5,
    "gpt-image-2.5-sunburst-2026-09-08": 2.5,
    "gpt-image-2.5-flare": 2.5,
    "gpt-image-2.5-flare-2026-09-08": 2.5,
    "gpt-image-2.6-sunburst": 2.6,
    "gpt-image-2.6-flare": 2.6,
}
ENUMS: dict[str, tuple[str, ...]] = {
    "quality": ("low", "medium", "high", "xhigh", "max", "auto"),
    "background": ("transparent", "opaque", "auto"),
    "input_fidelity": ("high", "low"),
    "output_format": ("png", "webp", "jpeg", "gif", "svg"),
    "moderation": ("low", "auto"),
    "complexity": ("low", "medium", "high"),
}
RANGES: dict[str, tuple[int, int]] = {
    "n": (1, 10),
    "output_compression": (0, 100),
    "partial_images": (0, 3),
    "frame_count": (2, 16),
    "frame_duration_ms": (20, 655_350),
}
TEXTS = ("prompt", "model", "size", "user", "safety_identifier")
FIELDS = {*ENUMS, *RANGES, *TEXTS, "stream", "svg"}
SINCE = {"complexity": 2.6}
OLD_SIZES = ("1024x1024", "1536x1024", "1024x1536", "auto")
TYPES = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}
EXTENSIONS = {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "webp": "WEBP"}
MAX_IMAGES = 16
MAX_URL_CHARS = 20_971_520
MAX_IMAGE_BYTES, MAX_MASK_BYTES = 50 * 1024 * 1024, 4 * 1024 * 1024


class Refusal(Exception):
    """An answer outside 2xx, in OpenAI's envelope."""

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = "invalid_value",
        status: int = 400,
        type: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.document = {"error": {"message": message, "type": type, "param": param, "code": code}}


def missing(param: str) -> Refusal:
    """A required field is absent."""
    return Refusal(
        f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter"
    )


def unknown(param: str) -> Refusal:
    """A field that the endpoint does not have."""
    return Refusal(f"Unknown parameter: '{param}'.", param=param, code="unknown_parameter")


def bad_image(message: str) -> Refusal:
    """A picture that cannot be used."""
    return Refusal(message, type="image_generation_user_error", code="invalid_image_file")


@dataclass(frozen=True)
class Edit:
    """An accepted edit: its fields with their JSON types."""

    fields: dict[str, Any]

    def get(self, name: str, default: Any = None) -> Any:
        """A field's value, or what OpenAI assumes without it."""
        value = self.fields.get(name)
        return default if value is None else value


def check_form(parts: list[Part]) -> Edit:
    """The edit in a multipart form; raises ``Refusal``."""
    fields: dict[str, Any] = {}
    images: list[Part] = []
    overlays: dict[str, Part] = {}
    for part in parts:
        if part.name in ("image", "image[]"):
            images.append(part)
        elif part.name in ("mask", "markup"):
            if part.name in overlays:
                raise Refusal(f"Duplicate parameter: '{part.name}'.", param=part.name)
            overlays[part.name] = part
        else:
            _add_field(fields, part)
    if not images:
        raise missing("image")
    if len(images) > MAX_IMAGES:
        raise _too_many("image", len(images))
    _check_fields(fields, overlays)
    decoded = [_form_picture(part, "image", MAX_IMAGE_BYTES) for part in images]
    for name, part in overlays.items():
        _check_overlay(name, _form_picture(part, name, MAX_MASK_BYTES), decoded[0])
    return Edit(fields)


def check_json(document: Any) -> Edit:
    """The edit in a JSON body; raises ``Refusal``."""
    if not isinstance(document, dict):
        raise Refusal("Invalid type: expected an object.", code="invalid_type")
    fields = {key: value for key, value in document.items() if value is not None}
    images, mask = fields.pop("images", None), fields.pop("mask", None)
    if not images or not isinstance(images, list):
        raise missing("images")
    if len(images) > MAX_IMAGES:
        raise _too_many("images", len(images))
    _check_fields(fields, {"mask": mask} if mask is not None else {})
    decoded = [_reference(item, f"images[{index}]") for index, item in enumerate(images)]
    if mask is not None:
        overlay = _reference(mask, "mask")
        if overlay is not None and decoded[0] is not None:
            _check_overlay("mask", overlay, decoded[0])
    return Edit(fields)


def _add_field(fields: dict[str, Any], part: Part) -> None:
    name, keys = part.name.partition("[")[0], re.findall(r"\[(\w+)\]", part.name)
    if name not in FIELDS:
        raise unknown(name)
    if part.filename is not None:
        raise Refusal(f"Invalid type for '{name}': expected a string, but got a file.", param=name)
    try:
        value: Any = part.text
    except UnicodeDecodeError:
        raise Refusal(f"Invalid encoding of '{name}'.", param=name) from None
    if name in RANGES and re.fullmatch(r"-?\d+", value):
        value = int(value)
    if name == "stream":
        value = {"true": True, "false": False}.get(value, value)
    target, path = fields, [name, *keys]
    for key in path[:-1]:
        target = target.setdefault(key, {})
    if path[-1] in target:
        raise Refusal(f"Duplicate parameter: '{part.name}'.", param=name)
    target[path[-1]] = value


def _check_fields(fields: dict[str, Any], overlays: dict[str, Any]) -> None:
    for name in fields:
        if name not in FIELDS:
            raise unknown(name)
    if not fields.get("prompt"):
        raise missing("prompt")
    for name in TEXTS:
        if not isinstance(fields.get(name, ""), str):
            raise Refusal(f"Invalid type for '{name}'.", param=name, code="invalid_type")
    if len(fields["prompt"]) > 32_000:
        raise Refusal("'prompt' is too long.", param="prompt", code="string_above_max_length")
    model = fields.get("model", "gpt-image-2.5-sunburst")
    if model not in MODELS:
        raise Refusal(
            f"The model '{model}' does not exist or you do not have access to it.",
            status=404,
            code="model_not_found",
        )
    _check_values(fields)
    _check_model(fields, MODELS[model], overlays)
    _check_output(fields, overlays)


def _check_values(fields: dict[str, Any]) -> None:
    for name, allowed in ENUMS.items():
        if name in fields and fields[name] not in allowed:
            options = ", ".join(f"'{value}'" for value in allowed)
            raise Refusal(
                f"Invalid value: '{fields[name]}'. Supported values are: {options}.", param=name
            )
    for name, (low, high) in RANGES.items():
        value = fields.get(name, low)
        if type(value) is not int or not low <= value <= high:
            raise Refusal(f"Invalid '{name}': {low} to {high} expected.", param=name)
    if not isinstance(fields.get("stream", False), bool):
        raise Refusal("Invalid type for 'stream'.", param="stream", code="invalid_type")


def _check_model(fields: dict[str, Any], generation: float, overlays: dict[str, Any]) -> None:
    size = fields.get("size", "auto")
    if not (size in OLD_SIZES or (generation >= 2 and _free_size(size))):
        raise Refusal(f"Invalid value: '{size}'.", param="size")
    if generation < 2.5 and fields.get("quality") in ("xhigh", "max"):
        raise Refusal(f"Invalid value: '{fields['quality']}'.", param="quality")
    if "input_fidelity" in fields and not (
        generation == 1.5 or (generation == 1.0 and fields["input_fidelity"] == "low")
    ):
        raise Refusal("This model does not support 'input_fidelity'.", param="input_fidelity")
    for name, since in SINCE.items():
        if name in fields and generation < since:
            raise unknown(name)
    if "markup" in overlays and generation < 2.5:
        raise unknown("markup")
    if "markup" in overlays and "mask" in overlays:
        raise Refusal("'markup' cannot be combined with 'mask'.", param="markup")


def _free_size(size: str) -> bool:
    match = re.fullmatch(r"(\d{2,4})x(\d{2,4})", size)
    if match is None:
        return False
    short, long = sorted(map(int, match.groups()))
    return not (short % 16 or long % 16) and long <= 3 * short and long <= 3840 and short <= 2160


def _check_output(fields: dict[str, Any], overlays: dict[str, Any]) -> None:
    output = fields.get("output_format", "png")
    if fields.get("background") == "transparent" and output == "jpeg":
        raise Refusal("Transparent background is not supported for jpeg.", param="background")
    if fields.get("output_compression", 100) != 100 and output not in ("webp", "jpeg"):
        raise Refusal("Compression needs webp or jpeg.", param="output_compression")
    if output != "gif" and {"frame_count", "frame_duration_ms"} & fields.keys():
        raise Refusal("Frames need output_format 'gif'.", param="frame_count")
    if output == "gif" and (fields.get("stream") or "mask" in overlays):
        raise Refusal("gif cannot be streamed or masked.", param="output_format")
    if output == "svg" and (fields.get("stream") or fields.get("n", 1) != 1):
        raise Refusal("svg cannot be streamed and needs n=1.", param="output_format")
    if "svg" in fields and not (isinstance(fields["svg"], dict) and fields["svg"].get("model")):
        raise missing("svg.model")


def _form_picture(part: Part, param: str, limit: int) -> Image.Image:
    if part.filename is None:
        raise Refusal(
            f"Invalid type for '{param}': expected a file, but got a string instead.",
            param=param,
            code="invalid_type",
        )
    if part.content_type not in TYPES or (param != "image" and part.content_type != "image/png"):
        raise Refusal(
            f"Invalid file '{param}': unsupported mimetype ('{part.content_type}'). Supported "
            "file formats are 'image/jpeg', 'image/png', and 'image/webp'.",
            param=param,
            code="unsupported_file_mimetype",
        )
    if part.size >= limit:
        raise bad_image(f"Invalid file '{param}': it is too large.")
    kind = EXTENSIONS.get(part.filename.rpartition(".")[2].lower())
    decoded = _decoded(part.data)
    if decoded.format != TYPES[part.content_type] or decoded.format != kind:
        raise bad_image(f"Invalid file '{param}': its name or type does not fit its content.")
    return decoded


def _decoded(data: bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data), formats=tuple(TYPES.values()))
        image.load()
    except Exception:
        raise bad_image("Invalid image file or mode for image 1, please check.") from None
    return image


def _check_overlay(name: str, overlay: Image.Image, first: Image.Image) -> None:
    if overlay.size != first.size:
        raise bad_image(f"Invalid {name} image format - {name} size does not match image size.")
    if "A" not in overlay.getbands() and "transparency" not in overlay.info:
        raise bad_image(f"Invalid {name} image format - {name} image missing alpha channel.")


def _reference(item: Any, param: str) -> Image.Image | None:
    if not isinstance(item, dict):
        raise Refusal(
            f"Invalid type for '{param}': expected an object.", param=param, code="invalid_type"
        )
    for key in item.keys() - {"image_url", "file_id"}:
        raise unknown(f"{param}.{key}")
    if len(item) != 1:
        raise Refusal(f"'{param}' needs exactly one of image_url and file_id.", param=param)
    if "file_id" in item:
        if not str(item["file_id"]).startswith("file-"):
            raise Refusal(f"No such file: '{item['file_id']}'.", param=f"{param}.file_id")
        return None
    url = item["image_url"]
    if not isinstance(url, str) or len(url) > MAX_URL_CHARS:
        raise Refusal(
            f"Invalid '{param}.image_url'.",
            param=f"{param}.image_url",
            code="string_above_max_length",
        )
    return _url_picture(url, f"{param}.image_url")


def _url_picture(url: str, param: str) -> Image.Image | None:
    if url.startswith("https://"):
        return None
    match = re.match(r"data:(image/(?:png|jpeg|webp));base64,", url)
    if match is None:
        raise Refusal(f"Invalid '{param}': expected a URL.", param=param)
    try:
        decoded = _decoded(base64.b64decode(url[match.end() :], validate=True))
    except binascii.Error:
        raise Refusal(f"Invalid '{param}': expected base64 data.", param=param) from None
    if decoded.format != TYPES[match[1]]:
        raise bad_image(f"Invalid '{param}': its type does not fit its content.")
    return decoded


def _too_many(param: str, count: int) -> Refusal:
    return Refusal(
        f"Invalid '{param}': array too long. Expected an array with maximum length {MAX_IMAGES}, "
        f"but got an array with length {count} instead.",
        param=param,
        code="array_above_max_length",
    )
