"""What is measured, as data: sizes, loads, and the goals that the figures are held against."""

from __future__ import annotations

from typing import Literal

import msgspec

KIB, MIB, MB = 1024, 1024 * 1024, 1_000_000

#: Answers of the upstream, by the name that stands in its path: bytes of base64.
ANSWERS = {"128k": 128 * KIB, "2m": 2 * MIB, "8m": 8 * MIB}
#: What clients and the gateway call the model; which one does not matter to the upstream.
MODEL = "gpt-image-2"


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of edit under one load.

    :param pictures: bytes of each PNG that is sent.
    :param answer: a key of ``ANSWERS``.
    :param concurrency: edits at a time.
    """

    name: str
    pictures: tuple[int, ...]
    answer: str
    concurrency: int = 8

    @property
    def size(self) -> int:
        """Bytes of all pictures."""
        return sum(self.pictures)


SMALL = Shape(name="64 KiB / 128 KiB", pictures=(64 * KIB,), answer="128k")
MEDIUM = Shape(name="1 MiB / 2 MiB", pictures=(MIB,), answer="2m")
LARGE = Shape(name="16 MiB / 8 MiB", pictures=(16 * MIB,), answer="8m")
SHAPES = (SMALL, MEDIUM, LARGE)
ALONE = msgspec.structs.replace(MEDIUM, concurrency=1)
#: Models whose providers take base64 in JSON, by account.
JSON_MODELS = {
    "bedrock": "us.stability.stable-image-control-structure-v1:0",
    "vertex": "gemini-3.1-flash-image",
}
PICTURE_4_MIB = Shape(name="4 MiB / 2 MiB", pictures=(4 * MIB,), answer="2m")
WAVES_OF_64 = Shape(name="64 at a time", pictures=(4 * MIB,), answer="2m", concurrency=64)
SIXTEEN_PICTURES = Shape(name="16 x 49 MB", pictures=(49 * MB,) * 16, answer="2m", concurrency=1)

#: The largest picture that the API takes is 50 MB, so the last point needs two.
SIZE_CURVE = tuple(
    Shape(name=name, pictures=pictures, answer="128k")
    for name, pictures in (
        ("16 KiB", (16 * KIB,)),
        ("64 KiB", (64 * KIB,)),
        ("256 KiB", (256 * KIB,)),
        ("1 MiB", (MIB,)),
        ("4 MiB", (4 * MIB,)),
        ("16 MiB", (16 * MIB,)),
        ("64 MiB", (32 * MIB, 32 * MIB)),
    )
)
CONCURRENCY_CURVE = tuple(
    msgspec.structs.replace(MEDIUM, name=str(count), concurrency=count)
    for count in (1, 2, 4, 8, 16, 32, 64, 128, 256)
)


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table of goals.

    :param key: which figure of the results it is about.
    :param sense: whether the figure may be ``at most`` or must be ``at least`` the limit.
    :param unit: what follows the figure.
    """

    key: str
    text: str
    limit: float
    sense: Literal["at most", "at least"] = "at most"
    unit: str = "x"

    def met(self, value: float) -> bool:
        """Whether a measured value reaches the goal."""
        return value <= self.limit if self.sense == "at most" else value >= self.limit


GOALS = (
    Goal(key="cpu_medium", text="CPU per edit against nginx, 1 MiB in, 2 MiB out", limit=2.0),
    Goal(key="cpu_large", text="CPU per edit against nginx, 16 MiB in, 8 MiB out", limit=2.0),
    Goal(key="cpu_litellm", text="CPU per edit against LiteLLM, 1 MiB / 2 MiB", limit=1 / 10),
    Goal(key="cpu_portkey", text="CPU per edit against Portkey, 1 MiB / 2 MiB", limit=1 / 10),
    Goal(
        key="cpu_small_litellm", text="small edit, 64 KiB / 128 KiB, against LiteLLM", limit=1 / 15
    ),
    Goal(key="added_p50", text="added p50, one at a time, 1 MiB / 2 MiB", limit=2.5, unit=" ms"),
    Goal(key="bedrock", text="4 MiB picture through `bedrock` against `openai`", limit=2.5),
    Goal(key="vertex", text="4 MiB picture through `vertex` against `openai`", limit=2.5),
    Goal(key="peak_sixteen", text="one edit of 16 x 49 MB, above idle", limit=64, unit=" MiB"),
    Goal(key="peak_waves", text="64 edits of 4 MiB at once, above idle", limit=200, unit=" MiB"),
    Goal(key="idle", text="idle memory, one worker, all plugins", limit=80, unit=" MB"),
    Goal(key="ready", text="`retouch serve` to ready", limit=1.0, unit=" s"),
    Goal(
        key="two_workers",
        text="capacity of two workers against one",
        limit=1.8,
        sense="at least",
    ),
    Goal(key="stall", text="event-loop stall, 99.9th percentile", limit=20, unit=" ms"),
)
#: `make bench-smoke` fails above the goal by more than a third: room for a noisy machine.
SMOKE_MARGIN = 4 / 3
SMOKE_GOALS = ("cpu_medium", "cpu_large")
