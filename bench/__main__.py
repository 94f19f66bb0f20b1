"""Run the benchmark: ``python -m bench``; see README.md."""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from bench import parts, report
from bench.contestants import NGINX, OWN, RETOUCH, WITH_PEERS
from bench.lab import open_lab
from bench.results import Results, machine
from bench.rounds import say
from bench.workloads import GOALS, LARGE, MEDIUM, SMOKE_GOALS, SMOKE_MARGIN

HERE = Path(__file__).parent
TOOLS = {"nginx": "nginx", "wrk": "wrk"}


def main() -> int:
    """Measure, print the tables, write the results; returns the exit code."""
    options = _options()
    # Debian puts nginx where only root looks for programs.
    os.environ["PATH"] += ":/usr/sbin"
    if missing := [package for program, package in TOOLS.items() if not shutil.which(program)]:
        print(
            f"The benchmark needs {' and '.join(missing)}. On Debian and Ubuntu: "
            f"apt-get install {' '.join(missing)}",
            file=sys.stderr,
        )
        return 2
    signal.signal(signal.SIGTERM, _stop)
    _allow_many_files()
    plan = _plan(options)
    results = Results(machine=machine())
    began = time.monotonic()
    with open_lab() as lab:
        run = parts.Run(lab=lab, plan=plan, results=results)
        for name in options.only:
            say(f"{name} ({time.monotonic() - began:.0f} s)")
            parts.PARTS[name](run)
    say(f"done after {time.monotonic() - began:.0f} s")
    if options.smoke:
        return _verdict(results)
    print(report.markdown(results))
    report.write(results, options.out)
    return 1 if results.notes else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--peers", action="store_true", help="measure LiteLLM and Portkey as well")
    parser.add_argument("--smoke", action="store_true", help="only CPU against nginx, as a check")
    parser.add_argument("--rounds", type=int, default=5, help="alternating rounds (default: 5)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of load each (default: 3)")
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder of the results")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=parts.PARTS,
        default=list(parts.PARTS),
        help="parts to measure (default: all)",
    )
    options = parser.parse_args()
    if options.smoke:
        options.only = ["cpu"]
    return options


def _plan(options: argparse.Namespace) -> parts.Plan:
    if options.smoke:
        return parts.Plan(contestants=(NGINX, RETOUCH), shapes=(MEDIUM, LARGE))
    contestants = WITH_PEERS if options.peers else OWN
    return parts.Plan(contestants=contestants, rounds=options.rounds, seconds=options.seconds)


def _verdict(results: Results) -> int:
    """0 when CPU per edit is within the goal and a third, 1 otherwise."""
    print(report.goals_table(results, SMOKE_GOALS))
    failed = len(results.notes)
    for goal in GOALS:
        value = results.figures.get(goal.key)
        if goal.key in SMOKE_GOALS and (value is None or value > goal.limit * SMOKE_MARGIN):
            failed += 1
            found = "was not measured" if value is None else f"is {value:.2f}"
            print(f"FAILED: {goal.text} {found}; allowed is {goal.limit * SMOKE_MARGIN:.2f}")
    return 1 if failed else 0


def _allow_many_files() -> None:
    """256 edits at a time need more descriptors than some systems give at first."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _stop(number: int, frame: FrameType | None) -> None:
    # As an exception it passes through every `with`, so that nothing is left running.
    sys.exit(128 + number)


if __name__ == "__main__":
    os.environ["LC_ALL"] = "C"
    sys.exit(main())
