"""Carry out the commands of ``local/ops``, with Pillow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from retouch import InvalidRequest
from retouch_local import inpaint
from retouch_local.grammar import MAX_SIDE, Ratio, Size, Step
from retouch_local.pictures import WHITE

#: The largest picture that a command may make, as large as the largest that is taken.
MAX_PIXELS = 40_000_000
#: Red, green and blue of the result as mixtures of red, green and blue; each row ends with an
#: offset. The matrix of the W3C Filter Effects Module, section "sepia-tone", at full strength.
_SEPIA = (0.393, 0.769, 0.189, 0, 0.349, 0.686, 0.168, 0, 0.272, 0.534, 0.131, 0)
#: Pillow turns counterclockwise, people and photo programs clockwise.
_TURNS = {
    "90": Image.Transpose.ROTATE_270,
    "180": Image.Transpose.ROTATE_180,
    "270": Image.Transpose.ROTATE_90,
}

#: Takes a picture and the command's value: whatever the command's row of the grammar reads.
Operation = Callable[[Image.Image, Any], Image.Image]


def apply(
    picture: Image.Image,
    steps: Sequence[Step],
    mask: Image.Image | None,
    seed: int,
    checkpoint: Callable[[], None],
) -> Image.Image:
    """The picture after all commands.

    :param picture: ``RGB`` or ``RGBA``; not changed.
    :param mask: grey and of the picture's size: 0 keeps a pixel as it is, 255 takes the
        edited one, levels between mix the two. Only for commands without geometry.
    :param seed: for ``outpaint``.
    :param checkpoint: called before each command; whatever it raises ends the work.
    :raises InvalidRequest: with ``param="prompt"``, for a size that this picture cannot have.
    """
    outpaint = partial(_outpaint, seed=seed, checkpoint=checkpoint)
    geometry: dict[str, Operation] = {**GEOMETRY, "outpaint": outpaint}
    edited = picture
    for step in steps:
        checkpoint()
        if step.command.geometry:
            edited = geometry[step.command.name](edited, step.value)
        else:
            edited = _recoloured(edited, step)
    return edited if mask is None else Image.composite(edited, picture, mask)


def _recoloured(picture: Image.Image, step: Step) -> Image.Image:
    """The picture with other colours and the same transparency."""
    recoloured = COLOURS[step.command.name](picture.convert("RGB"), step.value).convert("RGB")
    if picture.mode == "RGBA":
        recoloured.putalpha(picture.getchannel("A"))
    return recoloured


def _pixelate(picture: Image.Image, side: int) -> Image.Image:
    squares = picture.reduce(side)
    size = squares.width * side, squares.height * side
    return squares.resize(size, Image.Resampling.NEAREST).crop((0, 0, *picture.size))


def _flip(picture: Image.Image, direction: str) -> Image.Image:
    return ImageOps.mirror(picture) if direction == "horizontal" else ImageOps.flip(picture)


def _crop(picture: Image.Image, wanted: Size | Ratio) -> Image.Image:
    size = wanted if isinstance(wanted, Size) else _largest_inside(picture, wanted)
    if size.width > picture.width or size.height > picture.height:
        raise _impossible("crop", size, f"the picture has only {picture.width}x{picture.height}")
    left, top = (picture.width - size.width) // 2, (picture.height - size.height) // 2
    return picture.crop((left, top, left + size.width, top + size.height))


def _resize(picture: Image.Image, size: Size) -> Image.Image:
    _check_bounds("resize", size)
    return picture.resize((size.width, size.height), Image.Resampling.LANCZOS)


def _pad(picture: Image.Image, ratio: Ratio) -> Image.Image:
    size = _smallest_around(picture, ratio)
    _check_bounds("pad", size)
    return _on_canvas(picture, size, WHITE)


def _outpaint(
    picture: Image.Image, size: Size, *, seed: int, checkpoint: Callable[[], None]
) -> Image.Image:
    _check_bounds("outpaint", size)
    if size.width < picture.width or size.height < picture.height:
        raise _impossible("outpaint", size, f"the picture has {picture.width}x{picture.height}")
    if picture.size == (size.width, size.height):
        return picture
    if picture.width * picture.height < (1 - inpaint.MAX_SHARE) * size.width * size.height:
        raise _impossible(
            "outpaint", size, f"more than {inpaint.MAX_SHARE:.0%} of it would have to be invented"
        )
    border = _on_canvas(Image.new("L", picture.size, 0), size, 255)
    return inpaint.fill(_on_canvas(picture, size, WHITE), border, seed, checkpoint)


def _on_canvas(picture: Image.Image, size: Size, colour: int | tuple[int, int, int]) -> Image.Image:
    """The picture in the middle of a larger one."""
    canvas = Image.new(picture.mode, (size.width, size.height), colour)
    canvas.paste(picture, ((size.width - picture.width) // 2, (size.height - picture.height) // 2))
    return canvas


def _largest_inside(picture: Image.Image, ratio: Ratio) -> Size:
    width = min(picture.width, picture.height * ratio.width // ratio.height)
    height = min(picture.height, picture.width * ratio.height // ratio.width)
    return Size(max(width, 1), max(height, 1))


def _smallest_around(picture: Image.Image, ratio: Ratio) -> Size:
    width = max(picture.width, -(-picture.height * ratio.width // ratio.height))
    height = max(picture.height, -(-picture.width * ratio.height // ratio.width))
    return Size(width, height)


def _check_bounds(name: str, size: Size) -> None:
    if max(size.width, size.height) > MAX_SIDE or size.width * size.height > MAX_PIXELS:
        raise _impossible(
            name, size, f"the limit is {MAX_SIDE} pixels a side and {MAX_PIXELS} in all"
        )


def _impossible(name: str, size: Size, why: str) -> InvalidRequest:
    return InvalidRequest(
        f"`{name}` to {size.width}x{size.height} is not possible: {why}.",
        param="prompt",
        code="invalid_value",
    )


#: Commands that change the colours of an ``RGB`` picture.
COLOURS: dict[str, Operation] = {
    "grayscale": lambda picture, _: ImageOps.grayscale(picture),
    "sepia": lambda picture, _: picture.convert("RGB", _SEPIA),
    "invert": lambda picture, _: ImageOps.invert(picture),
    "brightness": lambda picture, factor: ImageEnhance.Brightness(picture).enhance(factor),
    "contrast": lambda picture, factor: ImageEnhance.Contrast(picture).enhance(factor),
    "saturation": lambda picture, factor: ImageEnhance.Color(picture).enhance(factor),
    "blur": lambda picture, radius: picture.filter(ImageFilter.GaussianBlur(radius)),
    "sharpen": lambda picture, _: picture.filter(ImageFilter.UnsharpMask(radius=2, percent=150)),
    "posterize": ImageOps.posterize,
    "pixelate": _pixelate,
}
#: Commands that move pixels of an ``RGB`` or ``RGBA`` picture; ``outpaint`` comes on top.
GEOMETRY: dict[str, Operation] = {
    "rotate": lambda picture, degrees: picture.transpose(_TURNS[degrees]),
    "flip": _flip,
    "crop": _crop,
    "resize": _resize,
    "pad": _pad,
}
