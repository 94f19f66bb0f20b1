"""AWS Bedrock image edits for retouch: Stability AI's services, Nova Canvas and Titan.

Nothing here imports botocore; the first request does, in a thread.
"""

from __future__ import annotations

import functools
from importlib import resources
from typing import Any

import msgspec

from retouch import (
    Account,
    ContentRejected,
    EditRequest,
    EditResult,
    Http,
    InvalidImage,
    ModelInfo,
    ProviderInfo,
    UpstreamRequest,
    UpstreamResponse,
    hookimpl,
    json_body,
    load_models,
)
from retouch_bedrock import failures, families, location, picture_head
from retouch_bedrock.families import shape
from retouch_bedrock.families.shape import Reading
from retouch_bedrock.options import Options
from retouch_bedrock.settings import Settings
from retouch_bedrock.transport import Invocation, invoke

#: Of a request, by the service's own model.
MAX_BODY_BYTES = 25_000_000


@functools.cache
def _models() -> tuple[ModelInfo, ...]:
    """The table, and the bare id of everything that stands there as a ``us.`` profile."""
    table = load_models(resources.files(__name__).joinpath("models.toml").read_text("utf-8"))
    bare = (
        msgspec.structs.replace(model, id=model.id.removeprefix(location.PROFILE))
        for model in table
        if model.id.startswith(location.PROFILE)
    )
    return (*table, *bare)


@functools.cache
def _profiled(model: str) -> bool:
    """Whether a bare id can only be called through its ``us.`` profile."""
    return any(listed.id == location.PROFILE + model for listed in _models())


@hookimpl
def provider_info() -> ProviderInfo:
    """Bedrock and the models of ``models.toml``; others are configured with a ``family``."""
    return ProviderInfo(
        name="bedrock",
        title="AWS Bedrock",
        settings=Settings,
        options=Options,
        models=_models(),
    )


@hookimpl
def validate(edit: EditRequest, account: Account) -> None:
    """What the model's family does not have, and what it cannot do without."""
    shape.check(edit, families.of(account.model(edit)))


@hookimpl
def translate_request(edit: EditRequest, account: Account) -> UpstreamRequest:
    """The body, by the model's family; ``call`` puts the endpoint before the path.

    :raises InvalidImage: when the pictures are too large in base64.
    """
    family = families.of(account.model(edit))
    document = family.document(edit)
    body = json_body(document)
    if body.size > MAX_BODY_BYTES:
        raise InvalidImage(
            "The pictures are too large for this provider: together at most about 18.7 million "
            "bytes.",
            param="image",
        )
    config: dict[str, Any] | None = document.get("imageGenerationConfig")
    return UpstreamRequest(
        method="POST",
        url=location.path(edit.model),
        headers={
            "Accept": "application/json",
            "Content-Type": "application/json",
            **_account_headers(account.settings),
        },
        body=body,
        context=Invocation(
            model=edit.model,
            profiled=_profiled(edit.model),
            draw_seed=config is not None and "seed" not in config,
        ),
    )


@hookimpl
async def call(request: UpstreamRequest, account: Account, http: Http) -> UpstreamResponse:
    """Sign it, or put the API key on it, and send it."""
    return await invoke(request, account, http)


@hookimpl
def translate_response(
    response: UpstreamResponse, edit: EditRequest, account: Account
) -> EditResult:
    """The pictures as they came, and what they cost by the table."""
    model = account.model(edit)
    if response.status != 200:
        raise failures.read(response, model)
    family = families.of(model)
    found = family.read(response.body)
    kind, size = picture_head.describe(found.images[0].data)
    return EditResult(
        images=found.images,
        output_format=kind,
        size=size,
        cost=_cost(len(found.images), model, family.price_factor(edit)),
        extra=_extra(found, edit.n or 1),
    )


def _account_headers(settings: Settings) -> dict[str, str]:
    headers = {}
    if settings.guardrail is not None:
        headers["X-Amzn-Bedrock-GuardrailIdentifier"] = settings.guardrail.identifier
        headers["X-Amzn-Bedrock-GuardrailVersion"] = settings.guardrail.version
    if settings.trace is not None:
        headers["X-Amzn-Bedrock-Trace"] = settings.trace
    return headers


def _extra(found: Reading, asked: int) -> dict[str, Any]:
    """What the client is told beside the pictures; some may be missing without a word."""
    made = len(found.images)
    if made >= asked or "errors" in found.extra:
        return found.extra
    silent = ContentRejected(
        f"The provider returned {made} of {asked} pictures and gave no reason, as it does when it "
        "refuses."
    )
    return {**found.extra, "errors": [silent.to_dict()["error"]]}


def _cost(count: int, model: ModelInfo | None, factor: float | None) -> float | None:
    cost = None if model is None or model.price is None else model.price.of_images(count)
    return None if cost is None or factor is None else round(cost * factor, 10)
