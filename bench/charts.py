"""Line charts as SVG, written by hand: two panels side by side over one logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

import msgspec

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 28, 48, 46
#: Readable on white and on dark pages.
INK, GRID = "#7a7f87", "#7a7f8740"


class Line(msgspec.Struct, frozen=True):
    """One line: its name, its colour and its points."""

    name: str
    colour: str
    points: tuple[tuple[float, float], ...]


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """One set of axes.

    :param ticks: places on the horizontal axis and what stands there.
    :param log: whether the vertical axis is logarithmic as well.
    """

    title: str
    below: str
    ticks: tuple[tuple[float, str], ...]
    lines: tuple[Line, ...]
    log: bool = False


def svg(title: str, panels: Sequence[Panel]) -> str:
    """The whole picture."""
    width = WIDTH * len(panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" role="img" '
        f'font-family="sans-serif" font-size="11" fill="{INK}">',
        f"<title>{escape(title)}</title>",
    ]
    for index, panel in enumerate(panels):
        parts.append(f'<g transform="translate({index * WIDTH} 0)">')
        parts += _panel(panel)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel) -> list[str]:
    across = _scale([x for x, _ in panel.ticks], LEFT, WIDTH - RIGHT, log=True)
    marks = _marks([y for line in panel.lines for _, y in line.points], log=panel.log)
    up = _scale(marks, HEIGHT - BOTTOM, TOP, log=panel.log)
    parts = [f'<text x="{LEFT}" y="18" font-size="13">{escape(panel.title)}</text>']
    for mark in marks:
        y = up(mark)
        parts.append(
            f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{GRID}"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{mark:g}</text>'
        )
    for place, text in panel.ticks:
        parts.append(
            f'<text x="{across(place):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">'
            f"{escape(text)}</text>"
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(panel.below)}</text>'
    )
    for index, line in enumerate(panel.lines):
        parts += _line(line, LEFT + 90 * index, across, up)
    return parts


def _line(
    line: Line,
    legend: int,
    across: Callable[[float], float],
    up: Callable[[float], float],
) -> list[str]:
    places = [(across(x), up(y)) for x, y in line.points]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places)
    return [
        f'<path d="M{path}" fill="none" stroke="{line.colour}" stroke-width="2"/>',
        f'<g fill="{line.colour}">{dots}<circle cx="{legend + 4}" cy="32" r="4"/>'
        f'<text x="{legend + 12}" y="36">{escape(line.name)}</text></g>',
    ]


def _marks(values: Sequence[float], *, log: bool) -> list[float]:
    """Round numbers that the axis goes through: powers of ten, or about five even steps."""
    largest = max(values, default=1.0) or 1.0
    if log:
        lowest = math.floor(math.log10(min(value for value in values if value > 0)))
        return [10.0**power for power in range(lowest, math.ceil(math.log10(largest)) + 1)]
    rough = largest / 4
    unit = 10 ** math.floor(math.log10(rough))
    step = next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= rough)
    return [round(step * index, 6) for index in range(math.ceil(largest / step) + 1)]


def _scale(
    values: Sequence[float], begin: float, end: float, *, log: bool
) -> Callable[[float], float]:
    """From a value to its place between two pixels."""

    def place(value: float) -> float:
        if log:
            value = math.log10(max(value, low))
            return begin + (end - begin) * (value - math.log10(low)) / span
        return begin + (end - begin) * (value - low) / span

    low, high = min(values), max(values)
    span = (math.log10(high) - math.log10(low) if log else high - low) or 1.0
    return place
