"""Alternating rounds: A B C A B C, so that a change of the machine's mood hits all alike."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Sequence

import msgspec

from bench import load, procfs
from bench.lab import Entry, Lab

WARM_SECONDS = 0.5
#: A code path that is compiled or cached on its first uses is past them after so many edits.
WARM_EDITS = 30


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One entry in one round.

    :param cpu_ms: CPU milliseconds of the proxy's process tree per edit.
    :param busiest_ms: the part of ``cpu_ms`` that its busiest process had.
    """

    part: str
    name: str
    shape: str
    concurrency: int
    edits: int
    cpu_ms: float
    busiest_ms: float
    per_second: float
    p50_ms: float
    p99_ms: float


def alternate(
    lab: Lab, part: str, entries: Sequence[Entry], rounds: int, seconds: float
) -> list[Cell]:
    """Measure each entry once per round; they should be warm.

    :param seconds: of load per entry and round.
    :raises LoadFailed: for any edit that fails.
    """
    cells = []
    for _ in range(rounds):
        for entry in entries:
            cells.append(measure(lab, part, entry, seconds))
            say(f"  {part}: {describe(cells[-1])}")
    return cells


def warm(lab: Lab, entry: Entry) -> None:
    """Load an entry until its first edits are behind it."""
    edits = 0
    while edits < WARM_EDITS and edits * entry.shape.size < 256 * 1024 * 1024:
        edits += load.run(lab, entry, WARM_SECONDS).edits


def measure(lab: Lab, part: str, entry: Entry, seconds: float) -> Cell:
    """One cell."""
    before = _cpu(entry)
    found = load.run(lab, entry, seconds)
    after = _cpu(entry)
    spent = [after[process] - before.get(process, 0.0) for process in after]
    return Cell(
        part=part,
        name=entry.name,
        shape=entry.shape.name,
        concurrency=entry.shape.concurrency,
        edits=found.edits,
        cpu_ms=1000 * sum(spent) / found.edits,
        busiest_ms=1000 * max(spent, default=0.0) / found.edits,
        per_second=found.per_second,
        p50_ms=1000 * found.p50,
        p99_ms=1000 * found.p99,
    )


def median(cells: Sequence[Cell], name: str, value: Callable[[Cell], float]) -> float:
    """The median of a value over the rounds of one entry."""
    return statistics.median(value(cell) for cell in cells if cell.name == name)


def paired(
    cells: Sequence[Cell], one: str, other: str, compare: Callable[[Cell, Cell], float]
) -> float:
    """The median over the rounds of a comparison of two entries in the same round."""
    ones = [cell for cell in cells if cell.name == one]
    others = [cell for cell in cells if cell.name == other]
    return statistics.median(compare(a, b) for a, b in zip(ones, others, strict=True))


def cpu_ratio(one: Cell, other: Cell) -> float:
    """How many times the CPU per edit of ``other`` is that of ``one``."""
    return one.cpu_ms / other.cpu_ms


def describe(cell: Cell) -> str:
    """A cell on one line."""
    return (
        f"{cell.name}, {cell.shape}: {cell.edits} edits, {cell.cpu_ms:.2f} ms CPU each, "
        f"{cell.per_second:.0f}/s, p50 {cell.p50_ms:.1f} ms"
    )


def say(text: str) -> None:
    """Progress, apart from the tables."""
    print(text, file=sys.stderr, flush=True)


def _cpu(entry: Entry) -> dict[int, float]:
    return {} if entry.server is None else procfs.cpu_seconds(entry.server.process)
