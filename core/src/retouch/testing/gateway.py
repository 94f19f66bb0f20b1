"""The real gateway on a real socket, in a thread of this process, and a plain HTTP client."""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import uvicorn

from retouch.config import Config
from retouch.http.app import create_app
from retouch.routing import Routes
from retouch.upstream.body import Body

START_SECONDS = 20.0
STOP_SECONDS = 10.0
#: Loggers of the clients' side, whose records would show what the client itself has sent.
_CLIENTS = ("openai", "httpx", "httpcore", "asyncio", "urllib3", "aiohttp", "multipart")


class Gateway:
    """The gateway with these routes. ``url`` is where it listens once it is made."""

    def __init__(self, config: Config, routes: Routes) -> None:
        # asyncio's own loop connects through Python's sockets, where ``isolation`` can look.
        settings = uvicorn.Config(
            create_app(config, routes),
            http="httptools",
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(settings)
        listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, daemon=True
        )
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._server.started:
            assert self._thread.is_alive(), "the gateway did not start; its log says why"
            assert time.monotonic() < deadline, "the gateway did not start in time"
            time.sleep(0.002)

    def stop(self) -> None:
        """Shut it down."""
        self._server.should_exit = True
        self._thread.join(STOP_SECONDS)

    def open(self, body: Body, headers: Mapping[str, str], patience: float) -> Connection:
        """Send an edit and do not wait for its answer.

        :param patience: seconds that each read of the answer may take.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=patience)
        sent = {"content-type": body.content_type or "", **headers}
        connection.request("POST", "/v1/images/edits", b"".join(body.chunks()), sent)
        return Connection(connection)

    def get(self, path: str, patience: float) -> int:
        """The status of a GET request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=patience)
        with contextlib.closing(connection):
            connection.request("GET", path)
            return connection.getresponse().status


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway answered; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """The JSON of the body."""
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The ``error`` object; empty for a success."""
        found = self.document.get("error")
        return found if isinstance(found, dict) else {}

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of a stream."""
        return list(_events(self.body))

    def __repr__(self) -> str:
        shown = self.body if len(self.body) < 600 else self.body[:600] + b"..."
        return f"HTTP {self.status} {shown.decode('utf-8', 'replace')}"


class Connection:
    """A request that was sent, with its answer to come."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection
        self._response: http.client.HTTPResponse | None = None

    def answer(self) -> Answer:
        """The whole answer."""
        response = self._begun()
        with self:
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(status=response.status, headers=headers, body=response.read())

    def read_event(self) -> dict[str, Any]:
        """The next event of a stream, as soon as it has come; empty at the stream's end."""
        response = self._begun()
        for line in iter(response.readline, b""):
            if line.startswith(b"data:"):
                event: dict[str, Any] = json.loads(line[5:])
                return event
        return {}

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        if self._response is not None:
            self._response.close()
        self._connection.close()

    def _begun(self) -> http.client.HTTPResponse:
        if self._response is None:
            self._response = self._connection.getresponse()
        return self._response


def _events(text: bytes) -> Iterator[dict[str, Any]]:
    for block in text.split(b"\n\n"):
        lines = [line[5:].strip() for line in block.split(b"\n") if line.startswith(b"data:")]
        if lines:
            yield json.loads(b"\n".join(lines))


class Recorder(logging.Handler):
    """Everything that is logged while it is open, formatted as a log file would have it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        self.lines: list[str] = []
        self._handlers: list[logging.Handler] = []
        self._level = logging.WARNING

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        if record.name.partition(".")[0] not in _CLIENTS:
            self.lines.append(self.format(record))

    def __enter__(self) -> Recorder:
        root = logging.getLogger()
        self._handlers, self._level = root.handlers, root.level
        # In place of the others: pytest would print every line of a test that fails.
        root.handlers = [self]
        root.setLevel(logging.DEBUG)
        return self

    def __exit__(self, *_: object) -> None:
        root = logging.getLogger()
        root.handlers = self._handlers
        root.setLevel(self._level)
