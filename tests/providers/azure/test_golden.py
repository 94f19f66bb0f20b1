"""What goes upstream, beside what OpenAI's own ``AzureOpenAI`` client sends for the same call.

The differences are listed here, each with its reason; everything else is the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.fakes.azure_upstream import VERSION, AzureUpstream
from tests.fakes.gateway import UPSTREAM_KEY, Gateway
from tests.fakes.openai_upstream import Received
from tests.fakes.pictures import mask, picture
from tests.providers.azure_accounts import account

PNG = ("rocket.png", picture())
JPEG = ("rocket.jpg", picture(format="JPEG"))
MASK = ("mask.png", mask())
CALLS: dict[str, dict[str, Any]] = {
    "least": {"image": PNG},
    "mask": {"image": PNG, "mask": MASK},
    "two pictures": {"image": [PNG, JPEG], "n": 2},
    "stream": {"image": PNG, "stream": True, "partial_images": 2},
    "parameters": {
        "image": [JPEG],
        "background": "opaque",
        "output_compression": 40,
        "output_format": "jpeg",
        "quality": "low",
        "size": "1024x1536",
        "user": "person-1",
    },
    "unknown to the SDK": {"image": PNG, "extra_body": {"moderation": "low"}},
    "text": {"image": PNG, "prompt": ' "quoted", two\nlines, \u6728 and a space '},
}
#: Headers of ours and the SDK's own that say who is asking; no provider needs them.
ABOUT_THE_CLIENT = {"user-agent", "accept-encoding", "connection", "content-length", "host"}


@pytest.fixture(scope="module")
def program(server: AzureUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    config = account(server) + account(server, "v1", 'api_version = "v1"')
    running = Gateway(config, tmp_path_factory.mktemp("azure-golden"))
    yield running
    running.stop()


@pytest.fixture
def azure(server: AzureUpstream) -> Iterator[AzureUpstream]:
    server.reset()
    yield server
    assert not server.faults


def call(client: openai.OpenAI, model: str, arguments: dict[str, Any]) -> None:
    result = client.images.edit(**{"model": model, "prompt": "a hat", **arguments})
    if arguments.get("stream"):
        assert list(result)


def said(received: Received) -> dict[str, Any]:
    """A request without what each client says of itself, and without the names of files."""
    headers = {
        name: value
        for name, value in received.headers.items()
        if name not in ABOUT_THE_CLIENT and not name.startswith("x-stainless-")
    }
    headers["content-type"] = headers["content-type"].partition(";")[0]
    # The SDK names one file `image` and a list `image[]`; Azure takes both.
    files = [
        (part.name.removesuffix("[]"), part.content_type, part.sha256) for part in received.files
    ]
    return {
        "method": received.method,
        "path": received.path,
        "headers": headers,
        "fields": received.fields,
        "files": files,
    }


@pytest.mark.parametrize("arguments", CALLS.values(), ids=CALLS.keys())
def test_as_the_sdks_own_azure_client(
    program: Gateway, azure: AzureUpstream, arguments: dict[str, Any]
) -> None:
    with openai.OpenAI(base_url=program.v1, api_key="unused", max_retries=0) as ours:
        call(ours, "az/gpt-image-2", arguments)
    [sent] = azure.requests
    azure.reset()
    with (
        openai.AzureOpenAI(
            azure_endpoint=azure.endpoint, api_key=UPSTREAM_KEY, api_version=VERSION, max_retries=0
        ) as theirs,
        pytest.raises(openai.BadRequestError, match="model is not allowed"),
    ):
        call(theirs, "gpt-image-2", arguments)
    [theirs_sent] = azure.requests
    golden = said(theirs_sent)
    # The SDK repeats the deployment in the form, which breaks renamed ones: the fake, as Azure
    # does for some, refuses it.
    assert golden["fields"].pop("model") == "gpt-image-2"
    assert said(sent) == golden


@pytest.mark.parametrize("arguments", CALLS.values(), ids=CALLS.keys())
def test_as_the_plain_sdk_on_v1(
    program: Gateway, azure: AzureUpstream, arguments: dict[str, Any]
) -> None:
    with openai.OpenAI(base_url=program.v1, api_key="unused", max_retries=0) as ours:
        call(ours, "v1/gpt-image-2", arguments)
    [sent] = azure.requests
    azure.reset()
    with openai.OpenAI(
        base_url=f"{azure.endpoint}/openai/v1", api_key=UPSTREAM_KEY, max_retries=0
    ) as theirs:
        call(theirs, "gpt-image-2", arguments)
    golden = said(azure.only())
    # The plain client knows no `api-key`; Azure takes both on this path.
    assert golden["headers"].pop("authorization") == f"Bearer {UPSTREAM_KEY}"
    golden["headers"]["api-key"] = UPSTREAM_KEY
    assert said(sent) == golden


def test_through_the_azure_client(program: Gateway, azure: AzureUpstream) -> None:
    """An application that has ``AzureOpenAI`` changes its endpoint and its model."""
    with openai.AzureOpenAI(
        azure_endpoint=program.base_url, api_key="unused", api_version=VERSION, max_retries=0
    ) as sdk:
        result = sdk.images.edit(model="az/gpt-image-2", prompt="a hat", image=PNG, mask=MASK)
        assert result.data
        sent = azure.only()
        assert sent.path == f"/openai/deployments/gpt-image-2/images/edits?api-version={VERSION}"
        assert sent.fields == {"prompt": "a hat"}
        assert sent.headers["api-key"] == UPSTREAM_KEY
        events = sdk.images.edit(
            model="az/gpt-image-2", prompt="a hat", image=PNG, stream=True, partial_images=1
        )
        assert [event.type for event in events][-1] == "image_edit.completed"
