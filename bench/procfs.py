"""CPU time and memory of a process and everything below it, from /proc."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
#: Fields of /proc/PID/stat counted after the program's name, which may hold spaces.
_PARENT, _TIMES = 1, slice(11, 15)


def tree(root: int) -> list[int]:
    """``root`` and all its living descendants."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[_PARENT]), []).append(int(entry.name))
    found = [root]
    for process in found:
        found += children.get(process, [])
    return found


def cpu_seconds(root: int) -> dict[int, float]:
    """User and system time of each process of the tree, with its children that have ended."""
    return {
        process: sum(map(int, fields[_TIMES])) / _TICKS
        for process in tree(root)
        if (fields := _stat(process))
    }


def resident_bytes(root: int) -> int:
    """Resident memory now: the sum over the tree, shared pages counted in each process."""
    return sum(_status(process, "VmRSS") for process in tree(root))


def reset_peak(root: int) -> None:
    """Let the kernel count the peak of each process from now on (proc(5), clear_refs)."""
    for process in tree(root):
        (_PROC / str(process) / "clear_refs").write_text("5")


def peak_bytes(root: int) -> int:
    """The most resident memory since ``reset_peak``: the sum of each process's own peak.

    The kernel keeps this mark itself, so no short peak is missed between two samples.
    """
    return sum(_status(process, "VmHWM") for process in tree(root))


def _stat(process: int) -> list[str]:
    with contextlib.suppress(OSError):
        text = (_PROC / str(process) / "stat").read_text("utf-8", "replace")
        return text[text.rindex(")") + 2 :].split()
    return []


def _status(process: int, name: str) -> int:
    with contextlib.suppress(OSError):
        for line in (_PROC / str(process) / "status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return 0
