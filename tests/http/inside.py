"""The gateway inside the test's own process, in front of a provider that the test scripts.

For what a provider on the other side of a socket cannot show: which edits a plugin gets, what
a cross-cutting plugin sees, what happens to a plugin that misbehaves.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Annotated, Any

import httpx2
import msgspec
import uvicorn
from msgspec import Meta

from retouch import (
    Account,
    Capabilities,
    EditedImage,
    EditEvent,
    EditRequest,
    EditResult,
    Http,
    ModelInfo,
    ProviderInfo,
    Secret,
    UpstreamRequest,
    UpstreamResponse,
    hookimpl,
)
from retouch.config import Config, parse
from retouch.http.app import create_app
from retouch.media.blob import Blob
from retouch.media.pictures import inspect
from retouch.pipeline import Edits
from retouch.plugins import Plugin, Plugins, new_manager, register
from retouch.routing import Caller, Routes, build
from retouch.server import _uvicorn
from retouch.submission import Submission
from retouch.upstream.client import Client
from tests.fakes.pictures import picture

KEY = "studio-key-5d0c1b7e9f"
PNG = picture(8, 8)
RESULT = base64.b64encode(picture(4, 4, colour="red")).decode()
USAGE = {
    "input_tokens": 30,
    "input_tokens_details": {"text_tokens": 10, "image_tokens": 20},
    "output_tokens": 40,
    "total_tokens": 70,
}
#: Models by what they can do; each test names the one it needs.
MODELS = {
    "plain": Capabilities(),
    "many": Capabilities(max_n=4, max_images=16),
    "streams": Capabilities(streaming=True, max_n=2),
    "rich": Capabilities(
        max_images=16,
        max_n=10,
        mask="may",
        sizes=("512x512", "auto"),
        parameters={"quality": ("low", "high"), "output_format": ("webp", "png")},
    ),
    "open": Capabilities(max_images=16, parameters=None, extra_fields="forward", image_urls=True),
}
READY_SECONDS = 10


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of the scripted provider."""

    api_key: Secret = msgspec.field(default_factory=lambda: Secret(KEY))
    region: str = "here"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Its own request fields."""

    seed: Annotated[int, Meta(ge=0, le=1000)] | None = None
    strength: Annotated[float, Meta(ge=0, le=1)] | None = None
    classes: list[int] | None = None
    flag: bool | None = None


def result(**changes: Any) -> EditResult:
    """One red picture with usage and a cost."""
    given: dict[str, Any] = {"images": (EditedImage(data=RESULT),), "usage": USAGE, "cost": 0.25}
    return EditResult(**{**given, **changes})


class Studio:
    """A provider that answers as it is told.

    :ivar answer: makes the result of one upstream call, or raises.
    :ivar events: makes the events of a streamed answer.
    :ivar edits: what ``translate_request`` got, in order.
    """

    def __init__(self) -> None:
        self.answer: Callable[[EditRequest], Awaitable[EditResult]] = self.one_picture
        self.events: Callable[[EditRequest], AsyncIterator[EditEvent]] = self.two_events
        self.check: Callable[[EditRequest], None] = lambda _: None
        self.headers: dict[str, str] = {}
        self.edits: list[EditRequest] = []
        self.requests: list[UpstreamRequest] = []

    async def one_picture(self, edit: EditRequest) -> EditResult:
        """The ordinary answer: as many pictures as were asked for."""
        return result(images=(EditedImage(data=RESULT),) * (edit.n or 1))

    async def two_events(self, edit: EditRequest) -> AsyncIterator[EditEvent]:
        """The ordinary stream: a partial picture and a completed one."""
        for kind in ("image_edit.partial_image", "image_edit.completed"):
            data = msgspec.json.encode({"type": kind, "b64_json": RESULT})
            yield EditEvent(type=kind, data=data, cost=0.5 if "completed" in kind else None)

    @hookimpl
    def provider_info(self) -> ProviderInfo:
        """The provider ``studio``."""
        models = tuple(ModelInfo(id=name, capabilities=can) for name, can in MODELS.items())
        return ProviderInfo(name="studio", settings=Settings, options=Options, models=models)

    @hookimpl
    def validate(self, edit: EditRequest) -> None:
        """Whatever the test checks."""
        self.check(edit)

    @hookimpl
    def translate_request(self, edit: EditRequest, account: Account) -> UpstreamRequest:
        """The edit itself."""
        self.edits.append(edit)
        return UpstreamRequest(
            method="POST", url="studio:", headers={"Accept": "x"}, context=edit, stream=True
        )

    @hookimpl
    async def call(self, request: UpstreamRequest, http: Http) -> UpstreamResponse:
        """The test's answer; a stream is begun only."""
        self.requests.append(request)
        edit: EditRequest = request.context
        if edit.stream and MODELS[edit.model].streaming:
            return UpstreamResponse(status=200, headers=self.headers, stream=_nothing())
        answered = await self.answer(edit)
        return UpstreamResponse(status=200, headers=self.headers, context=answered)

    @hookimpl
    def translate_response(self, response: UpstreamResponse) -> EditResult:
        """The test's answer."""
        answered: EditResult = response.context
        return answered

    @hookimpl
    async def translate_stream(
        self, response: UpstreamResponse, edit: EditRequest
    ) -> AsyncIterator[EditEvent]:
        """The test's events."""
        async for event in self.events(edit):
            yield event


class Watcher:
    """A cross-cutting plugin that notes what it sees of every edit."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.ended = threading.Event()

    @hookimpl
    def around_edit(
        self, edit: EditRequest, account: Account
    ) -> contextlib.AbstractAsyncContextManager[None]:
        """Notes how the edit ended."""
        return self._watch(f"{account.name}/{edit.model}")

    @contextlib.asynccontextmanager
    async def _watch(self, name: str) -> AsyncIterator[None]:
        self.seen.append(f"begin {name}")
        try:
            yield
        except BaseException as error:
            self.seen.append(type(error).__name__)
            raise
        else:
            self.seen.append("success")
        finally:
            self.ended.set()


def loaded(*modules: Any) -> Plugins:
    """These objects as if they had been installed."""
    manager = new_manager()
    found = []
    for number, module in enumerate(modules):
        name = "studio" if hasattr(module, "provider_info") else f"other-{number}"
        info = register(manager, name, module)
        found.append(Plugin(name=name, distribution="tests", version="0", module=module, info=info))
    return Plugins(tuple(found), manager)


def routes(config: Config, *modules: Any) -> Routes:
    """The routes of a configuration whose accounts are all the studio's."""
    return build(config, loaded(*modules))


def configuration(limits: dict[str, Any] | None = None, **account: Any) -> Config:
    """One account, ``acc``, with these keys; keys of the gateway come as ``keys``."""
    keys = account.pop("keys", [])
    document = {
        "accounts": {"acc": {"provider": "studio", **account}},
        "limits": limits or {},
        "keys": keys,
    }
    return parse(document, {})


@contextlib.asynccontextmanager
async def opened(config: Config, *modules: Any) -> AsyncIterator[Edits]:
    """The pipeline without HTTP."""
    client = Client(config.limits, "retouch/test")
    try:
        yield Edits(routes(config, *modules), client, config.limits.fan_out)
    finally:
        await client.close()


def submission(model: str = "plain", *, images: int = 1, **fields: Any) -> Submission:
    """A request as the JSON reader hands it on."""
    pictures = tuple(inspect(Blob(PNG)) for _ in range(images))
    return Submission(fields={"model": f"acc/{model}", "prompt": "x", **fields}, images=pictures)


ANYBODY = Caller()


class Door:
    """The whole gateway under uvicorn, in a thread of this process."""

    def __init__(self, config: Config, *modules: Any) -> None:
        self.studio = next(module for module in modules if isinstance(module, Studio))
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._socket.getsockname()
        self.url = "http://{}:{}".format(*self.address)
        #: One client for all tests: making one reads every certificate of the machine.
        self.http = httpx2.Client(base_url=self.url, verify=False, trust_env=False)
        self._server = uvicorn.Server(_uvicorn(create_app(config, routes(config, *modules))))
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + READY_SECONDS
        while not self._server.started:
            assert time.monotonic() < deadline, "the gateway did not start"
            time.sleep(0.005)

    def stop(self) -> None:
        """Stop it and wait until it has."""
        self.http.close()
        self._server.should_exit = True
        self._thread.join(READY_SECONDS)
        self._socket.close()

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))


@contextlib.contextmanager
def door(config: Config | None = None, *modules: Any) -> Iterator[Door]:
    """A door for the time of a test or a module."""
    running = Door(config or configuration(), *(modules or (Studio(),)))
    try:
        yield running
    finally:
        running.stop()


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""
