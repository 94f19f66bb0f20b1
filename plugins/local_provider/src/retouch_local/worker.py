"""The work on pixels of one edit, from the first byte to the last; runs in a worker thread.

Import this module there as well: Pillow, NumPy and PatchMatch take a moment to load, which a
gateway that only forwards edits never has to spend.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from threading import Event

from PIL import Image

from retouch import InvalidRequest
from retouch_local import inpaint, ops, pictures
from retouch_local.grammar import Size
from retouch_local.job import Job, Outcome


class Abandoned(Exception):
    """Nobody waits for the result any more."""


def run(job: Job, stop: Event) -> Outcome:
    """The result of a job.

    :param stop: once set, the work ends soon with ``Abandoned``; nothing has to be undone,
        since every step makes a new picture.
    :raises InvalidImage: when the picture is damaged, or transparent all around the mask.
    :raises InvalidRequest: for a mask or a command that does not fit this picture.
    :raises UpstreamError: when PatchMatch cannot run on this system.
    """

    def checkpoint() -> None:
        if stop.is_set():
            raise Abandoned

    checkpoint()
    picture = pictures.load(job.picture)
    mask = None if job.mask is None else pictures.load_mask(job.mask)
    seed = secrets.randbits(32) if job.seed is None else job.seed
    edited = _edited(picture, mask, job, seed, checkpoint)
    checkpoint()
    if job.size is not None:
        edited = pictures.fitted(edited, job.size)
    if job.opaque:
        edited = pictures.opaque(edited)
    edited.info = picture.info
    return Outcome(
        data=pictures.save(edited, job.output_format, job.compression),
        size=Size(*edited.size),
        transparent=edited.mode == "RGBA",
    )


def _edited(
    picture: Image.Image,
    mask: Image.Image | None,
    job: Job,
    seed: int,
    checkpoint: Callable[[], None],
) -> Image.Image:
    if job.steps:
        return ops.apply(picture, job.steps, mask, seed, checkpoint)
    if mask is None:
        raise InvalidRequest("This model needs a mask.", param="mask", code="mask_required")
    inpaint.check_share(mask)
    return inpaint.fill(picture, mask, seed, checkpoint)
