"""What ``translate_request`` leaves for ``call``, and ``call`` for ``translate_response``."""

from __future__ import annotations

import msgspec

from retouch import Blob, Picture
from retouch_local.grammar import Size, Step


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One edit, ready to run.

    :param picture: the picture as it came; its EXIF orientation is not applied yet.
    :param mask: 8-bit grey PNG over the picture as it is displayed; 255 is edited, 0 is kept.
    :param steps: the commands of ``local/ops``; empty: fill the masked area.
    :param seed: of the fill; ``None`` draws one.
    :param size: of the result; ``None`` leaves it to the edit.
    :param compression: the quality of JPEG and WebP in percent.
    :param opaque: lay what is transparent on white.
    """

    picture: Picture
    mask: Blob | None = None
    steps: tuple[Step, ...] = ()
    seed: int | None = None
    size: Size | None = None
    output_format: str = "png"
    compression: int = 100
    opaque: bool = False


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The edited picture as a file, and what it looks like."""

    data: bytes
    size: Size
    transparent: bool
