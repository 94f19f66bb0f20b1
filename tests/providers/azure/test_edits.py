"""Azure through the front door: the program, the real OpenAI SDK, a strict fake of Azure."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.fakes.azure_upstream import APIM_ID, VERSION, AzureUpstream
from tests.fakes.gateway import PROGRAM, UPSTREAM_KEY, Gateway
from tests.fakes.multipart_form import encode, file, text
from tests.fakes.openai_upstream import USAGE
from tests.fakes.pictures import mask, opened, picture
from tests.fakes.raw_http import post
from tests.fakes.replies import Answer, Events, Redirect
from tests.providers.azure_accounts import account

PNG, JPEG, WEBP = picture(), picture(format="JPEG"), picture(format="WEBP", lossless=True)
NAMES = """
[accounts.az.models.house]
id = "our-pictures"
family = "gpt-image-2"

[accounts.az.models."FLUX.2-pro"]
id = "our-flux"

[accounts.az.models.flat]
id = "gpt-image-2"
price = { per_image = 0.05 }
"""


@pytest.fixture(scope="module")
def program(server: AzureUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    config = account(server, more=NAMES) + account(server, "v1", 'api_version = "v1"')
    config += '[accounts.v1.models.plain]\nid = "not-listed"\n'
    config += account(server, "preview", 'api_version = "preview"')
    running = Gateway(config, tmp_path_factory.mktemp("azure"))
    yield running
    running.stop()


def edit(client: openai.OpenAI, model: str = "az/gpt-image-2", **more: Any) -> Any:
    return client.images.edit(**{"model": model, "prompt": "a hat", "image": PNG, **more})


DEPLOYED = f"/openai/deployments/gpt-image-2/images/edits?api-version={VERSION}"
PATHS = {
    "az/gpt-image-2": (DEPLOYED, None),
    "az/house": (DEPLOYED.replace("gpt-image-2", "our-pictures"), None),
    "az/our-pictures": (DEPLOYED.replace("gpt-image-2", "our-pictures"), None),
    "v1/gpt-image-2": ("/openai/v1/images/edits", "gpt-image-2"),
    "preview/gpt-image-2": ("/openai/v1/images/edits?api-version=preview", "gpt-image-2"),
    "az/FLUX.1-Kontext-pro": (DEPLOYED.replace("gpt-image-2", "FLUX.1-Kontext-pro"), None),
    "v1/FLUX.1-Kontext-pro": (
        "/openai/deployments/FLUX.1-Kontext-pro/images/edits?api-version=preview",
        None,
    ),
    "v1/MAI-Image-2.5": ("/mai/v1/images/edits", "MAI-Image-2.5"),
}


@pytest.mark.parametrize("model", PATHS)
def test_where_a_form_goes(client: openai.OpenAI, azure: AzureUpstream, model: str) -> None:
    path, named = PATHS[model]
    result = edit(client, model)
    assert opened(base64.b64decode(result.data[0].b64_json)).size == (24, 16)
    assert result.provider == "azure"
    received = azure.only()
    assert received.path == path
    assert received.fields == {"prompt": "a hat", **({"model": named} if named else {})}
    assert received.headers["api-key"] == UPSTREAM_KEY
    assert "authorization" not in received.headers
    assert received.files[0].sha256 == hashlib.sha256(PNG).hexdigest()


def test_the_cost(client: openai.OpenAI, azure: AzureUpstream) -> None:
    # 19 text, 352 picture and 439 made tokens: (19 * 5 + 352 * 8 + 439 * 30) / 1e6.
    assert edit(client).cost == pytest.approx(0.016081)
    assert edit(client, "az/house").cost == pytest.approx(0.016081)
    assert edit(client, "az/our-pictures").cost == pytest.approx(0.016081)
    assert edit(client, "az/not-listed").cost is None
    assert edit(client, "az/FLUX.2-pro", n=2).cost == pytest.approx(0.08)
    assert edit(client, "az/FLUX.2-flex").cost is None
    mai = edit(client, "az/MAI-Image-2.5")
    # (19 * 5 + 352 * 8 + 439 * 47) / 1e6, and MAI's own names said in OpenAI's.
    assert mai.cost == pytest.approx(0.023544)
    assert mai.usage.to_dict() == USAGE


def test_the_id_of_the_request(client: openai.OpenAI, azure: AzureUpstream) -> None:
    raw = client.images.with_raw_response.edit(model="az/gpt-image-2", prompt="x", image=PNG)
    assert raw.headers["x-request-id"] == APIM_ID
    assert raw.headers["x-ratelimit-remaining-requests"] == "4"


def test_json_that_says_it_is_text(client: openai.OpenAI, azure: AzureUpstream) -> None:
    azure.content_type = "text/plain; charset=utf-8"
    assert edit(client).usage.total_tokens == 810


def test_everything_at_once(client: openai.OpenAI, azure: AzureUpstream) -> None:
    more = {"size": "1024x1024", "quality": "low", "background": "opaque", "user": "u-1"}
    result = edit(
        client,
        image=[PNG, JPEG],
        mask=mask(),
        n=2,
        output_format="jpeg",
        output_compression=40,
        extra_body={"moderation": "low"},
        **more,
    )
    received = azure.only()
    assert received.fields == {
        "prompt": "a hat",
        "n": "2",
        "output_format": "jpeg",
        "output_compression": "40",
        "moderation": "low",
        **more,
    }
    assert [(part.name, part.filename, part.content_type) for part in received.files] == [
        ("image[]", "image_0.png", "image/png"),
        ("image[]", "image_1.jpg", "image/jpeg"),
        ("mask", "mask.png", "image/png"),
    ]
    assert [opened(base64.b64decode(item.b64_json)).format for item in result.data] == ["JPEG"] * 2


def test_webp_becomes_png_on_its_way(client: openai.OpenAI, azure: AzureUpstream) -> None:
    edit(client, image=WEBP)
    sent = azure.only().files[0]
    assert (sent.filename, sent.content_type) == ("image_0.png", "image/png")
    assert opened(sent.data).convert("RGB").tobytes() == opened(WEBP).convert("RGB").tobytes()


def test_webp_is_made_of_what_comes_back(client: openai.OpenAI, azure: AzureUpstream) -> None:
    result = edit(client, output_format="webp", output_compression=50)
    assert opened(base64.b64decode(result.data[0].b64_json)).format == "WEBP"
    assert azure.only().fields == {"prompt": "a hat"}


def test_json_becomes_a_form(client: openai.OpenAI, azure: AzureUpstream) -> None:
    url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    body = {"model": "az/gpt-image-2", "prompt": "x", "images": [{"image_url": url}]}
    client.post("/images/edits", body=body, cast_to=openai.types.ImagesResponse)
    assert azure.only().files[0].sha256 == hashlib.sha256(PNG).hexdigest()


@pytest.mark.parametrize("model", ["az/gpt-image-2", "az/unheard-of", "az/FLUX.2-pro"])
@pytest.mark.parametrize("key", ["file_id", "image_url"])
def test_references_are_refused(
    client: openai.OpenAI, azure: AzureUpstream, model: str, key: str
) -> None:
    value = {"file_id": "file-1", "image_url": "https://example.com/a.png"}[key]
    body = {"model": model, "prompt": "x", "images": [{key: value}]}
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/images/edits", body=body, cast_to=openai.types.ImagesResponse)
    assert caught.value.code == f"{key}_not_supported"
    assert azure.requests == []


def test_a_stream(client: openai.OpenAI, azure: AzureUpstream) -> None:
    events = list(edit(client, stream=True, partial_images=2))
    assert [event.type for event in events] == ["image_edit.partial_image"] * 2 + [
        "image_edit.completed"
    ]
    assert events[-1].cost == pytest.approx(0.016081)
    assert azure.only().fields["stream"] == "true"


def test_a_price_per_megapixel(client: openai.OpenAI, azure: AzureUpstream) -> None:
    made = {"data": [{"b64_json": base64.b64encode(PNG).decode()}]}
    azure.script(Answer({**made, "request_meta": {"input_mp": 0.39, "output_mp": 1.0}}))
    # (0.39 + 1) * 0.05
    assert edit(client, "az/FLUX.2-flex").cost == pytest.approx(0.0695)
    azure.script(Answer({**made, "request_meta": {"output_mp": "many"}}))
    assert edit(client, "az/FLUX.2-flex").cost is None


def test_a_price_per_picture(client: openai.OpenAI, azure: AzureUpstream) -> None:
    assert edit(client, "az/flat", n=2).cost == pytest.approx(0.1)
    events = list(edit(client, "az/flat", stream=True, partial_images=1))
    assert [getattr(event, "cost", None) for event in events] == [None, pytest.approx(0.05)]


@pytest.mark.parametrize("model", ["v1/plain", "v1/our-pictures"])
def test_what_nobody_described_is_sent_as_it_is(
    client: openai.OpenAI, azure: AzureUpstream, model: str
) -> None:
    """Azure refuses it, and may; the gateway leaves nothing out in silence."""
    with pytest.raises(openai.BadRequestError, match="output_format must be png or jpeg"):
        edit(client, model, output_format="webp", output_compression=50)
    fields = azure.only().fields
    assert (fields["output_format"], fields["output_compression"]) == ("webp", "50")


def said(error: openai.APIError) -> dict[str, Any]:
    """The error object as it was sent."""
    assert isinstance(error.body, dict)
    return error.body


def test_a_stream_that_fails_in_the_middle(client: openai.OpenAI, azure: AzureUpstream) -> None:
    inside = {"code": "content_filter", "message": "filtered", "type": None, "param": None}
    results = {"violence": {"filtered": True, "severity": "high"}}
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_results": results}
    partial = {"type": "image_edit.partial_image", "b64_json": "aGk=", "partial_image_index": 0}
    failed = {"type": "error", "error": {**inside, "inner_error": inner}}
    azure.script(Events([partial, failed]))
    with pytest.raises(openai.APIError) as caught:
        list(edit(client, stream=True))
    assert caught.value.code == "content_filter"
    assert said(caught.value)["content_filter_results"] == results
    # As the first event it is a refusal like any other.
    azure.script(Events([failed]))
    with pytest.raises(openai.BadRequestError) as refused:
        list(edit(client, stream=True))
    assert said(refused.value)["content_filter_results"] == results
    assert refused.value.response.headers["x-should-retry"] == "false"
    azure.script(Events([{"type": "error", "error": {"code": "ServerError", "message": "No."}}]))
    with pytest.raises(openai.InternalServerError) as broken:
        list(edit(client, stream=True))
    assert broken.value.code == "ServerError"


def test_flux_2(client: openai.OpenAI, azure: AzureUpstream) -> None:
    result = edit(
        client,
        "az/FLUX.2-pro",
        image=[PNG, WEBP, JPEG],
        size="1024x768",
        n=2,
        output_format="jpeg",
        extra_body={"seed": 7},
    )
    assert [opened(base64.b64decode(item.b64_json)).format for item in result.data] == ["JPEG"] * 2
    documents = sorted((item.document for item in azure.requests), key=lambda item: item["seed"])
    assert [item.pop("seed") for item in documents] == [7, 8]
    pictures = [
        documents[0].pop(name) for name in ("input_image", "input_image_2", "input_image_3")
    ]
    assert [opened(base64.b64decode(text)).format for text in pictures] == ["PNG", "PNG", "JPEG"]
    assert base64.b64decode(pictures[2]) == JPEG
    assert documents[0] == {
        "model": "our-flux",
        "prompt": "a hat",
        "width": 1024,
        "height": 768,
        "num_images": 1,
        "output_format": "png",
    }
    received = azure.requests[0]
    assert received.path == "/providers/blackforestlabs/v1/flux-2-pro?api-version=preview"
    assert received.headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
    assert "api-key" not in received.headers


def test_flux_2_flex(client: openai.OpenAI, azure: AzureUpstream) -> None:
    edit(client, "az/FLUX.2-flex", extra_body={"guidance": 2.5, "steps": 20})
    document = azure.only().document
    assert (document["guidance"], document["steps"]) == (2.5, 20)


def test_mai(client: openai.OpenAI, azure: AzureUpstream) -> None:
    edit(client, "az/MAI-Image-2.6", extra_body={"web_grounding": False})
    received = azure.only()
    assert received.fields == {
        "model": "MAI-Image-2.6",
        "prompt": "a hat",
        "web_grounding": "false",
    }


def test_a_stream_where_there_is_none(client: openai.OpenAI, azure: AzureUpstream) -> None:
    events = list(edit(client, "az/MAI-Image-2.6", stream=True))
    assert [event.type for event in events] == ["image_edit.completed"]


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "mask at FLUX.2": ("az/FLUX.2-pro", {"mask": mask()}, "mask"),
    "quality at FLUX.2": ("az/FLUX.2-pro", {"quality": "high"}, "quality"),
    "guidance at pro": ("az/FLUX.2-pro", {"extra_body": {"guidance": 3}}, "guidance"),
    "seeds up to 2**32": ("az/FLUX.2-pro", {"n": 3, "extra_body": {"seed": 2**32 - 2}}, "seed"),
    "steps above 50": ("az/FLUX.2-flex", {"extra_body": {"steps": 51}}, "steps"),
    "unknown at FLUX.2": ("az/FLUX.2-flex", {"extra_body": {"image_prompt": "x"}}, "image_prompt"),
    "4 MP and more": ("az/FLUX.2-pro", {"size": "2064x2048"}, "size"),
    "9 pictures": ("az/FLUX.2-pro", {"image": [PNG] * 9}, "image"),
    "two pictures at Kontext": ("az/FLUX.1-Kontext-pro", {"image": [PNG] * 2}, "image"),
    "1 MP and more": ("az/FLUX.1-Kontext-pro", {"size": "1025x1024"}, "size"),
    "size at MAI": ("az/MAI-Image-2.6", {"size": "1024x1024"}, "size"),
    "grounding at 2.5": (
        "az/MAI-Image-2.5",
        {"extra_body": {"web_grounding": True}},
        "web_grounding",
    ),
    "seed at OpenAI's": ("az/gpt-image-2", {"extra_body": {"seed": 1}}, "seed"),
    "fidelity at 2": ("az/gpt-image-2", {"input_fidelity": "high"}, "input_fidelity"),
    "compressed png": ("az/gpt-image-2", {"output_compression": 5}, "output_compression"),
    "link": ("az/gpt-image-2", {"response_format": "url"}, "response_format"),
    "mask at FLUX.2 by its id": ("az/our-flux", {"mask": mask()}, "mask"),
    "link from unlisted": ("az/not-listed", {"response_format": "url"}, "response_format"),
    "small for 2": ("az/gpt-image-2", {"size": "512x512"}, "size"),
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG.keys())
def test_refused_here(
    client: openai.OpenAI, azure: AzureUpstream, case: tuple[str, dict[str, Any], str]
) -> None:
    model, fields, param = case
    with pytest.raises(openai.BadRequestError) as caught:
        edit(client, model, **fields)
    assert caught.value.param == param
    assert azure.requests == []


@pytest.mark.parametrize("name", ["..", "a/b", "a?b=c", "a#b", ".", "a b", "%2e%2e"])
def test_a_name_is_no_path(program: Gateway, azure: AzureUpstream, name: str) -> None:
    body, kind = encode(text("model", f"az/{name}"), text("prompt", "x"), file("image", PNG))
    answer = post(program.address, body, kind)
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")
    assert azure.requests == []


def test_redirects_are_not_followed(client: openai.OpenAI, azure: AzureUpstream) -> None:
    azure.script(Redirect(f"{azure.endpoint}/elsewhere"))
    with pytest.raises(openai.InternalServerError) as caught:
        edit(client)
    assert caught.value.status_code == 502
    azure.only()


def test_bad_settings_are_named(server: AzureUpstream, tmp_path: Path) -> None:
    path = tmp_path / "retouch.toml"
    head = f'[accounts.az]\nprovider = "azure"\nendpoint = "{server.endpoint}"\n'
    cases = {
        "": "accounts.az: needs either `api_key` or a table `entra`",
        'api_key = "k"\n[accounts.az.entra]\nmanaged_identity = true': "accounts.az: needs either",
        "[accounts.az.entra]": "accounts.az.entra: needs exactly one of `client_secret`",
        '[accounts.az.entra]\nclient_secret = "s"': "accounts.az.entra: needs `tenant_id`",
        'api_key = "k"\napi_version = "latest"': "accounts.az.api_version: must be v1, preview",
        '[accounts.az.entra]\nmanaged_identity = true\nimds_endpoint = "http://10.0.0.1"': (
            "accounts.az.entra.imds_endpoint: must be http://169.254.169.254"
        ),
    }
    for lines, said in cases.items():
        path.write_text(f"{head}{lines}\n")
        done = subprocess.run(
            [PROGRAM, "check", "--config", path], capture_output=True, text=True, check=False
        )
        assert done.returncode == 78
        assert said in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
