"""Fill a hole so that it looks as if nothing had ever been there, by PatchMatch.

PatchMatch (Barnes, Shechtman, Finkelstein and Goldman, SIGGRAPH 2009) composes the hole from
small patches of its surroundings. It cannot draw what is nowhere in the picture.

The work does not grow with the picture: around each hole a window is cut out and, where it is
large, filled at a fraction of its size. Only pixels of the hole are pasted back.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import patchmatch
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from retouch import InvalidImage, InvalidRequest, UpstreamError
from retouch_local.regions import Area, Region, find_regions

Pixels = NDArray[np.uint8]

#: Beyond this share of the picture, what is left says too little about what was lost.
MAX_SHARE = 0.6
#: A larger window is reduced until its longer side is at most this (pixels).
MAX_WINDOW_SIDE = 768
#: The work is to find a source for every pixel whose patch reaches into a hole. All windows
#: are reduced further if there are more of them; so many take about three seconds on one core.
MAX_WORK = 20_000
#: But for that no window is reduced below this side: too little would be left of it.
MIN_WINDOW_SIDE = 320
#: Patches reach this far from their centre. Larger ones follow structures less well.
PATCH_RADIUS = 3
#: How much a patch from elsewhere in the picture counts as unlike, in comparison with how
#: unlike it looks. Rows weigh more than columns since a photograph is made of layers (sky,
#: horizon, ground): without this the sky grows down into the clouds.
PLACE_WEIGHT = 0.01
COLUMN_WEIGHT = 0.5
#: By how much every place is shifted at random, which also keeps textures from lining up in
#: rows. Like the weights found by eye on the photographs of ``examples/photos``.
PLACE_JITTER = 0.005

# The native code is safe to run in several threads, but keeps one seed for the process and
# reads it some time after a call began. So it stays the same, and an edit's own seed goes
# into the places, which belong to one call alone.
if patchmatch.patchmatch_available:
    patchmatch.set_random_seed(0)


def check_share(mask: Image.Image) -> None:
    """Refuse a mask that leaves nothing to do, or too little to do it with.

    :param mask: grey; above 0 is to be filled.
    :raises InvalidRequest: with ``param="mask"``.
    """
    levels = mask.histogram()
    share = 1 - levels[0] / sum(levels)
    if share == 0:
        raise InvalidRequest(
            "`mask` has no transparent pixels, so there is nothing to edit; alpha 0 marks the "
            "area to fill.",
            param="mask",
            code="empty_mask",
        )
    if share > MAX_SHARE:
        raise InvalidRequest(
            f"`mask` covers {share:.0%} of the picture; at most {MAX_SHARE:.0%} can be filled "
            "from what is around.",
            param="mask",
            code="mask_too_large",
        )


def fill(
    picture: Image.Image, mask: Image.Image, seed: int, checkpoint: Callable[[], None]
) -> Image.Image:
    """The picture with the masked area filled; all other pixels are exactly as they were.

    Transparent pixels are never copied from, and the filled area becomes opaque.

    :param picture: ``RGB`` or ``RGBA``; not changed.
    :param mask: grey and of the picture's size; above 0 is filled.
    :param seed: 0 or more; the same one gives the same pixels.
    :param checkpoint: called before each hole; whatever it raises ends the work.
    :raises InvalidImage: with ``param="image"``, when all around a hole is transparent.
    :raises UpstreamError: when PatchMatch has no native library for this system.
    """
    if not patchmatch.patchmatch_available:
        raise UpstreamError("Filling is not available: PatchMatch cannot run on this system.")
    unknown: Area = np.asarray(mask) > 0
    blocked = unknown.copy()
    if picture.mode == "RGBA":
        blocked |= np.asarray(picture.getchannel("A")) == 0
    filled = picture.convert("RGB")
    found = find_regions(unknown)
    excess = max(1, sum(_work(region) for region in found) / MAX_WORK)
    for region in found:
        checkpoint()
        _fill_region(filled, region, blocked, _reduction(region, excess), seed)
    if picture.mode == "RGBA":
        alpha = picture.getchannel("A")
        alpha.paste(255, mask=mask.point(lambda level: 255 * (level > 0)))
        filled.putalpha(alpha)
    return filled


def _work(region: Region) -> int:
    """How many pixels of a window need a source, at the window's largest allowed size."""
    reduced = _grey(region.hole).reduce(_reduction(region))
    reach = ImageFilter.MaxFilter(2 * PATCH_RADIUS + 1)
    return int(np.count_nonzero(np.asarray(reduced.filter(reach))))


def _reduction(region: Region, excess: float = 1) -> int:
    """The whole number by which the sides of a window are divided before it is filled.

    :param excess: how many times too much work it would be otherwise.
    """
    side: int = max(region.hole.shape)
    by_side = math.ceil(side / MAX_WINDOW_SIDE)
    by_work = math.ceil(min(by_side * math.sqrt(excess), side / MIN_WINDOW_SIDE))
    return max(by_side, by_work)


def _fill_region(
    picture: Image.Image, region: Region, blocked: Area, factor: int, seed: int
) -> None:
    """Fill one hole, in place.

    :param picture: ``RGB``.
    :param blocked: pixels of the picture that are not to be copied from; once filled they may.
    :param factor: by which the sides of the region are divided before.
    """
    left, top, right, bottom = region.box
    blocked = blocked[top:bottom, left:right]
    blocked &= ~region.hole
    size = right - left, bottom - top
    pixels, hole = _reduced(picture.crop(region.box), region.hole, factor)
    useless = (np.asarray(_grey(blocked).reduce(factor)) > 0) & ~hole
    if (hole | useless).all():
        raise InvalidImage(
            "All around the masked area `image` is transparent, so there is nothing to fill it "
            "with.",
            param="image",
        )
    patch = Image.fromarray(_patchmatch(pixels, hole, useless, seed))
    # The last row and column of the patch may stand for less than a whole factor of pixels.
    extent = (0, 0, size[0] / factor, size[1] / factor)
    patch = patch.resize(size, Image.Resampling.BICUBIC, box=extent)
    picture.paste(patch, region.box, Image.fromarray(region.hole))


def _reduced(window: Image.Image, hole: Area, factor: int) -> tuple[Pixels, Area]:
    """A window and its hole with sides divided by a whole number.

    Each pixel becomes the mean of the known pixels it stands for; where less than half of
    them are known it belongs to the hole.
    """
    # Black first, then divided by how much was known: so nothing of what is removed bleeds
    # into the mean.
    window.paste(0, mask=Image.fromarray(hole))
    known = np.asarray(_grey(~hole).reduce(factor))
    means = np.asarray(window.reduce(factor)) * (255 / np.maximum(known, 1))[..., np.newaxis]
    return means.round().clip(0, 255).astype(np.uint8), _grown(known < 128)


def _grey(area: Area) -> Image.Image:
    return Image.fromarray(area.astype(np.uint8) * 255)


def _grown(hole: Area) -> Area:
    """The hole and one pixel around it, which still shows the soft edge of what is removed.

    Not so where that would leave less than half of the surroundings, as with a mask of fine
    speckles.
    """
    grown: Area = np.asarray(_grey(hole).filter(ImageFilter.MaxFilter(3))) > 0
    return grown if 2 * np.count_nonzero(~grown) >= np.count_nonzero(~hole) else hole


def _patchmatch(pixels: Pixels, hole: Area, blocked: Area, seed: int) -> Pixels:
    return patchmatch.inpaint_regularity(
        pixels,
        hole,
        _places(hole.shape, seed),
        global_mask=blocked if blocked.any() else None,
        patch_size=PATCH_RADIUS,
        guide_weight=PLACE_WEIGHT,
    )


def _places(shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """Where each pixel is, from 0 to about 0.5 along the longer side: the library's map.

    Its coordinates wrap around at 1, so that no two pixels can be farther apart than 0.5.
    """
    height, width = shape
    places = np.random.default_rng(seed).random((height, width, 3), np.float32) * PLACE_JITTER
    places[..., 0] += np.arange(height)[:, np.newaxis] / (2 * max(shape))
    places[..., 1] += np.arange(width) / (2 * max(shape)) * COLUMN_WEIGHT
    return places
