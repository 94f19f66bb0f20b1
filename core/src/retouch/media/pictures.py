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
from retouch.media.structure import BrokenPicture, Reader, Structure, Walk
from retouch.types import Picture, PictureFormat

ACCEPTED = "PNG, JPEG and WebP"

#: So much tells the formats apart.
_HEAD_BYTES = 16
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
    return Inspection(param).finish(blob, inline=inline)


class Inspection:
    """``inspect`` for a picture that is still arriving: the work is done as the bytes come.

    :param param: the request field, for the error.
    """

    def __init__(self, param: str) -> None:
        self._param = param
        self._reader = Reader()
        self._format: PictureFormat | None = None
        self._walk: Walk | None = None
        self._found: Structure | None = None
        self._refusal: InvalidImage | None = None

    def feed(self, piece: bytes) -> None:
        """The next piece of the picture. A refusal waits for ``finish``."""
        if self._found is None and self._refusal is None:
            self._reader.grow(piece)
            self._advance()

    def finish(self, blob: Blob, *, inline: bool = False) -> Picture:
        """The picture, whose bytes were fed so far in part, wholly or not at all.

        :raises InvalidImage: as ``inspect``.
        """
        if not blob.size:
            raise InvalidImage(f"`{self._param}` is empty.", param=self._param)
        if self._found is None and self._refusal is None:
            self._reader.complete(blob)
            self._advance()
        if self._refusal is not None:
            raise self._refusal
        assert self._format is not None and self._found is not None  # noqa: S101, PT018
        return Picture(
            blob=blob,
            format=self._format,
            width=self._found.width,
            height=self._found.height,
            alpha=self._found.alpha,
            orientation=self._found.orientation,
            inline=inline,
        )

    def _advance(self) -> None:
        """Walk as far as the bytes reach."""
        try:
            if self._walk is None:
                if self._reader.lacks(0, _HEAD_BYTES):
                    return
                head = self._reader.read(0, _HEAD_BYTES)
                self._format, walk = _recognise(head, self._param)
                self._walk = walk(self._reader)
            next(self._walk)
        except StopIteration as end:
            self._found = end.value
        except BrokenPicture as reason:
            self._refusal = InvalidImage(f"`{self._param}` {reason}.", param=self._param)
        except InvalidImage as refusal:
            self._refusal = refusal


def _recognise(head: bytes, param: str) -> tuple[PictureFormat, Callable[[Reader], Walk]]:
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
