"""What a test of the contract works with: the plugin, its provider's double, and the gateway."""

from __future__ import annotations

import base64
import functools
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from retouch.redaction import secrets
from retouch.testing import foundations, isolation, samples
from retouch.testing.gateway import Answer, Connection, Gateway
from retouch.testing.replies import Reply
from retouch.testing.subject import ACCOUNT, UNREACHABLE, Subject, corner
from retouch.testing.upstream import Answering, Received, Upstream
from retouch.upstream.body import Body, FilePart, json_body, multipart_body

if TYPE_CHECKING:
    import openai

    from retouch.testing.declared import Declared

#: What the client presents to the gateway; no provider may ever see it.
CLIENT_KEY = "rt-kit-client-key-canary"


class Kit:
    """A running gateway in front of a recording upstream, with the plugin between them.

    :param declared: the author's class.
    """

    def __init__(self, declared: type[Declared]) -> None:
        self.declared = declared
        self.patience = declared.patience
        isolation.close_the_gates()
        self.upstream = Upstream(declared.side_replies)
        self.upstream.start()
        # Bound but not listening, so that nobody else takes it and a connection is refused.
        self._closed_port = socket.socket()
        self._closed_port.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{self._closed_port.getsockname()[1]}"
        accounts = {
            ACCOUNT: declared.account(self.upstream.url),
            UNREACHABLE: declared.account(closed),
        }
        self.subject = Subject(declared.plugin, accounts, declared.model)
        self.gateway = Gateway(self.subject.config, self.subject.routes)

    def close(self) -> None:
        """Stop everything."""
        if "sdk" in self.__dict__:
            self.sdk.close()
        self.upstream.stop()
        self.gateway.stop()
        self._closed_port.close()
        isolation.open_the_gates()

    def reset(self) -> None:
        """A clean record, and ``replies["ok"]`` to every edit."""
        ok = self.declared.replies.get("ok", Reply(status=200))
        self.upstream.reset(answering(ok))

    @property
    def secrets(self) -> list[str]:
        """The credentials in the settings, also those that are not typed ``Secret``."""
        settings = self.subject.account.settings
        texts = [value for _, value in foundations.credentials_in_the_open(settings)]
        return [*secrets(settings), *(text for text in texts if isinstance(text, str))]

    @property
    def model(self) -> str:
        """The model as a client names it."""
        return f"{ACCOUNT}/{self.declared.model}"

    @property
    def picture(self) -> bytes:
        """A picture that the model takes."""
        return samples.picture(*self.subject.size)

    def fields(self, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The text fields of an edit that the provider takes, and those ``given``."""
        return {"model": self.model, "prompt": self.declared.prompt, **(given or {})}

    def mask(self, which: str = "top left") -> bytes:
        """A mask over ``picture`` with a hole in one corner."""
        return samples.mask(*self.subject.size, corner(self.subject.size, which))

    def sample_mask(self) -> bytes | None:
        """A mask if the model insists on one."""
        return self.mask() if self.subject.can.mask == "must" else None

    def form(
        self,
        fields: Mapping[str, str] | None = None,
        *,
        images: tuple[bytes, ...] = (),
        mask: bytes | None = None,
        filename: str = "picture.png",
        content_type: str = "image/png",
    ) -> Body:
        """An edit as a form, as the OpenAI SDKs send it."""
        pictures = images or (self.picture,)
        name = "image" if len(pictures) == 1 else "image[]"
        files = [_file(name, filename, content_type, data) for data in pictures]
        if mask is not None:
            files.append(_file("mask", filename, content_type, mask))
        return multipart_body(self.fields(fields).items(), files)

    def document(
        self, fields: Mapping[str, Any] | None = None, *, images: tuple[bytes, ...] = ()
    ) -> Body:
        """The same edit as JSON, with ``data:`` URLs."""
        value = self.fields(fields)
        value["images"] = [{"image_url": _url(data)} for data in images or (self.picture,)]
        if (mask := self.sample_mask()) is not None:
            value["mask"] = {"image_url": _url(mask)}
        return json_body(value)

    def send(self, body: Body, headers: Mapping[str, str] | None = None) -> Connection:
        """Send an edit; the answer is still to come."""
        merged = {"authorization": f"Bearer {CLIENT_KEY}", **(headers or {})}
        return self.gateway.open(body, merged, self.patience)

    def edit(self, fields: Mapping[str, str] | None = None, **parts: Any) -> Answer:
        """Send an edit as a form and wait for the answer; ``parts`` are those of ``form``."""
        parts.setdefault("mask", self.sample_mask())
        return self.send(self.form(fields, **parts)).answer()

    def answer(self, reply: Answering | Any) -> None:
        """What the upstream answers from now on."""
        self.upstream.answer = answering(reply)

    @functools.cached_property
    def sdk(self) -> openai.OpenAI:
        """The OpenAI Python SDK, with nothing changed but its address; it does not retry."""
        import openai

        # Nothing is encrypted on loopback, and loading the root certificates takes longest.
        plain = openai.DefaultHttpxClient(verify=False)
        return openai.OpenAI(
            http_client=plain,
            base_url=f"{self.gateway.url}/v1",
            api_key=CLIENT_KEY,
            max_retries=0,
            timeout=self.patience,
        )

    def sdk_arguments(self) -> dict[str, Any]:
        """The arguments of ``sdk.images.edit`` for a sample edit."""
        arguments: dict[str, Any] = {**self.fields(), "image": self.picture}
        if (mask := self.sample_mask()) is not None:
            arguments["mask"] = mask
        return arguments


def answering(reply: Any) -> Answering:
    """A function that answers with a canned reply, which may be such a function already."""
    return reply if callable(reply) else lambda _: reply


def edits(requests: list[Received]) -> list[tuple[str, str, bytes]]:
    """What could be an edit that somebody pays for: everything but GET requests."""
    return [(item.method, item.path, item.body) for item in requests if item.method != "GET"]


def _file(name: str, filename: str, content_type: str, data: bytes) -> FilePart:
    from retouch.media.blob import Blob

    return FilePart(name, filename, content_type, Blob(data))


def _url(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"
