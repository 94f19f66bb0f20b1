"""OpenAI image edits for retouch: OpenAI's own wire format, sent to OpenAI."""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib import resources

import msgspec

from retouch import (
    Account,
    BaseUrl,
    Capabilities,
    EditEvent,
    EditRequest,
    EditResult,
    ModelInfo,
    Price,
    ProviderInfo,
    Secret,
    UnsupportedParameter,
    UpstreamRequest,
    UpstreamResponse,
    hookimpl,
    load_models,
    openai_wire,
)

#: A model that OpenAI released after this plugin: OpenAI decides what it takes, for free.
UNLISTED = Capabilities(
    max_images=16,
    max_n=10,
    mask="may",
    markup=True,
    image_urls=True,
    file_ids=True,
    streaming=True,
    parameters=None,
    extra_fields="forward",
)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """``[accounts.NAME]`` with ``provider = "openai"``.

    :param base_url: also a regional host, or any server that speaks OpenAI's contract.
    :param organization: sent as ``OpenAI-Organization``.
    :param project: sent as ``OpenAI-Project``.
    """

    api_key: Secret
    base_url: BaseUrl = "https://api.openai.com/v1"
    organization: str | None = None
    project: str | None = None


@hookimpl
def provider_info() -> ProviderInfo:
    """OpenAI, with the models of ``models.toml`` and any id it adds."""
    table = resources.files(__name__).joinpath("models.toml").read_text("utf-8")
    return ProviderInfo(
        name="openai",
        title="OpenAI",
        settings=Settings,
        models=load_models(table),
        default=UNLISTED,
        converts=False,
    )


@hookimpl
def validate(edit: EditRequest) -> None:
    """GPT image models return base64 only; a link would be refused upstream."""
    if edit.response_format == "url":
        raise UnsupportedParameter(
            "`response_format`: OpenAI's image models return b64_json only.",
            param="response_format",
        )


@hookimpl
def translate_request(edit: EditRequest, account: Account) -> UpstreamRequest:
    """A form, or JSON when the pictures came by reference."""
    # GPT image models refuse the parameter even with the value they have in mind.
    edit = msgspec.structs.replace(edit, response_format=None)
    settings: Settings = account.settings
    headers = {
        "Authorization": f"Bearer {settings.api_key.reveal()}",
        "Accept": "application/json",
    }
    if settings.organization is not None:
        headers["OpenAI-Organization"] = settings.organization
    if settings.project is not None:
        headers["OpenAI-Project"] = settings.project
    if openai_wire.by_reference(edit):
        body = openai_wire.reference_body(edit, model=edit.model)
    else:
        body = openai_wire.form_body(edit, model=edit.model)
    return UpstreamRequest(
        method="POST",
        url=settings.base_url.rstrip("/") + "/images/edits",
        headers=headers,
        body=body,
        stream=bool(edit.stream),
    )


@hookimpl
def translate_response(
    response: UpstreamResponse, edit: EditRequest, account: Account
) -> EditResult:
    """OpenAI's answer, with its cost."""
    return openai_wire.read_result(response, _price(edit, account))


@hookimpl
async def translate_stream(
    response: UpstreamResponse, edit: EditRequest, account: Account
) -> AsyncIterator[EditEvent]:
    """OpenAI's events, as they arrive."""
    async for event in openai_wire.read_events(response, _price(edit, account)):
        yield event


def _price(edit: EditRequest, account: Account) -> Price | None:
    model: ModelInfo | None = account.model(edit)
    return None if model is None else model.price
