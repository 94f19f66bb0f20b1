"""Pictures in another format, without transparency, or upright.

All of these take from milliseconds to seconds, so they are called in a worker thread.
"""

from __future__ import annotations

import msgspec

from retouch.errors import InvalidImage
from retouch.media.blob import Blob
from retouch.types import Picture, PictureFormat

WHITE = (255, 255, 255)
#: The largest side that a WebP bitstream can name (RFC 9649 section 3.4, RFC 6386 section 9.1).
MAX_WEBP_SIDE = 16_383


def convert(
    blob: Blob,
    source: PictureFormat,
    target: PictureFormat,
    *,
    compression: int | None = None,
    param: str = "image",
) -> Blob:
    """The same picture as ``target``; the blob itself where there is nothing to do.

    Colour profile and EXIF orientation are kept, all other notes (place, camera, texts) are
    not. Transparency lies on white in a JPEG, which has none. 16 bits per channel become 8.

    :param compression: OpenAI's ``output_compression``, taken as the quality in percent: 0 is
        the smallest file, 100 (as ``None``, OpenAI's default) the best: WebP is then lossless.
        PNG is always lossless and ignores it.
    :param param: the request field, for the error.
    :raises InvalidImage: when the picture is broken, or too large for a WebP.
    """
    quality = 100 if compression is None else compression
    if source == target and (target == "png" or quality == 100):
        return blob
    from retouch.media import pixels  # noqa: PLC0415 - it imports Pillow

    picture, image = pixels.decode(blob, param=param)
    if target == "webp" and max(image.size) > MAX_WEBP_SIDE:
        raise InvalidImage(
            f"`{param}` has {picture.width}x{picture.height} pixels; a WebP can have at most "
            f"{MAX_WEBP_SIDE} a side.",
            param=param,
        )
    if target == "jpeg":
        image = pixels.flatten(image, WHITE)
    return pixels.encode(image, target, orientation=picture.orientation, quality=quality)


def flatten(
    blob: Blob,
    format: PictureFormat,
    background: tuple[int, int, int] = WHITE,
    *,
    param: str = "image",
) -> Blob:
    """The picture as a PNG without alpha channel, its transparent parts lying on a background.

    Colour profile and EXIF orientation are kept.

    :param format: what the blob is said to be; its own bytes decide.
    :param background: red, green and blue, 0 to 255.
    :param param: the request field, for the error.
    :raises InvalidImage: when the picture is broken.
    """
    from retouch.media import pixels  # noqa: PLC0415 - it imports Pillow

    picture, image = pixels.decode(blob, param=param)
    flat = pixels.flatten(image, background)
    return pixels.encode(flat, "png", orientation=picture.orientation)


def upright(picture: Picture, *, param: str = "image") -> Picture:
    """The picture with its EXIF orientation applied to the pixels; itself if there is none.

    Whether a provider looks at the orientation is rarely documented. With a mask it decides
    which area is edited, so that a turned picture is best sent upright, with
    ``Mask.upright()``. A JPEG is encoded anew at its best quality.

    :param param: the request field, for the error.
    :raises InvalidImage: when the picture is broken.
    """
    if picture.orientation == 1:
        return picture
    from retouch.media import pixels  # noqa: PLC0415 - it imports Pillow

    _, image = pixels.decode(picture.blob, param=param)
    turned = pixels.turn(image, picture.orientation)
    return msgspec.structs.replace(
        picture,
        blob=pixels.encode(turned, picture.format),
        width=turned.width,
        height=turned.height,
        orientation=1,
    )
