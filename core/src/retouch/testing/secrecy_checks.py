"""The contract of credentials: they reach the provider, and nobody else."""

from __future__ import annotations

import base64
import functools
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from retouch.testing.declared import Declared
from retouch.testing.gateway import Recorder
from retouch.testing.kit import Kit
from retouch.testing.replies import Reply, reply
from retouch.testing.upstream import Received

#: Shapes in which providers say what is wrong; the echo of the request takes the place of "*".
_SHAPES: tuple[Any, ...] = (
    {"error": {"message": "*", "type": "*", "param": "*", "code": "*"}},
    {"error": {"message": "*", "moderation_details": {"text": "*"}}},
    {"error": "*"},
    {"message": "*"},
    {"detail": [{"msg": "*"}]},
    {"errors": ["*"]},
)
_STATUSES = (200, 400, 401, 500)


class SecrecyChecks(Declared):
    """A provider that repeats everything it was sent."""

    def test_secrets_reach_nobody_but_the_provider(
        self, kit: Kit, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """No answer, log line or printed word holds a secret, though the provider echoes it."""
        self.needs_upstream()
        if not kit.secrets:
            self.does_not_apply("has no credentials in its settings")
        with Recorder() as recorder:
            said = [(str(shape), self._said(kit, shape)) for shape in self._echoes()]
        printed = "".join(capfd.readouterr())
        logged = "\n".join(recorder.lines)
        for secret in (form for text in kit.secrets for form in _forms(text)):
            for shape, text in said:
                assert secret not in text, (
                    f"the provider's error {shape} repeats a credential, and it reached the "
                    "client; put only short texts of your own or of the provider's into errors"
                )
            assert secret not in logged, "a credential stands in the log"
            assert secret not in printed, "a credential was printed"

    def _said(self, kit: Kit, shape: Any) -> str:
        """Everything that the client saw when the provider answered with this shape."""
        texts = []
        for status in _STATUSES:
            kit.answer(functools.partial(_echo, shape=shape, status=status))
            answer = kit.edit()
            texts += [answer.body.decode("utf-8", "replace"), str(answer.headers)]
        return "\n".join(texts)

    def _echoes(self) -> Iterator[Any]:
        yield from _SHAPES
        for canned in self.replies.values():
            if isinstance(canned, Reply) and canned.status >= 400 and canned.body[:1] == b"{":
                yield _echoing(msgspec.json.decode(canned.body))


def _echoing(value: Any) -> Any:
    """A canned error with its every text replaced by the echo."""
    if isinstance(value, dict):
        return {name: _echoing(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_echoing(item) for item in value]
    return "*" if isinstance(value, str) else value


def _echo(received: Received, shape: Any, status: int) -> Reply:
    head = " ".join(received.headers.values())
    text = msgspec.json.encode(f"{received.path} {head}").decode()
    body = msgspec.json.encode(shape).decode().replace('"*"', text)
    return reply(status, body=body.encode(), headers={"content-type": "application/json"})


def _forms(secret: str) -> Iterator[str]:
    """A secret as it is, and as it may be written elsewhere."""
    yield secret
    yield quote(secret, safe="")
    yield base64.b64encode(secret.encode()).decode().rstrip("=")
