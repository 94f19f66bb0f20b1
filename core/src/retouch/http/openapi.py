"""The OpenAPI 3.1 description, made from the structs that decode requests."""

from __future__ import annotations

from typing import Any

import msgspec

import retouch
from retouch.submission import MAX_IMAGES, MAX_PROMPT_CHARS
from retouch.types import Parameters

_FILE = {"type": "string", "contentMediaType": "image/*"}
_REFERENCE = {
    "type": "object",
    "additionalProperties": False,
    "minProperties": 1,
    "maxProperties": 1,
    "properties": {
        "image_url": {"type": "string", "description": "an https address or a data: URL"},
        "file_id": {"type": "string", "description": "a file stored at OpenAI"},
    },
}
_ERROR_STATUSES = {
    "400": "the request is wrong, or the provider's moderation refused it",
    "401": "the gateway key is missing or wrong",
    "403": "the provider does not allow this account to do it",
    "404": "no such model",
    "413": "the body is too large",
    "415": "neither multipart/form-data nor application/json",
    "429": "the provider's rate limit",
    "500": "the gateway or a plugin failed",
    "502": "the provider failed",
    "503": "the gateway or the provider cannot take the request now",
    "504": "the provider did not answer in time",
}


def document() -> dict[str, Any]:
    """The description of every endpoint, as a JSON-ready object."""
    edit = {
        "summary": "Edit pictures",
        "operationId": "createImageEdit",
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {"schema": _form()},
                "application/json": {"schema": _json()},
            },
        },
        "responses": {"200": _edited(), **_errors(_ERROR_STATUSES)},
    }
    paths = {
        "/v1/images/edits": {"post": edit},
        "/images/edits": {"post": _named(edit, "createImageEditUnversioned")},
        "/v3/images/edits": {"post": _named(edit, "createImageEditV3")},
        "/openai/v1/images/edits": {"post": _named(edit, "createImageEditAzureV1")},
        "/openai/deployments/{model}/images/edits": {
            "parameters": [
                {"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}
            ],
            "post": _named(edit, "createImageEditAzure"),
        },
        "/v1/models": {"get": _get("listModels", "The models of all accounts")},
        "/v1/images/models": {"get": _get("listImageModels", "Models with their capabilities")},
        "/healthz": {"get": _get("health", "Whether the process runs", open=True)},
        "/readyz": {"get": _get("ready", "Whether it takes requests", open=True)},
        "/openapi.json": {"get": _get("describe", "This description", open=True)},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "retouch", "version": retouch.__version__},
        "paths": paths,
        "components": {
            "schemas": {"Error": _error_schema(), "ImagesResponse": _answer_schema()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "api-key"},
            },
        },
        "security": [{"bearer": []}, {"apiKey": []}, {}],
    }


def _parameters() -> dict[str, Any]:
    _, components = msgspec.json.schema_components([Parameters])
    properties: dict[str, Any] = components["Parameters"]["properties"]
    return properties


def _common() -> dict[str, Any]:
    return {
        "model": {"type": "string", "description": "account/model"},
        "prompt": {"type": "string", "minLength": 1, "maxLength": MAX_PROMPT_CHARS},
        **_parameters(),
        "metadata": {"type": ["object", "null"]},
        "extra_headers": {"type": ["object", "null"], "additionalProperties": {"type": "string"}},
    }


def _form() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["model", "image", "prompt"],
        "properties": {
            **_common(),
            "image": {"type": "array", "items": _FILE, "minItems": 1, "maxItems": MAX_IMAGES},
            "mask": _FILE,
            "markup": _FILE,
        },
    }


def _json() -> dict[str, Any]:
    references = {"type": "array", "items": _REFERENCE, "minItems": 1, "maxItems": MAX_IMAGES}
    return {
        "type": "object",
        "required": ["model", "images", "prompt"],
        "properties": {
            **_common(),
            "images": references,
            "mask": _REFERENCE,
            "markup": _REFERENCE,
        },
    }


def _edited() -> dict[str, Any]:
    return {
        "description": "The edited pictures, or their events when `stream` is true",
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/ImagesResponse"}},
            "text/event-stream": {"schema": {"type": "string"}},
        },
    }


def _answer_schema() -> dict[str, Any]:
    text, whole = {"type": "string"}, {"type": "integer"}
    picture = {"b64_json": text, "url": text, "revised_prompt": text}
    return {
        "type": "object",
        "required": ["created", "data", "provider", "cost"],
        "properties": {
            "created": whole,
            "data": {"type": "array", "items": {"type": "object", "properties": picture}},
            "background": text,
            "output_format": text,
            "quality": text,
            "size": text,
            "usage": {"type": "object"},
            "provider": text,
            "cost": {"type": ["number", "null"], "description": "US dollars; null if unknown"},
            "errors": {"type": "array", "items": {"type": "object"}},
        },
    }


def _error_schema() -> dict[str, Any]:
    maybe = {"type": ["string", "null"]}
    error = {"message": {"type": "string"}, "type": {"type": "string"}, "param": maybe}
    return {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["message", "type", "param", "code"],
                "properties": {**error, "code": maybe},
            }
        },
    }


def _errors(statuses: dict[str, str]) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {status: {"description": text, "content": content} for status, text in statuses.items()}


def _named(operation: dict[str, Any], name: str) -> dict[str, Any]:
    return {**operation, "operationId": name}


def _get(name: str, summary: str, *, open: bool = False) -> dict[str, Any]:
    answer = {"description": summary, "content": {"application/json": {"schema": {}}}}
    responses: dict[str, Any] = {"200": answer}
    if not open:
        responses |= _errors({"401": _ERROR_STATUSES["401"]})
    return {
        "operationId": name,
        "summary": summary,
        "responses": responses,
        **({"security": []} if open else {}),
    }
