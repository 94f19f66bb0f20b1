"""Bedrock through the front door: the program, the real OpenAI SDK, a strict fake of Bedrock."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import openai
import pytest

from tests.fakes.bedrock_accounts import API_KEY, SECRET_KEY, SESSION_TOKEN
from tests.fakes.bedrock_upstream import PROFILE_ARN, REQUEST_ID, BedrockUpstream, aws_error, result
from tests.fakes.gateway import Gateway
from tests.fakes.multipart_form import encode, file, text
from tests.fakes.pictures import mask, picture
from tests.fakes.raw_http import post
from tests.fakes.replies import Answer, Hang, Redirect, Reset

SIZE = (128, 96)
IMAGE, MASK = picture(*SIZE), mask(*SIZE)
CONTROL = "us.stability.stable-image-control-sketch-v1:0"
INPAINT = "us.stability.stable-image-inpaint-v1:0"
NOVA = "amazon.nova-canvas-v1:0"
WIDE = picture(400, 320)


def edit(sdk: openai.OpenAI, model: str = f"bedrock/{CONTROL}", **more: Any) -> Any:
    return sdk.images.edit(**{"model": model, "prompt": "a barn", "image": IMAGE, **more})


def refused(sdk: openai.OpenAI, model: str = f"bedrock/{CONTROL}", **more: Any) -> Any:
    with pytest.raises(openai.APIStatusError) as caught:
        edit(sdk, model, **more)
    return caught.value


def test_an_edit(sdk: openai.OpenAI, bedrock: BedrockUpstream) -> None:
    made = sdk.images.with_raw_response.edit(
        model=f"bedrock/{CONTROL}", prompt="a barn", image=IMAGE, output_format="jpeg"
    )
    answer: Any = made.parse()
    assert answer.data[0].b64_json == result("jpeg")
    assert (answer.provider, answer.cost, answer.size, answer.output_format) == (
        "bedrock",
        0.07,
        "40x24",
        "jpeg",
    )
    assert made.headers["x-request-id"] == REQUEST_ID
    headers = bedrock.only().headers
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIAFAKE")
    assert "x-amzn-bedrock-guardrailidentifier" not in headers


def test_a_session_token_is_signed(sdk: openai.OpenAI, bedrock: BedrockUpstream) -> None:
    edit(sdk, f"session/{CONTROL}")
    headers = bedrock.only().headers
    assert headers["x-amz-security-token"] == SESSION_TOKEN
    signed = headers["authorization"].split("SignedHeaders=")[1].split(",")[0]
    assert signed == "accept;content-type;host;x-amz-date;x-amz-security-token"


@pytest.mark.parametrize("name", [PROFILE_ARN, "retouching"])
def test_an_arn_is_one_part_of_the_path(
    sdk: openai.OpenAI, bedrock: BedrockUpstream, name: str
) -> None:
    answer = edit(sdk, f"bedrock/{name}", mask=MASK)
    assert bedrock.only().path == (
        "/model/arn%3Aaws%3Abedrock%3Aus-west-2%3A123456789012%3Aapplication-inference-profile"
        "%2Fab1cd2ef3gh4/invoke"
    )
    assert answer.cost == 0.07


def test_a_large_body_is_signed_as_it_is_sent(sdk: openai.OpenAI, bedrock: BedrockUpstream) -> None:
    edit(sdk, image=IMAGE + bytes(3_000_000))
    assert len(bedrock.only().body) > 4_000_000


def test_an_api_key_is_a_bearer_token(sdk: openai.OpenAI, bedrock: BedrockUpstream) -> None:
    edit(sdk, f"api-key/{CONTROL}")
    headers = bedrock.only().headers
    assert headers["authorization"] == f"Bearer {API_KEY}"
    assert "x-amz-date" not in headers
    assert headers["x-amzn-bedrock-guardrailidentifier"] == "gr-0123456789"
    assert headers["x-amzn-bedrock-guardrailversion"] == "7"
    assert headers["x-amzn-bedrock-trace"] == "ENABLED"


def test_a_bare_id_gets_its_profile_in_the_us_only(
    sdk: openai.OpenAI, bedrock: BedrockUpstream
) -> None:
    bare = CONTROL.removeprefix("us.")
    edit(sdk, f"bedrock/{bare}")
    error = refused(sdk, f"europe/{bare}")
    assert (error.status_code, error.code, error.param) == (
        400,
        "inference_profile_required",
        "model",
    )
    assert [item.path.partition(".")[0] for item in bedrock.requests] == [
        "/model/us",
        "/model/stability",
    ]
    error = refused(sdk, f"europe/{CONTROL}")
    assert (error.status_code, error.code, error.param) == (400, "invalid_model", "model")


def test_a_model_without_a_family_says_so(sdk: openai.OpenAI, bedrock: BedrockUpstream) -> None:
    error = refused(sdk, "bedrock/lost")
    assert error.status_code == 404
    assert "stability-inpaint" in error.message
    assert not bedrock.requests


def test_without_a_region_nothing_is_sent(sdk: openai.OpenAI, bedrock: BedrockUpstream) -> None:
    error = refused(sdk, f"nowhere/{CONTROL}")
    assert (error.status_code, error.code) == (502, "region_missing")
    assert not bedrock.requests


def test_wrong_credentials_are_the_gateways_fault(
    sdk: openai.OpenAI, bedrock: BedrockUpstream
) -> None:
    error = refused(sdk, f"wrong/{CONTROL}")
    assert (error.status_code, error.code) == (502, "upstream_auth")
    assert bedrock.only().refused == "InvalidSignatureException"


def test_a_wrong_clock_is_corrected_once(sdk: openai.OpenAI, bedrock: BedrockUpstream) -> None:
    for hours in (2, -3, 0):
        bedrock.requests.clear()
        bedrock.clock_offset = timedelta(hours=hours)
        edit(sdk)
        edit(sdk)
        told = [item.refused for item in bedrock.requests]
        assert told == ["InvalidSignatureException", "", ""], hours


@pytest.mark.parametrize(
    ("model", "more", "param"),
    [
        (INPAINT, {}, "mask"),
        ("us.stability.stable-image-erase-object-v1:0", {}, "mask"),
        ("us.stability.stable-image-search-replace-v1:0", {}, "search_prompt"),
        ("us.stability.stable-image-search-recolor-v1:0", {}, "select_prompt"),
        ("us.stability.stable-outpaint-v1:0", {}, "left"),
        ("us.stability.stable-outpaint-v1:0", {"extra_body": {"up": 0}}, "up"),
        ("us.stability.stable-outpaint-v1:0", {"size": "120x200"}, "size"),
        ("us.stability.stable-outpaint-v1:0", {"size": "128x96"}, "size"),
        ("us.stability.stable-outpaint-v1:0", {"size": "200x96", "extra_body": {"up": 1}}, "size"),
        ("us.stability.stable-style-transfer-v1:0", {}, "image"),
        ("us.stability.stable-image-remove-background-v1:0", {"output_format": "jpeg"}, None),
        ("us.stability.stable-creative-upscale-v1:0", {"extra_body": {"creativity": 0.6}}, None),
        (CONTROL, {"extra_body": {"search_prompt": "x"}}, "search_prompt"),
        (CONTROL, {"extra_body": {"taskType": "INPAINTING"}}, "taskType"),
        (CONTROL, {"extra_body": {"control_strength": 1.5}}, "control_strength"),
        (CONTROL, {"extra_body": {"aws_region_name": "us-east-1"}}, "aws_region_name"),
        (CONTROL, {"n": 3, "extra_body": {"seed": 4_294_967_293}}, "seed"),
        (CONTROL, {"mask": MASK}, "mask"),
        (CONTROL, {"image": picture(300, 100)}, "image"),
        ("us.stability.stable-fast-upscale-v1:0", {"image": picture(1537, 100)}, "image"),
        ("us.stability.stable-fast-upscale-v1:0", {"image": picture(1025, 1024)}, "image"),
    ],
)
def test_what_stability_would_refuse_costs_nothing(
    sdk: openai.OpenAI, bedrock: BedrockUpstream, model: str, more: Any, param: str | None
) -> None:
    error = refused(sdk, f"bedrock/{model}", **more)
    assert error.status_code == 400
    assert error.param == param or (param is None and error.param)
    assert not bedrock.requests


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"mask": mask(400, 320), "extra_body": {"maskPrompt": "sky"}}, "maskPrompt"),
        ({"extra_body": {"taskType": "INPAINTING"}}, "mask"),
        ({"extra_body": {"taskType": "OUTPAINTING"}}, "mask"),
        ({"mask": mask(400, 320), "extra_body": {"taskType": "IMAGE_VARIATION"}}, "mask"),
        ({"image": [WIDE, WIDE], "extra_body": {"taskType": "VIRTUAL_TRY_ON"}}, "mask"),
        ({"extra_body": {"virtualTryOnParams": {"maskType": "GARMENT"}}}, "image"),
        (
            {
                "image": [WIDE, WIDE],
                "extra_body": {
                    "maskPrompt": "shoes",
                    "virtualTryOnParams": {"garmentBasedMask": {"garmentClass": "SHOES"}},
                },
            },
            "virtualTryOnParams",
        ),
        (
            {
                "image": [WIDE, WIDE],
                "extra_body": {
                    "maskPrompt": "shoes",
                    "virtualTryOnParams": {"promptBasedMask": {"maskPrompt": "coat"}},
                },
            },
            "maskPrompt",
        ),
        ({"extra_body": {"virtualTryOnParams": {"hat": 1}}}, "virtualTryOnParams"),
        ({"extra_body": {"taskType": "BACKGROUND_REMOVAL", "seed": 1}}, "seed"),
        ({"extra_body": {"taskType": "BACKGROUND_REMOVAL"}, "n": 2}, "n"),
        ({"extra_body": {"taskType": "COLOR_GUIDED_GENERATION"}}, "colors"),
        ({"extra_body": {"taskType": "TEXT_IMAGE", "outPaintingMode": "PRECISE"}}, None),
        ({"mask": mask(400, 320), "size": "1024x1024"}, "size"),
        ({"size": "1000x1000"}, "size"),
        ({"size": "512x512", "extra_body": {"imageGenerationConfig": {"width": 320}}}, "size"),
        ({"extra_body": {"seed": 2_147_483_647}}, "seed"),
        ({"extra_body": {"negativeText": "x" * 1025}}, "negativeText"),
        ({"image": picture(300, 400)}, "image"),
        ({"image": picture(2000, 400)}, "image"),
    ],
)
def test_what_nova_would_refuse_costs_nothing(
    sdk: openai.OpenAI, bedrock: BedrockUpstream, more: Any, param: str | None
) -> None:
    error = refused(sdk, f"bedrock/{NOVA}", **{"image": WIDE, **more})
    assert error.status_code == 400
    assert error.param == param or (param is None and error.param == "outPaintingMode")
    assert not bedrock.requests


def test_bodies_above_25_000_000_bytes_are_not_sent(
    sdk: openai.OpenAI, bedrock: BedrockUpstream
) -> None:
    model = "bedrock/us.stability.stable-style-transfer-v1:0"
    large = IMAGE + bytes(9_370_000)
    edit(sdk, model, image=[large, large])
    assert 24_900_000 < len(bedrock.only().body) < 25_000_000
    larger = IMAGE + bytes(9_380_000)
    error = refused(sdk, model, image=[larger, larger])
    assert (error.status_code, error.param) == (400, "image")
    assert len(bedrock.requests) == 1


def test_creative_upscales_png_is_made_here(sdk: openai.OpenAI, bedrock: BedrockUpstream) -> None:
    """A PNG of its ten million pixels is cut off by AWS, and paid for all the same."""
    answer = edit(sdk, "bedrock/us.stability.stable-creative-upscale-v1:0", output_format="png")
    assert bedrock.only().document["output_format"] == "jpeg"
    assert answer.output_format == "png"
    assert base64.b64decode(answer.data[0].b64_json).startswith(b"\x89PNG")


def test_form_fields_are_text(bedrock_gateway: Gateway, bedrock: BedrockUpstream) -> None:
    body, kind = encode(
        text("model", f"bedrock/{NOVA}"),
        text("prompt", "a coat"),
        text("seed", "7"),
        text("virtualTryOnParams[garmentBasedMask][garmentClass]", "SHOES"),
        text("virtualTryOnParams[returnMask]", "true"),
        file("image[]", WIDE),
        file("image[]", WIDE),
    )
    bedrock.script(Answer({"images": [result("png")], "maskImage": result("png")}))
    reply = post(bedrock_gateway.address, body, kind)
    assert reply.status == 200, reply.body
    assert result("png") in reply.body.decode().partition('"mask_image"')[2]
    document = bedrock.only().document
    assert document["virtualTryOnParams"]["returnMask"] is True
    assert document["virtualTryOnParams"]["garmentBasedMask"] == {"garmentClass": "SHOES"}
    assert document["imageGenerationConfig"]["seed"] == 7


def test_n_is_several_calls_with_seeds_of_their_own(
    sdk: openai.OpenAI, bedrock: BedrockUpstream
) -> None:
    answer = edit(sdk, n=3, extra_body={"seed": 40})
    assert len(answer.data) == 3
    assert answer.cost == pytest.approx(0.21)
    assert sorted(item.document["seed"] for item in bedrock.requests) == [40, 41, 42]


def test_the_seed_for_a_random_picture_is_not_counted_up(
    sdk: openai.OpenAI, bedrock: BedrockUpstream
) -> None:
    """AWS: 0 is a random seed; 1 and 2 would be the same pictures every time."""
    edit(sdk, n=3, extra_body={"seed": 0})
    assert [item.document["seed"] for item in bedrock.requests] == [0, 0, 0]
    edit(sdk, f"bedrock/{NOVA}", image=WIDE, n=6, extra_body={"seed": 0})
    configs = [item.document["imageGenerationConfig"] for item in bedrock.requests[3:]]
    assert sorted(config["seed"] for config in configs) == [0, 5]


KEEPING: dict[str, dict[str, Any]] = {
    "stable-image-inpaint": {"mask": MASK},
    "stable-image-erase-object": {"mask": MASK},
    "stable-image-search-replace": {"extra_body": {"search_prompt": "a car"}},
    "stable-image-search-recolor": {"extra_body": {"select_prompt": "a car"}},
    "stable-image-remove-background": {},
}


@pytest.mark.parametrize("name", KEEPING)
def test_the_size_that_the_result_has_anyway(
    sdk: openai.OpenAI, bedrock: BedrockUpstream, name: str
) -> None:
    """The fake refuses a body with a field for it, as Bedrock does."""
    model, more = f"bedrock/us.stability.{name}-v1:0", KEEPING[name]
    edit(sdk, model, size="128x96", **more)
    assert "size" not in bedrock.only().document
    error = refused(sdk, model, size="1024x1024", **more)
    assert (error.status_code, error.param) == (400, "size")
    assert len(bedrock.requests) == 1


def test_a_service_with_another_size_does_not_take_the_pictures(sdk: openai.OpenAI) -> None:
    for service in ("stable-image-control-sketch", "stable-fast-upscale"):
        error = refused(sdk, f"bedrock/us.stability.{service}-v1:0", size="128x96")
        assert (error.status_code, error.param) == (400, "size")


def test_what_was_paid_for_is_returned(sdk: openai.OpenAI, bedrock: BedrockUpstream) -> None:
    bedrock.script(Answer({"finish_reasons": ["Filter reason: output image"]}))
    made = sdk.images.with_raw_response.edit(
        model=f"bedrock/{CONTROL}", prompt="a barn", image=IMAGE, n=3
    )
    answer: Any = made.parse()
    assert len(answer.data) == 2
    assert answer.cost == pytest.approx(0.14)
    assert made.headers["x-retouch-partial"] == "2/3"
    assert [error["code"] for error in answer.errors] == ["moderation_blocked"]


def test_when_all_of_n_fail_it_is_an_error(sdk: openai.OpenAI, bedrock: BedrockUpstream) -> None:
    bedrock.script(*[Answer({"finish_reasons": ["Filter reason: prompt"]})] * 2)
    error = refused(sdk, n=2)
    assert (error.status_code, error.code) == (400, "moderation_blocked")


@pytest.mark.parametrize(
    ("more", "cost"),
    [
        ({}, 0.04),
        ({"quality": "premium"}, 0.06),
        ({"size": "2048x2032"}, 0.06),
        ({"size": "2048x2032", "quality": "high", "n": 2}, 0.16),
        ({"size": "3200x1280"}, 0.06),
    ],
)
def test_nova_is_priced_by_size_and_quality(
    sdk: openai.OpenAI, bedrock: BedrockUpstream, more: Any, cost: float
) -> None:
    assert edit(sdk, f"bedrock/{NOVA}", image=WIDE, **more).cost == pytest.approx(cost)


@pytest.mark.parametrize("reply", [Hang, Reset])
def test_a_paid_edit_is_not_sent_again(
    sdk: openai.OpenAI, bedrock: BedrockUpstream, reply: Any
) -> None:
    bedrock.script(reply())
    if reply is Hang:
        with pytest.raises(openai.APITimeoutError):
            edit(sdk, timeout=3)
    else:
        error = refused(sdk)
        assert error.response.headers["x-should-retry"] == "false"
    assert len(bedrock.requests) == 1


def test_redirects_are_not_followed(sdk: openai.OpenAI, bedrock: BedrockUpstream) -> None:
    bedrock.script(Redirect(f"{bedrock.url}/elsewhere"))
    assert refused(sdk).status_code == 502
    assert len(bedrock.requests) == 1


def test_secrets_of_an_answer_stay_here(sdk: openai.OpenAI, bedrock: BedrockUpstream) -> None:
    bedrock.script(aws_error(400, "ValidationException", f"key {SECRET_KEY} in {PROFILE_ARN}"))
    error = refused(sdk)
    assert SECRET_KEY not in error.message
    assert "123456789012" not in error.message
