"""Make an edit fit a model, and its result fit the edit, where the core can do it for all.

Everything here that touches pixels runs in a worker thread.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import msgspec
import pybase64

from retouch import capabilities
from retouch.capabilities import Capabilities
from retouch.errors import InvalidImage, UpstreamInvalid
from retouch.media.blob import Blob
from retouch.media.convert import convert
from retouch.media.pictures import inspect
from retouch.types import (
    EditedImage,
    EditRequest,
    EditResult,
    ImageData,
    Picture,
    PictureFormat,
    PictureInput,
)
from retouch.upstream.cut import is_base64

#: Parameters that the core does itself for a model that does not take them.
_DONE_BY_CORE = ("output_format", "output_compression", "response_format", "partial_images")
#: ``output_compression`` as OpenAI takes it to be when it is left out.
FULL_QUALITY = 100
#: Parameters that are for the provider's records, and for ours when it has no such field.
_RECORDS = ("user", "safety_identifier")


async def fit_edit(edit: EditRequest, can: Capabilities) -> EditRequest:
    """Pictures in formats that the model takes, and no parameter that the core does itself.

    :raises InvalidImage: for a picture with too many bytes in the other format.
    """
    changes: dict[str, Any] = {}
    if not all(_fits(picture, can) for picture in edit.images):
        changes["images"] = tuple([await _fitted(picture, can) for picture in edit.images])
    for name in _DONE_BY_CORE + _RECORDS:
        value = getattr(edit, name)
        if value is not None and not capabilities.takes(can, name, value):
            changes[name] = None
    return msgspec.structs.replace(edit, **changes) if changes else edit


async def fit_result(result: EditResult, edit: EditRequest, can: Capabilities) -> EditResult:
    """The result in the output format that was asked for, if the model has no such choice.

    :raises UpstreamInvalid: for a result without pictures, and for text that is not base64.
    """
    if not result.images or not all(_is_usable(image) for image in result.images):
        raise UpstreamInvalid("The provider answered without a usable picture.")
    target, quality = edit.output_format, edit.output_compression
    if target is None or not converts(edit, can):
        return result
    if result.output_format == target and quality in (None, FULL_QUALITY):
        return result
    images = tuple(
        [await asyncio.to_thread(_converted, image, target, quality) for image in result.images]
    )
    return msgspec.structs.replace(result, images=images, output_format=target)


def converts(edit: EditRequest, can: Capabilities) -> bool:
    """Whether the core has to write the model's pictures anew to give what was asked for."""
    target, quality = edit.output_format, edit.output_compression
    if target is None:
        return False
    compressed = quality in (None, FULL_QUALITY) or capabilities.takes(
        can, "output_compression", quality
    )
    return not (compressed and capabilities.takes(can, "output_format", target))


def base64_text(data: ImageData) -> str:
    """A picture as base64 text, whatever it came as.

    :raises UpstreamInvalid: for bytes that cannot be base64.
    """
    if isinstance(data, Blob):
        return pybase64.b64encode(data.read()).decode("ascii")
    try:
        return data if isinstance(data, str) else str(data, "ascii")
    except UnicodeDecodeError as error:
        raise UpstreamInvalid("The provider returned a picture that is not base64.") from error


def _is_usable(image: EditedImage) -> bool:
    """Whether there is a picture or a link; a view was checked when it was cut out of JSON."""
    if image.data is None:
        return image.url is not None
    return isinstance(image.data, Blob | memoryview) or is_base64(image.data)


def _fits(picture: PictureInput, can: Capabilities) -> bool:
    return not isinstance(picture, Picture) or picture.format in can.image_formats


async def _fitted(picture: PictureInput, can: Capabilities) -> PictureInput:
    if not isinstance(picture, Picture) or _fits(picture, can):
        return picture
    target = can.image_formats[0]
    blob = await asyncio.to_thread(convert, picture.blob, picture.format, target)
    fitted = msgspec.structs.replace(picture, blob=blob, format=target)
    capabilities.check_bytes(fitted, can)
    return fitted


def _converted(image: EditedImage, target: str, compression: int | None) -> EditedImage:
    if image.data is None:
        raise UpstreamInvalid("The provider returned a link, which cannot be converted.")
    try:
        blob = image.data
        if not isinstance(blob, Blob):
            blob = Blob(pybase64.b64decode(base64_text(blob), validate=True))
        source = inspect(blob)
        # `capabilities.check` let only formats through that can be made.
        made = convert(blob, source.format, cast("PictureFormat", target), compression=compression)
    except (InvalidImage, ValueError) as error:
        raise UpstreamInvalid("The provider returned a picture that cannot be read.") from error
    return msgspec.structs.replace(image, data=made)
