"""Install packages as users do, offline, into folders of their own, and run programs there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

Done = subprocess.CompletedProcess[str]


def run(
    *command: str | Path,
    sites: tuple[Path, ...] = (),
    folder: Path | None = None,
    timeout: float = 120,
) -> Done:
    """``python -m command``, with ``sites`` as further places where packages are installed."""
    inherited = os.environ.get("PYTHONPATH")
    paths = [*map(str, sites), *([inherited] if inherited else [])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run(
        [sys.executable, "-m", *command],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )


def install(source: Path, site: Path) -> Path:
    """Install a project's folder or a wheel into ``site`` with pip."""
    options = ("--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check")
    done = run("pip", "install", "--quiet", *options, "--target", site, source)
    assert done.returncode == 0, done.stderr
    return site


def run_kit(site: Path, folder: Path, *options: str) -> Done:
    """``pytest`` in ``folder``, where the kit's extra is all that is there."""
    without = ("-p", "no:cacheprovider", "-p", "no:asyncio")
    return run("pytest", "-q", "-W", "error", *without, *options, sites=(site,), folder=folder)
