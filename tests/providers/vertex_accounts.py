"""What the Vertex tests share: accounts at the fake in a running gateway, and the client."""

from __future__ import annotations

import base64
import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
from openai.types import ImagesResponse
from PIL import Image

from tests.fakes.gateway import Gateway
from tests.fakes.pictures import opened, picture
from tests.fakes.vertex_upstream import ACCESS_TOKEN, API_KEY, PROJECT, VertexUpstream

IMAGEN, GEMINI = "imagen-3.0-capability-001", "gemini-nano-banana-2.1"
PNG, JPEG = picture(32, 24), picture(32, 24, colour="maroon", format="JPEG")
PREFIX = f"/v1/projects/{PROJECT}/locations"


def account(upstream: VertexUpstream, name: str = "vx", more: str = "") -> str:
    """An account of a project with whatever credentials ``more`` says."""
    return (
        f'[accounts.{name}]\nprovider = "vertex"\nproject = "{PROJECT}"\n'
        f'base_url = "{upstream.url}"\n{more}\n'
    )


def with_token(upstream: VertexUpstream, name: str = "vx", more: str = "") -> str:
    """An account with an access token."""
    return account(upstream, name, f'access_token = "{ACCESS_TOKEN}"\n{more}')


def express(upstream: VertexUpstream, name: str = "express") -> str:
    """An account with nothing but an API key."""
    return (
        f'[accounts.{name}]\nprovider = "vertex"\napi_key = "{API_KEY}"\n'
        f'base_url = "{upstream.url}"\n'
    )


@contextlib.contextmanager
def serving(config: str, folder: Path) -> Iterator[tuple[Gateway, openai.OpenAI]]:
    """The program with this configuration, and the OpenAI SDK, which does not retry."""
    program = Gateway(config, folder)
    try:
        with openai.OpenAI(base_url=program.v1, api_key="unused", max_retries=0) as sdk:
            yield program, sdk
    finally:
        program.stop()


def edit(sdk: openai.OpenAI, model: str, **more: Any) -> Any:
    fields = {"image": PNG, "prompt": "A red hat."}
    return sdk.images.edit(model=f"vx/{model}", **{**fields, **more})


def decoded(answer: Any, index: int = 0) -> Image.Image:
    return opened(base64.b64decode(answer.data[index].b64_json))


def hole() -> bytes:
    """An OpenAI mask of 32x24 pixels with a hole of 8x6 at 4, 3."""
    image = Image.new("RGBA", (32, 24), (255, 255, 255, 255))
    image.paste((0, 0, 0, 0), (4, 3, 12, 9))
    return saved(image)


def saved(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def inline(data: bytes, mime: str) -> dict[str, Any]:
    return {"inlineData": {"mimeType": mime, "data": base64.b64encode(data).decode()}}


def post_json(
    sdk: openai.OpenAI,
    model: str,
    images: list[bytes] | None = None,
    mask: bytes | None = None,
    **more: Any,
) -> ImagesResponse:
    body = {
        "model": f"vx/{model}",
        "prompt": "A red hat.",
        "images": [{"image_url": data_url(data)} for data in images or [PNG]],
        **more,
    }
    if mask is not None:
        body["mask"] = {"image_url": data_url(mask)}
    return sdk.post("/images/edits", body=body, cast_to=ImagesResponse)


def data_url(data: bytes) -> str:
    mime = "image/png" if data.startswith(b"\x89PNG") else "image/jpeg"
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"
