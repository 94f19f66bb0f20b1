"""A strict fake of an Azure resource on a real socket, with its token services beside it.

The second reading of Azure's contract as of November 2026: it refuses a wrong api-version, a
``model`` on the deployments path, WebP, nameless bytes, JSON, and tokens that have ended. What
the real models of Black Forest Labs and MAI ignore in silence is refused here.
"""

from __future__ import annotations

import base64
import io
import json
import re
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from aiohttp import web
from PIL import Image

from tests.fakes import azure_identity, multipart_form, openai_rules, openai_upstream
from tests.fakes.azure_identity import Identity
from tests.fakes.multipart_form import FormError, Part, text
from tests.fakes.openai_rules import Edit, Refusal
from tests.fakes.openai_upstream import CREATED, OpenAIUpstream, Received
from tests.fakes.pictures import picture
from tests.fakes.replies import Answer, Events, Reply

VERSION = "2025-04-01-preview"
#: Deployment -> the model that runs there.
DEPLOYMENTS = {
    "gpt-image-1-mini": "gpt-image-1-mini",
    "gpt-image-1.5": "gpt-image-1.5",
    "gpt-image-2": "gpt-image-2",
    "our-pictures": "gpt-image-2",
    "not-listed": "gpt-image-2",
    "gpt-image-2.5-flare": "gpt-image-2.5-flare",
    "FLUX.1-Kontext-pro": "kontext",
    "our-flux": "flux",
    "FLUX.2-pro": "flux",
    "FLUX.2-flex": "flux",
    "MAI-Image-2.5": "mai",
    "MAI-Image-2.6": "mai",
}
APIM_ID = "apim-fake-0123456789"
HEADERS = {
    "apim-request-id": APIM_ID,
    "x-ratelimit-limit-requests": "5",
    "x-ratelimit-remaining-requests": "4",
    "x-ms-region": "Sweden Central",
}
MAI_USAGE = {"num_input_text_tokens": 19, "num_input_image_tokens": 352, "num_output_tokens": 439}
FLUX_TYPES: dict[str, type] = {
    "model": str,
    "prompt": str,
    "width": int,
    "height": int,
    "num_images": int,
    "output_format": str,
    "seed": int,
}
FLEX_TYPES: dict[str, type | tuple[type, ...]] = {"guidance": (int, float), "steps": int}


class AzureRefusal(Refusal):
    """An error as Azure words it: a code that may be a number as text, and often no type."""

    def __init__(self, status: int, code: str, message: str, **more: Any) -> None:
        super().__init__(message, status=status)
        self.document = {"error": {"code": code, "message": message, **more}}


NOT_FOUND = AzureRefusal(404, "404", "Resource not found")


class AzureUpstream(OpenAIUpstream):
    """The server. ``endpoint`` is the resource's address, and that of its token services."""

    def __init__(self, api_key: str) -> None:
        super().__init__(api_key)
        self.identity = Identity()
        #: What a success is said to be; Azure's JSON sometimes comes as ``text/plain``.
        self.content_type = "application/json"

    def __enter__(self) -> AzureUpstream:
        super().__enter__()
        return self

    @property
    def endpoint(self) -> str:
        """The address without a path."""
        return self.base_url.removesuffix("/v1")

    def reset(self) -> None:
        """As of a new resource."""
        super().reset()
        self.identity, self.content_type = Identity(), "application/json"

    async def _answer(self, request: web.Request, received: Received) -> web.StreamResponse:
        path = urlsplit(received.path).path
        if path in azure_identity.PATHS:
            self.requests.remove(received)
            answer = self.identity.answer(
                received.method, received.path, received.headers, received.body
            )
            return await answer.send(request)
        self._check_key(path, received)
        reply = self._routed(path, received)
        if self._script:
            reply = self._script.pop(0)
        return await reply.send(request)

    def _check_key(self, path: str, received: Received) -> None:
        bearer = received.headers.get("authorization", "").removeprefix("Bearer ")
        good = received.headers.get("api-key") == self.api_key or self.identity.is_good(bearer)
        if not path.startswith("/openai/deployments/"):
            good = good or bearer == self.api_key
        if not good:
            raise AzureRefusal(401, "401", f"Access denied due to invalid credentials {bearer}.")

    def _routed(self, path: str, received: Received) -> Reply:
        versions = parse_qs(urlsplit(received.path).query).get("api-version", [])
        if received.method != "POST":
            raise NOT_FOUND
        if found := re.fullmatch(r"/openai/deployments/([^/]+)/images/edits", path):
            return self._deployment(unquote(found[1]), versions, received)
        if path == "/openai/v1/images/edits" and versions in ([], ["preview"]):
            parts = _form(received)
            model = _base(received.fields.get("model"), "gpt-image")
            rest = [part for part in parts if part.name != "model"]
            return self._openai(openai_edit(rest, model))
        if path.startswith("/providers/blackforestlabs/v1/") and versions == ["preview"]:
            return self._flux(path.rpartition("/")[2], received)
        if path == "/mai/v1/images/edits" and not versions:
            check_mai(_form(received))
            return self._plain({"data": _pictures(1), "usage": MAI_USAGE})
        raise NOT_FOUND

    def _deployment(self, name: str, versions: list[str], received: Received) -> Reply:
        model = _base(name, "gpt-image", "kontext")
        if versions != [VERSION] and (model, versions) != ("kontext", ["preview"]):
            raise NOT_FOUND
        parts = _form(received)
        if any(part.name == "model" for part in parts):
            raise AzureRefusal(400, "InvalidPayload", "model is not allowed here")
        if model == "kontext":
            _check_small_form(parts, {"prompt", "size", "n"})
            return self._plain({"created": CREATED, "data": _pictures(1)})
        return self._openai(openai_edit(parts, model))

    def _openai(self, edit: Edit) -> Reply:
        reply = openai_upstream.default_reply(edit)
        if isinstance(reply, Events):
            return reply
        assert isinstance(reply, Answer)
        return self._plain(reply.document)

    def _flux(self, route: str, received: Received) -> Reply:
        received.document = json.loads(received.body)
        check_flux(route, received.document)
        return self._plain({"created": CREATED, "data": _pictures(1)})

    def _plain(self, document: Any) -> Answer:
        return Answer(document, headers=HEADERS, content_type=self.content_type)


def openai_edit(parts: list[Part], model: str) -> Edit:
    """The edit in a form for one of OpenAI's models; raises ``Refusal``."""
    for part in parts:
        if part.filename is not None:
            _check_file(part)
        elif (part.name, part.data) == ("output_format", b"webp"):
            raise AzureRefusal(400, "invalid_value", "output_format must be png or jpeg")
        elif part.name == "safety_identifier":
            raise openai_rules.unknown(part.name)
    return openai_rules.check_form([*parts, text("model", model)])


def check_flux(route: str, document: dict[str, Any]) -> None:
    """A request to Black Forest Labs' own route; raises ``Refusal``."""
    limits = {"flux-2-pro": ("FLUX.2-pro", 8), "flux-2-flex": ("FLUX.2-flex", 10)}
    if route not in limits:
        raise NOT_FOUND
    _base(document.get("model"), "flux")
    types = FLUX_TYPES if route == "flux-2-pro" else FLUX_TYPES | FLEX_TYPES
    images = ["input_image", *(f"input_image_{n}" for n in range(2, limits[route][1] + 1))]
    sent = [name for name in document if name.startswith("input_image")]
    if sent != images[: len(sent)] or not sent:
        raise AzureRefusal(400, "BadRequest", f"images are {sent}")
    for name, value in document.items():
        if name in sent:
            _decoded(base64.b64decode(value, validate=True))
        elif name not in types or not isinstance(value, types[name]):
            raise AzureRefusal(400, "BadRequest", f"ignored by the real one: {name}={value!r}")
    if document["output_format"] not in ("png", "jpeg") or document["num_images"] != 1:
        raise AzureRefusal(400, "BadRequest", "output_format or num_images")


def check_mai(parts: list[Part]) -> None:
    """A request to MAI's route; raises ``Refusal``."""
    names = {"model", "prompt"}
    fields = {part.name: part.text for part in parts if part.filename is None}
    _base(fields.get("model"), "mai")
    if "2.6" in fields["model"]:
        names |= {"auto_aspect_ratio", "web_grounding"}
    _check_small_form(parts, names)


def _check_small_form(parts: list[Part], names: set[str]) -> None:
    files = [part for part in parts if part.filename is not None]
    if [part.name for part in files] != ["image"]:
        raise AzureRefusal(400, "BadRequest", "exactly one file `image` is needed")
    _check_file(files[0])
    if unknown := {part.name for part in parts if part.filename is None} - names:
        raise AzureRefusal(400, "BadRequest", f"ignored by the real one: {unknown}")


def _check_file(part: Part) -> None:
    kinds = {"image/png": "PNG", "image/jpeg": "JPEG"}
    if part.content_type not in kinds:
        raise Refusal(
            f"Invalid file '{part.name}': unsupported mimetype ('{part.content_type}').",
            param=part.name.removesuffix("[]"),
            code="unsupported_file_mimetype",
        )
    if _decoded(part.data).format != kinds[part.content_type]:
        raise openai_rules.bad_image(f"Invalid image file or mode for image '{part.name}'.")


def _decoded(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=["PNG", "JPEG"])


def _base(deployment: Any, *kinds: str) -> str:
    model = DEPLOYMENTS.get(deployment, "") if isinstance(deployment, str) else ""
    if not model.startswith(kinds):
        raise AzureRefusal(
            404, "DeploymentNotFound", "The API deployment for this resource does not exist."
        )
    return model


def _form(received: Received) -> list[Part]:
    content_type = received.headers.get("content-type", "")
    if not content_type.startswith("multipart/form-data"):
        raise AzureRefusal(415, "UnsupportedMediaType", "The Image Edit API takes form data.")
    try:
        received.parts = multipart_form.parse(received.body, content_type)
    except FormError as problem:
        raise AzureRefusal(400, "InvalidPayload", str(problem)) from None
    return received.parts


def _pictures(count: int) -> list[dict[str, str]]:
    data = base64.b64encode(picture(24, 16, colour="green")).decode()
    return [{"b64_json": data}] * count
