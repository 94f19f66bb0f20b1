from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from plugins.local_provider.tests.samples import (
    account_of,
    colours,
    edit_of,
    levels,
    mask_of,
    mask_with_alpha,
    opened,
    painted,
    photo,
    picture_of,
)
from retouch import (
    Account,
    EditRequest,
    EditResult,
    GatewayError,
    InvalidImage,
    InvalidRequest,
    Mask,
    ModelInfo,
    Price,
    UnsupportedParameter,
    hookimpl,
)
from retouch.capabilities import check
from retouch_local import (
    Options,
    Settings,
    call,
    provider_info,
    translate_request,
    translate_response,
    validate,
)
from retouch_local.grammar import Size
from retouch_local.job import Job


def a_hole() -> np.ndarray:
    hole = np.zeros((60, 80), bool)
    hole[20:40, 30:55] = True
    return hole


def inpaint_edit(**rest: Any) -> EditRequest:
    image = photo("chelsea.png").crop((100, 100, 180, 160))
    return edit_of("inpaint", image, mask=mask_of(a_hole()), **rest)


async def answered(edit: EditRequest, account: Account) -> EditResult:
    """What the core does with the hooks, in short."""
    validate(edit=edit)
    response = await call(request=translate_request(edit=edit), account=account)
    return translate_response(response=response, edit=edit, account=account)


def picture_in(result: EditResult) -> Image.Image:
    (image,) = result.images
    return opened(image.data.read())  # type: ignore[union-attr]


def test_the_provider_and_its_models() -> None:
    info = provider_info()
    assert info.name == "local"
    assert (info.settings, info.options, info.default) == (Settings, Options, None)
    assert {model.id: model.capabilities.mask for model in info.models} == {
        "inpaint": "must",
        "ops": "may",
    }
    assert all(model.price == Price(per_image=0.0) for model in info.models)
    assert all(model.capabilities.max_n == 1 for model in info.models)


def test_loading_the_plugin_loads_no_picture_library() -> None:
    program = (
        "import sys, retouch_local; retouch_local.provider_info(); "
        "print([name for name in ('PIL', 'numpy', 'patchmatch') if name in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


def test_every_hook_is_marked() -> None:
    for hook in (provider_info, validate, translate_request, call, translate_response):
        assert hasattr(hook, f"{hookimpl.project_name}_impl")


@pytest.mark.parametrize(
    ("model", "fields", "param"),
    [
        ("inpaint", {}, "mask"),
        ("ops", {"size": "512"}, "size"),
        ("ops", {"size": "16384x16"}, "size"),
        ("ops", {"size": "8000x8000"}, "size"),
        ("ops", {"background": "transparent"}, "background"),
        ("ops", {"output_format": "gif"}, "output_format"),
        ("ops", {"quality": "high"}, "quality"),
        ("ops", {"prompt": "invert;" * 300}, "prompt"),
    ],
)
def test_what_the_capabilities_refuse(model: str, fields: dict[str, Any], param: str) -> None:
    models = {model.id: model.capabilities for model in provider_info().models}
    edit = edit_of(model, Image.new("RGB", (8, 8)), **fields)
    with pytest.raises(InvalidRequest) as refusal:
        check(edit, models[model])
    assert refusal.value.param == param


def test_a_picture_of_more_than_40_megapixels_is_refused() -> None:
    (capabilities, *_) = [model.capabilities for model in provider_info().models]
    # Black pixels in one bit each: the file is small, the picture is not.
    edit = edit_of("inpaint", Image.new("1", (8000, 5001)), mask=mask_of(a_hole()))
    with pytest.raises(InvalidImage, match="40000000"):
        check(edit, capabilities)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": "paint a cat"}, "prompt"),
        ({"prompt": "invert; rotate 90", "mask": mask_of(a_hole())}, "mask"),
        ({"prompt": "invert", "output_compression": 80}, "output_compression"),
        (
            {"prompt": "invert", "output_format": "png", "output_compression": 0},
            "output_compression",
        ),
    ],
)
def test_what_validate_refuses(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(GatewayError) as refusal:
        validate(edit=edit_of("ops", Image.new("RGB", (80, 60)), **fields))
    assert (refusal.value.status, refusal.value.param) == (400, param)


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "invert; rotate 90"},
        {"prompt": "invert", "mask": mask_of(a_hole())},
        {"prompt": "invert", "output_compression": 100},
        {"prompt": "invert", "output_format": "jpeg", "output_compression": 0},
    ],
)
def test_what_validate_lets_through(fields: dict[str, Any]) -> None:
    validate(edit=edit_of("ops", Image.new("RGB", (80, 60)), **fields))


def test_the_prompt_of_inpaint_is_not_read() -> None:
    validate(edit=inpaint_edit(prompt="remove the whiskers, please"))


def test_an_edit_becomes_a_job() -> None:
    edit = inpaint_edit(
        options=Options(seed=3),
        size="1024x512",
        output_format="webp",
        output_compression=70,
        background="opaque",
    )
    request = translate_request(edit=edit)
    job: Job = request.context
    assert (request.method, request.url, request.body.size) == ("POST", "local:inpaint", 0)
    assert job.picture is edit.images[0]
    assert (levels(opened(job.mask.read())) == 255 * a_hole()).all()  # type: ignore[union-attr]
    assert (job.seed, job.size, job.steps) == (3, Size(1024, 512), ())
    assert (job.output_format, job.compression, job.opaque) == ("webp", 70, True)


def test_what_is_left_out_becomes_the_default() -> None:
    edit = edit_of("ops", Image.new("RGB", (8, 8)), prompt="invert", size="auto", options=None)
    job: Job = translate_request(edit=edit).context
    assert (job.mask, job.seed, job.size) == (None, None, None)
    assert (job.output_format, job.compression, job.opaque) == ("png", 100, False)
    assert [step.command.name for step in job.steps] == ["invert"]


def test_the_same_edit_becomes_the_same_job() -> None:
    for edit in (inpaint_edit(), edit_of("ops", Image.new("RGB", (8, 8)), prompt="blur 2")):
        assert translate_request(edit=edit).context == translate_request(edit=edit).context


def test_half_transparent_is_half_an_effect_for_ops_and_yes_or_no_for_inpaint() -> None:
    mask = mask_with_alpha(np.array([[0, 100, 200, 255]], np.uint8))
    image = Image.new("RGB", (4, 1))
    seen = {}
    for model in ("ops", "inpaint"):
        job: Job = translate_request(edit=edit_of(model, image, prompt="invert", mask=mask)).context
        seen[model] = levels(opened(job.mask.read()))[0].tolist()  # type: ignore[union-attr]
    assert seen == {"ops": [255, 155, 55, 0], "inpaint": [255, 255, 0, 0]}


def test_a_mask_over_stored_pixels_is_turned_with_the_picture() -> None:
    """Orientation 6 shows the stored left column at the top."""
    alpha = Image.fromarray(np.array([[0, 255, 255]] * 2, np.uint8))
    stored = Image.new("RGBA", (3, 2))
    stored.putalpha(alpha)
    mask = Mask(picture_of(stored), orientation=6)
    request = translate_request(edit=edit_of("inpaint", Image.new("RGB", (3, 2)), mask=mask))
    turned = levels(opened(request.context.mask.read()))
    assert turned.tolist() == [[255, 255], [0, 0], [0, 0]]


async def test_inpaint_from_request_to_result() -> None:
    edit = inpaint_edit(options=Options(seed=1))
    result = await answered(edit, account_of())
    assert (result.output_format, result.size, result.background) == ("png", "80x60", "opaque")
    assert result.cost == 0.0
    assert result.images[0].revised_prompt is None
    before, after = levels(opened(edit.images[0].blob.read())), levels(picture_in(result))  # type: ignore[union-attr]
    assert (after[~a_hole()] == before[~a_hole()]).all()
    assert (after[a_hole()] != before[a_hole()]).any()


async def test_ops_from_request_to_result() -> None:
    edit = edit_of(
        "ops", painted(2, 1, "rg"), prompt="flip horizontal", output_format="webp", size="20x10"
    )
    result = await answered(edit, account_of())
    assert (result.output_format, result.size, result.cost) == ("webp", "20x10", 0.0)
    image = picture_in(result).convert("RGB")
    assert (image.getpixel((2, 5)), image.getpixel((17, 5))) == ((0, 255, 0), (255, 0, 0))


async def test_a_price_of_ones_own_is_charged() -> None:
    priced = {"ops": ModelInfo(id="ops", price=Price(per_image=0.002))}
    account = msgspec.structs.replace(account_of(), models=priced)
    result = await answered(edit_of("ops", painted(1, 1, "r"), prompt="invert"), account)
    assert result.cost == 0.002


async def test_an_error_in_the_worker_reaches_the_client() -> None:
    edit = edit_of("ops", Image.new("RGB", (8, 8)), prompt="crop 9x9")
    with pytest.raises(InvalidRequest, match="has only 8x8"):
        await answered(edit, account_of())


async def test_edits_at_the_same_time_get_their_own_results() -> None:
    account = account_of(threads=4)
    edits = [inpaint_edit(options=Options(seed=seed)) for seed in range(4)]
    alone = [picture_in(await answered(edit, account)).tobytes() for edit in edits]
    together = await asyncio.gather(*(answered(edit, account) for edit in edits))
    assert [picture_in(result).tobytes() for result in together] == alone
    assert len(set(alone)) == 4


async def test_no_more_edits_run_than_there_are_threads() -> None:
    account = account_of("one-thread", threads=1)
    edits = [edit_of("ops", Image.new("RGB", (64, 64)), prompt="blur 9") for _ in range(8)]
    await asyncio.gather(*(answered(edit, account) for edit in edits))
    names = [thread.name for thread in threading.enumerate()]
    assert sum(name.startswith("retouch-one-thread") for name in names) == 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinities")
async def test_as_many_threads_as_the_process_may_use_cores() -> None:
    """A container or `taskset` leaves it fewer than the machine has."""
    account = account_of("few-cores")
    allowed = os.sched_getaffinity(0)
    edits = [edit_of("ops", Image.new("RGB", (64, 64)), prompt="blur 9") for _ in range(8)]
    os.sched_setaffinity(0, {min(allowed)})
    try:
        await asyncio.gather(*(answered(edit, account) for edit in edits))
    finally:
        os.sched_setaffinity(0, allowed)
    names = [thread.name for thread in threading.enumerate()]
    assert sum(name.startswith("retouch-few-cores") for name in names) == 1


def test_a_seed_for_commands_that_draw_nothing_is_refused() -> None:
    image = Image.new("RGB", (80, 60))
    seeded = {"options": Options(seed=0)}
    with pytest.raises(UnsupportedParameter, match="only `outpaint`") as refused:
        validate(edit=edit_of("ops", image, prompt="blur 2; invert", **seeded))
    assert refused.value.param == "seed"
    validate(edit=edit_of("ops", image, prompt="blur 2; outpaint 90x60", **seeded))
    validate(edit=edit_of("ops", image, prompt="blur 2", options=Options()))
    validate(edit=inpaint_edit(**seeded))


async def test_after_a_client_left_the_next_one_is_served() -> None:
    """One thread: the first edit runs, the second waits; both clients leave."""
    account = account_of(threads=1)
    hole = np.zeros((600, 900), bool)
    hole[50:80, 50:80] = hole[500:530, 800:830] = True
    slow = edit_of("inpaint", photo("rocket.jpg").resize((900, 600)), mask=mask_of(hole))
    tasks = [asyncio.ensure_future(answered(slow, account)) for _ in range(2)]
    await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(error) for error in ended] == [asyncio.CancelledError] * 2
    edit = edit_of("ops", painted(1, 1, "k"), prompt="invert")
    assert colours(picture_in(await answered(edit, account))) == {(255, 255, 255)}


def test_unsupported_compression_says_what_to_do() -> None:
    edit = edit_of("ops", painted(1, 1, "k"), prompt="invert", output_compression=50)
    with pytest.raises(UnsupportedParameter, match="jpeg or webp"):
        validate(edit=edit)
