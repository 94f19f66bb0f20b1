"""The place of one benchmark run: a folder, the upstream, and whatever is started in it."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bench import pictures, procfs
from bench.contestants import Contestant, Setting, nginx_command
from bench.processes import free_port, get, running, wait_ready
from bench.workloads import ANSWERS, MODEL, Shape


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """A proxy that runs.

    :param process: the root of its process tree.
    :param seconds: from its start until it was ready.
    """

    contestant: Contestant
    process: int
    port: int
    upstream: int
    seconds: float

    def cpu(self) -> float:
        """CPU seconds of the whole process tree so far."""
        return sum(procfs.cpu_seconds(self.process).values())


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One edit as it is sent to one place.

    :param server: ``None`` for the upstream itself.
    :param body: the file that holds the request's body.
    """

    name: str
    server: Server | None
    shape: Shape
    port: int
    path: str
    headers: dict[str, str]
    body: Path


class Lab:
    """Everything a measurement needs; made by ``open_lab``."""

    def __init__(self, folder: Path, upstream: int) -> None:
        self.folder = folder
        self.upstream = upstream
        self._count = 0

    @contextlib.contextmanager
    def start(
        self,
        contestant: Contestant,
        *,
        workers: int = 1,
        upstream: int | None = None,
        variables: dict[str, str] | None = None,
        accounts: dict[str, str] | None = None,
    ) -> Iterator[Server]:
        """Run a proxy.

        :param upstream: the port of another upstream than the usual one.
        :raises StartFailed: when it does not come up.
        """
        setting = Setting(
            folder=self.new_folder(),
            port=free_port(),
            upstream=upstream or self.upstream,
            workers=workers,
            accounts=accounts or {},
        )
        log = setting.folder / "log"
        began = time.monotonic()
        command = contestant.command(setting)
        with running(command, log, contestant.variables | (variables or {})) as process:
            wait_ready(process, setting.port, contestant.ready, contestant.start_seconds, log)
            yield Server(
                contestant=contestant,
                process=process.pid,
                port=setting.port,
                upstream=setting.upstream,
                seconds=time.monotonic() - began,
            )

    def entry(self, server: Server, shape: Shape, model: str | None = None) -> Entry:
        """The edit of ``shape`` sent to ``server``, for another model if one is named."""
        contestant = server.contestant
        values = {"answer": shape.answer, "upstream": server.upstream}
        return Entry(
            name=contestant.name if model is None else model.partition("/")[0],
            server=server,
            shape=shape,
            port=server.port,
            path=contestant.path.format(**values),
            headers={name: text.format(**values) for name, text in contestant.headers.items()},
            body=self._body(shape, model or contestant.model.format(**values)),
        )

    def direct(self, shape: Shape) -> Entry:
        """The edit of ``shape`` sent to the upstream."""
        return Entry(
            name="direct",
            server=None,
            shape=shape,
            port=self.upstream,
            path=f"/{shape.answer}/v1/images/edits",
            headers={},
            body=self._body(shape, MODEL),
        )

    def received(self) -> int:
        """How many requests the upstream has had, this question among them."""
        return int(get(self.upstream, "/status")[1].split()[9])

    def answer(self, name: str) -> Path:
        """The file behind an answer of the upstream."""
        return self.folder / "answers" / f"{name}.json"

    def new_folder(self) -> Path:
        """A new empty folder."""
        self._count += 1
        folder = self.folder / str(self._count)
        folder.mkdir()
        return folder

    def _body(self, shape: Shape, model: str) -> Path:
        sizes = "-".join(map(str, shape.pictures))
        path = self.folder / "bodies" / f"{model.replace('/', '_')}-{sizes}"
        if not path.exists():
            path.write_bytes(pictures.form(shape.pictures, model))
        return path


@contextlib.contextmanager
def open_lab() -> Iterator[Lab]:
    """A folder with the upstream running in it; nothing is left of either afterwards."""
    with tempfile.TemporaryDirectory(prefix="retouch-bench-") as name:
        folder, port = Path(name), free_port()
        for part in ("answers", "bodies", "upstream"):
            (folder / part).mkdir()
        pictures.write_answers(folder / "answers", ANSWERS)
        values = {"PORT": port, "FOLDER": folder}
        command = nginx_command(folder / "upstream", "upstream.conf", values)
        log = folder / "upstream" / "log"
        with running(command, log) as process:
            wait_ready(process, port, "/status", 10, log)
            yield Lab(folder, port)
