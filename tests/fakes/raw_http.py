"""HTTP/1.1 by hand over a socket, for requests that no client library would send."""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass
from typing import Any

TIMEOUT_SECONDS = 20


@dataclass(frozen=True)
class Reply:
    """An answer; ``status`` is 0 when the connection was closed without one."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        """The error object of an OpenAI envelope; an assertion fails if it is none."""
        kind = self.headers.get("content-type", "")
        assert kind.startswith("application/json"), f"{kind}: {self.body[:200]!r}"
        document = json.loads(self.body)
        assert list(document) == ["error"], document
        error: dict[str, Any] = document["error"]
        assert {"message", "type", "param", "code"} <= set(error), error
        return error


def head(
    target: str, headers: dict[str, str], *, method: str = "POST", version: str = "1.1"
) -> bytes:
    """A request line and headers, with a ``Host`` and without anything else of its own."""
    lines = [f"{method} {target} HTTP/{version}", "Host: gateway.test"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def exchange(address: tuple[str, int], sent: bytes, *, half_close: bool = False) -> Reply:
    """Send these bytes on a connection of their own and read one answer.

    :param half_close: say that no more will come, as a client does that breaks off.
    """
    with socket.create_connection(address, timeout=TIMEOUT_SECONDS) as connection:
        try:
            connection.sendall(sent)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            return read_reply(connection)
        except ConnectionError:
            return Reply(0, {}, b"")


def read_reply(connection: socket.socket) -> Reply:
    """The next answer on this connection."""
    response = http.client.HTTPResponse(connection, method="POST")
    try:
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, headers, response.read())
    except (http.client.HTTPException, ConnectionError):
        return Reply(0, {}, b"")
    finally:
        response.close()


def post(
    address: tuple[str, int],
    body: bytes,
    content_type: str | None,
    *,
    target: str = "/v1/images/edits",
    **headers: str,
) -> Reply:
    """A POST with exactly this body and type; underscores in header names become dashes."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if content_type is not None:
        sent["Content-Type"] = content_type
    return exchange(address, head(target, {**sent, "Content-Length": str(len(body))}) + body)
