"""The plugin's small parts against values worked out by hand or by Pillow."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import botocore
import msgspec
import pytest
from botocore.session import Session
from PIL import Image

from retouch import Base64, Blob, UpstreamError, UpstreamInvalid, json_body
from retouch.config import secret_hook
from retouch.decoding import decode_struct
from retouch_bedrock import answer, identity, location, picture_head, transport
from retouch_bedrock.families.style import nearest_ratio
from retouch_bedrock.settings import Settings


def saved(kind: str, size: tuple[int, int] = (321, 123), **options: Any) -> str:
    out = io.BytesIO()
    Image.effect_noise(size, 90).convert("RGB").save(out, kind, **options)
    return base64.b64encode(out.getvalue()).decode()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("png", {}),
        ("jpeg", {}),
        ("jpeg", {"progressive": True, "icc_profile": bytes(30_000)}),
        ("webp", {"lossless": True}),
        ("webp", {"quality": 50}),
        ("webp", {"lossless": True, "icc_profile": bytes(100)}),
    ],
)
def test_the_head_tells_format_and_size(kind: str, options: Any) -> None:
    text = saved(kind, **options)
    assert picture_head.describe(text) == (kind, "321x123")
    assert picture_head.describe(memoryview(text.encode())) == (kind, "321x123")


@pytest.mark.parametrize("data", ["", "AAAA", "iVBORw0KGgo=", "/9j/", "UklGRg==", None, "?"])
def test_a_head_that_tells_nothing(data: str | None) -> None:
    assert picture_head.describe(data)[1] is None


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("us-west-2", "bedrock-runtime.us-west-2.amazonaws.com"),
        ("cn-north-1", "bedrock-runtime.cn-north-1.amazonaws.com.cn"),
        ("eusc-de-east-1", "bedrock-runtime.eusc-de-east-1.amazonaws.eu"),
        ("us-gov-west-1", "bedrock-runtime.us-gov-west-1.amazonaws.com"),
    ],
)
def test_endpoints(region: str, host: str) -> None:
    assert location.place(region, None).endpoint == f"https://{host}"


@pytest.mark.parametrize(
    ("region", "wanted"),
    [
        ("us-west-2", "us.stability.x-v1%3A0"),
        ("us-east-1", "us.stability.x-v1%3A0"),
        ("us-gov-west-1", "stability.x-v1%3A0"),
        ("eu-west-1", "stability.x-v1%3A0"),
    ],
)
def test_the_profile_is_put_before_bare_ids(region: str, wanted: str) -> None:
    place = location.place(region, "https://vpce.example/")
    url = place.url("stability.x-v1:0", profiled=True)
    assert url == f"https://vpce.example/model/{wanted}/invoke"
    assert place.url("a:b", profiled=False).endswith("/model/a%3Ab/invoke")


def test_the_host_is_sent_as_it_is_signed() -> None:
    """A signature holds the host in lower case, and HTTP clients send it as it is written."""
    place = location.place("us-west-2", "https://VPCE-1a.Example.com:8443/Stage/")
    assert place.endpoint == "https://vpce-1a.example.com:8443/Stage"


def test_the_order_of_variables() -> None:
    environ = {
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-2",
        "AWS_ENDPOINT_URL": "https://all.example",
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "https://one.example",
    }
    assert location.region(Settings(), environ) == "eu-west-1"
    assert location.region(Settings(region="us-east-1"), environ) == "us-east-1"
    assert location.endpoint(Settings(), environ) == "https://one.example"
    ignored = {**environ, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}
    assert location.endpoint(Settings(), ignored) is None


@pytest.mark.parametrize(
    ("region", "endpoint"),
    [
        (None, None),
        ("us-west-2/x", None),
        ("us-west-2", "ftp://x"),
        ("us-west-2", "https://a@b"),
        ("us-west-2", "http://10.0.0.1"),
        ("us-west-2", "http://bedrock.example"),
    ],
)
def test_places_that_are_none(region: str | None, endpoint: str | None) -> None:
    with pytest.raises(UpstreamError):
        location.place(region, endpoint)


@pytest.mark.parametrize(
    ("size", "ratio"),
    [
        ("1024x1024", "1:1"),
        ("1536x1024", "3:2"),
        ("1024x1536", "2:3"),
        ("1920x1080", "16:9"),
        ("1080x1920", "9:16"),
        ("2400x1000", "21:9"),
        ("1000x1200", "4:5"),
        ("1140x1000", "5:4"),
    ],
)
def test_the_nearest_aspect_ratio(size: str, ratio: str) -> None:
    assert nearest_ratio(size) == ratio


def test_pictures_are_views_of_the_answer() -> None:
    """Megabytes of base64 are passed on, not copied."""
    text = base64.b64encode(bytes(range(256)) * 12_000)
    body = b'{"seeds":[1],"finish_reasons":[null],"images":["' + text + b'"]}'
    data = answer.read_stability(body).images[0].data
    assert isinstance(data, memoryview)
    assert bytes(data) == text


@pytest.mark.parametrize("text", ["a", "abc", "abc!", "a" * 4097, "=" * 8, "a" * 400 + "?" * 8])
def test_what_is_no_base64(text: str) -> None:
    with pytest.raises(UpstreamInvalid):
        answer.read_stability(msgspec.json.encode({"images": [text]}))


def test_a_seed_is_put_into_the_config() -> None:
    """The rest of the body stays as it is, pictures as segments included."""
    document = {
        "image": Base64(Blob(b"picture")),
        "imageGenerationConfig": {"numberOfImages": 2},
    }
    body = transport.with_seed(json_body(document))
    found = msgspec.json.decode(b"".join(body.chunks()))
    seed = found["imageGenerationConfig"].pop("seed")
    assert 0 <= seed <= 2_147_483_646
    assert found == {"image": "cGljdHVyZQ==", "imageGenerationConfig": {"numberOfImages": 2}}
    assert body.size == len(b"".join(body.chunks()))


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"access_key_id": "AKIAFAKE"}, "together"),
        ({"secret_access_key": "fake/secret"}, "together"),
        ({"session_token": "token"}, "`session_token`"),
        ({"external_id": "ours"}, "`role_arn`"),
    ],
)
def test_credentials_in_part_are_a_fault_of_the_configuration(
    settings: dict[str, str], part: str
) -> None:
    faults = decode_struct(settings, Settings, dec_hook=secret_hook)
    assert isinstance(faults, list)
    assert part in faults[0].message


def test_botocores_files_are_read_as_botocore_reads_them() -> None:
    """The same data, only faster; and none where there is no file."""
    quick = identity.Access(Settings())._loaded().get_component("data_loader").file_loader
    own = Session().get_component("data_loader").file_loader
    assert type(quick) is not type(own)
    folder = Path(botocore.__file__).parent / "data"
    for name in ("endpoints", "partitions", "sts/2011-06-15/service-2", "no-such-file"):
        assert quick.load_file(str(folder / name)) == own.load_file(str(folder / name))
