"""Expected pixels are worked out by hand from what the README says of each command."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from plugins.local_provider.tests.samples import colours, levels, painted, photo
from retouch import InvalidRequest
from retouch_local import ops
from retouch_local.grammar import COMMANDS, parse


def nothing() -> None:
    """A checkpoint at which nobody has left."""


def applied(image: Image.Image, prompt: str, mask: Image.Image | None = None) -> Image.Image:
    return ops.apply(image, parse(prompt), mask, 1, nothing)


def grey(*row: int) -> Image.Image:
    """One row of grey pixels."""
    return Image.merge("RGB", [Image.fromarray(np.array([row], np.uint8))] * 3)


def row_of(image: Image.Image) -> list[int]:
    """The red levels of the first row."""
    return [int(level) for level in levels(image)[0, :, 0]]


def rows_of(image: Image.Image) -> list[list[tuple[int, ...]]]:
    return [[tuple(int(v) for v in pixel) for pixel in row] for row in levels(image)]


R, G, B, W, K = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        # 0.299 R + 0.587 G + 0.114 B, down to whole levels as Pillow does.
        ("grayscale", [(76,) * 3, (150,) * 3, (29,) * 3, W, K, (100,) * 3]),
        ("saturation 0", [(76,) * 3, (150,) * 3, (29,) * 3, W, K, (100,) * 3]),
        ("saturation 1", [R, G, B, W, K, (100,) * 3]),
        ("invert", [(0, 255, 255), (255, 0, 255), (255, 255, 0), K, W, (155,) * 3]),
        (
            "sepia",
            [(100, 89, 69), (196, 175, 136), (48, 43, 33), (255, 255, 239), K, (135, 120, 94)],
        ),
        ("brightness 2", [R, G, B, W, K, (200,) * 3]),
        ("brightness 0", [K] * 6),
        ("posterize 1", [(128, 0, 0), (0, 128, 0), (0, 0, 128), (128,) * 3, K, K]),
        ("posterize 8", [R, G, B, W, K, (100,) * 3]),
    ],
)
def test_colours_by_hand(prompt: str, expected: list[tuple[int, ...]]) -> None:
    assert rows_of(applied(painted(6, 1, "rgbwk."), prompt)) == [expected]


def test_contrast_spreads_around_the_mean_grey() -> None:
    assert row_of(applied(grey(100, 200), "contrast 2")) == [50, 250]
    assert row_of(applied(grey(100, 200), "contrast 0")) == [150, 150]


def test_commands_are_carried_out_in_order() -> None:
    assert row_of(applied(grey(100), "invert; posterize 1")) == [128]
    assert row_of(applied(grey(100), "posterize 1; invert")) == [255]


def test_pixelate_takes_the_mean_of_each_square() -> None:
    image = painted(5, 3, "wkbbr", "kwbbg", "gggrr")
    half, mixed = (128,) * 3, (128, 128, 0)
    assert rows_of(applied(image, "pixelate 2")) == [
        [half, half, B, B, mixed],
        [half, half, B, B, mixed],
        [G, G, mixed, mixed, R],
    ]


def test_blur_spreads_a_point_evenly() -> None:
    image = Image.new("RGB", (41, 41))
    image.putpixel((20, 20), W)
    blurred = levels(applied(image, "blur 2"))[..., 0]
    # A Gaussian of radius 2 has its peak at 1 / (2 pi 2^2) of the whole.
    assert abs(blurred[20, 20] - 255 / (2 * np.pi * 4)) < 2
    assert blurred[20, 22] == blurred[20, 18] == blurred[18, 20] == blurred[22, 20]
    assert blurred[20, 20] > blurred[20, 22] > blurred[20, 24]
    assert blurred[20, 35] == 0


def test_sharpen_raises_the_step_and_leaves_flats_alone() -> None:
    row = row_of(applied(grey(*[100] * 20, *[150] * 20), "sharpen"))
    assert row[:10] == [100] * 10
    assert row[30:] == [150] * 10
    assert row[19] < 95
    assert row[20] > 155


def test_rotate_turns_clockwise() -> None:
    image = painted(2, 1, "rg")
    assert rows_of(applied(image, "rotate 90")) == [[R], [G]]
    assert rows_of(applied(image, "rotate 180")) == [[G, R]]
    assert rows_of(applied(image, "rotate 270")) == [[G], [R]]


def test_flip() -> None:
    image = painted(2, 2, "rg", "bw")
    assert rows_of(applied(image, "flip horizontal")) == [[G, R], [W, B]]
    assert rows_of(applied(image, "flip vertical")) == [[B, W], [R, G]]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("crop 1:1", [[G, B], [G, B]]),
        ("crop 4:1", [[R, G, B, W]]),
        ("crop 1:2", [[G], [G]]),
        ("crop 2x1", [[G, B]]),
        ("crop 4x2", [[R, G, B, W]] * 2),
    ],
)
def test_crop_cuts_out_the_middle(prompt: str, expected: list[list[tuple[int, ...]]]) -> None:
    assert rows_of(applied(painted(4, 2, "rgbw", "rgbw"), prompt)) == expected


def test_resize_goes_to_exactly_this_size() -> None:
    result = applied(painted(2, 1, "rr"), "resize 5x7")
    assert result.size == (5, 7)
    assert colours(result) == {R}


def test_pad_adds_white_bars() -> None:
    image = painted(2, 1, "rg")
    assert rows_of(applied(image, "pad 1:1")) == [[R, G], [W, W]]
    assert rows_of(applied(image, "pad 4:1")) == [[W, R, G, W]]
    assert rows_of(applied(image, "pad 2:1")) == [[R, G]]


def test_outpaint_extends_what_is_there() -> None:
    image = Image.new("RGB", (40, 40), (30, 60, 120))
    result = applied(image, "outpaint 60x50")
    assert result.size == (60, 50)
    assert colours(result) == {(30, 60, 120)}


def test_outpaint_keeps_the_picture_in_the_middle() -> None:
    image = photo("chelsea.png").crop((100, 100, 200, 180))
    result = applied(image, "outpaint 130x100")
    assert levels(result.crop((15, 10, 115, 90))).tolist() == levels(image).tolist()
    assert W not in colours(result.crop((0, 0, 15, 100)))
    assert len(colours(result.crop((0, 0, 15, 100)))) > 50


@pytest.mark.parametrize(
    ("prompt", "why"),
    [
        ("crop 41x10", "`crop` to 41x10 is not possible: the picture has only 40x40"),
        ("outpaint 39x60", "`outpaint` to 39x60 is not possible: the picture has 40x40"),
        # 1600 of 4002 pixels would be less than 40 %.
        ("outpaint 58x69", "more than 60% of it would have to be invented"),
        ("resize 10000x10000", "the limit is 16383 pixels a side and 40000000 in all"),
        ("resize 16383x1; pad 1:1", "`pad` to 16383x16383 is not possible"),
    ],
)
def test_sizes_that_a_picture_cannot_have_are_refused(prompt: str, why: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        applied(Image.new("RGB", (40, 40)), prompt)
    assert (refusal.value.status, refusal.value.param) == (400, "prompt")
    assert why in refusal.value.message


def test_a_mask_keeps_what_it_does_not_cover() -> None:
    mask = Image.fromarray(np.array([[0, 255, 128, 0]], np.uint8))
    image = grey(0, 0, 0, 77)
    assert row_of(applied(image, "invert", mask)) == [0, 255, 128, 77]
    # 255 - 200 = 55 twice over: the mix is made once, not after every command.
    assert row_of(applied(image, "invert; invert", mask)) == [0, 0, 0, 77]


def test_colours_change_and_transparency_stays() -> None:
    image = Image.new("RGBA", (2, 1), (100, 100, 100, 7))
    assert rows_of(applied(image, "invert; blur 1")) == [[(155, 155, 155, 7)] * 2]


def test_geometry_moves_transparency_along() -> None:
    image = Image.new("RGBA", (2, 1), (*R, 7))
    image.putpixel((1, 0), (*G, 255))
    assert rows_of(applied(image, "flip horizontal")) == [[(*G, 255), (*R, 7)]]
    assert rows_of(applied(image, "pad 1:1"))[1] == [(*W, 255)] * 2


def test_the_picture_itself_is_not_changed() -> None:
    image = painted(3, 1, "rgb")
    before = image.tobytes()
    for command in COMMANDS:
        if command.example not in ("crop 1:1", "outpaint 768x512"):
            applied(image, command.example)
    assert image.tobytes() == before


def test_every_command_of_the_table_is_carried_out_and_no_other() -> None:
    assert {c.name for c in COMMANDS if not c.geometry} == set(ops.COLOURS)
    assert {c.name for c in COMMANDS if c.geometry} == {*ops.GEOMETRY, "outpaint"}


def test_work_ends_between_two_commands_when_nobody_waits() -> None:
    calls = 0

    def leave_at_the_second() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        ops.apply(grey(1, 2), parse("invert; sepia; invert"), None, 1, leave_at_the_second)
    assert calls == 2
