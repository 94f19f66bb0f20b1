"""The tables and curves of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from bench import rounds
from bench.charts import Line, Panel, svg
from bench.contestants import NGINX, RETOUCH, WITH_PEERS
from bench.results import Results
from bench.rounds import Cell
from bench.workloads import CONCURRENCY_CURVE, GOALS, MIB, SHAPES, SIZE_CURVE, Goal, Shape

#: Rows of single values: the key in the results and what stands in the table.
_VALUE_ROWS = (
    ("added p50 (ms)", "added p50, one at a time (ms)"),
    ("idle (MB)", "idle memory (MB)"),
    ("ready (s)", "start to ready (s)"),
    ("peak_sixteen", "16 x 49 MB above idle (MiB)"),
    ("peak_waves", "64 x 4 MiB above idle (MiB)"),
)

#: Apart also for people who do not see red and green.
_COLOURS = {NGINX.name: "#3b78c3", RETOUCH.name: "#d9822b"}


def markdown(results: Results) -> str:
    """The whole report."""
    blocks = ["## Goals", goals_table(results)]
    if names := _names(results):
        blocks += ["## Side by side", _contestants_table(results, names)]
    for part, title, shapes in (
        ("size", "Body size (answer 128 KiB, 8 at a time)", SIZE_CURVE),
        ("concurrency", "Concurrency (1 MiB in, 2 MiB out)", CONCURRENCY_CURVE),
    ):
        if results.of(part):
            blocks += [f"## {title}", _curve_table(results, part, shapes)]
    if results.details:
        blocks += ["## Details", _list(f"{k}: {v}" for k, v in results.details.items())]
    if results.notes:
        blocks += ["## Failures", _list(results.notes)]
    machine = ", ".join(f"{name} {value}" for name, value in results.machine.items())
    return "\n\n".join([*blocks, f"Measured with: {machine}."]) + "\n"


def goals_table(results: Results, keys: Sequence[str] | None = None) -> str:
    """Every goal that was measured."""
    rows = []
    for goal in GOALS:
        value = results.figures.get(goal.key)
        if value is None or (keys is not None and goal.key not in keys):
            continue
        met = "yes" if goal.met(value) else "**no**"
        limit = f"{goal.sense} {_number(goal.limit)}{_unit(goal)}"
        rows.append((goal.text, limit, f"{_number(value)}{_unit(goal)}", met))
    return _table(("figure", "goal", "retouch", "met"), rows)


def write(results: Results, folder: Path) -> None:
    """``results.json``, ``results.md`` and the curves, if there are any."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_bytes(msgspec.json.format(msgspec.json.encode(results)))
    (folder / "results.md").write_text(markdown(results), "utf-8")
    if results.of("size"):
        size = _curve(results, "size", SIZE_CURVE, lambda shape: shape.size / MIB, log=True)
        (folder / "performance-size.svg").write_text(size, "utf-8")
    if results.of("concurrency"):
        many = _curve(
            results, "concurrency", CONCURRENCY_CURVE, lambda shape: shape.concurrency, log=False
        )
        (folder / "performance-concurrency.svg").write_text(many, "utf-8")


def _contestants_table(results: Results, names: list[str]) -> str:
    rows: list[tuple[str, ...]] = []
    kinds: tuple[tuple[str, Callable[[Cell], float]], ...] = (
        ("CPU per edit (ms)", lambda cell: cell.cpu_ms),
        ("edits per second", lambda cell: cell.per_second),
    )
    for text, value in kinds:
        for shape in SHAPES:
            cells = results.of("cpu", shape.name)
            row = _row(names, {cell.name for cell in cells}, _median_of(cells, value))
            if cells:
                rows.append((f"{text}, {shape.name}", *row))
    for shape in SHAPES:
        cells = results.of("cpu", shape.name)
        present = {cell.name for cell in cells}
        if NGINX.name in present:
            row = _row(names, present, _ratio_to_floor(cells))
            rows.append((f"times nginx, {shape.name}", *row))
    for key, text in _VALUE_ROWS:
        if values := results.values.get(key):
            rows.append((text, *_row(names, values, values.__getitem__)))
    return _table(("", *names), rows)


def _median_of(cells: list[Cell], value: Callable[[Cell], float]) -> Callable[[str], float]:
    return lambda name: rounds.median(cells, name, value)


def _ratio_to_floor(cells: list[Cell]) -> Callable[[str], float]:
    return lambda name: rounds.paired(cells, name, NGINX.name, rounds.cpu_ratio)


def _curve_table(results: Results, part: str, shapes: Sequence[Shape]) -> str:
    names = (NGINX.name, RETOUCH.name)
    rows = []
    for shape in shapes:
        cells = results.of(part, shape.name)
        present = {cell.name for cell in cells}
        memory = [
            p.above_idle / MIB for p in results.peaks if (p.part, p.shape) == (part, shape.name)
        ]
        cpu = _row(names, present, _median_of(cells, lambda cell: cell.cpu_ms))
        speed = _row(names[1:], present, _median_of(cells, lambda cell: cell.per_second))
        rows.append((shape.name, *cpu, *speed, *map(_number, memory)))
    heads = ("nginx CPU (ms)", "retouch CPU (ms)", "edits per second", "above idle (MiB)")
    return _table(("", *heads), rows)


def _curve(
    results: Results,
    part: str,
    shapes: Sequence[Shape],
    place: Callable[[Shape], float],
    *,
    log: bool,
) -> str:
    ticks = tuple((place(shape), shape.name) for shape in shapes)
    below = "bytes of the picture" if part == "size" else "edits at a time"
    lines = []
    for name in (NGINX.name, RETOUCH.name):
        points = []
        for shape in shapes:
            cells = results.of(part, shape.name)
            if any(cell.name == name for cell in cells):
                points.append((place(shape), rounds.median(cells, name, lambda c: c.cpu_ms)))
        lines.append(Line(name, _COLOURS[name], tuple(points)))
    by_name = {peak.shape: peak for peak in results.peaks if peak.part == part}
    memory = tuple(
        (place(shape), by_name[shape.name].above_idle / MIB)
        for shape in shapes
        if shape.name in by_name
    )
    panels = [
        Panel(title="CPU per edit (ms)", below=below, ticks=ticks, lines=tuple(lines), log=log),
        Panel(
            title="retouch: memory above idle (MiB)",
            below=below,
            ticks=ticks,
            lines=(Line(RETOUCH.name, _COLOURS[RETOUCH.name], memory),),
        ),
    ]
    return svg(f"CPU per edit and memory over {below}", panels)


def _names(results: Results) -> list[str]:
    """The contestants that were measured, in their usual order."""
    found = {cell.name for cell in results.cells if cell.part in ("cpu", "latency")}
    found |= {name for values in results.values.values() for name in values}
    return [contestant.name for contestant in WITH_PEERS if contestant.name in found]


def _row(
    names: Sequence[str], present: Iterable[str], value: Callable[[str], float]
) -> tuple[str, ...]:
    present = set(present)
    return tuple(_number(value(name)) if name in present else "-" for name in names)


def _unit(goal: Goal) -> str:
    return f" {goal.unit.strip()}"


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:.0f}"
    return (
        f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)
