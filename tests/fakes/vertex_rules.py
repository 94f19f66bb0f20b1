"""What Vertex AI refuses, with the error objects it answers; a second reading of its contract.

Stricter than Google where Google would answer with nonsense: a mask that is mostly white is
taken for an inverted one, since the tests' holes are small.
"""

from __future__ import annotations

import base64
import binascii
import io
from typing import Any

from PIL import Image

_CONFIGS: dict[str, dict[str, Any]] = {
    "maskImageConfig": {"maskMode": str, "maskClasses": list, "dilation": (int, float)},
    "controlImageConfig": {"controlType": str, "enableControlImageComputation": bool},
    "styleImageConfig": {"styleDescription": str},
    "subjectImageConfig": {"subjectDescription": str, "subjectType": str},
}
_REFERENCE: dict[str, Any] = {
    "referenceType": str,
    "referenceId": int,
    "referenceImage": {"bytesBase64Encoded": str, "mimeType": str},
    **_CONFIGS,
}
PREDICT: dict[str, Any] = {
    "instances": [{"prompt": str, "referenceImages": [_REFERENCE]}],
    "parameters": {
        "sampleCount": int,
        "editMode": str,
        "editConfig": {"baseSteps": int},
        "guidanceScale": (int, float),
        "seed": int,
        "addWatermark": bool,
        "negativePrompt": str,
        "aspectRatio": str,
        "includeRaiReason": bool,
        "personGeneration": str,
        "safetySetting": str,
        "language": str,
        "outputOptions": {"mimeType": str, "compressionQuality": int},
    },
    "labels": dict,
}
GENERATE: dict[str, Any] = {
    "contents": [
        {"role": str, "parts": [{"text": str, "inlineData": {"mimeType": str, "data": str}}]}
    ],
    "generationConfig": {
        "responseModalities": [str],
        "imageConfig": {"aspectRatio": str, "imageSize": str, "personGeneration": str},
        "thinkingConfig": {"thinkingLevel": str},
        "seed": int,
    },
    "safetySettings": [{"category": str, "threshold": str}],
    "labels": dict,
}
EDIT_MODES = {
    f"EDIT_MODE_{name}"
    for name in (
        "DEFAULT",
        "INPAINT_REMOVAL",
        "INPAINT_INSERTION",
        "OUTPAINT",
        "BGSWAP",
        "CONTROLLED_EDITING",
        "STYLE",
        "PRODUCT_IMAGE",
    )
}
COMPUTED = {"MASK_MODE_BACKGROUND", "MASK_MODE_FOREGROUND", "MASK_MODE_SEMANTIC"}
MAX_INLINE_BYTES = {"predict": 10 * 1024 * 1024 * 3 // 4, "generate": 7 * 1024 * 1024}


class GoogleRefusal(Exception):
    """An answer outside 2xx, in the shape of google.rpc.Status."""

    def __init__(
        self, message: str, *, status: int = 400, enum: str = "INVALID_ARGUMENT", **details: Any
    ) -> None:
        super().__init__(message)
        self.status = status
        self.document = google_error(status, enum, message, details)


def google_error(
    status: int, enum: str, message: str, details: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Google's error document; ``details`` become an ``ErrorInfo``."""
    error: dict[str, Any] = {"code": status, "message": message, "status": enum}
    if details:
        kind = "type.googleapis.com/google.rpc.ErrorInfo"
        error["details"] = [{"@type": kind, **details}]
    return {"error": error}


def check_names(value: Any, schema: Any, where: str) -> None:
    """Refuse names and types that the schema does not have, as proto-JSON does."""
    if isinstance(schema, dict):
        if not isinstance(value, dict):
            raise GoogleRefusal(f"Invalid value at '{where}'")
        for name, item in value.items():
            if name not in schema:
                raise GoogleRefusal(
                    f"Invalid JSON payload received. Unknown name \"{name}\" at '{where}': "
                    "Cannot find field."
                )
            check_names(item, schema[name], f"{where}.{name}")
    elif isinstance(schema, list):
        if not isinstance(value, list):
            raise GoogleRefusal(f"Invalid value at '{where}'")
        for index, item in enumerate(value):
            check_names(item, schema[0], f"{where}[{index}]")
    elif not isinstance(value, schema) or (schema is int and isinstance(value, bool)):
        raise GoogleRefusal(f"Invalid value at '{where}'")


def check_predict(document: Any) -> None:
    """Refuse a ``:predict`` body."""
    check_names(document, PREDICT, "")
    instances, parameters = document.get("instances", []), document.get("parameters", {})
    if len(instances) != 1:
        raise GoogleRefusal("Image editing failed: exactly one instance is required.")
    if parameters.get("includeRaiReason") is not True or "sampleCount" not in parameters:
        raise GoogleRefusal("The tests insist on includeRaiReason and sampleCount.")
    if not 1 <= parameters["sampleCount"] <= 4:
        raise GoogleRefusal("sampleCount must be between 1 and 4.")
    if parameters.get("editMode") not in EDIT_MODES:
        raise GoogleRefusal("editMode is not valid.")
    if "seed" in parameters and parameters.get("addWatermark") is not False:
        raise GoogleRefusal("Seed is not supported when watermark is enabled.")
    _check_references(instances[0].get("referenceImages", []), parameters)


def check_generate(document: Any) -> list[Image.Image]:
    """Refuse a ``:generateContent`` body; its pictures."""
    check_names(document, GENERATE, "")
    contents = document.get("contents", [])
    if len(contents) != 1 or contents[0].get("role") != "user":
        raise GoogleRefusal("Please use a valid role: user, model.")
    parts = contents[0]["parts"]
    if not parts or "text" not in parts[-1]:
        raise GoogleRefusal("The tests want the prompt last.")
    config = document.get("generationConfig", {})
    if "IMAGE" not in config.get("responseModalities", []):
        raise GoogleRefusal("Request contains an invalid argument.")
    if config.get("imageConfig", {}).get("imageSize", "1K") not in ("512", "1K", "2K", "4K"):
        raise GoogleRefusal("Request contains an invalid argument.")
    inline = [part["inlineData"] for part in parts if "inlineData" in part]
    if len(inline) > 14:
        raise GoogleRefusal("Too many images.")
    return [opened(item.get("data"), item.get("mimeType"), "generate") for item in inline]


def opened(data: Any, mime: Any, kind: str) -> Image.Image:
    """The picture, if its base64 and its declared type are true."""
    try:
        raw = base64.b64decode(data or "", validate=True)
    except (binascii.Error, ValueError):
        raise GoogleRefusal("Base64 decoding failed.") from None
    if not raw:
        raise GoogleRefusal("No uri or raw bytes are provided in media content.")
    if len(raw) > MAX_INLINE_BYTES[kind]:
        raise GoogleRefusal("Request payload size exceeds the limit: 10485760 bytes.")
    allowed = ("PNG", "JPEG") if kind == "predict" else ("PNG", "JPEG", "WEBP")
    image = Image.open(io.BytesIO(raw))
    if image.format not in allowed or Image.MIME[image.format or ""] != mime:
        raise GoogleRefusal("Unable to process input image.")
    image.load()
    return image


def _check_references(references: list[dict[str, Any]], parameters: dict[str, Any]) -> None:
    kinds = [item.get("referenceType", "") for item in references]
    raws = kinds.count("REFERENCE_TYPE_RAW")
    if raws > 1:
        raise GoogleRefusal("Image editing failed: only one RAW reference image is allowed.")
    if not references or len(references) > 4:
        raise GoogleRefusal("Image editing failed: at most 4 reference images.")
    if len({item.get("referenceId") for item in references}) < len(references):
        raise GoogleRefusal("The tests want every referenceId once.")
    pictures = {
        item["referenceType"]: opened(
            item["referenceImage"].get("bytesBase64Encoded"),
            item["referenceImage"].get("mimeType"),
            "predict",
        )
        for item in references
        if "referenceImage" in item
    }
    masks = [item for item in references if item["referenceType"] == "REFERENCE_TYPE_MASK"]
    mode = parameters["editMode"]
    if not masks:
        if mode.startswith("EDIT_MODE_INPAINT") or mode in (
            "EDIT_MODE_OUTPAINT",
            "EDIT_MODE_BGSWAP",
        ):
            raise GoogleRefusal(
                "Image editing failed with the following error: Mask image is missing."
            )
        return
    if len(masks) > 1 or not raws or mode == "EDIT_MODE_DEFAULT" or "aspectRatio" in parameters:
        raise GoogleRefusal("Image editing failed: one RAW and one MASK are required.")
    _check_mask(masks[0], pictures)


def _check_mask(mask: dict[str, Any], pictures: dict[str, Image.Image]) -> None:
    config = mask.get("maskImageConfig", {})
    picture = pictures.get("REFERENCE_TYPE_MASK")
    classes = config.get("maskClasses", [])
    if len(classes) > 5 or not all(0 <= item <= 193 for item in classes):
        raise GoogleRefusal("maskClasses: at most 5, from 0 to 193.")
    if config.get("maskMode") in COMPUTED:
        if picture is not None:
            raise GoogleRefusal("A computed mask has no picture.")
        if (config["maskMode"] == "MASK_MODE_SEMANTIC") != bool(classes):
            raise GoogleRefusal("maskClasses belong to MASK_MODE_SEMANTIC.")
        return
    if config.get("maskMode") != "MASK_MODE_USER_PROVIDED" or picture is None:
        raise GoogleRefusal("Image editing failed: Failed to get mask image bytes.")
    if picture.size != pictures["REFERENCE_TYPE_RAW"].size:
        raise GoogleRefusal("The mask image must have the size of the input image.")
    if picture.mode not in ("L", "RGB", "1"):
        raise GoogleRefusal("The tests want a mask without alpha.")
    levels = picture.convert("L").histogram()
    if sum(levels[1:255]):
        raise GoogleRefusal("The tests want a mask of black and white.")
    if levels[255] > levels[0]:
        raise GoogleRefusal("The mask is inverted: most of it is white.")
