"""Start programs, wait until they answer, and stop them with everything they started."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

POLL_SECONDS = 0.005
STOP_SECONDS = 5.0
#: Variables that would make a Python program start differently here than for anybody else.
_LEFT_OUT = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED", "RETOUCH_PLUGINS")


class StartFailed(Exception):
    """A program ended or stayed silent instead of serving."""


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of the programs under test."""
    kept = {name: value for name, value in os.environ.items() if name not in _LEFT_OUT}
    return kept | dict(extra or {})


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running(
    command: Sequence[str | Path], log: Path, extra: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in a process group of its own; the whole group is gone afterwards.

    :param log: gets what the program prints.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment(extra),
            cwd=log.parent,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _stop(process)


def wait_ready(
    process: subprocess.Popen[bytes], port: int, path: str, seconds: float, log: Path
) -> None:
    """Return as soon as ``GET path`` is answered with 200.

    :raises StartFailed: when the program ends, or the time is over.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            raise StartFailed(f"it ended with {process.returncode}: {_tail(log)}")
        if get(port, path)[0] == 200:
            return
        time.sleep(POLL_SECONDS)
    raise StartFailed(f"it was not ready after {seconds:g} s: {_tail(log)}")


def get(port: int, path: str) -> tuple[int, bytes]:
    """Status and body of a GET on this machine; status 0 when there is no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        # The group outlives its leader when a child hangs, so it is told in any case.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)


def _tail(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").splitlines()
    return " / ".join(lines[-3:])
