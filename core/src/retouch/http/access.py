"""One JSON line per request on standard error, and the request's id.

Nothing that a client wrote is logged but the model's name; no prompt, no picture, no key.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Iterable

import msgspec

log = logging.getLogger("retouch.access")


class Access(msgspec.Struct, kw_only=True):
    """What is known of a request; filled in on its way.

    :param cost: US dollars.
    :param answered_id: the ``x-request-id`` that the client got, when it is the provider's.
    """

    request_id: str = msgspec.field(default_factory=lambda: f"req_{secrets.token_hex(16)}")
    started: float = msgspec.field(default_factory=time.monotonic)
    method: str = ""
    path: str = ""
    key: str = "-"
    model: str = "-"
    status: int = 0
    code: str | None = None
    answered_id: str | None = None
    cost: float | None = None

    def note_start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """What the answer begins with."""
        self.status = status
        sent = dict(headers).get(b"x-request-id", b"").decode("latin-1")
        self.answered_id = sent if sent and sent != self.request_id else None

    def write(self) -> None:
        """Log the request; control characters are escaped by JSON."""
        if not log.isEnabledFor(logging.INFO):
            return
        line = {
            "time": round(time.time(), 3),
            "request_id": self.request_id,
            "method": self.method,
            "path": self.path[:200],
            "key": self.key,
            "model": self.model[:200],
            "status": self.status,
            "code": self.code,
            "ms": round((time.monotonic() - self.started) * 1000, 1),
            "cost": self.cost,
            "answered_id": self.answered_id,
        }
        text = msgspec.json.encode(line).decode()
        if not text.isascii():
            # Some log tools end a line at characters that JSON leaves as they are.
            text = json.dumps(line, separators=(",", ":"))
        log.info("%s", text)
