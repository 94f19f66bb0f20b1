"""Vertex keeps the contract: with both families, listed and unlisted models, key and token."""

from __future__ import annotations

from typing import Any

import pytest

import retouch_vertex
from retouch import InvalidRequest, UnsupportedParameter
from retouch.testing import ProviderContract, Received, Reply, departs, reply, samples
from retouch.testing.kit import Kit
from retouch.testing.subject import fingerprint

SETTINGS = {
    "project": "contract-project",
    "location": "us-central1",
    "access_token": "ya29.contract-canary-5b0e7d",
    "quota_project": "contract-quota",
}
EXPRESS = {"api_key": "AIza-contract-canary-90c1f2"}


def google_error(code: int, status: str, message: str, reason: str = "") -> dict[str, Any]:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}
    details = {"details": [info]} if reason else {}
    return {"error": {"code": code, "status": status, "message": message, **details}}


def denied(request: Received) -> Reply:
    """A server that repeats what it refuses."""
    sent = request.headers.get("authorization", "") + request.headers.get("x-goog-api-key", "")
    return reply(401, json=google_error(401, "UNAUTHENTICATED", f"Invalid credentials: {sent}"))


FAILURES: dict[str, Any] = {
    "throttled": reply(
        429, json=google_error(429, "RESOURCE_EXHAUSTED", "Resource exhausted. Try again later.")
    ),
    "denied": denied,
    "failed": reply(500, json=google_error(500, "INTERNAL", "Internal error encountered.")),
}
USAGE = {
    "promptTokenCount": 1130,
    "promptTokensDetails": [
        {"modality": "IMAGE", "tokenCount": 1120},
        {"modality": "TEXT", "tokenCount": 10},
    ],
    "candidatesTokenCount": 1120,
    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}],
    "thoughtsTokenCount": 80,
    "totalTokenCount": 2330,
}


def candidate(*parts: dict[str, Any], finish: str | None = "STOP", **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}, **more}
    if finish is not None:
        found["finishReason"] = finish
    return found


def inline(data: str = samples.RESULT_BASE64, **more: Any) -> dict[str, Any]:
    return {"inlineData": {"mimeType": "image/png", "data": data}, **more}


TOGETHER = {"output_compression": {"output_format": "jpeg"}}


class VertexContract(ProviderContract):
    plugin = retouch_vertex
    settings = SETTINGS
    #: A valid value for each option of the family, with what it needs beside it.
    family_options: dict[str, tuple[Any, dict[str, Any]]]

    @departs("an option belongs to one family: there it is sent, with the other it is refused")
    def test_every_option_reaches_the_provider(self, kit: Kit) -> None:
        kind = kit.subject.info.options
        assert kind is not None
        for name in kind.__struct_encode_fields__:
            if name not in self.family_options:
                value: Any = ALL_OPTIONS[name][0]
                with pytest.raises(UnsupportedParameter) as caught:
                    kit.subject.edit(kit.fields({name: value}))
                assert caught.value.param == name
                continue
            value, beside = self.family_options[name]
            mask = kit.mask() if name == "mask_as_hint" else None
            sent = self.sent(kit, {name: value, **beside}, mask)
            assert sent not in (None, self.sent(kit, beside, mask)), name

    def sent(self, kit: Kit, fields: dict[str, Any], mask: bytes | None) -> dict[str, Any] | None:
        try:
            return fingerprint(kit.subject.request(kit.subject.edit(kit.fields(fields), (), mask)))
        except InvalidRequest:
            return None


GEMINI_OPTIONS: dict[str, tuple[Any, dict[str, Any]]] = {
    "seed": (7, {}),
    "aspectRatio": ("16:9", {}),
    "imageSize": ("1K", {}),
    "personGeneration": ("ALLOW_ADULT", {}),
    "labels": ({"team": "a"}, {}),
    "thinkingLevel": ("high", {}),
    "safetySettings": ({"HARM_CATEGORY_HARASSMENT": "BLOCK_NONE"}, {}),
    "mask_as_hint": (True, {}),
}
IMAGEN_OPTIONS: dict[str, tuple[Any, dict[str, Any]]] = {
    "seed": (7, {}),
    "aspectRatio": ("16:9", {}),
    "personGeneration": ("ALLOW_ADULT", {}),
    "labels": ({"team": "a"}, {}),
    "editMode": ("EDIT_MODE_INPAINT_REMOVAL", {"maskMode": "MASK_MODE_FOREGROUND"}),
    "maskMode": ("MASK_MODE_BACKGROUND", {}),
    "maskClasses": ([125], {"maskMode": "MASK_MODE_SEMANTIC"}),
    "dilation": (0.0, {"maskMode": "MASK_MODE_FOREGROUND"}),
    "baseSteps": (35, {}),
    "guidanceScale": (0.0, {}),
    "negativePrompt": ("clouds", {}),
    "safetySetting": ("block_none", {}),
    "language": ("ja", {}),
    "addWatermark": (False, {}),
    "outputOptions": ({"mimeType": "image/jpeg"}, {}),
    "referenceImages": (
        [
            {
                "referenceType": "REFERENCE_TYPE_STYLE",
                "styleImageConfig": {"styleDescription": "ink"},
            }
        ],
        {},
    ),
}
PRO_OPTIONS = {name: v for name, v in GEMINI_OPTIONS.items() if name != "thinkingLevel"}
ALL_OPTIONS = {**GEMINI_OPTIONS, **IMAGEN_OPTIONS}


GEMINI_REPLIES: dict[str, Any] = {
    **FAILURES,
    "ok": reply(
        200,
        json={
            "candidates": [candidate(inline(thought=True), inline())],
            "usageMetadata": USAGE,
            "modelVersion": "gemini",
        },
    ),
    "stream": reply(
        200,
        sse=[
            {"candidates": [candidate(inline(thought=True), finish=None)]},
            {"candidates": [candidate(inline(), finish=None)]},
            {"candidates": [candidate()], "usageMetadata": USAGE},
        ],
    ),
    "refused": reply(
        200, json={"candidates": [{"finishReason": "IMAGE_SAFETY", "finishMessage": "Unsafe."}]}
    ),
    "broken": reply(200, json={"candidates": [candidate()]}),
}


class GeminiContract(VertexContract):
    family_options = GEMINI_OPTIONS
    replies = GEMINI_REPLIES


class TestGeminiNanoBanana(GeminiContract):
    model = "gemini-nano-banana-2.1"


class TestGeminiFlashExpress(GeminiContract):
    model = "gemini-3.1-flash-image"
    settings = EXPRESS


class TestGeminiPro(GeminiContract):
    model = "gemini-3-pro-image"
    family_options = PRO_OPTIONS


IMAGEN_REPLIES: dict[str, Any] = {
    **FAILURES,
    "ok": reply(
        200,
        json={
            "predictions": [
                {
                    "bytesBase64Encoded": samples.RESULT_BASE64,
                    "mimeType": "image/png",
                    "prompt": "rewritten",
                }
            ]
        },
    ),
    "two": reply(200, json={"predictions": [{"bytesBase64Encoded": samples.RESULT_BASE64}] * 2}),
    "refused": reply(
        200,
        json={"predictions": [{"raiFilteredReason": "Filtered. Support codes: 61493863"}]},
    ),
    "broken": reply(200, json={"predictions": [{"bytesBase64Encoded": 5}]}),
}


class ImagenContract(VertexContract):
    mask_convention = "white_edits"
    together = TOGETHER
    family_options = IMAGEN_OPTIONS
    replies = IMAGEN_REPLIES

    @departs("what several pictures are has to be said with `referenceImages`")
    def test_as_many_images_as_allowed_are_taken(self, kit: Kit) -> None:
        count = min(kit.subject.can.max_images, 4)
        raw = {"referenceType": "REFERENCE_TYPE_RAW"}
        style = {"referenceType": "REFERENCE_TYPE_STYLE"}
        fields = kit.fields({"referenceImages": [raw, *[style] * (count - 1)]})
        assert kit.subject.request(kit.subject.edit(fields, (kit.picture,) * count)).body.size

    @departs("what several pictures are has to be said with `referenceImages`")
    def test_all_pictures_arrive_in_order(self, kit: Kit) -> None:
        data = [samples.picture(64, 64, colour=(shade, 0, 0)) for shade in (10, 90, 170)]
        kinds = ("RAW", "STYLE", "SUBJECT")
        numbered = {
            f"referenceImages[{place}][referenceType]": f"REFERENCE_TYPE_{kind}"
            for place, kind in enumerate(kinds, 1)
        }
        assert kit.edit(numbered, images=tuple(data)).status == 200
        assert [sent.data for sent in kit.upstream.requests[0].pictures] == data

    @pytest.mark.parametrize("count", [2, 4])
    def test_pictures_of_unknown_role_are_refused(self, kit: Kit, count: int) -> None:
        answer = kit.edit(images=(kit.picture,) * count)
        assert (answer.status, answer.error["param"]) == (400, "image")
        assert not kit.upstream.requests


class TestImagen(ImagenContract):
    model = "imagen-3.0-capability-001"


class TestImagenOfTomorrow(ImagenContract):
    model = "imagen-4.0-capability-001"
