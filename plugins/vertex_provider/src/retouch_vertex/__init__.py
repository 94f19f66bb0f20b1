"""Google Vertex AI image edits for retouch: Gemini's image models, and Imagen.

Two families with one shape, each in a file of its own; google-auth is imported only when a
token is needed.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Protocol

import msgspec

from retouch import (
    Account,
    Body,
    Capabilities,
    EditEvent,
    EditRequest,
    EditResult,
    Http,
    Price,
    ProviderInfo,
    UnknownModel,
    UpstreamRequest,
    UpstreamResponse,
    hookimpl,
)
from retouch_vertex import failures, gemini, gemini_answer, imagen, table
from retouch_vertex.options import Options
from retouch_vertex.settings import Settings, model_url
from retouch_vertex.tokens import Source, Tokens

#: A model that Google released after this plugin: Google decides what it takes.
UNLISTED = Capabilities(
    max_images=gemini.MAX_PICTURES,
    mask="may",
    image_formats=("png", "jpeg"),
    max_image_bytes=7_340_032,
)
#: Says that a mask went along as a hint only.
MASK_HEADER = "x-retouch-mask"
#: A larger answer is made of pictures; nothing repeats a token in so much text.
MAX_ERROR_BYTES = 64 * 1024
_ID = re.compile(r"[a-z0-9][a-z0-9.@_-]{0,127}")


class Family(Protocol):
    """What the models of one kind have in common: how an edit is checked, said and read."""

    def check(self, edit: EditRequest) -> None:
        """Refuse what Google would refuse, or misunderstand."""

    def method(self, edit: EditRequest) -> str:
        """The model's method that is called."""

    def body(self, edit: EditRequest) -> Body:
        """The edit in Google's words."""

    def read(
        self, response: UpstreamResponse, edit: EditRequest, price: Price | None
    ) -> EditResult:
        """A 200 in OpenAI's words, unless it is a refusal."""


FAMILIES: dict[str, Family] = {"gemini": gemini, "imagen": imagen}
#: The family of a model that no row names, by how its id begins.
_PREFIXES = {"gemini-": "gemini", "imagen-": "imagen", "imagegeneration@": "imagen"}


@hookimpl
def provider_info() -> ProviderInfo:
    """Vertex AI, with the models of ``models.toml`` and any id of the two families."""
    return ProviderInfo(
        name="vertex",
        title="Google Vertex AI",
        settings=Settings,
        options=Options,
        models=table.models(),
        default=UNLISTED,
    )


@hookimpl
def validate(edit: EditRequest, account: Account) -> None:
    """The family's rules, and where Imagen is not served at all."""
    family = _family(edit, account)
    settings: Settings = account.settings
    if family is imagen and settings.express:
        raise UnknownModel(
            "Imagen needs a project; this account has an API key alone (express mode).",
            param="model",
        )
    if family is imagen and settings.location == "global" and settings.base_url is None:
        raise UnknownModel(
            "Imagen is not served from the location `global`; use an account with a region.",
            param="model",
        )
    family.check(edit)


@hookimpl
def translate_request(edit: EditRequest, account: Account) -> UpstreamRequest:
    """The family's request; ``call`` adds the token."""
    family = _family(edit, account)
    return UpstreamRequest(
        method="POST",
        url=model_url(account.settings, edit.model, family.method(edit)),
        headers={"Accept": "text/event-stream" if edit.stream else "application/json"},
        body=family.body(edit),
        stream=bool(edit.stream),
        context={MASK_HEADER: "hint"} if family is gemini and edit.mask is not None else None,
    )


@hookimpl
async def call(request: UpstreamRequest, account: Account, http: Http) -> UpstreamResponse:
    """Send with a key or a token; once more with a new token when Google refused the first.

    A request that was refused with 401 has done nothing, so that this pays for nothing twice.
    """
    settings: Settings = account.settings
    if settings.api_key is not None:
        key = settings.api_key.reveal()
        response = await http.send(_with(request, {"x-goog-api-key": key}, settings.quota_project))
    elif settings.access_token is not None:
        response = await http.send(
            _bearing(request, settings.access_token.reveal(), settings.quota_project)
        )
    else:
        response = await _with_tokens(request, account, http)
    if request.context is None:
        return response
    return msgspec.structs.replace(response, headers={**response.headers, **request.context})


@hookimpl
def translate_response(
    response: UpstreamResponse, edit: EditRequest, account: Account
) -> EditResult:
    """The family's reading of a 200; failures are alike."""
    listed = account.model(edit)
    if response.status != 200:
        raise failures.failure(response, edit.model, listed)
    price = None if listed is None else listed.price
    return _family(edit, account).read(response, edit, price)


@hookimpl
async def translate_stream(
    response: UpstreamResponse, edit: EditRequest, account: Account
) -> AsyncIterator[EditEvent]:
    """Gemini's stream; Imagen has none."""
    listed = account.model(edit)
    price = None if listed is None else listed.price
    async for event in gemini_answer.events(response, price, edit.model, listed):
        yield event


def _family(edit: EditRequest, account: Account) -> Family:
    """The family that the model's row names, or its id.

    :raises UnknownModel: for an id of neither; nothing else may become part of an address.
    """
    listed = account.model(edit)
    name = listed.family if listed is not None else ""
    if not name:
        begins = (family for start, family in _PREFIXES.items() if edit.model.startswith(start))
        name = next(begins, "")
    if name not in FAMILIES or _ID.fullmatch(edit.model) is None:
        raise UnknownModel(
            "This account serves models whose ids begin with gemini- or imagen-.", param="model"
        )
    return FAMILIES[name]


async def _with_tokens(request: UpstreamRequest, account: Account, http: Http) -> UpstreamResponse:
    settings: Settings = account.settings
    if "tokens" not in account.state:
        account.state["tokens"] = Tokens(Source(settings, account.name).obtain)
    tokens: Tokens = account.state["tokens"]
    grant = await tokens.get()
    quota = settings.quota_project or grant.quota_project
    response = await http.send(_bearing(request, grant.token, quota))
    if response.status == 401:
        renewed = await tokens.get(refused=grant.token)
        if renewed.token != grant.token:
            grant = renewed
            response = await http.send(_bearing(request, grant.token, quota))
    if len(response.body) > MAX_ERROR_BYTES:
        return response
    # The core knows only the secrets of the settings, should Google repeat what it got; whatever
    # the status, since refusals also come with 200.
    body = response.body.replace(grant.token.encode(), b"***")
    return msgspec.structs.replace(response, body=body)


def _bearing(request: UpstreamRequest, token: str, quota: str | None) -> UpstreamRequest:
    return _with(request, {"Authorization": f"Bearer {token}"}, quota)


def _with(request: UpstreamRequest, more: dict[str, str], quota: str | None) -> UpstreamRequest:
    quota_header = {} if quota is None else {"x-goog-user-project": quota}
    headers = {**request.headers, **more, **quota_header}
    return msgspec.structs.replace(request, headers=headers)
