"""Image edits on this machine for retouch: no account, no network, no cost.

``inpaint`` fills the masked area from its surroundings; ``ops`` carries out simple commands.
Nothing in this module needs Pillow or NumPy, so that loading the plugin costs nothing.
"""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from typing import Annotated, cast

import msgspec
from msgspec import Meta

from retouch import (
    Account,
    Blob,
    EditedImage,
    EditRequest,
    EditResult,
    InvalidRequest,
    Mask,
    Picture,
    Price,
    ProviderInfo,
    UnsupportedParameter,
    UpstreamRequest,
    UpstreamResponse,
    hookimpl,
    load_models,
)
from retouch_local import grammar
from retouch_local.job import Job, Outcome

OPS = "ops"
#: The one command of it that takes a seed.
OUTPAINT = "outpaint"
FREE = Price(per_image=0.0)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """``[accounts.NAME]`` with ``provider = "local"``.

    :param threads: edits worked on at the same time; the others wait. The default is one per
        processor core that this process may use.
    """

    threads: Annotated[int, Meta(ge=1, le=64)] | None = None


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Request fields of this provider.

    :param seed: the same seed gives the same fill; without one every fill is another.
    """

    seed: Annotated[int, Meta(ge=0, le=4_294_967_295)] | None = None


@hookimpl
def provider_info() -> ProviderInfo:
    """The models of ``models.toml``; there are no others."""
    table = resources.files(__name__).joinpath("models.toml").read_text("utf-8")
    return ProviderInfo(
        name="local",
        title="This machine",
        settings=Settings,
        options=Options,
        models=load_models(table),
    )


@hookimpl
def validate(edit: EditRequest) -> None:
    """What can be refused without a look at any pixel: the prompt of ``ops`` above all."""
    compression = edit.output_compression
    if compression not in (None, 100) and edit.output_format in (None, "png"):
        raise UnsupportedParameter(
            "`output_compression` below 100 needs `output_format` jpeg or webp: PNG is lossless.",
            param="output_compression",
        )
    if edit.model != OPS:
        return
    steps = grammar.parse(edit.prompt)
    moved = next((step.command for step in steps if step.command.geometry), None)
    if edit.mask is not None and moved is not None:
        raise InvalidRequest(
            f"`{moved.name}` moves pixels, so it cannot be restricted to a mask.",
            param="mask",
            code="mask_not_supported",
        )
    seed = edit.options.seed if edit.options is not None else None
    if seed is not None and not any(step.command.name == OUTPAINT for step in steps):
        raise UnsupportedParameter(
            "`seed`: of this model's commands only `outpaint` draws anything at random.",
            param="seed",
        )


@hookimpl
def translate_request(edit: EditRequest) -> UpstreamRequest:
    """The edit as a ``Job``; nothing is sent anywhere."""
    options: Options = edit.options or Options()
    job = Job(
        # The models' capabilities let no references to pictures elsewhere through.
        picture=cast("Picture", edit.images[0]),
        mask=_mask(edit),
        steps=grammar.parse(edit.prompt) if edit.model == OPS else (),
        seed=options.seed,
        size=_size(edit),
        output_format=edit.output_format or "png",
        compression=100 if edit.output_compression is None else edit.output_compression,
        opaque=edit.background == "opaque" or edit.output_format == "jpeg",
    )
    return UpstreamRequest(method="POST", url=f"local:{edit.model}", context=job)


@hookimpl
async def call(request: UpstreamRequest, account: Account) -> UpstreamResponse:
    """Run the job in a worker thread.

    A thread cannot be cancelled: when the client leaves, a job that waits never starts, and
    one that runs stops at its next checkpoint. It keeps its place until then, so that clients
    who come and go cannot pile up work.
    """
    stop = threading.Event()
    running = _workers(account).submit(_run, request.context, stop)
    try:
        outcome = await asyncio.wrap_future(running)
    finally:
        stop.set()
    return UpstreamResponse(status=200, context=outcome)


@hookimpl
def translate_response(
    response: UpstreamResponse, edit: EditRequest, account: Account
) -> EditResult:
    """The picture; what it cost is known, for once."""
    outcome: Outcome = response.context
    model = account.model(edit)
    price = model.price if model is not None and model.price is not None else FREE
    return EditResult(
        images=(EditedImage(data=Blob(outcome.data)),),
        background="transparent" if outcome.transparent else "opaque",
        output_format=edit.output_format or "png",
        size=f"{outcome.size.width}x{outcome.size.height}",
        cost=price.of_images(1),
    )


def _mask(edit: EditRequest) -> Blob | None:
    """White edits, over the picture as it is displayed.

    To be filled is a matter of yes or no; a command takes effect as strongly as the mask says.
    """
    if not isinstance(edit.mask, Mask):
        return None
    return edit.mask.upright().white_edits(binary=edit.model != OPS)


def _size(edit: EditRequest) -> grammar.Size | None:
    if edit.size in (None, "auto"):
        return None
    width, _, height = edit.size.partition("x")
    return grammar.Size(int(width), int(height))


def _workers(account: Account) -> ThreadPoolExecutor:
    pool: ThreadPoolExecutor | None = account.state.get("workers")
    if pool is None:
        settings: Settings = account.settings
        threads = settings.threads or _cores()
        pool = ThreadPoolExecutor(threads, thread_name_prefix=f"retouch-{account.name}")
        account.state["workers"] = pool
    return pool


def _cores() -> int:
    """The processor cores that this process may use: in a container often not all there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _run(job: Job, stop: threading.Event) -> Outcome:
    from retouch_local import worker  # noqa: PLC0415 - it imports Pillow, NumPy and PatchMatch

    return worker.run(job, stop)
