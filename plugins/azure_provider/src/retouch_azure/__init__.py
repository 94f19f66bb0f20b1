"""Azure OpenAI image edits for retouch, and those of the other Foundry models on an account."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from importlib import resources
from typing import TYPE_CHECKING

import msgspec

from retouch import (
    Account,
    Capabilities,
    EditEvent,
    EditRequest,
    EditResult,
    Http,
    InvalidImage,
    ProviderInfo,
    UnknownModel,
    UnsupportedParameter,
    UpstreamRequest,
    UpstreamResponse,
    hookimpl,
    load_models,
    openai_wire,
)
from retouch_azure import answers
from retouch_azure.failures import event_failure
from retouch_azure.families import OPENAI, check_options, family_of
from retouch_azure.settings import Entra, Options, Settings

if TYPE_CHECKING:
    from retouch_azure.cache import TokenCache

#: A deployment that nobody listed: Azure decides what it takes, for free.
UNLISTED = Capabilities(
    max_images=16,
    max_n=10,
    mask="may",
    markup=True,
    image_formats=("png", "jpeg"),
    streaming=True,
    parameters=None,
    extra_fields="forward",
)
#: A deployment's name becomes a part of the path.
DEPLOYMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
#: Output formats whose compression can be chosen.
COMPRESSED = ("jpeg", "webp")
#: An answer above this size (bytes) is made of pictures; nothing repeats a token in so much text.
MAX_ERROR_BYTES = 64 * 1024


@hookimpl
def provider_info() -> ProviderInfo:
    """Azure, with the models of ``models.toml`` and any deployment by its name."""
    table = resources.files(__name__).joinpath("models.toml").read_text("utf-8")
    return ProviderInfo(
        name="azure",
        title="Azure OpenAI",
        settings=Settings,
        models=load_models(table),
        options=Options,
        default=UNLISTED,
    )


@hookimpl
def validate(edit: EditRequest, account: Account) -> None:
    """What the capabilities cannot say: names, options of families, the mask's sister."""
    if DEPLOYMENT.fullmatch(edit.model) is None:
        raise UnknownModel("This is not the name of an Azure deployment.", param="model")
    if edit.response_format == "url":
        raise UnsupportedParameter(
            "`response_format`: Azure's image models return b64_json only.",
            param="response_format",
        )
    if edit.markup is not None and edit.markup.format != "png":
        raise InvalidImage("`markup` must be a PNG.", param="markup")
    check_options(edit, account)
    if _knows_formats(edit, account) and _is_useless(edit.output_compression, edit):
        raise UnsupportedParameter(
            "`output_compression`: only jpeg and webp can be compressed; set `output_format`.",
            param="output_compression",
        )


@hookimpl
def translate_request(edit: EditRequest, account: Account) -> UpstreamRequest:
    """A form, or JSON for the models of Black Forest Labs."""
    settings: Settings = account.settings
    family = family_of(edit, account)
    changes: dict[str, None] = {"response_format": None}
    if _knows_formats(edit, account) and edit.output_format != "jpeg":
        # Azure knows no WebP: then the core converts a PNG, and compresses that.
        changes["output_compression"] = None
    edit = msgspec.structs.replace(edit, **changes)
    headers = {"Accept": "application/json"}
    if settings.api_key is not None:
        key = settings.api_key.reveal()
        headers |= {"Authorization": f"Bearer {key}"} if family.bearer else {"api-key": key}
    return UpstreamRequest(
        method="POST",
        url=settings.endpoint.rstrip("/") + family.address(edit.model, settings.api_version),
        headers=headers,
        body=family.body(edit, settings.api_version),
        stream=bool(edit.stream) and family is OPENAI,
    )


@hookimpl
async def call(request: UpstreamRequest, account: Account, http: Http) -> UpstreamResponse:
    """Send it with the account's key, or with a token that is renewed once if it is refused."""
    settings: Settings = account.settings
    if settings.entra is None:
        return _named(await http.send(request))
    tokens = _tokens(account, settings.entra)
    token = await tokens.get(http)
    response = await http.send(_with_token(request, token.text))
    if response.status == 401:
        # Refused before any work was done, so that this is the one case to send it again.
        refused, token = token, await tokens.get(http, refused=token)
        if token.text != refused.text:
            response = await http.send(_with_token(request, token.text))
    return _named(_without(response, token.text))


@hookimpl
def translate_response(
    response: UpstreamResponse, edit: EditRequest, account: Account
) -> EditResult:
    """Azure's answer in OpenAI's words, with its cost."""
    return answers.read(response, edit, account)


@hookimpl
async def translate_stream(
    response: UpstreamResponse, edit: EditRequest, account: Account
) -> AsyncIterator[EditEvent]:
    """OpenAI's events, as they arrive."""
    price = answers.price_of(account.model(edit))
    async for event in openai_wire.read_events(response, price, event_failure):
        yield event


def _knows_formats(edit: EditRequest, account: Account) -> bool:
    """Whether the core sees to output formats: not where every parameter is Azure's affair."""
    model = account.model(edit)
    return model is not None and model.capabilities.parameters is not None


def _is_useless(compression: int | None, edit: EditRequest) -> bool:
    return compression not in (None, 100) and edit.output_format not in COMPRESSED


def _tokens(account: Account, entra: Entra) -> TokenCache:
    # Only accounts with tokens need it, and plugins are to be imported in no time.
    from retouch_azure.cache import TokenCache  # noqa: PLC0415

    cache: TokenCache | None = account.state.get("tokens")
    if cache is None:
        cache = account.state["tokens"] = TokenCache(entra)
    return cache


def _with_token(request: UpstreamRequest, token: str) -> UpstreamRequest:
    headers = {**request.headers, "Authorization": f"Bearer {token}"}
    return msgspec.structs.replace(request, headers=headers)


def _without(response: UpstreamResponse, token: str) -> UpstreamResponse:
    """The answer without the token: the core cuts out only the secrets of the settings."""
    # Whatever its status: the content filter has refusals that come with 200.
    if len(response.body) > MAX_ERROR_BYTES:
        return response
    return msgspec.structs.replace(response, body=response.body.replace(token.encode(), b"***"))


def _named(response: UpstreamResponse) -> UpstreamResponse:
    """Azure's own name for the request under the one that clients get to see."""
    name = response.headers.get("apim-request-id")
    if name is None or "x-request-id" in response.headers:
        return response
    return msgspec.structs.replace(response, headers={**response.headers, "x-request-id": name})
