"""Where a mask's holes are: separate areas, each with the part of the picture around it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

#: A yes or no for every pixel, rows first.
Area = NDArray[np.bool_]

#: Holes are told apart on a grid of this many cells along the longer side.
GRID = 64
#: A mask with more separate holes than this is read on a coarser grid, until they merge.
MAX_REGIONS = 8
#: What surrounds a hole is looked at for its own size around it, but at least so far (pixels).
MIN_MARGIN = 64


class Region(msgspec.Struct, frozen=True):
    """A hole and its window.

    :param box: the window in the picture: left, upper, right and lower edge in pixels.
    :param hole: this hole within the window.
    """

    box: tuple[int, int, int, int]
    hole: Area


def find_regions(unknown: Area) -> list[Region]:
    """The separate holes of a mask: at least one, at most ``MAX_REGIONS``.

    Holes closer than a sixty-fourth of the picture count as one. Every unknown pixel is in
    the hole of exactly one region.

    :param unknown: what is to be filled; some of it must be.
    """
    cell = -(-max(unknown.shape) // GRID)
    while True:
        groups = list(_groups(_any_in_cells(unknown, cell)))
        if len(groups) <= MAX_REGIONS:
            return [_region(unknown, group, cell) for group in groups]
        cell *= 2


def _any_in_cells(unknown: Area, cell: int) -> Area:
    height, width = unknown.shape
    rows = np.logical_or.reduceat(unknown, np.arange(0, height, cell), axis=0)
    found: Area = np.logical_or.reduceat(rows, np.arange(0, width, cell), axis=1)
    return found


def _groups(cells: Area) -> Iterator[Area]:
    """Each set of cells that touch, sides or corners, as an area of its own."""
    left = {(int(row), int(column)) for row, column in np.argwhere(cells)}
    for start in sorted(left):
        if start not in left:
            continue
        group = np.zeros_like(cells)
        left.remove(start)
        waiting = [start]
        while waiting:
            row, column = waiting.pop()
            group[row, column] = True
            around = {(row + dy, column + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= around
            waiting += around
        yield group


def _region(unknown: Area, group: Area, cell: int) -> Region:
    height, width = unknown.shape
    hole = unknown & group.repeat(cell, 0)[:height].repeat(cell, 1)[:, :width]
    top, bottom = _extent(np.flatnonzero(hole.any(axis=1)))
    left, right = _extent(np.flatnonzero(hole.any(axis=0)))
    margin = max(bottom - top, right - left, MIN_MARGIN)
    left, top = max(left - margin, 0), max(top - margin, 0)
    right, bottom = min(right + margin, width), min(bottom + margin, height)
    return Region((left, top, right, bottom), hole[top:bottom, left:right])


def _extent(indices: NDArray[np.intp]) -> tuple[int, int]:
    """From the first index to behind the last."""
    return int(indices[0]), int(indices[-1]) + 1
