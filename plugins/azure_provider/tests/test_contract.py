"""Azure keeps the contract: each family of models, by key, by token, and on the v1 path."""

from __future__ import annotations

from typing import Any

import retouch_azure
from retouch.testing import (
    ProviderContract,
    Received,
    Reply,
    departs,
    foundations,
    reply,
    samples,
)
from retouch.testing.kit import Kit

KEY = "azure-contract-canary-5e02c1"
TOKEN = "azure-contract-token-9b41d7"
SECRET = "azure-contract-secret-77ac03"
USAGE = {
    "input_tokens": 371,
    "input_tokens_details": {"text_tokens": 19, "image_tokens": 352},
    "output_tokens": 439,
    "total_tokens": 810,
}
MAI_USAGE = {"num_input_text_tokens": 19, "num_input_image_tokens": 352, "num_output_tokens": 439}
REST = {"background": "opaque", "output_format": "png", "quality": "high", "size": "1024x1024"}


def result(pictures: int, **more: Any) -> dict[str, Any]:
    data = [{"b64_json": samples.RESULT_BASE64}] * pictures
    return {"created": 1_795_000_000, "data": data, **more}


def event(kind: str, **more: Any) -> tuple[str, dict[str, Any]]:
    picture = {"type": kind, "b64_json": samples.RESULT_BASE64, "created_at": 1_795_000_000}
    return kind, {**picture, **REST, **more}


def failure(code: str, message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, **more}}


REFUSED = {
    "inner_error": {
        "code": "ResponsibleAIPolicyViolation",
        "content_filter_results": {"violence": {"filtered": True, "severity": "high"}},
    }
}


def denied(request: Received) -> Reply:
    """Azure never repeats a key; a proxy before it may."""
    given = request.headers.get("api-key") or request.headers["authorization"]
    return reply(401, json=failure("401", f"Access denied due to invalid key {given}."))


REPLIES: dict[str, Any] = {
    "ok": reply(200, json=result(1, usage=USAGE, **REST)),
    "two": reply(200, json=result(2, usage=USAGE, **REST)),
    "stream": reply(
        200,
        sse=[
            event("image_edit.partial_image", partial_image_index=0),
            event("image_edit.completed", usage=USAGE),
        ],
    ),
    "throttled": reply(429, json=failure("429", "Exceeded the rate limit of your tier.")),
    "denied": denied,
    "refused": reply(400, json=failure("content_policy_violation", "Rejected.", **REFUSED)),
    "failed": reply(500, json=failure("InternalServerError", "The server had an error.")),
    "broken": reply(200, json={"data": [{"b64_json": None}]}),
}


OPTIONS = frozenset({"seed", "guidance", "steps", "auto_aspect_ratio", "web_grounding"})
BY_KEY = {"api_key": KEY}
ON_V1 = {"api_key": KEY, "api_version": "v1"}
ON_PREVIEW = {"api_key": KEY, "api_version": "preview"}
TOKENS = {"/tenant/oauth2/v2.0/token": reply(200, json={"access_token": TOKEN, "expires_in": 3600})}
BARE = {**REPLIES, "ok": reply(200, json=result(1))}
MAI = {**REPLIES, "ok": reply(200, json=result(1, usage=MAI_USAGE))}
WITH_JPEG = {"output_compression": {"output_format": "jpeg"}}


class AzureContract(ProviderContract):
    plugin = retouch_azure
    settings = BY_KEY
    base_url_setting = "endpoint"
    replies = REPLIES
    mask_convention = "alpha"
    foreign_options = OPTIONS


class OpenAIFamily(AzureContract):
    together = WITH_JPEG


class TestGptImage2(OpenAIFamily):
    model = "gpt-image-2"


class TestGptImage1Mini(OpenAIFamily):
    model = "gpt-image-1-mini"


class TestGptImage15OnV1(OpenAIFamily):
    model = "gpt-image-1.5"
    settings = ON_V1


class TestGptImage25(OpenAIFamily):
    model = "gpt-image-2.5-flare"
    settings = ON_PREVIEW


class TestDeploymentByItsName(AzureContract):
    model = "pictures-of-ours"
    foreign_options = frozenset()


class TestEntra(OpenAIFamily):
    model = "gpt-image-2"
    side_replies = TOKENS

    @classmethod
    def account(cls, address: str) -> dict[str, Any]:
        entra = {"tenant_id": "tenant", "client_id": "client", "client_secret": SECRET}
        return {"endpoint": address, "entra": {**entra, "authority": address}}

    @departs("the address of the kit is that of the token service as well")
    def test_the_address_is_checked(self, kit: Kit) -> None:
        """Both addresses, each by itself."""
        for wrong in ("http://provider.example", "https://provider.example/?key=1"):
            good = self.account("https://provider.example")
            for settings in (
                {**good, "endpoint": wrong},
                {**good, "entra": {**good["entra"], "authority": wrong}},
            ):
                assert foundations.refused(type(self), settings), wrong


class TestKontext(AzureContract):
    model = "FLUX.1-Kontext-pro"
    replies = BARE


class TestFlux2Pro(AzureContract):
    model = "FLUX.2-pro"
    replies = BARE
    foreign_options = OPTIONS - {"seed"}


class TestFlux2Flex(AzureContract):
    model = "FLUX.2-flex"
    replies = BARE
    foreign_options = OPTIONS - {"seed", "guidance", "steps"}


class TestMai25(AzureContract):
    model = "MAI-Image-2.5"
    replies = MAI


class TestMai26(AzureContract):
    model = "MAI-Image-2.6-Flash"
    replies = MAI
    foreign_options = OPTIONS - {"auto_aspect_ratio", "web_grounding"}
