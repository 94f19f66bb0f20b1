"""What a run found out, as it is written to JSON."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import msgspec

from bench.memory import Peak
from bench.rounds import Cell, say

LIBRARIES = ("retouch", "uvicorn", "uvloop", "httptools", "aiohttp", "msgspec", "pybase64")


class Results(msgspec.Struct, kw_only=True):
    """Everything measured.

    :param figures: the values that the goals are about, by key.
    :param details: further single values, by what they are, with their unit.
    :param values: single values per contestant: key, then name.
    :param notes: what failed, and why.
    """

    machine: dict[str, str]
    cells: list[Cell] = []
    peaks: list[Peak] = []
    figures: dict[str, float] = {}
    details: dict[str, str] = {}
    values: dict[str, dict[str, float]] = {}
    notes: list[str] = []

    def note(self, text: str) -> None:
        """Keep a failure for the report, and say it now."""
        self.notes.append(text)
        say(f"  FAILED: {text}")

    def of(self, part: str, shape: str | None = None) -> list[Cell]:
        """The cells of one part, and of one shape if it is named."""
        return [cell for cell in self.cells if cell.part == part and shape in (None, cell.shape)]


def machine() -> dict[str, str]:
    """What the figures depend on, without naming the machine."""
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "kernel": platform.release().split("-")[0],
        "load before": f"{os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
        "nginx": _version(["nginx", "-v"]).rpartition("/")[2],
        "wrk": _version(["wrk", "-v"]).split(" [")[0].removeprefix("wrk "),
        **{name: metadata.version(name) for name in LIBRARIES},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).splitlines()[0].strip()
