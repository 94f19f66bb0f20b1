"""The plugin of the benchmark, installed as any outside plugin would be."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import msgspec

from bench.contestants import HERE
from bench.lab import Lab
from bench.processes import environment

#: As in loop_monitor: seconds between two points, and the two floats of each.
INTERVAL = 0.002
POINT = struct.Struct("=ff")


def install(lab: Lab) -> dict[str, str]:
    """Install it; returns the variables that let the gateway find it.

    Nothing is fetched: the build backend is part of the development environment.
    """
    target = lab.new_folder()
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-index", "--no-deps", "--no-build-isolation", "--target", str(target)]
    command.append(str(HERE / "loop_monitor"))
    subprocess.run(command, env=environment(), check=True, stdin=subprocess.DEVNULL)
    return {"PYTHONPATH": str(target)}


class Late(msgspec.Struct, frozen=True):
    """How late a loop was at one moment, and for how much of that its own thread worked.

    :param seconds: until the loop got to it.
    :param busy: CPU seconds of the loop's thread in that time; the rest it waited for a core.
    """

    seconds: float
    busy: float


def lateness(folder: Path, begin: float, end: float) -> list[Late]:
    """All points between two monotonic times, of all processes."""
    found: list[Late] = []
    for path in folder.iterdir():
        data = path.read_bytes()
        (start,) = struct.unpack_from("d", data)
        whole = data[8 : 8 + (len(data) - 8) // POINT.size * POINT.size]
        points = [Late(*pair) for pair in POINT.iter_unpack(whole)]
        first = max(0, int((begin - start) / INTERVAL))
        found += points[first : max(first, int((end - start) / INTERVAL))]
    return found
