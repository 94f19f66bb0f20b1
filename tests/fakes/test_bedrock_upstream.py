"""The fake Bedrock refuses what Bedrock refuses; a fake that takes everything proves nothing."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.fakes import bedrock_signatures
from tests.fakes.aws_server import Received
from tests.fakes.bedrock_upstream import BedrockUpstream
from tests.fakes.pictures import mask, picture

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
INPAINT = "us.stability.stable-image-inpaint-v1%3A0"
NOVA = "amazon.nova-canvas-v1%3A0"
SIZE = (400, 320)
IMAGE = base64.b64encode(picture(*SIZE)).decode()
CONFIG = {"numberOfImages": 1}


@pytest.fixture(scope="module")
def server() -> Iterator[BedrockUpstream]:
    with BedrockUpstream() as running:
        running.bearers.add("good")
        running.keys[KEY] = SECRET, None
        yield running


def painted(left: int, right: int, mode: str = "L") -> str:
    """A mask with these levels in its halves."""
    from io import BytesIO

    from PIL import Image

    made = Image.new("L", SIZE, right)
    made.paste(left, (0, 0, SIZE[0] // 2, SIZE[1]))
    out = BytesIO()
    made.convert(mode).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def send(server: BedrockUpstream, model: str, body: Any, **headers: str) -> tuple[int, Any]:
    sent = {
        "content-type": "application/json",
        "accept": "application/json",
        "authorization": "Bearer good",
        **headers,
    }
    request = urllib.request.Request(
        f"{server.url}/model/{model}/invoke", json.dumps(body).encode(), sent, method="POST"
    )
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


GOOD = {"prompt": "x", "image": IMAGE, "mask": painted(255, 0)}


def test_a_good_request(server: BedrockUpstream) -> None:
    status, answer = send(server, INPAINT, GOOD)
    assert (status, answer["finish_reasons"]) == (200, [None])


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"mask": painted(0, 255)}, "another area"),
        ({"mask": painted(200, 0)}, "pure black and white"),
        ({"mask": base64.b64encode(mask(*SIZE)).decode()}, "alpha channel"),
        ({"mask": base64.b64encode(picture(10, 10)).decode()}, "another size"),
        ({"aws_region_name": "x"}, "Invalid field 'aws_region_name'"),
        ({"grow_mask": 3.0}, "Invalid value"),
        ({"seed": "3"}, "Invalid value"),
        ({"output_format": "gif"}, "Invalid value"),
        ({"image": "no picture"}, "cannot be read"),
        ({"image": base64.b64encode(picture(63, 64)).decode()}, "out of bounds"),
    ],
)
def test_stability_refuses(server: BedrockUpstream, change: dict[str, Any], part: str) -> None:
    status, answer = send(server, INPAINT, {**GOOD, **change})
    assert status == 400
    assert part in answer["message"]


@pytest.mark.parametrize(
    ("params", "config", "task"),
    [
        ({"image": IMAGE, "maskImage": painted(255, 0, "RGB")}, CONFIG, "INPAINTING"),
        ({"image": IMAGE, "maskImage": painted(0, 255)}, CONFIG, "INPAINTING"),
        ({"image": IMAGE}, CONFIG, "INPAINTING"),
        ({"image": IMAGE, "maskPrompt": "x", "prompt": "x"}, CONFIG, "INPAINTING"),
        ({"image": IMAGE, "maskPrompt": "x"}, {"width": 320}, "INPAINTING"),
        ({"image": IMAGE, "maskPrompt": "x"}, {"seed": -1}, "INPAINTING"),
        ({"image": IMAGE, "maskPrompt": "x"}, {"numberOfImages": 6}, "INPAINTING"),
        (
            {"image": base64.b64encode(mask(*SIZE)).decode(), "maskPrompt": "x"},
            CONFIG,
            "INPAINTING",
        ),
        ({"image": IMAGE, "maskPrompt": "x"}, CONFIG, "PAINTING"),
    ],
)
def test_nova_refuses(
    server: BedrockUpstream, params: dict[str, Any], config: dict[str, Any], task: str
) -> None:
    body = {"taskType": task, "inPaintingParams": params, "imageGenerationConfig": config}
    assert send(server, NOVA, body)[0] == 400


def test_ids_and_paths(server: BedrockUpstream) -> None:
    assert send(server, INPAINT.removeprefix("us."), GOOD)[0] == 400
    assert send(server, INPAINT.replace("%3A", ":"), GOOD)[0] == 404
    assert send(server, "us.stability.unknown-v1%3A0", GOOD)[0] == 400


@pytest.mark.parametrize("authorization", ["", "Bearer bad", "AWS4-HMAC-SHA256 x"])
def test_access(server: BedrockUpstream, authorization: str) -> None:
    assert send(server, INPAINT, GOOD, authorization=authorization)[0] == 403


def test_the_signature_is_awss_own_example() -> None:
    """ "Signature Version 4 test suite", `get-vanilla` with its key, date and result."""
    received = Received(
        "GET", "/", {"host": "example.amazonaws.com", "x-amz-date": "20150830T123600Z"}
    )
    scope = bedrock_signatures.read(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date, "
        "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    )
    assert bedrock_signatures.expected(received, scope, SECRET) == scope.signature


@pytest.mark.parametrize("change", ["path", "body", "header", "time", "unsigned"])
def test_whatever_differs_from_what_was_signed_is_refused(change: str) -> None:
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    names = ["content-type", "host", "x-amz-date"]
    received = Received(
        "POST",
        "/model/a%3A0/invoke",
        {"host": "h", "x-amz-date": "20261121T120000Z", "content-type": "application/json"},
        b"{}",
    )
    credential = f"{KEY}/20261121/us-west-2/bedrock/aws4_request"
    head = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={';'.join(names)}, Signature="
    scope = bedrock_signatures.read(head + "0" * 64)
    scope.signature = bedrock_signatures.expected(received, scope, SECRET)
    bedrock_signatures.check(received, scope, SECRET, now)
    if change == "path":
        received.path = "/model/a:0/invoke"
    elif change == "body":
        received.body = b"{ }"
    elif change == "header":
        received.headers["host"] = "elsewhere"
    elif change == "time":
        now = now.replace(hour=13)
    else:
        received.headers["x-amz-security-token"] = "t"
    with pytest.raises(bedrock_signatures.SignatureFault):
        bedrock_signatures.check(received, scope, SECRET, now)
