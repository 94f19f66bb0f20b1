"""A strict fake of OpenAI's API on a real socket, in a thread of its own.

It refuses what OpenAI refuses (``openai_rules``), records every request for assertions and
can be scripted to misbehave (``replies``). Sync and async tests use it alike.
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes import multipart_form, openai_rules
from tests.fakes.multipart_form import FormError, Part
from tests.fakes.openai_rules import Edit, Refusal
from tests.fakes.pictures import picture
from tests.fakes.replies import Answer, Events, Reply
from tests.fakes.server import FakeServer

#: The worked example of the price tests: 19 text, 352 image and 439 output tokens.
USAGE: dict[str, Any] = {
    "input_tokens": 371,
    "input_tokens_details": {"text_tokens": 19, "image_tokens": 352},
    "output_tokens": 439,
    "total_tokens": 810,
}
CREATED = 1_795_000_000
REQUEST_ID = "req_fake_0123456789"
HEADERS = {
    "x-request-id": REQUEST_ID,
    "openai-processing-ms": "1234",
    "openai-version": "2020-10-01",
    "openai-organization": "fake-org",
    "x-ratelimit-limit-requests": "500",
    "x-ratelimit-remaining-requests": "499",
    "x-ratelimit-reset-requests": "120ms",
    "set-cookie": "__cf_bm=upstream-cookie; path=/",
}
#: What ``auto`` turns out to be.
CHOICES = {"background": "opaque", "output_format": "png", "quality": "high", "size": "1024x1024"}
COLOURS = ("red", "green", "blue", "orange", "purple", "brown", "pink", "gray", "olive", "navy")
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>'
WAIT_SECONDS = 10


@dataclass
class Received:
    """One request as it came over the wire.

    ``parts`` is filled for a form, ``document`` for JSON. ``complete`` is false while the
    body was not read to its end; ``left`` is set once the client went away unanswered.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = field(default=b"", repr=False)
    parts: list[Part] = field(default_factory=list)
    document: Any = None
    refusal: Refusal | None = None
    complete: bool = False
    left: threading.Event = field(default_factory=threading.Event)

    @property
    def files(self) -> list[Part]:
        """The file parts, in order."""
        return [part for part in self.parts if part.filename is not None]

    @property
    def fields(self) -> dict[str, str]:
        """The text parts by name; the form has no duplicates, or it was refused."""
        return {part.name: part.text for part in self.parts if part.filename is None}

    def named(self, *names: str) -> list[Part]:
        """The file parts with one of these names, in order."""
        return [part for part in self.files if part.name in names]


class OpenAIUpstream(FakeServer):
    """The server. ``with OpenAIUpstream(key) as upstream: ... upstream.base_url ...``."""

    def __init__(self, api_key: str) -> None:
        super().__init__()
        self.api_key = api_key
        self.requests: list[Received] = []
        self._script: list[Reply] = []

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as ``base_url``."""
        return f"{self.url}/v1"

    def script(self, *replies: Reply) -> None:
        """Answer the next accepted edits with these, one each, then ordinarily again."""
        self._script.extend(replies)

    def reset(self) -> None:
        """Forget requests, faults and what is left of the script."""
        self.requests, self.faults, self._script = [], [], []

    def only(self) -> Received:
        """The single request that came; an assertion fails if there was another number."""
        assert len(self.requests) == 1, f"{len(self.requests)} upstream requests: {self.requests}"
        return self.requests[0]

    def wait_for_request(self, number: int = 1) -> Received:
        """The request with this number (from 1), once it has arrived in full."""
        deadline = time.monotonic() + WAIT_SECONDS
        while len(self.requests) < number or not self.requests[number - 1].complete:
            assert time.monotonic() < deadline, f"request {number} did not arrive upstream"
            time.sleep(0.005)
        return self.requests[number - 1]

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Everything goes through the same rules."""
        router.add_route("*", "/{path:.*}", self._handle)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        received = Received(
            request.method,
            request.raw_path,
            {name.lower(): value for name, value in request.headers.items()},
        )
        self.requests.append(received)
        try:
            received.body = await request.read()
            received.complete = True
            return await self._answer(request, received)
        except Refusal as refusal:
            received.refusal = refusal
            return web.json_response(refusal.document, status=refusal.status, headers=HEADERS)
        except (asyncio.CancelledError, ConnectionError):
            received.left.set()
            raise
        except Exception as fault:
            self.faults.append(fault)
            raise

    async def _answer(self, request: web.Request, received: Received) -> web.StreamResponse:
        self._check_access(received)
        edit = read_edit(received)
        reply = self._script.pop(0) if self._script else default_reply(edit)
        return await reply.send(request)

    def _check_access(self, received: Received) -> None:
        if received.headers.get("authorization") != f"Bearer {self.api_key}":
            raise Refusal(
                "Incorrect API key provided: sk-fake***.", status=401, code="invalid_api_key"
            )
        if received.path != "/v1/images/edits":
            raise Refusal(f"Invalid URL (POST {received.path})", status=404, code=None)
        if received.method != "POST":
            raise Refusal(
                f"Not allowed to {received.method} on /v1/images/edits", status=405, code=None
            )


def read_edit(received: Received) -> Edit:
    """Read and check a body as OpenAI would; raises ``Refusal``."""
    content_type = received.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        try:
            received.parts = multipart_form.parse(received.body, content_type)
        except FormError as problem:
            raise Refusal(f"Could not parse multipart form: {problem}", code=None) from None
        return openai_rules.check_form(received.parts)
    if kind == "application/json":
        try:
            received.document = json.loads(received.body)
        except ValueError:
            raise Refusal("We could not parse the JSON body of your request.", code=None) from None
        return openai_rules.check_json(received.document)
    raise Refusal(
        f"Unsupported content type: '{kind}'.", status=415, code="unsupported_content_type"
    )


def default_reply(edit: Edit) -> Reply:
    """What OpenAI answers when all is well."""
    if edit.get("stream"):
        partials = [partial(edit, index) for index in range(edit.get("partial_images", 0))]
        return Events([*partials, completed(edit)])
    document = {
        "created": CREATED,
        "data": [{"b64_json": result(edit, index)} for index in range(edit.get("n", 1))],
        "usage": USAGE,
        **_resolved(edit),
    }
    if "svg" in edit.fields:
        document["svg_usage"] = {
            "model": edit.fields["svg"]["model"],
            "input_tokens": 10,
            "output_tokens": 20,
            "reasoning_tokens": 5,
            "total_tokens": 30,
        }
    if who := edit.get("safety_identifier") or edit.get("user"):
        document["safety_identifier"] = who
    return Answer(document, headers=HEADERS)


def result(edit: Edit, index: int = 0) -> str:
    """The base64 text of one result: a real small picture in the format asked for."""
    kind = edit.get("output_format", "png")
    data = SVG if kind == "svg" else picture(24, 16, colour=COLOURS[index], format=kind.upper())
    return base64.b64encode(data).decode()


def partial(edit: Edit, index: int) -> dict[str, Any]:
    """A partial image event."""
    return _event("image_edit.partial_image", edit, index) | {"partial_image_index": index}


def completed(edit: Edit) -> dict[str, Any]:
    """The event that ends a stream."""
    return _event("image_edit.completed", edit, 9) | {"usage": USAGE}


def _event(type: str, edit: Edit, colour: int) -> dict[str, Any]:
    return {
        "type": type,
        "b64_json": result(edit, colour),
        "created_at": CREATED,
        **_resolved(edit),
    }


def _resolved(edit: Edit) -> dict[str, Any]:
    """The choices behind ``auto``, as OpenAI reports them."""
    asked = {name: edit.get(name, "auto") for name in CHOICES}
    return {name: CHOICES[name] if value == "auto" else value for name, value in asked.items()}
