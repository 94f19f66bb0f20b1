"""A strict fake of Vertex AI, of Google's token services and of the metadata server.

One real socket in a thread of its own. It refuses what Google refuses (``vertex_rules``),
records every request and can be scripted to misbehave (``replies``).
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from typing import Any

from aiohttp import web

from tests.fakes.openai_upstream import Received
from tests.fakes.pictures import picture
from tests.fakes.replies import Answer, Events, Gate, Reply
from tests.fakes.server import FakeServer
from tests.fakes.vertex_rules import GoogleRefusal, check_generate, check_predict

PROJECT = "fake-project"
ACCESS_TOKEN = "ya29.canary-access-7d20c4b19f"
API_KEY = "AIza-canary-key-1f88e02ab4"
COLOURS = ("red", "green", "blue", "orange")
#: 1,120 picture and 10 text tokens in; 1,120 picture tokens and 80 of thoughts out.
USAGE: dict[str, Any] = {
    "promptTokenCount": 1130,
    "promptTokensDetails": [
        {"modality": "TEXT", "tokenCount": 10},
        {"modality": "IMAGE", "tokenCount": 1120},
    ],
    "candidatesTokenCount": 1120,
    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}],
    "thoughtsTokenCount": 80,
    "totalTokenCount": 2330,
    "trafficType": "ON_DEMAND",
}
_PATH = re.compile(
    r"/v1(?:beta1)?(?:/projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+))?"
    r"/publishers/google/models/(?P<model>[^/:]+):(?P<method>\w+)(?P<query>\?alt=sse)?"
)
WAIT_SECONDS = 10


class VertexUpstream(FakeServer):
    """The server. ``with VertexUpstream() as upstream: ... upstream.url ...``.

    :ivar requests: what came for models.
    :ivar token_requests: what came for tokens.
    :ivar tokens: the OAuth tokens that are good; each token service adds its own.
    :ivar accept_jwt: whether a service account's self-signed token is good.
    :ivar token_gate: holds the token services' answers back.
    """

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Received] = []
        self.token_requests: list[Received] = []
        self.tokens: set[str] = {ACCESS_TOKEN}
        self.accept_jwt = True
        self.token_gate: Gate | None = None
        self.token_status = 200
        self.lifetime = 3599
        #: Google's own client is not as strict with itself as this fake is with ours.
        self.strict = True
        self._script: list[Reply] = []

    def script(self, *replies: Reply) -> None:
        """Answer the next accepted edits with these, one each, then ordinarily again."""
        self._script.extend(replies)

    def reset(self) -> None:
        """Forget requests, faults, tokens and what is left of the script."""
        self.requests, self.token_requests, self.faults, self._script = [], [], [], []
        self.tokens = {ACCESS_TOKEN}
        self.accept_jwt, self.token_gate, self.token_status = True, None, 200
        self.lifetime = 3599

    def only(self) -> Received:
        """The single request for a model; an assertion fails if there was another number."""
        assert len(self.requests) == 1, f"{len(self.requests)} upstream requests"
        return self.requests[0]

    def wait_for_token_request(self) -> Received:
        """The first request for a token, once it has arrived."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not self.token_requests:
            assert time.monotonic() < deadline, "nobody asked for a token"
            time.sleep(0.005)
        return self.token_requests[0]

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Token services, the metadata server, and the models."""
        router.add_route("*", "/token", self._token)
        router.add_route("*", "/sts", self._token)
        router.add_route("GET", "/", self._metadata)
        router.add_route("*", "/computeMetadata/{path:.*}", self._metadata)
        router.add_route("*", "/{path:.*}", self._handle)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        received = await _received(request)
        self.requests.append(received)
        try:
            received.complete = True
            return await (await self._reply(received)).send(request)
        except GoogleRefusal as refusal:
            return web.json_response(refusal.document, status=refusal.status)
        except (asyncio.CancelledError, ConnectionError):
            received.left.set()
            raise
        except Exception as fault:
            self.faults.append(fault)
            raise

    async def _reply(self, received: Received) -> Reply:
        found = _PATH.fullmatch(received.path)
        if found is None or received.method != "POST":
            return Answer(
                body=b"<!DOCTYPE html><title>Error 404 (Not Found)!!1</title>",
                content_type="text/html; charset=UTF-8",
                status=404,
            )
        self._check_access(received, express=found["project"] is None)
        received.document = json.loads(received.body)
        method, model = found["method"], found["model"]
        if found["project"] not in (None, PROJECT):
            raise GoogleRefusal(
                "Permission 'aiplatform.endpoints.predict' denied.",
                status=403,
                enum="PERMISSION_DENIED",
                reason="IAM_PERMISSION_DENIED",
            )
        imagen = method == "predict" and found["project"] and model.startswith("imagen-")
        if not imagen and not (method.endswith("GenerateContent") or method == "generateContent"):
            raise GoogleRefusal(
                f"Publisher Model `{model}` was not found or your project does not have access.",
                status=404,
                enum="NOT_FOUND",
            )
        if method == "streamGenerateContent" and not found["query"]:
            raise GoogleRefusal("The tests want alt=sse.")
        if imagen:
            parameters = received.document["parameters"]
            if self.strict:
                check_predict(received.document)
            return self._next() or predicted(parameters)
        if self.strict:
            check_generate(received.document)
        return self._next() or generated(streamed=method == "streamGenerateContent")

    def _next(self) -> Reply | None:
        return self._script.pop(0) if self._script else None

    def _check_access(self, received: Received, *, express: bool) -> None:
        headers = received.headers
        if headers.get("x-goog-api-key") == API_KEY:
            return
        token = headers.get("authorization", "").removeprefix("Bearer ")
        signed = token.count(".") == 2 and token.startswith("ey") and self.accept_jwt
        if express or not (token in self.tokens or signed):
            raise GoogleRefusal(
                "Request had invalid authentication credentials.",
                status=401,
                enum="UNAUTHENTICATED",
                reason="ACCESS_TOKEN_TYPE_UNSUPPORTED",
            )

    async def _token(self, request: web.Request) -> web.StreamResponse:
        self.token_requests.append(await _received(request))
        number = len(self.token_requests)
        if self.token_gate is not None:
            await self.token_gate.passed()
        if self.token_status != 200:
            return web.json_response({"error": "invalid_grant"}, status=self.token_status)
        token = f"ya29.minted-{number}-canary-c41e"
        self.tokens.add(token)
        document = {
            "access_token": token,
            "expires_in": self.lifetime,
            "token_type": "Bearer",
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        }
        return web.json_response(document)

    async def _metadata(self, request: web.Request) -> web.StreamResponse:
        assert request.headers.get("Metadata-Flavor") == "Google"
        headers = {"Metadata-Flavor": "Google"}
        if request.path.endswith("/token"):
            response = await self._token(request)
            response.headers.update(headers)
            return response
        if request.path.endswith("/universe-domain"):
            return web.Response(status=404, headers=headers)
        if request.path.endswith("/project-id"):
            return web.Response(text=PROJECT, headers=headers)
        return web.json_response(
            {"email": "default@fake.test", "scopes": [], "aliases": ["default"]}, headers=headers
        )


async def _received(request: web.Request) -> Received:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Received(request.method, request.raw_path, headers, await request.read())


def predicted(parameters: dict[str, Any]) -> Answer:
    """Imagen's answer when all is well: as many pictures as were asked for."""
    mime = parameters.get("outputOptions", {}).get("mimeType", "image/png")
    kind = mime.removeprefix("image/").upper()
    found = [
        {
            "bytesBase64Encoded": base64.b64encode(
                picture(24, 16, colour=COLOURS[index], format=kind)
            ).decode(),
            "mimeType": mime,
        }
        for index in range(parameters["sampleCount"])
    ]
    return Answer({"predictions": found, "deployedModelId": "1"})


def generated(*, streamed: bool = False, format: str = "JPEG") -> Reply:
    """Gemini's answer when all is well: a draft, then the picture, as a JPEG."""
    draft = {**part(picture(8, 8, format=format)), "thought": True, "thoughtSignature": "Aa+/"}
    final = part(picture(24, 16, format=format))
    if streamed:
        chunks = [chunk(draft), chunk(final), chunk(finish="STOP", usageMetadata=USAGE)]
        return Events([f"data: {json.dumps(item)}\r\n\r\n" for item in chunks])
    return Answer(chunk(draft, final, finish="STOP", usageMetadata=USAGE))


def part(data: bytes) -> dict[str, Any]:
    """A picture; Google's word on its type is wrong on purpose."""
    return {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(data).decode()}}


def chunk(*parts: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A ``GenerateContentResponse`` with one candidate."""
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": "fake", **more}
