from __future__ import annotations

from typing import Any

import msgspec
import pytest

from retouch.errors import (
    GatewayError,
    InvalidImage,
    InvalidRequest,
    UnsupportedParameter,
    UpstreamRefused,
)
from retouch.media.blob import Blob
from retouch.media.masks import Mask
from retouch.media.pictures import inspect
from retouch.routing import Caller
from retouch.submission import (
    FORBIDDEN_HEADERS,
    Submission,
    build_edit,
    extra_headers,
    name_images,
)
from retouch.types import EditRequest, PictureFile, PictureUrl
from tests.fakes.pictures import mask, picture
from tests.http.inside import Options, Studio, configuration, routes

PNG = inspect(Blob(picture(8, 8)))
MASK = inspect(Blob(mask(8, 8)), param="mask")


def build(
    fields: dict[str, Any],
    *,
    model: str = "rich",
    text: bool = False,
    account: dict[str, Any] | None = None,
    **parts: Any,
) -> tuple[EditRequest, tuple[str, ...]]:
    route = routes(configuration(**(account or {})), Studio()).resolve(f"acc/{model}", Caller())
    given = Submission(fields={"prompt": "x", **fields}, text=text, **{"images": (PNG,), **parts})
    return build_edit(given, route, "req_1")


def built(fields: dict[str, Any], **more: Any) -> EditRequest:
    return build(fields, **more)[0]


def refused(fields: dict[str, Any], **more: Any) -> GatewayError:
    with pytest.raises(GatewayError) as wrong:
        build(fields, **more)
    assert 400 <= wrong.value.status < 500
    assert wrong.value.message.endswith(".")
    return wrong.value


def test_fields_are_sorted() -> None:
    edit = built(
        {
            "model": "acc/rich",
            "n": 2,
            "quality": "high",
            "user": "me",
            "seed": 7,
            "metadata": {"ticket": 1},
            "extra_headers": {"X-Trace": "t"},
        },
        mask=MASK,
    )
    assert (edit.model, edit.prompt, edit.images) == ("rich", "x", (PNG,))
    assert (edit.n, edit.quality, edit.user) == (2, "high", "me")
    assert edit.options == Options(seed=7)
    assert (edit.metadata, edit.headers) == ({"ticket": 1}, {"x-trace": "t"})
    assert (edit.extra, edit.request_id) == ({}, "req_1")
    assert isinstance(edit.mask, Mask)
    assert edit.parameters() == {"n": 2, "quality": "high", "user": "me"}


def test_text_of_a_form_takes_the_type_that_is_declared() -> None:
    edit = built(
        {
            "n": "2",
            "stream": "true",
            "partial_images": "0",
            "seed": "7",
            "strength": "0.01",
            "classes": ["162", "170"],
            "flag": "false",
            "metadata": '{"a": {"b": 1}}',
            "quality": "",
            "size": "",
        },
        text=True,
    )
    assert (edit.n, edit.stream, edit.quality, edit.size) == (2, True, None, None)
    assert edit.options == Options(seed=7, strength=0.01, classes=[162, 170], flag=False)
    assert edit.metadata == {"a": {"b": 1}}


def test_null_is_a_field_that_was_not_sent() -> None:
    names = ("n", "size", "quality", "stream", "seed", "metadata", "extra_headers", "svg")
    assert built(dict.fromkeys(names)) == built({})


def test_json_has_types_of_its_own() -> None:
    for fields in ({"n": "2"}, {"stream": "true"}, {"stream": 1}, {"seed": "7"}, {"size": 512}):
        assert refused(fields).param == next(iter(fields))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 0}, "n"),
        ({"n": 11}, "n"),
        ({"n": 1.5}, "n"),
        ({"output_compression": 101}, "output_compression"),
        ({"output_compression": -1}, "output_compression"),
        ({"partial_images": 4}, "partial_images"),
        ({"frame_count": 1}, "frame_count"),
        ({"frame_count": 17}, "frame_count"),
        ({"frame_duration_ms": 19}, "frame_duration_ms"),
        ({"quality": "x" * 33}, "quality"),
        ({"user": "x" * 513}, "user"),
        ({"svg": "x"}, "svg"),
        ({"svg": [1]}, "svg"),
        ({"seed": 1001}, "seed"),
        ({"strength": 1.5}, "strength"),
        ({"classes": "5"}, "classes"),
        ({"prompt": None}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": ["x"]}, "prompt"),
        ({"prompt": "x" * 32_001}, "prompt"),
        ({"prompt": "a\0b"}, "prompt"),
        ({"metadata": 5}, "metadata"),
        ({"metadata": [1]}, "metadata"),
        ({"metadata": "{"}, "metadata"),
        ({"metadata": "[1]"}, "metadata"),
        ({"retouch": {"a": "b"}}, "retouch"),
        ({"retouch": None}, "retouch"),
        ({"api_base": "https://evil.test"}, "api_base"),
        ({"base_url": "https://evil.test"}, "base_url"),
        ({"aws_access_key_id": "x"}, "aws_access_key_id"),
        ({"timeout": 1}, "timeout"),
        ({"image": {"0": "x"}}, "image"),
    ],
)
def test_fields_refused(fields: dict[str, Any], param: str) -> None:
    assert refused(fields).param == param


def test_the_longest_prompt() -> None:
    assert built({"prompt": "\N{GRINNING FACE}" * 32_000}).prompt


def test_a_request_without_a_picture() -> None:
    error = refused({}, images=())
    assert (error.param, error.code) == ("image", "missing_required_parameter")


def test_more_than_sixteen_pictures() -> None:
    assert len(built({}, images=(PNG,) * 16).images) == 16
    assert refused({}, images=(PNG,) * 17).code == "too_many_images"


def test_a_mask_and_markup_exclude_each_other() -> None:
    assert refused({}, mask=MASK, markup=MASK).param == "markup"


def test_a_mask_of_another_size_is_refused() -> None:
    other = inspect(Blob(picture(16, 8)))
    error = refused({}, mask=MASK, images=(other, PNG))
    assert isinstance(error, InvalidImage)
    assert error.param == "mask"
    assert built({}, mask=MASK, images=(PNG, other)).mask is not None


def test_a_mask_for_a_picture_that_only_the_provider_sees() -> None:
    url = PictureUrl("https://a.test/b.png")
    error = refused({}, mask=MASK, images=(url,))
    assert error.code == "image_url_not_supported"


def test_the_model_is_text() -> None:
    for model in (5, ["a/b"], {"a": "b"}, True):
        with pytest.raises(InvalidRequest) as wrong:
            _ = Submission(fields={"model": model}).model
        assert wrong.value.param == "model"
    for empty in ({}, {"model": None}, {"model": ""}):
        assert Submission(fields=empty).model == ""


# --- fields that nobody declared ---------------------------------------------------------


def test_undeclared_fields_are_refused_where_the_contract_is_closed() -> None:
    error = refused({"brand_new": 1})
    assert (error.param, error.code) == ("brand_new", "unknown_parameter")
    assert refused({"n" * 200: 1}).param == "n" * 64


def test_undeclared_fields_are_forwarded_where_it_is_open() -> None:
    edit = built({"brand_new": {"a": [1]}, "other": None, "seed": 3}, model="open")
    assert edit.extra == {"brand_new": {"a": [1]}, "other": None}
    assert edit.options == Options(seed=3)


@pytest.mark.parametrize(("model", "policy"), [("open", "refuse"), ("rich", "forward")])
def test_an_account_may_decide_otherwise(model: str, policy: str) -> None:
    account = {"extra_fields": policy}
    if policy == "refuse":
        assert refused({"brand_new": 1}, model=model, account=account).param == "brand_new"
    else:
        assert built({"brand_new": 1}, model=model, account=account).extra == {"brand_new": 1}


def test_the_gateways_own_fields_are_never_forwarded() -> None:
    fields = {"metadata": {"a": 1}, "extra_headers": {"x-a": "b"}, "model": "acc/open"}
    assert built(fields, model="open").extra == {}
    assert refused({"retouch": "x"}, model="open").param == "retouch"


# --- dropping ----------------------------------------------------------------------------


def test_unsupported_parameters_are_refused_or_dropped() -> None:
    fields = {"quality": "max", "background": "transparent", "complexity": "low", "n": 2}
    error = refused(fields)
    assert isinstance(error, UnsupportedParameter)
    assert error.code == "unsupported_parameter"
    edit, dropped = build(fields, account={"drop_params": True})
    assert set(dropped) == {"quality", "background", "complexity"}
    assert edit.parameters() == {"n": 2}


def test_dropping_changes_nothing_about_fields_that_are_wrong() -> None:
    account = {"drop_params": True}
    assert refused({"n": 11}, account=account).param == "n"
    assert refused({"brand_new": 1}, account=account).param == "brand_new"
    assert refused({"seed": -1}, account=account).param == "seed"


# --- extra headers -----------------------------------------------------------------------


def test_extra_headers() -> None:
    assert extra_headers(None) == extra_headers({}) == extra_headers("") == {}
    given = {"X-Trace-Id": "a b\tc", "openai-beta": "x", "Accept-Language": "de"}
    assert extra_headers(given) == {name.lower(): value for name, value in given.items()}
    assert extra_headers('{"X-A": "b"}') == {"x-a": "b"}
    assert len(extra_headers({f"x-{number}": "v" for number in range(32)})) == 32


CREDENTIALS = (
    "Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "api-key", "API-KEY",
    "x-api-key", "X-Auth-Token", "X-Access-Token", "x-goog-api-key", "x-goog-user-project",
    "X-Goog-Iam-Authorization-Token", "X-Amz-Date", "X-Amz-Security-Token", "x-amz-target",
    "X-Amzn-Trace-Id", "Ocp-Apim-Subscription-Key", "x-ms-client-request-id", "OpenAI-Organization",
    "OpenAI-Project", "X-Identity-Header", "Metadata", "X-Functions-Key",
)  # fmt: skip
HOP_BY_HOP = (
    "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "TE", "Trailer",
    "Transfer-Encoding", "Upgrade", "HTTP2-Settings", "Expect",
)  # fmt: skip
ROUTING = (
    "Host", "X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "Via", "X-Real-IP", "X-Host",
    "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override",
)  # fmt: skip
CONTENT = (
    "Content-Length", "content-type", "Content-Encoding", "Content-MD5", "Accept-Encoding",
    "User-Agent", "Idempotency-Key",
)  # fmt: skip


@pytest.mark.parametrize("name", [*CREDENTIALS, *HOP_BY_HOP, *ROUTING, *CONTENT])
def test_headers_that_no_request_may_set(name: str) -> None:
    for spelling in (name, name.lower(), name.upper()):
        with pytest.raises(InvalidRequest) as wrong:
            extra_headers({"x-fine": "v", spelling: "v"})
        assert (wrong.value.param, wrong.value.code) == ("extra_headers", "header_not_allowed")


def test_the_list_is_in_lower_case() -> None:
    assert all(name == name.lower() for name in FORBIDDEN_HEADERS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", "v"),
        (" ", "v"),
        ("a b", "v"),
        ("a:", "v"),
        ("a\r\nb", "v"),
        ("a\0", "v"),
        ("é", "v"),
        ("a" * 129, "v"),
        ("(a)", "v"),
        (" host", "v"),
        ("host ", "v"),
        ("x-a", "v\r\nHost: evil.test"),
        ("x-a", "v\n"),
        ("x-a", "\0"),
        ("x-a", "\x7f"),
        ("x-a", "é"),
        ("x-a", "v" * 4097),
        ("x-a", 5),
        ("x-a", None),
        ("x-a", ["v"]),
        ("x-a", True),
    ],
)
def test_headers_that_are_not_http(name: str, value: Any) -> None:
    with pytest.raises(InvalidRequest) as wrong:
        extra_headers({name: value})
    assert wrong.value.param == "extra_headers"
    assert "\n" not in wrong.value.message


@pytest.mark.parametrize(
    "value", [5, True, [], ["a: b"], "a: b", "[]", {f"x-{number}": "v" for number in range(33)}]
)
def test_extra_headers_are_a_small_table(value: Any) -> None:
    with pytest.raises(InvalidRequest) as wrong:
        extra_headers(value)
    assert wrong.value.param == "extra_headers"


def test_one_header_in_two_spellings_is_refused() -> None:
    """Which of the two would count nobody could tell."""
    with pytest.raises(InvalidRequest):
        extra_headers({"X-A": "1", "x-a": "2"})


def test_references_of_other_kinds() -> None:
    assert refused({}, images=(PictureFile("f"),)).code == "file_id_not_supported"
    url = PictureUrl("https://a.test/b.png")
    assert built({}, images=(url,), model="open").images == (url,)


INLINE, URL = msgspec.structs.replace(PNG, inline=True), PictureUrl("https://a.test/b.png")


@pytest.mark.parametrize(
    ("images", "error", "expected"),
    [
        ((PNG,), InvalidImage("x", param="image"), "image"),
        ((INLINE, URL), InvalidImage("x", param="image"), "images"),
        ((PictureFile("f"),), InvalidRequest("x", param="image"), "images"),
        ((INLINE,), InvalidRequest("x", param="mask"), "mask"),
        ((INLINE,), UpstreamRefused(400, "x", param="image"), "image"),
        ((), InvalidRequest("x", param="image"), "image"),
    ],
)
def test_the_field_that_a_json_request_has(
    images: tuple[Any, ...], error: GatewayError, expected: str
) -> None:
    name_images(error, images)
    assert error.param == expected
