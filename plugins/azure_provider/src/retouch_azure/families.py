"""The families of models on an Azure account: where their edits go and how they are said.

A family is a row of ``FAMILIES``. The families of ``models.toml`` that are not in it, and
deployments that nobody listed, speak OpenAI's own contract.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import msgspec

from retouch import (
    Account,
    Base64,
    Body,
    EditRequest,
    FilePart,
    InvalidRequest,
    ModelInfo,
    Picture,
    UnsupportedParameter,
    json_body,
    multipart_body,
    openai_wire,
)
from retouch_azure.settings import MAX_SEED, UNDATED_VERSIONS, Options


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """How one family is called.

    :param address: the URL after the endpoint, from the deployment's name and the API version.
    :param options: the fields of ``Options`` that it has; others are refused.
    :param bearer: whether a key goes as ``Authorization: Bearer``, in place of ``api-key``.
    """

    address: Callable[[str, str], str]
    body: Callable[[EditRequest, str], Body]
    options: frozenset[str] = frozenset()
    bearer: bool = False


def family_of(edit: EditRequest, account: Account) -> Family:
    """The family of the edit's model."""
    model: ModelInfo | None = account.model(edit)
    return OPENAI if model is None else FAMILIES.get(model.family, OPENAI)


def check_options(edit: EditRequest, account: Account) -> None:
    """Refuse options that the model would ignore; unlisted models get them all.

    :raises UnsupportedParameter: naming the option.
    :raises InvalidRequest: for a seed that cannot count up to the last of ``n`` pictures.
    """
    model = account.model(edit)
    if model is None or not model.family:
        return
    known = family_of(edit, account).options
    for name in _options(edit):
        if name not in known:
            raise UnsupportedParameter(
                f"`{name}`: this model does not have this parameter.", param=name
            )
    # Of several calls each gets the next seed; the last may not fail after the others were paid.
    if (
        isinstance(edit.options, Options)
        and (edit.options.seed or 0) + (edit.n or 1) - 1 > MAX_SEED
    ):
        raise InvalidRequest(
            f"`seed` plus `n` may be at most {MAX_SEED + 1}, since every picture gets a seed of "
            "its own.",
            param="seed",
            code="invalid_value",
        )


def _options(edit: EditRequest) -> dict[str, object]:
    return edit.options.given() if isinstance(edit.options, Options) else {}


def _openai_address(deployment: str, version: str) -> str:
    if version == "v1":
        return "/openai/v1/images/edits"
    if version in UNDATED_VERSIONS:
        return f"/openai/v1/images/edits?api-version={version}"
    return _deployment_address(deployment, version)


def _deployment_address(deployment: str, version: str) -> str:
    # Kontext has no place on the v1 path; there its version is called preview.
    dated = "preview" if version in UNDATED_VERSIONS else version
    name = quote(deployment, safe="")
    return f"/openai/deployments/{name}/images/edits?api-version={dated}"


def _openai_body(edit: EditRequest, version: str) -> Body:
    # On the deployments path a `model` breaks renamed deployments; on v1 it is required.
    model = edit.model if version in UNDATED_VERSIONS else None
    extra = edit.extra | _options(edit)
    return openai_wire.form_body(msgspec.structs.replace(edit, extra=extra), model=model)


def _kontext_body(edit: EditRequest, version: str) -> Body:
    fields = {"prompt": edit.prompt}
    if edit.size not in (None, "auto"):
        fields["size"] = str(edit.size)
    return multipart_body(fields.items(), [_image(edit)])


def _flux_body(edit: EditRequest, version: str) -> Body:
    value: dict[str, object] = {
        "model": edit.model,
        "prompt": edit.prompt,
        "num_images": 1,
        # What a client did not ask for is PNG; the core makes the others of it.
        "output_format": "png",
    }
    for number, picture in enumerate(_pictures(edit), 1):
        # The first is not numbered. A wrong name would be ignored, and a new picture be made.
        value["input_image" if number == 1 else f"input_image_{number}"] = Base64(picture.blob)
    if edit.size not in (None, "auto"):
        width, _, height = str(edit.size).partition("x")
        value |= {"width": int(width), "height": int(height)}
    return json_body(value | _options(edit))


def _mai_body(edit: EditRequest, version: str) -> Body:
    fields = {"model": edit.model, "prompt": edit.prompt}
    fields |= {name: "true" if value else "false" for name, value in _options(edit).items()}
    return multipart_body(fields.items(), [_image(edit)])


def _pictures(edit: EditRequest) -> list[Picture]:
    return [item for item in edit.images if isinstance(item, Picture)]


def _image(edit: EditRequest) -> FilePart:
    picture = _pictures(edit)[0]
    return FilePart("image", f"image.{picture.extension}", picture.mime, picture.blob)


def _flux_address(path: str) -> Callable[[str, str], str]:
    return lambda deployment, version: f"/providers/blackforestlabs/v1/{path}?api-version=preview"


OPENAI = Family(address=_openai_address, body=_openai_body)

#: The families that do not speak OpenAI's contract, or only a part of it.
FAMILIES: dict[str, Family] = {
    "flux-1-kontext": Family(address=_deployment_address, body=_kontext_body),
    "flux-2-pro": Family(
        address=_flux_address("flux-2-pro"),
        body=_flux_body,
        options=frozenset({"seed"}),
        bearer=True,
    ),
    "flux-2-flex": Family(
        address=_flux_address("flux-2-flex"),
        body=_flux_body,
        options=frozenset({"seed", "guidance", "steps"}),
        bearer=True,
    ),
    "mai-image-2.5": Family(
        address=lambda deployment, version: "/mai/v1/images/edits", body=_mai_body
    ),
    "mai-image-2.6": Family(
        address=lambda deployment, version: "/mai/v1/images/edits",
        body=_mai_body,
        options=frozenset({"auto_aspect_ratio", "web_grounding"}),
    ),
}
