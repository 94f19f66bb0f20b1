"""The OpenAI Node SDK edits through the gateway; its uploads differ from Python's.

Needs ``node`` and ``scripts/install-node`` (which ``make test`` runs); skips without them.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.gateway import Gateway
from tests.fakes.multipart_form import Part
from tests.fakes.openai_rules import Edit
from tests.fakes.openai_upstream import REQUEST_ID, USAGE, OpenAIUpstream, partial, result
from tests.fakes.pictures import PHOTOS, mask, opened, picture
from tests.fakes.replies import Events, Reset, error

FOLDER = Path(__file__).parent / "node"
MODEL = "openai-main/gpt-image-2"
PICTURES = {"a.png": picture(), "b.jpg": picture(format="JPEG"), "c.webp": picture(format="WEBP")}

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed here"),
    pytest.mark.skipif(
        not (FOLDER / "node_modules" / "openai").is_dir(),
        reason="the OpenAI Node SDK is not installed; run scripts/install-node",
    ),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one picture of each format, and a mask."""
    for name, data in {**PICTURES, "mask.png": mask()}.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def run_node(job: dict[str, Any]) -> dict[str, Any]:
    """What ``edit.mjs`` prints for this job."""
    done = subprocess.run(
        ["node", "edit.mjs"],
        cwd=FOLDER,
        input=json.dumps(job),
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


def edit(gateway: Gateway, *images: dict[str, Any], **job: Any) -> Any:
    """The answer of a successful edit."""
    params = {"model": MODEL, "prompt": "Gr\u00fc\u00dfe \u6728", **job.pop("params", {})}
    printed = run_node({"baseURL": gateway.v1, "images": images, "params": params, **job})
    assert "answer" in printed, printed
    return printed["answer"]


def image(folder: Path, name: str, how: str, **more: str) -> dict[str, Any]:
    return {"how": how, "path": str(folder / name), "name": name, **more}


#: How Node hands a picture over; types and names often say nothing, or something wrong.
HOWS: dict[str, dict[str, Any]] = {
    "toFile": {"how": "toFile"},
    "toFile without name": {"how": "toFile", "name": None},
    "toFile with type": {"how": "toFile", "type": "image/gif"},
    "createReadStream": {"how": "createReadStream"},
    "File": {"how": "File", "type": "image/webp"},
    "Blob": {"how": "Blob", "type": "application/octet-stream"},
}


@pytest.mark.parametrize("how", HOWS.values(), ids=HOWS.keys())
def test_ways_to_pass_an_image(
    shared_gateway: Gateway, upstream: OpenAIUpstream, folder: Path, how: dict[str, Any]
) -> None:
    answer = edit(shared_gateway, {"path": str(folder / "b.jpg"), "name": "b.jpg", **how})
    assert answer["data"] == [{"b64_json": result(Edit({}))}]
    assert (answer["usage"], answer["provider"]) == (USAGE, "openai")
    assert answer["cost"] == pytest.approx(0.016081, abs=1e-9)
    received = upstream.only()
    assert received.fields == {"model": "gpt-image-2", "prompt": "Gr\u00fc\u00dfe \u6728"}
    (part,) = received.files
    assert (part.name, part.content_type) == ("image[]", "image/jpeg")
    assert part.sha256 == Part("", PICTURES["b.jpg"]).sha256


@pytest.mark.parametrize("how", ["toFile", "createReadStream"])
def test_array_and_mask(
    shared_gateway: Gateway, upstream: OpenAIUpstream, folder: Path, how: str
) -> None:
    edit(
        shared_gateway,
        *(image(folder, name, how) for name in PICTURES),
        list=True,
        mask=image(folder, "mask.png", how),
        params={"n": 2, "size": "1024x1024", "quality": "low"},
    )
    received = upstream.only()
    assert [(part.name, part.sha256) for part in received.named("image[]")] == [
        ("image[]", Part("", data).sha256) for data in PICTURES.values()
    ]
    (sent,) = received.named("mask")
    assert opened(sent.data).convert("RGBA").getchannel("A").getpixel((0, 0)) == 0
    assert {name: received.fields[name] for name in ("n", "size", "quality")} == {
        "n": "2",
        "size": "1024x1024",
        "quality": "low",
    }


def test_a_large_chunked_photo(shared_gateway: Gateway, upstream: OpenAIUpstream) -> None:
    edit(shared_gateway, image(PHOTOS, "astronaut.png", "createReadStream"))
    (part,) = upstream.only().files
    assert part.sha256 == Part("", (PHOTOS / "astronaut.png").read_bytes()).sha256


def test_stream(shared_gateway: Gateway, upstream: OpenAIUpstream, folder: Path) -> None:
    events = edit(
        shared_gateway,
        image(folder, "a.png", "toFile"),
        params={"stream": True, "partial_images": 2},
    )
    assert [event["type"] for event in events] == [
        "image_edit.partial_image",
        "image_edit.partial_image",
        "image_edit.completed",
    ]
    assert events[-1]["usage"] == USAGE


def failed(gateway: Gateway, folder: Path, **params: Any) -> dict[str, Any]:
    printed = run_node(
        {
            "baseURL": gateway.v1,
            "images": [image(folder, "a.png", "toFile")],
            "params": {"model": MODEL, "prompt": "x", **params},
        }
    )
    problem: dict[str, Any] = printed["error"]
    return problem


def test_a_stream_without_its_end(
    shared_gateway: Gateway, upstream: OpenAIUpstream, folder: Path
) -> None:
    upstream.script(Events([partial(Edit({}), 0)]))
    problem = failed(shared_gateway, folder, stream=True, partial_images=1)
    assert problem["kind"] == "APIError"
    assert problem["type"] == "upstream_error"


def test_errors(shared_gateway: Gateway, upstream: OpenAIUpstream, folder: Path) -> None:
    upstream.script(error(400, "moderation_blocked", "No.", type="image_generation_user_error"))
    problem = failed(shared_gateway, folder)
    assert (problem["kind"], problem["code"]) == ("BadRequestError", "moderation_blocked")
    assert problem["requestID"] == "req_fake_error"
    problem = failed(shared_gateway, folder, model="nobody/gpt-image-2")
    assert (problem["kind"], problem["code"]) == ("NotFoundError", "model_not_found")
    problem = failed(shared_gateway, folder, maskClasses=[162, 170])
    assert (problem["code"], problem["requestID"]) == ("unknown_parameter", REQUEST_ID)


def test_never_twice(shared_gateway: Gateway, upstream: OpenAIUpstream, folder: Path) -> None:
    upstream.script(Reset())
    assert failed(shared_gateway, folder)["status"] == 502
    upstream.only()


def test_json_form(shared_gateway: Gateway, upstream: OpenAIUpstream) -> None:
    images = [{"image_url": "https://example.com/a.png"}]
    body = {"model": MODEL, "prompt": "x", "images": images}
    printed = run_node({"baseURL": shared_gateway.v1, "body": body})
    assert printed["answer"]["data"]
    assert upstream.only().document["images"] == images


def test_azure_client(shared_gateway: Gateway, upstream: OpenAIUpstream, folder: Path) -> None:
    answer = edit(shared_gateway, image(folder, "a.png", "toFile"), azure=shared_gateway.base_url)
    assert answer["data"]
    assert upstream.only().fields["model"] == "gpt-image-2"


def test_local_edit(shared_gateway: Gateway, upstream: OpenAIUpstream, folder: Path) -> None:
    answer = edit(
        shared_gateway,
        image(folder, "a.png", "createReadStream"),
        mask=image(folder, "mask.png", "createReadStream"),
        params={"model": "local/inpaint"},
    )
    assert opened(base64.b64decode(answer["data"][0]["b64_json"])).size == (32, 24)
    assert upstream.requests == []
