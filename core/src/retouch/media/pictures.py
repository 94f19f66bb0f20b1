"""Look at a picture before it is trusted: its format, size and wholeness, from its bytes.

Nothing is decoded: the walks follow chunk and segment headers and verify checksums, so a
picture that would need gigabytes to decode costs as little as any other, and no decoder
library ever sees bytes that were not checked.
"""

from __future__ import annotations

from collections.abc import Callable

from retouch.errors import InvalidImage
from retouch.media import jpeg, png, webp
from retouch.media.blob import Blob
from retouch.media.structure import BrokenPicture, Reader, Structure
from retouch.types import Picture, PictureFormat

ACCEPTED = "PNG, JPEG and WebP"

#: Formats that people try: where the mark starts, the mark, the name to tell them.
_REFUSED_FORMATS = (
    (0, b"GIF8", "a GIF"),
    (0, b"II*\0", "a TIFF"),
    (0, b"MM\0*", "a TIFF"),
    (0, b"BM", "a BMP"),
    (0, b"%PDF", "a PDF"),
    (0, b"<svg", "an SVG"),
    (0, b"<?xml", "an SVG or XML"),
    (4, b"ftypavi", "an AVIF"),
    (4, b"ftyphei", "a HEIC"),
    (4, b"ftypmif1", "a HEIC"),
    (0, b"\x00\x00\x00\x0cJXL ", "a JPEG XL"),
    (0, b"\xff\x0a", "a JPEG XL"),
)


def inspect(blob: Blob, *, param: str = "image", inline: bool = False) -> Picture:
    """Check the structure of a picture and say what it is.

    The format comes from the first bytes, never from a name or a declared type. Animated
    pictures are refused; bytes after the picture's own end are accepted. Pixel data is not
    decoded, so a picture with a good structure may still hold broken pixels. Takes
    milliseconds for 50 MB, in at most 1 MiB of memory.

    :param param: the request field, for the error.
    :param inline: whether it came as a ``data:`` URL.
    :raises InvalidImage: when it is empty, of another format than PNG, JPEG and WebP (code
        ``unsupported_image_format``), cut off, damaged, animated, without pixels, or larger
        than 16,384 pixels a side or 100 million in all.
    """
    if not blob.size:
        raise InvalidImage(f"`{param}` is empty.", param=param)
    reader = Reader(blob)
    head = reader.read(0, 16)
    recognised, walk = _recognise(head, param)
    try:
        found = walk(reader)
    except BrokenPicture as reason:
        raise InvalidImage(f"`{param}` {reason}.", param=param) from None
    return Picture(
        blob=blob,
        format=recognised,
        width=found.width,
        height=found.height,
        alpha=found.alpha,
        orientation=found.orientation,
        inline=inline,
    )


def _recognise(head: bytes, param: str) -> tuple[PictureFormat, Callable[[Reader], Structure]]:
    if head.startswith(png.SIGNATURE):
        return "png", png.walk
    if head.startswith(jpeg.SIGNATURE):
        return "jpeg", jpeg.walk
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp", webp.walk
    names = (name for at, mark, name in _REFUSED_FORMATS if head.startswith(mark, at))
    what = next(names, "not a picture in a known format")
    raise InvalidImage(
        f"`{param}` is {what}; {ACCEPTED} pictures are accepted.",
        param=param,
        code="unsupported_image_format",
    )
