from __future__ import annotations

import numpy as np
import pytest

from retouch_local.regions import MAX_REGIONS, find_regions


def test_one_hole_with_its_own_size_around_it() -> None:
    unknown = np.zeros((1000, 1000), bool)
    unknown[400:500, 600:680] = True
    (region,) = find_regions(unknown)
    # 100 high and 80 wide: 100 pixels around it on all sides.
    assert region.box == (500, 300, 780, 600)
    assert region.hole.shape == (300, 280)
    assert region.hole[100:200, 100:180].all()
    assert np.count_nonzero(region.hole) == 100 * 80


def test_a_small_hole_sees_at_least_64_pixels_around_it() -> None:
    unknown = np.zeros((640, 640), bool)
    unknown[320, 320] = True
    (region,) = find_regions(unknown)
    assert region.box == (256, 256, 385, 385)


def test_a_window_ends_with_the_picture() -> None:
    unknown = np.zeros((100, 50), bool)
    unknown[0, 49] = True
    (region,) = find_regions(unknown)
    assert region.box == (0, 0, 50, 65)


def test_holes_far_apart_are_filled_apart() -> None:
    unknown = np.zeros((640, 1280), bool)
    unknown[100:140, 100:140] = True
    unknown[500:540, 1100:1140] = True
    left, right = find_regions(unknown)
    assert left.box == (36, 36, 204, 204)
    assert right.box == (1036, 436, 1204, 604)


def test_holes_within_one_sixty_fourth_are_one() -> None:
    unknown = np.zeros((640, 640), bool)
    unknown[100:109, 100:109] = True
    unknown[111:119, 111:119] = True
    (region,) = find_regions(unknown)
    assert np.count_nonzero(region.hole) == 81 + 64


def test_too_many_holes_merge_with_their_neighbours() -> None:
    unknown = np.zeros((640, 640), bool)
    # Two cells of 10 pixels apart, so that they touch on the next coarser grid.
    unknown[5, 5:200:20] = True
    unknown[600, 600] = True
    many, one = find_regions(unknown)
    assert np.count_nonzero(many.hole) == 10
    assert np.count_nonzero(one.hole) == 1


def test_a_window_holds_only_its_own_hole() -> None:
    unknown = np.zeros((640, 640), bool)
    unknown[100:140, 100:140] = True
    unknown[100:140, 160:200] = True
    left, right = find_regions(unknown)
    # Each lies in the other's window.
    assert left.box[2] > 160
    assert right.box[0] < 140
    assert np.count_nonzero(left.hole) == np.count_nonzero(right.hole) == 1600


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (64, 64), (65, 129), (500, 333)])
def test_every_unknown_pixel_is_in_exactly_one_hole(size: tuple[int, int]) -> None:
    random = np.random.default_rng(7)
    unknown = random.random(size) < 0.02
    unknown[0, 0] = True
    count = np.zeros(size, int)
    found = find_regions(unknown)
    assert 1 <= len(found) <= MAX_REGIONS
    for region in found:
        left, top, right, bottom = region.box
        count[top:bottom, left:right] += region.hole
    assert (count == unknown).all()
