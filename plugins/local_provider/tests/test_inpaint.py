from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import patchmatch
import pytest
from numpy.typing import NDArray
from PIL import Image

from plugins.local_provider.tests.samples import Levels, colours, hole_of, levels, photo, white
from retouch import InvalidImage, InvalidRequest, UpstreamError
from retouch_local import inpaint
from retouch_local.regions import Region

BLUE, RED = (30, 60, 120), (250, 20, 10)


def nothing() -> None:
    """A checkpoint at which nobody has left."""


def filled(image: Image.Image, hole: NDArray[np.bool_], seed: int = 1) -> Image.Image:
    return inpaint.fill(image, white(hole), seed, nothing)


@pytest.fixture(scope="module")
def rocket() -> tuple[Levels, Levels, NDArray[np.bool_]]:
    """The rocket before and after, and the hole over the mast at its right."""
    image, hole = photo("rocket.jpg"), hole_of("rocket-mask.png")
    return levels(image), levels(filled(image, hole)), hole


def unlike_the_sky(pixels: Levels, original: Levels, hole: NDArray[np.bool_]) -> float:
    """How far any pixel of the hole above the clouds is from the sky beside it.

    The sky beside a row of the hole is the mean of ten pixels left and right of it, and
    between them a straight line.
    """
    worst = 0.0
    top = int(np.flatnonzero(hole.any(axis=1))[0])
    for row in range(top, int(len(hole) * 0.8)):
        columns = np.flatnonzero(hole[row])
        left, right = columns[0], columns[-1]
        start = original[row, left - 12 : left - 2].mean(axis=0)
        end = original[row, right + 3 : right + 13].mean(axis=0)
        way = ((columns - left) / (right - left))[:, np.newaxis]
        sky = start * (1 - way) + end * way
        worst = max(worst, float(np.abs(pixels[row, columns] - sky).max()))
    return worst


def test_the_mast_is_gone_and_the_sky_reads_as_if_it_had_never_been(
    rocket: tuple[Levels, Levels, NDArray[np.bool_]],
) -> None:
    before, after, hole = rocket
    assert unlike_the_sky(before, before, hole) > 100
    assert unlike_the_sky(after, before, hole) < 12


def test_the_mast_by_single_pixels(rocket: tuple[Levels, Levels, NDArray[np.bool_]]) -> None:
    before, after, _ = rocket
    # The white pole, and two bars of the lattice below it; beside them only sky.
    for column, row, beside in ((447, 147, 475), (447, 160, 475), (460, 250, 490)):
        sky = before[row, beside]
        assert np.abs(before[row, column] - sky).max() > 12
        assert np.abs(after[row, column] - sky).max() <= 12


def test_the_lights_at_its_foot_are_gone(
    rocket: tuple[Levels, Levels, NDArray[np.bool_]],
) -> None:
    before, after, hole = rocket
    foot = hole.copy()
    foot[:395] = False
    assert np.count_nonzero(before[foot].max(axis=1) > 150) > 300
    assert np.count_nonzero(after[foot].max(axis=1) > 150) == 0


def test_clouds_go_on_where_the_mast_stood(
    rocket: tuple[Levels, Levels, NDArray[np.bool_]],
) -> None:
    """The clouds are greyer than the sky above them, which must not grow down between them."""
    before, after, hole = rocket

    def blueness(pixels: Levels) -> float:
        return float((pixels[..., 2] - pixels[..., 0]).mean())

    clouds, sky = before[380:400, 485:520], before[325:335, 485:520]
    assert blueness(sky) > blueness(clouds) + 10
    assert hole[380:400, 440:465].all()
    assert blueness(after[380:400, 440:465]) < blueness(clouds) + 3


def test_outside_the_mask_every_pixel_is_as_it_was(
    rocket: tuple[Levels, Levels, NDArray[np.bool_]],
) -> None:
    before, after, hole = rocket
    assert (after[~hole] == before[~hole]).all()


def test_the_spoon_leaves_the_saucer() -> None:
    image, hole = photo("coffee.png"), hole_of("coffee-mask.png")
    before, after = levels(image), levels(filled(image, hole))
    bowl = hole.copy()
    bowl[:240] = False

    def metal(pixels: Levels) -> float:
        """The share of pixels that are light without being red, as steel is here."""
        spread = pixels.max(axis=1) - pixels.min(axis=1)
        return float(((spread < 60) & (pixels.max(axis=1) > 90)).mean())

    assert metal(before[bowl]) > 0.1
    assert metal(after[bowl]) < 0.01
    assert (after[~hole] == before[~hole]).all()


def test_the_same_seed_gives_the_same_pixels_and_another_does_not() -> None:
    image = photo("chelsea.png").crop((100, 100, 260, 220))
    hole = np.zeros((120, 160), bool)
    hole[40:70, 60:110] = True
    first, again, other = (levels(filled(image, hole, seed)) for seed in (7, 7, 8))
    assert (first == again).all()
    assert (first != other).any()
    assert (first[~hole] == other[~hole]).all()


def test_seeds_do_not_mix_between_threads() -> None:
    image = photo("chelsea.png").crop((100, 100, 180, 160))
    hole = np.zeros((60, 80), bool)
    hole[20:40, 30:55] = True
    alone = {seed: filled(image, hole, seed).tobytes() for seed in range(4)}
    assert len(set(alone.values())) == 4
    seeds = [turn % 4 for turn in range(32)]
    with ThreadPoolExecutor(8) as threads:
        together = threads.map(lambda seed: filled(image, hole, seed).tobytes(), seeds)
        assert list(together) == [alone[seed] for seed in seeds]


def test_a_large_photo_is_filled_as_well() -> None:
    image = photo("rocket.jpg").resize((3000, 2000), Image.Resampling.LANCZOS)
    mask = white(hole_of("rocket-mask.png")).resize((3000, 2000), Image.Resampling.NEAREST)
    hole = np.asarray(mask) > 0
    before, after = levels(image), levels(filled(image, hole))
    assert (after[~hole] == before[~hole]).all()
    assert unlike_the_sky(before, before, hole) > 100
    assert unlike_the_sky(after, before, hole) < 12


@pytest.mark.parametrize("side", [100, 1000])
def test_nothing_of_what_is_removed_bleeds_into_the_fill(side: int) -> None:
    """At full size, and with a window that is reduced by 2 (1000 pixels against 768)."""
    image = Image.new("RGB", (side, side), BLUE)
    # An odd position, so that squares of 2x2 pixels are partly red, partly blue.
    edge = side // 3 | 1
    image.paste(RED, (edge, edge, 2 * edge, 2 * edge))
    hole = np.asarray(image)[..., 0] == RED[0]
    assert colours(filled(image, hole)) == {BLUE}


def test_the_soft_edge_of_what_is_removed_does_not_grow_into_the_fill() -> None:
    """A mask that follows a red square closely leaves a rim of half red pixels outside."""
    image = Image.new("RGB", (100, 100), BLUE)
    image.paste((140, 40, 65), (29, 29, 71, 71))
    image.paste(RED, (30, 30, 70, 70))
    hole = np.asarray(image)[..., 0] == RED[0]
    result = levels(filled(image, hole))
    assert np.abs(result[hole] - BLUE).max() < 40
    assert (result[35:65, 35:65] == BLUE).all()


def test_holes_far_apart_take_what_is_around_each() -> None:
    image = Image.new("RGB", (900, 300), BLUE)
    yellow = (240, 220, 40)
    image.paste(yellow, (450, 0, 900, 300))
    hole = np.zeros((300, 900), bool)
    hole[100:140, 100:140] = hole[100:140, 750:790] = True
    image.paste(RED, mask=white(hole))
    result = levels(filled(image, hole))
    assert (result[100:140, 100:140] == BLUE).all()
    assert (result[100:140, 750:790] == yellow).all()


def test_a_hole_is_no_source_for_its_neighbour() -> None:
    """The second red square lies in the window of the first, and is unknown as well."""
    image = Image.new("RGB", (640, 640), BLUE)
    hole = np.zeros((640, 640), bool)
    hole[300:340, 300:340] = hole[300:340, 360:400] = True
    image.paste(RED, mask=white(hole))
    assert colours(filled(image, hole)) == {BLUE}


@pytest.mark.parametrize("side", [200, 1000])
def test_a_mask_of_fine_speckles_is_filled(side: int) -> None:
    """Every fourth pixel is unknown, so that in a reduced window no pixel is without one."""
    image = Image.new("RGB", (side, side), BLUE)
    hole = np.zeros((side, side), bool)
    hole[::2, ::2] = True
    image.paste(RED, mask=white(hole))
    result = levels(filled(image, hole))
    # Means of 16 pixels are rounded to whole levels twice.
    assert np.abs(result - BLUE).max() <= 2


@pytest.mark.parametrize("size", [(2, 1), (1, 2), (2, 2), (3, 7), (9, 4)])
def test_pictures_smaller_than_a_patch(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, BLUE)
    hole = np.zeros(size[::-1], bool)
    hole[0, 0] = True
    result = levels(filled(image, hole))
    assert (result[~hole] == BLUE).all()


def test_transparent_pixels_are_not_copied_and_the_fill_is_opaque() -> None:
    image = Image.new("RGBA", (120, 80), (*BLUE, 255))
    image.paste((*RED, 0), (60, 0, 120, 80))
    hole = np.zeros((80, 120), bool)
    hole[30:50, 40:80] = True
    result = levels(filled(image, hole))
    assert (result[hole] == (*BLUE, 255)).all()
    assert (result[~hole] == levels(image)[~hole]).all()


def test_nothing_but_transparency_around_the_mask_is_refused() -> None:
    image = Image.new("RGBA", (60, 60), (*RED, 0))
    hole = np.zeros((60, 60), bool)
    hole[20:40, 20:40] = True
    with pytest.raises(InvalidImage) as refusal:
        filled(image, hole)
    assert refusal.value.param == "image"


@pytest.mark.parametrize(
    ("rows", "code"), [(0, "empty_mask"), (61, "mask_too_large"), (100, "mask_too_large")]
)
def test_a_mask_with_nothing_to_do_or_too_much_is_refused(rows: int, code: str) -> None:
    hole = np.zeros((100, 30), bool)
    hole[:rows] = True
    with pytest.raises(InvalidRequest) as refusal:
        inpaint.check_share(white(hole))
    assert (refusal.value.status, refusal.value.param, refusal.value.code) == (400, "mask", code)


@pytest.mark.parametrize("rows", [1, 60])
def test_a_mask_of_up_to_sixty_percent_is_taken(rows: int) -> None:
    hole = np.zeros((100, 30), bool)
    hole[:rows] = True
    inpaint.check_share(white(hole))


@pytest.mark.parametrize(
    ("side", "excess", "factor"),
    [
        (768, 1, 1),
        (769, 1, 2),
        (3000, 1, 4),  # 3000 / 768 = 3.9
        (3000, 2.25, 6),  # 4 * sqrt(2.25)
        (3000, 100, 10),  # 4 * sqrt(100) = 40, but 3000 / 320 = 9.4
        (300, 100, 1),  # below 320 already
    ],
)
def test_by_how_much_a_window_is_reduced(side: int, excess: float, factor: int) -> None:
    region = Region((0, 0, side, 10), np.zeros((10, side), bool))
    assert inpaint._reduction(region, excess) == factor


def test_work_ends_between_two_holes_when_nobody_waits() -> None:
    image = Image.new("RGB", (640, 640), BLUE)
    hole = np.zeros((640, 640), bool)
    hole[100:110, 100:110] = hole[500:510, 500:510] = True
    calls = 0

    def leave_at_the_second() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise InterruptedError

    image.paste(RED, mask=white(hole))
    before = image.tobytes()
    with pytest.raises(InterruptedError):
        inpaint.fill(image, white(hole), 1, leave_at_the_second)
    assert image.tobytes() == before
    assert colours(filled(image, hole)) == {BLUE}


def test_without_the_native_library_the_answer_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patchmatch, "patchmatch_available", False)
    hole = np.zeros((20, 20), bool)
    hole[5:10, 5:10] = True
    with pytest.raises(UpstreamError, match="not available"):
        filled(Image.new("RGB", (20, 20)), hole)
