from __future__ import annotations

from threading import Event

import numpy as np
import pytest
from PIL import Image, ImageCms

from plugins.local_provider.tests.samples import (
    colours,
    file_of,
    levels,
    opened,
    painted,
    photo,
    picture_of,
    white,
)
from retouch import InvalidRequest
from retouch_local import worker
from retouch_local.grammar import Size, parse
from retouch_local.job import Job, Outcome

BLUE, RED = (30, 60, 120), (250, 20, 10)


def run(**job: object) -> Outcome:
    return worker.run(Job(**job), Event())  # type: ignore[arg-type]


def hole_in_a_cat() -> tuple[Image.Image, np.ndarray]:
    hole = np.zeros((60, 80), bool)
    hole[20:40, 30:55] = True
    return photo("chelsea.png").crop((100, 100, 180, 160)), hole


def test_a_hole_is_filled_and_nothing_else_changed() -> None:
    image, hole = hole_in_a_cat()
    outcome = run(picture=picture_of(image), mask=file_of(white(hole)), seed=5)
    result = opened(outcome.data)
    assert (result.format, result.size, outcome.size) == ("PNG", (80, 60), Size(80, 60))
    assert not outcome.transparent
    assert (levels(result)[~hole] == levels(image)[~hole]).all()
    assert (levels(result)[hole] != levels(image)[hole]).any()


def test_without_a_seed_every_fill_is_another() -> None:
    image, hole = hole_in_a_cat()
    job = {"picture": picture_of(image), "mask": file_of(white(hole))}
    assert run(**job).data != run(**job).data
    assert run(**job, seed=5).data == run(**job, seed=5).data


def test_a_turned_photo_is_filled_where_the_displayed_mask_lies() -> None:
    """Stored 80x40 and displayed 40x80; red is at the top of what is displayed."""
    stored = Image.new("RGB", (80, 40), BLUE)
    stored.paste(RED, (10, 10, 20, 30))
    hole = np.zeros((80, 40), bool)
    hole[10:20, 10:30] = True
    outcome = run(picture=picture_of(stored, orientation=6), mask=file_of(white(hole)))
    result = opened(outcome.data)
    assert result.size == (40, 80)
    assert colours(result) == {BLUE}


def test_size_format_and_background_come_last() -> None:
    image = Image.new("RGBA", (80, 40), (0, 0, 0, 0))
    outcome = run(
        picture=picture_of(image),
        steps=parse("rotate 90"),
        size=Size(10, 20),
        output_format="webp",
        opaque=True,
    )
    result = opened(outcome.data)
    assert (result.format, result.size, outcome.size) == ("WEBP", (10, 20), Size(10, 20))
    assert colours(result.convert("RGB")) == {(255, 255, 255)}
    assert not outcome.transparent


def test_transparency_is_reported() -> None:
    image = Image.new("RGBA", (8, 4), (0, 0, 0, 0))
    outcome = run(picture=picture_of(image), steps=parse("invert"))
    assert outcome.transparent
    assert colours(opened(outcome.data)) == {(255, 255, 255, 0)}


def test_commands_with_a_mask() -> None:
    mask = Image.fromarray(np.array([[255, 0, 255]], np.uint8))
    outcome = run(
        picture=picture_of(painted(3, 1, "kkr")), mask=file_of(mask), steps=parse("invert")
    )
    assert levels(opened(outcome.data)).tolist() == [[[255] * 3, [0] * 3, [0, 255, 255]]]


@pytest.mark.parametrize("prompt", ["invert", "pad 3:1", "outpaint 6x3"])
def test_the_colour_profile_survives_every_edit(prompt: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.new("RGB", (4, 3), BLUE)
    outcome = run(picture=picture_of(image, icc_profile=profile), steps=parse(prompt))
    assert opened(outcome.data).info["icc_profile"] == profile


def test_an_empty_mask_is_refused() -> None:
    image, hole = hole_in_a_cat()
    with pytest.raises(InvalidRequest) as refusal:
        run(picture=picture_of(image), mask=file_of(white(hole & False)))
    assert refusal.value.code == "empty_mask"


def test_a_fill_without_a_mask_is_refused() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        run(picture=picture_of(Image.new("RGB", (8, 8))))
    assert refusal.value.param == "mask"


def test_work_that_nobody_waits_for_ends() -> None:
    stop = Event()
    stop.set()
    with pytest.raises(worker.Abandoned):
        worker.run(Job(picture=picture_of(Image.new("RGB", (8, 8)))), stop)
