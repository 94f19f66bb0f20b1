"""The measurements, one function for each part of the table."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import msgspec

from bench import load, memory, plugins, rounds
from bench.contestants import (
    BEDROCK,
    LITELLM,
    NGINX,
    OPENAI,
    PORTKEY,
    RETOUCH,
    VERTEX,
    Contestant,
)
from bench.lab import Entry, Lab, Server
from bench.processes import StartFailed
from bench.results import Results
from bench.workloads import (
    ALONE,
    CONCURRENCY_CURVE,
    JSON_MODELS,
    LARGE,
    MB,
    MEDIUM,
    MIB,
    MODEL,
    PICTURE_4_MIB,
    SHAPES,
    SIXTEEN_PICTURES,
    SIZE_CURVE,
    SMALL,
    WAVES_OF_64,
    Shape,
)

STARTS = 5
CURVE_SECONDS = 2.0
CURVE_ROUNDS = 3
STALL_SECONDS = 8.0
FAILURES = (load.LoadFailed, StartFailed)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured.

    :param seconds: of load per entry and round.
    """

    contestants: tuple[Contestant, ...]
    rounds: int = 5
    seconds: float = 3.0
    shapes: tuple[Shape, ...] = SHAPES


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What every part gets."""

    lab: Lab
    plan: Plan
    results: Results


def cpu(run: Run) -> None:
    """CPU per edit of everybody, in every shape."""
    with ExitStack() as stack:
        servers = _start_all(run, stack, run.plan.contestants)
        for shape in run.plan.shapes:
            _alternate(run, "cpu", [run.lab.entry(server, shape) for server in servers])
    for key, shape, other in (
        ("cpu_medium", MEDIUM, NGINX),
        ("cpu_large", LARGE, NGINX),
        ("cpu_litellm", MEDIUM, LITELLM),
        ("cpu_portkey", MEDIUM, PORTKEY),
        ("cpu_small_litellm", SMALL, LITELLM),
    ):
        _ratio(run, key, "cpu", shape, RETOUCH.name, other.name)


def base64(run: Run) -> None:
    """The providers that take base64 in JSON against OpenAI's form, in one gateway."""
    accounts = {"openai": OPENAI % "2m", "bedrock": BEDROCK, "vertex": VERTEX}
    models = {"openai": MODEL, **JSON_MODELS}
    with run.lab.start(RETOUCH, accounts=accounts) as server:
        names = [f"{account}/{models[account]}" for account in accounts]
        _alternate(run, "base64", [run.lab.entry(server, PICTURE_4_MIB, name) for name in names])
    for name in JSON_MODELS:
        _ratio(run, name, "base64", PICTURE_4_MIB, name, "openai")


def latency(run: Run) -> None:
    """The p50 that each adds to going direct, one edit at a time."""
    with ExitStack() as stack:
        servers = _start_all(run, stack, _whole(run))
        entries = [run.lab.direct(ALONE)]
        entries += [run.lab.entry(server, ALONE) for server in servers]
        _alternate(run, "latency", entries)
    cells = run.results.of("latency")
    added = {
        name: rounds.paired(cells, name, "direct", lambda a, b: a.p50_ms - b.p50_ms)
        for name in {cell.name for cell in cells}
    }
    run.results.values["added p50 (ms)"] = added
    _figure(run, "added_p50", added)


def start(run: Run) -> None:
    """Seconds until ready, and the memory of a proxy that has not served anything."""
    ready: dict[str, float] = {}
    idle: dict[str, float] = {}
    for contestant in _whole(run):
        seconds = []
        try:
            for _ in range(STARTS):
                with run.lab.start(contestant) as server:
                    seconds.append(server.seconds)
            idle[contestant.name] = memory.idle(run.lab, contestant) / MB
        except FAILURES as error:
            run.results.note(f"start: {contestant.name}: {error}")
            continue
        ready[contestant.name] = statistics.median(seconds)
        rounds.say(
            f"  start: {contestant.name}: {ready[contestant.name]:.2f} s, "
            f"{idle[contestant.name]:.0f} MB idle"
        )
    run.results.values |= {"ready (s)": ready, "idle (MB)": idle}
    _figure(run, "ready", ready)
    _figure(run, "idle", idle)


def peaks(run: Run) -> None:
    """Memory above idle: one edit of sixteen large pictures, and 64 edits that wait."""
    kinds: dict[str, Callable[[Lab, Contestant], memory.Peak]] = {
        "peak_sixteen": memory.sixteen_pictures,
        "peak_waves": memory.waves,
    }
    for key, kind in kinds.items():
        values = {}
        for contestant in _whole(run):
            peak = _peak(run, contestant, key, kind)
            if peak is not None:
                values[contestant.name] = peak.above_idle / MIB
        run.results.values[key] = values
        _figure(run, key, values)


def workers(run: Run) -> None:
    """Two workers against one: capacity, edits per second and CPU per edit.

    Load and upstream share the cores with the gateway, so on a small machine edits per second
    say little. Capacity is what the busiest worker could do with a core of its own: one edit
    per ``busiest_ms``.
    """
    with ExitStack() as stack:
        entries = []
        for count in (1, 2):
            server = stack.enter_context(run.lab.start(RETOUCH, workers=count))
            # Both workers must be up before the first round; one of them says "ready".
            time.sleep(1)
            entry = run.lab.entry(server, MEDIUM)
            entries.append(msgspec.structs.replace(entry, name=f"{count} workers"))
        _alternate(run, "workers", entries)
    cells = run.results.of("workers")
    if not cells:
        return
    pair = ("2 workers", "1 workers")
    capacity = rounds.paired(cells, *pair, lambda a, b: b.busiest_ms / a.busiest_ms)
    speed = rounds.paired(cells, *pair, lambda a, b: a.per_second / b.per_second)
    spent = rounds.paired(cells, *pair, rounds.cpu_ratio)
    run.results.figures["two_workers"] = capacity
    run.results.details["two workers against one, edits per second as measured"] = f"{speed:.2f} x"
    run.results.details["two workers against one, CPU per edit"] = f"{spent:.2f} x"


def stall(run: Run) -> None:
    """How late the event loop runs under each of the loads; the figure is the worst of them."""
    samples = run.lab.new_folder()
    variables = plugins.install(run.lab)
    variables["BENCH_LOOP_MONITOR"] = str(samples)
    with run.lab.start(RETOUCH, variables=variables) as server:
        rounds.warm(run.lab, run.lab.entry(server, MEDIUM))
        worst = 0.0
        for shape in (MEDIUM, LARGE, WAVES_OF_64, SIXTEEN_PICTURES):
            late = _lateness(run, server, shape, lambda a, b: plugins.lateness(samples, a, b))
            p999 = 1000 * _p999([point.seconds for point in late])
            busy = 1000 * _p999([point.busy for point in late])
            text = f"{p999:.1f} ms, of which working {busy:.1f} ms"
            run.results.details[f"event-loop stall p99.9, {shape.name}"] = text
            rounds.say(f"  stall: {shape.name}: p99.9 {text}")
            worst = max(worst, p999)
    run.results.figures["stall"] = worst


def curves(run: Run) -> None:
    """CPU per edit and memory over body size and over concurrency."""
    with ExitStack() as stack:
        servers = _start_all(run, stack, (NGINX, RETOUCH))
        for part, shapes in (("size", SIZE_CURVE), ("concurrency", CONCURRENCY_CURVE)):
            for shape in shapes:
                entries = [run.lab.entry(server, shape) for server in servers]
                _alternate(run, part, entries, CURVE_ROUNDS, CURVE_SECONDS)
    for part, shapes in (("size", SIZE_CURVE), ("concurrency", CONCURRENCY_CURVE)):
        for shape in shapes:
            peak = memory.under_load(run.lab, RETOUCH, part, shape, CURVE_SECONDS)
            run.results.peaks.append(peak)
            rounds.say(f"  {part}: {shape.name}: {peak.above_idle / MIB:.0f} MiB above idle")


PARTS: dict[str, Callable[[Run], None]] = {
    part.__name__: part for part in (cpu, base64, latency, start, peaks, workers, stall, curves)
}


def _whole(run: Run) -> list[Contestant]:
    return [contestant for contestant in run.plan.contestants if contestant.whole_table]


def _start_all(run: Run, stack: ExitStack, wanted: Sequence[Contestant]) -> list[Server]:
    servers = []
    for contestant in wanted:
        try:
            servers.append(stack.enter_context(run.lab.start(contestant)))
        except StartFailed as error:
            run.results.note(f"{contestant.name} did not start: {error}")
    return servers


def _alternate(
    run: Run,
    part: str,
    entries: Sequence[Entry],
    count: int | None = None,
    seconds: float | None = None,
) -> None:
    """Alternating rounds of those entries that work at all."""
    working = []
    for entry in entries:
        try:
            load.check(run.lab, entry)
            rounds.warm(run.lab, entry)
            working.append(entry)
        except load.LoadFailed as error:
            run.results.note(f"{part}, {entry.shape.name}: {error}")
    count, seconds = count or run.plan.rounds, seconds or run.plan.seconds
    try:
        run.results.cells += rounds.alternate(run.lab, part, working, count, seconds)
    except load.LoadFailed as error:
        run.results.note(f"{part}: {error}")


def _ratio(run: Run, key: str, part: str, shape: Shape, one: str, other: str) -> None:
    cells = run.results.of(part, shape.name)
    if {one, other} <= {cell.name for cell in cells}:
        run.results.figures[key] = rounds.paired(cells, one, other, rounds.cpu_ratio)


def _figure(run: Run, key: str, values: dict[str, float]) -> None:
    if RETOUCH.name in values:
        run.results.figures[key] = values[RETOUCH.name]


def _peak(
    run: Run,
    contestant: Contestant,
    key: str,
    kind: Callable[[Lab, Contestant], memory.Peak],
) -> memory.Peak | None:
    try:
        peak = kind(run.lab, contestant)
    except FAILURES as error:
        run.results.note(f"{key}: {error}")
        return None
    run.results.peaks.append(peak)
    rounds.say(f"  {key}: {contestant.name}: {peak.above_idle / MIB:.0f} MiB above idle")
    return peak


def _lateness(
    run: Run, server: Server, shape: Shape, read: Callable[[float, float], list[plugins.Late]]
) -> list[plugins.Late]:
    begin = time.monotonic()
    if shape is SIXTEEN_PICTURES:
        while time.monotonic() < begin + STALL_SECONDS:
            memory.send_sixteen(run.lab, server)
    else:
        load.run(run.lab, run.lab.entry(server, shape), STALL_SECONDS)
    end = time.monotonic()
    # The monitor writes its samples twice a second.
    time.sleep(1)
    return read(begin, end)


def _p999(values: list[float]) -> float:
    """The 99.9th percentile."""
    return sorted(values)[int(len(values) * 0.999)]
