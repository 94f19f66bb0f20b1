"""Memory: idle, and the peak above idle of a fresh process under one kind of load."""

from __future__ import annotations

import contextlib
import functools
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from bench import load, pictures, procfs
from bench.contestants import Contestant
from bench.lab import Lab, Server
from bench.processes import free_port, running, wait_ready
from bench.workloads import SIXTEEN_PICTURES, WAVES_OF_64, Shape

#: What a program still frees or loads after it said that it is ready.
SETTLE_SECONDS = 1.0
WAVE_SECONDS = 3.0
SMALL_PNG = 2048


class Peak(msgspec.Struct, frozen=True, kw_only=True):
    """Resident bytes of one process tree."""

    part: str
    name: str
    shape: str
    idle: int
    peak: int

    @property
    def above_idle(self) -> int:
        """What the load cost."""
        return self.peak - self.idle


def sixteen_pictures(lab: Lab, contestant: Contestant) -> Peak:
    """One edit with sixteen pictures of 49 MB."""
    return _peak(
        lab,
        contestant,
        "peak_sixteen",
        SIXTEEN_PICTURES.name,
        lambda server: send_sixteen(lab, server),
    )


def send_sixteen(lab: Lab, server: Server) -> None:
    """Send that edit once; its body is never put together.

    :raises LoadFailed: when it is not answered with 200.
    """
    sizes = SIXTEEN_PICTURES.pictures
    # The entry's own body is not sent, so it may be a small one.
    entry = lab.entry(server, msgspec.structs.replace(SIXTEEN_PICTURES, pictures=(SMALL_PNG,)))
    model = server.contestant.model.format(answer=entry.shape.answer)
    parts = list(pictures.form_pieces([_large_picture()] * len(sizes), model))
    status, answer = load.send(entry, parts, sum(map(len, parts)))
    if status != 200:
        raise load.LoadFailed(f"{entry.name}: HTTP {status}: {answer[:300]!r}")


def idle(lab: Lab, contestant: Contestant) -> int:
    """Resident bytes of a process that has not served anything."""
    with lab.start(contestant) as server:
        time.sleep(SETTLE_SECONDS)
        return procfs.resident_bytes(server.process)


def waves(lab: Lab, contestant: Contestant) -> Peak:
    """Edits of 4 MiB, 64 of them waiting for the provider at the same time."""
    with _holding(lab, WAVES_OF_64) as port:
        return _peak(
            lab,
            contestant,
            "peak_waves",
            WAVES_OF_64.name,
            lambda server: _load(lab, server, WAVES_OF_64, WAVE_SECONDS, count=False),
            upstream=port,
        )


def under_load(lab: Lab, contestant: Contestant, part: str, shape: Shape, seconds: float) -> Peak:
    """Edits of ``shape`` for some seconds."""
    return _peak(
        lab, contestant, part, shape.name, lambda server: _load(lab, server, shape, seconds)
    )


@functools.cache
def _large_picture() -> bytes:
    return pictures.png(SIXTEEN_PICTURES.pictures[0])


def _load(lab: Lab, server: Server, shape: Shape, seconds: float, *, count: bool = True) -> None:
    load.run(lab, lab.entry(server, shape), seconds, count=count)


def _peak(
    lab: Lab,
    contestant: Contestant,
    part: str,
    shape: str,
    work: Callable[[Server], None],
    upstream: int | None = None,
) -> Peak:
    """The peak while ``work`` runs against a process that has not served anything yet."""
    with lab.start(contestant, upstream=upstream) as server:
        time.sleep(SETTLE_SECONDS)
        idle = procfs.resident_bytes(server.process)
        procfs.reset_peak(server.process)
        work(server)
        peak = procfs.peak_bytes(server.process)
    return Peak(part=part, name=contestant.name, shape=shape, idle=idle, peak=peak)


@contextlib.contextmanager
def _holding(lab: Lab, shape: Shape) -> Iterator[int]:
    """The port of an upstream that answers in waves of the shape's concurrency."""
    port, folder = free_port(), lab.new_folder()
    program = Path(__file__).with_name("holding_upstream.py")
    arguments = [str(port), str(shape.concurrency), str(lab.answer(shape.answer))]
    with running([sys.executable, program, *arguments], folder / "log") as process:
        wait_ready(process, port, "/", 10, folder / "log")
        yield port
