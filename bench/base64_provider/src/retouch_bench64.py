"""A provider that takes base64 in signed JSON, like Bedrock and Vertex."""

from __future__ import annotations

import asyncio

import msgspec

from retouch import (
    Account,
    Base64,
    BaseUrl,
    Capabilities,
    EditedImage,
    EditRequest,
    EditResult,
    Http,
    Picture,
    ProviderInfo,
    Secret,
    UpstreamInvalid,
    UpstreamRequest,
    UpstreamResponse,
    errors,
    hookimpl,
    json_body,
)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """``[accounts.NAME]`` with ``provider = "bench64"``."""

    api_key: Secret
    base_url: BaseUrl


class _Answer(msgspec.Struct):
    image: msgspec.Raw


@hookimpl
def provider_info() -> ProviderInfo:
    """Any model, up to sixteen pictures, sizes as the client likes."""
    return ProviderInfo(
        name="bench64",
        settings=Settings,
        default=Capabilities(max_images=16, parameters=None),
    )


@hookimpl
def translate_request(edit: EditRequest, account: Account) -> UpstreamRequest:
    """One JSON object; the pictures are encoded while they are sent."""
    settings: Settings = account.settings
    pictures = [Base64(item.blob) for item in edit.images if isinstance(item, Picture)]
    return UpstreamRequest(
        method="POST",
        url=settings.base_url,
        headers={"Authorization": f"Bearer {settings.api_key.reveal()}"},
        body=json_body({"model": edit.model, "prompt": edit.prompt, "images": pictures}),
    )


@hookimpl
async def call(request: UpstreamRequest, http: Http) -> UpstreamResponse:
    """Hash the body, as a signature needs it, off the event loop; then send."""
    digest = await asyncio.to_thread(request.body.sha256)
    headers = request.headers | {"x-content-sha256": digest}
    return await http.send(msgspec.structs.replace(request, headers=headers))


@hookimpl
def translate_response(response: UpstreamResponse) -> EditResult:
    """The picture as a view of the answer, between its quotes."""
    if response.status != 200:
        raise errors.from_upstream(response)
    try:
        text = memoryview(msgspec.json.decode(response.body, type=_Answer).image)
    except msgspec.DecodeError as error:
        raise UpstreamInvalid from error
    return EditResult(images=(EditedImage(data=text[1:-1]),))
