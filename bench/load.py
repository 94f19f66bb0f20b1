"""Load: wrk with a prepared body, and single edits that are looked at closely."""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from bench.lab import Entry, Lab
from bench.pictures import CONTENT_TYPE
from bench.processes import environment

SCRIPT = Path(__file__).with_name("load.lua")
#: How long requests under way may take after the last one was started.
DRAIN_SECONDS = 90


class LoadFailed(Exception):
    """Not every edit was answered properly."""


class Load(msgspec.Struct, frozen=True):
    """What wrk saw.

    :param edits: answered edits, including those that ended after the time was over.
    :param in_time: of these, how many ended within ``span`` seconds.
    :param p50: median seconds per edit.
    :param failed: broken connections and timeouts.
    :param refused: answers that are not 2xx.
    """

    edits: int
    in_time: int
    span: float
    p50: float
    p99: float
    failed: int
    refused: int

    @property
    def per_second(self) -> float:
        """Edits per second while the full load was on."""
        return self.in_time / self.span


def run(lab: Lab, entry: Entry, seconds: float, *, count: bool = True) -> Load:
    """Put an entry under the load of its shape; ends when the last answer is in.

    :param count: check that each edit reached the upstream exactly once.
    :raises LoadFailed: for any error, and for an edit that was not forwarded once.
    """
    before = lab.received()
    load = _wrk(entry, seconds)
    if load.failed or load.refused or not load.edits:
        raise LoadFailed(
            f"{entry.name}: of {load.edits} edits {load.refused} were refused and {load.failed} "
            "got no answer"
        )
    forwarded = lab.received() - before - 1
    if count and forwarded != load.edits:
        raise LoadFailed(
            f"{entry.name}: {load.edits} edits were answered, {forwarded} reached the upstream"
        )
    return load


def check(lab: Lab, entry: Entry) -> None:
    """Send one edit and compare the picture in the answer with the upstream's.

    :raises LoadFailed: when they differ, or the answer is an error.
    """
    body = entry.body.read_bytes()
    status, answer = send(entry, [body], len(body))
    if status != 200:
        raise LoadFailed(f"{entry.name}: HTTP {status}: {answer[:300]!r}")
    wanted = json.loads(lab.answer(entry.shape.answer).read_bytes())
    if _picture(json.loads(answer)) != _picture(wanted):
        raise LoadFailed(f"{entry.name}: the answer does not hold the upstream's picture")


def send(entry: Entry, pieces: Iterable[bytes], size: int) -> tuple[int, bytes]:
    """One edit whose body is ``pieces``, ``size`` bytes in all; status and body come back.

    :raises LoadFailed: when the connection breaks.
    """
    connection = http.client.HTTPConnection("127.0.0.1", entry.port, timeout=DRAIN_SECONDS)
    headers = entry.headers | {"Content-Type": CONTENT_TYPE, "Content-Length": str(size)}
    try:
        connection.request("POST", entry.path, pieces, headers)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException) as error:
        raise LoadFailed(f"{entry.name}: {type(error).__name__}: {error}") from error
    finally:
        connection.close()


def _wrk(entry: Entry, seconds: float) -> Load:
    connections = str(entry.shape.concurrency)
    limit = f"{int(seconds) + DRAIN_SECONDS}s"
    headers = entry.headers | {"Content-Type": CONTENT_TYPE}
    command = ["wrk", "-t", "1", "-c", connections, "-d", limit, "--timeout", limit]
    command += ["-s", str(SCRIPT)]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    command.append(f"http://127.0.0.1:{entry.port}{entry.path}")
    variables = {
        "BENCH_BODY": str(entry.body),
        "BENCH_SECONDS": str(seconds),
        "BENCH_CONNECTIONS": connections,
    }
    done = subprocess.run(
        command,
        env=environment(variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + 2 * DRAIN_SECONDS,
    )
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            return msgspec.json.decode(line.removeprefix("RESULT "), type=Load)
    raise LoadFailed(f"wrk failed: {done.stdout[-300:]} {done.stderr[-300:]}")


def _picture(answer: Any) -> str:
    text: str = answer["data"][0]["b64_json"]
    return text
