"""The client's mask, in the convention that a provider wants.

OpenAI's convention: a PNG with an alpha channel, as large as the first picture; alpha 0
marks what is edited, 255 what is kept, and values between grow in strength towards 0.
Everybody else reads a mask by its colours, where white or black marks what is edited, and a
mask as OpenAI wants it would then mean anything at all.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import msgspec

from retouch.errors import InvalidImage
from retouch.media import png
from retouch.media.blob import Blob
from retouch.types import Picture

if TYPE_CHECKING:
    from PIL.Image import Image

#: OpenAI takes masks below 4 MB.
MAX_MASK_BYTES = 4 * 1024 * 1024
#: Where only "edit" and "keep" exist, a pixel is edited when it is more than half transparent.
ALPHA_THRESHOLD = 128

#: Where a PNG of any kind names its colour type.
_COLOUR_TYPE_OFFSET = 25


def check_mask(mask: Picture, first: Picture | None) -> Mask:
    """The mask, if OpenAI's rules allow it for the first picture.

    Its size must be the first picture's, either as displayed, which is what drawing programs
    export, or as stored, which is what most libraries work on. The two differ in pictures
    whose EXIF orientation lays them on their side.

    :param first: the first input picture; ``None`` when only the provider can fetch it, so
        that sizes cannot be compared.
    :raises InvalidImage: with ``param="mask"``, when it is not a PNG, has 4 MiB or more, has
        no alpha channel or is of another size than the picture.
    """
    if mask.format != "png":
        raise InvalidImage("`mask` must be a PNG with an alpha channel.", param="mask")
    if mask.blob.size >= MAX_MASK_BYTES:
        raise InvalidImage("`mask` must be smaller than 4 MB.", param="mask")
    if not mask.alpha:
        raise InvalidImage(
            "`mask` has no alpha channel; transparent pixels (alpha 0) mark the area to edit.",
            param="mask",
        )
    size = mask.width, mask.height
    if first is None or size == _displayed_size(first):
        return Mask(mask)
    if size != (first.width, first.height):
        width, height = _displayed_size(first)
        raise InvalidImage(
            f"`mask` has {mask.width}x{mask.height} pixels, but the first image has "
            f"{width}x{height}; both must be of the same size.",
            param="mask",
        )
    return Mask(mask, orientation=first.orientation)


def _displayed_size(picture: Picture) -> tuple[int, int]:
    sides = picture.width, picture.height
    return sides[::-1] if picture.orientation >= 5 else sides


class Mask:
    """The area of the first picture that is to be edited.

    The methods name a convention each and give a PNG of the mask's own width and height.
    They take up to a second for a large mask, so they are called in a worker thread, and
    are safe to call from several at once. Colours of the client's mask never reach the
    results of ``white_edits`` and ``black_edits``; programs often leave the whole picture
    there.

    All of them raise ``InvalidImage`` when the mask's pixels turn out to be broken.

    :param picture: a PNG with alpha, made by the core through ``check_mask``.
    :param orientation: the EXIF orientation of the first picture when the mask lies over the
        stored pixels of a picture that is displayed turned.
    """

    __slots__ = ("_alpha", "_lock", "_made", "_orientation", "_picture")

    def __init__(self, picture: Picture, *, orientation: int = 1) -> None:
        self._picture = picture
        self._orientation = orientation
        self._alpha: Image | None = None
        self._made: dict[tuple[bool, ...], Blob] = {}
        self._lock = threading.Lock()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._picture.width, self._picture.height

    def alpha(self) -> Blob:
        """OpenAI's own convention: alpha 0 is edited, 255 is kept.

        The client's bytes as they are. Only a mask that has transparent colours in place of
        an alpha channel (a palette PNG, for example), which OpenAI may refuse, is written anew.
        """
        blob = self._picture.blob
        if blob.read(_COLOUR_TYPE_OFFSET, 1)[0] in (png.GREY_ALPHA, png.RGB_ALPHA):
            return blob
        with self._lock:
            if () not in self._made:
                self._made[()] = _written(self._channel())
            return self._made[()]

    def white_edits(self, *, binary: bool = False, rgb: bool = False) -> Blob:
        """White (255) is edited, black (0) is kept: Stability, Imagen and most others.

        :param binary: pure black and white, for providers that take no grey: alpha below 128
            is edited. Otherwise a level is 255 minus alpha, as strong as the client said.
        :param rgb: three equal channels in place of 8-bit grey.
        """
        return self._painted(white=True, binary=binary, rgb=rgb)

    def black_edits(self, *, binary: bool = False, rgb: bool = False) -> Blob:
        """Black (0) is edited, white (255) is kept: the inverse of ``white_edits``.

        :param binary: pure black and white: alpha below 128 is edited. Otherwise a level is
            the alpha.
        :param rgb: three equal channels in place of 8-bit grey.
        """
        return self._painted(white=False, binary=binary, rgb=rgb)

    def edited_area(self) -> float:
        """The share of pixels that is edited (alpha below 128), from 0 to 1."""
        with self._lock:
            levels = self._channel().histogram()
        return sum(levels[:ALPHA_THRESHOLD]) / sum(levels)

    def upright(self) -> Mask:
        """The mask as it lies over the displayed picture; goes with ``convert.upright``.

        Itself, unless it has the size of the stored pixels and that is not the displayed one.
        Where the two sizes are equal the mask is taken to lie over what is displayed.
        """
        if self._orientation == 1:
            return self
        from retouch.media import pixels  # noqa: PLC0415 - it imports Pillow

        with self._lock:
            alpha = pixels.turn(self._channel(), self._orientation)
        turned = msgspec.structs.replace(
            self._picture, blob=_written(alpha), width=alpha.width, height=alpha.height
        )
        return Mask(turned)

    def __repr__(self) -> str:
        return f"<Mask of {self.size[0]}x{self.size[1]} pixels>"

    def _painted(self, *, white: bool, binary: bool, rgb: bool) -> Blob:
        from retouch.media import pixels  # noqa: PLC0415 - it imports Pillow

        key = white, binary, rgb
        with self._lock:
            if key not in self._made:
                grey = self._channel().point(_levels(white=white, binary=binary))
                self._made[key] = pixels.encode(grey.convert("RGB") if rgb else grey, "png")
            return self._made[key]

    def _channel(self) -> Image:
        from retouch.media import pixels  # noqa: PLC0415 - it imports Pillow

        if self._alpha is None:
            self._alpha = pixels.decode_alpha(self._picture.blob, param="mask")
        return self._alpha


def _written(alpha: Image) -> Blob:
    from retouch.media import pixels  # noqa: PLC0415 - it imports Pillow

    return pixels.encode(pixels.black_with_alpha(alpha), "png")


def _levels(*, white: bool, binary: bool) -> list[int]:
    """The grey level for each alpha."""
    levels = [255 * (alpha >= ALPHA_THRESHOLD) if binary else alpha for alpha in range(256)]
    return [255 - level for level in levels] if white else levels
