"""``AzureOpenAI`` clients work too: the deployment in their URL is the gateway's model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import openai
import pytest

from tests.fakes.gateway import Gateway
from tests.fakes.openai_upstream import OpenAIUpstream
from tests.fakes.pictures import mask, picture

MODEL = "openai-main/gpt-image-2"
VERSION = "2025-04-01-preview"
PNG = picture()


@pytest.fixture
def azure(shared_gateway: Gateway) -> Iterator[openai.AzureOpenAI]:
    with openai.AzureOpenAI(
        azure_endpoint=shared_gateway.base_url, api_key="unused", api_version=VERSION
    ) as sdk:
        yield sdk


@pytest.fixture
async def async_azure(shared_gateway: Gateway) -> AsyncIterator[openai.AsyncAzureOpenAI]:
    async with openai.AsyncAzureOpenAI(
        azure_endpoint=shared_gateway.base_url, api_key="unused", api_version=VERSION
    ) as sdk:
        yield sdk


def test_edit(azure: openai.AzureOpenAI, upstream: OpenAIUpstream) -> None:
    raw = azure.images.with_raw_response.edit(
        model=MODEL, prompt="x", image=PNG, mask=mask(), size="1024x1024"
    )
    path = raw.http_request.url.raw_path.decode()
    assert (
        path == f"/openai/deployments/openai-main%2Fgpt-image-2/images/edits?api-version={VERSION}"
    )
    assert raw.parse().data
    received = upstream.only()
    assert received.fields == {"model": "gpt-image-2", "prompt": "x", "size": "1024x1024"}
    assert [part.name for part in received.files] == ["image[]", "mask"]
    assert "api-key" not in received.headers


async def test_edit_async(async_azure: openai.AsyncAzureOpenAI, upstream: OpenAIUpstream) -> None:
    assert (await async_azure.images.edit(model=MODEL, prompt="x", image=[PNG])).data
    assert upstream.only().fields["model"] == "gpt-image-2"


def test_stream(azure: openai.AzureOpenAI, upstream: OpenAIUpstream) -> None:
    events = azure.images.edit(model=MODEL, prompt="x", image=PNG, stream=True, partial_images=1)
    assert [event.type for event in events] == ["image_edit.partial_image", "image_edit.completed"]


@pytest.mark.parametrize("deployment", [MODEL, MODEL.replace("/", "%2F")])
def test_fixed_deployment(
    shared_gateway: Gateway, upstream: OpenAIUpstream, deployment: str
) -> None:
    """The client puts ``azure_deployment`` into its base URL as it is; no ``model`` is sent."""
    with openai.AzureOpenAI(
        azure_endpoint=shared_gateway.base_url,
        azure_deployment=deployment,
        api_key="unused",
        api_version=VERSION,
    ) as sdk:
        assert sdk.images.edit(prompt="x", image=PNG).data
    assert upstream.only().fields["model"] == "gpt-image-2"


def test_unknown_deployment(azure: openai.AzureOpenAI, upstream: OpenAIUpstream) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        azure.images.edit(model="nobody/gpt-image-2", prompt="x", image=PNG)
    assert caught.value.code == "model_not_found"
    assert upstream.requests == []
