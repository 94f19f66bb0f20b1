from __future__ import annotations

import copy
import pickle
import traceback

import msgspec
import pytest

from retouch.media.blob import Blob
from retouch.types import (
    PARAMETERS,
    Account,
    BaseUrl,
    EditRequest,
    EditResult,
    Picture,
    Secret,
    UpstreamRequest,
    UpstreamResponse,
)
from retouch.upstream.body import Body

CANARY = "canary-secret-41f7"


def test_a_secret_is_shown_only_when_it_is_revealed() -> None:
    secret = Secret(CANARY)
    assert secret.reveal() == CANARY
    for shown in (
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r}",
        repr([secret]),
    ):
        assert CANARY not in shown
    shown = "".join(traceback.format_exception(ValueError(secret)))
    assert CANARY not in shown


def test_a_secret_is_not_written_by_any_encoder() -> None:
    for encode in (msgspec.json.encode, msgspec.msgpack.encode, msgspec.to_builtins):
        with pytest.raises((TypeError, NotImplementedError)):
            encode({"key": Secret(CANARY)})
    assert not hasattr(Secret(CANARY), "__dict__")


def test_secrets_compare_by_their_text() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert copy.deepcopy(Secret("a")) == pickle.loads(pickle.dumps(Secret("a"))) == Secret("a")


def test_requests_and_answers_do_not_show_headers_or_bodies() -> None:
    request = UpstreamRequest(
        method="POST",
        url=f"https://a.test/b?key={CANARY}",
        headers={"Authorization": CANARY},
        body=Body((CANARY.encode(),)),
        context=CANARY,
    )
    response = UpstreamResponse(status=200, headers={"a": CANARY}, body=CANARY.encode())
    for shown in (repr(request), str(request), repr([request]), repr(response)):
        assert CANARY not in shown
    assert "a.test" in repr(request)
    assert "200" in repr(response)


def test_an_account_does_not_show_its_credentials() -> None:
    class Settings(msgspec.Struct):
        key: Secret

    account = Account(name="a", provider="p", settings=Settings(Secret(CANARY)))
    assert CANARY not in repr(account)


@pytest.mark.parametrize(
    ("format", "mime", "extension"),
    [("png", "image/png", "png"), ("jpeg", "image/jpeg", "jpg"), ("webp", "image/webp", "webp")],
)
def test_names_of_formats(format: str, mime: str, extension: str) -> None:
    picture = Picture(blob=Blob(b""), format=format, width=1, height=1)  # type: ignore[arg-type]
    assert (picture.mime, picture.extension) == (mime, extension)


def test_parameters_that_are_set() -> None:
    edit = EditRequest(
        model="m", prompt="x", images=(), n=1, stream=False, partial_images=0, extra={"a": 1}
    )
    assert edit.parameters() == {"n": 1, "stream": False, "partial_images": 0}
    assert set(PARAMETERS) >= {"n", "size", "quality", "svg", "frame_count"}


def test_what_hooks_get_and_give_cannot_be_changed() -> None:
    for value, name in (
        (EditRequest(model="m", prompt="x", images=()), "prompt"),
        (EditResult(images=()), "cost"),
        (UpstreamRequest(method="POST", url="x"), "url"),
        (UpstreamResponse(status=200), "status"),
        (Account(name="a", provider="p", settings=None), "name"),
    ):
        with pytest.raises(AttributeError):
            setattr(value, name, "changed")


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com/v1",
        "https://eu.api.openai.com/v1/",
        "https://a.test",
        "https://a.test:8443/b",
        "http://127.0.0.1:8000/v1",
        "http://localhost:8000",
        "http://[::1]:8000/v1",
    ],
)
def test_addresses_of_providers(url: str) -> None:
    assert msgspec.convert(url, BaseUrl) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.test",
        "//a.test",
        "http://a.test",
        "http://127.0.0.1.evil.test",
        "http://127.0.0.1@evil.test",
        "http://localhost.evil.test/v1",
        "http://127.0.0.1:8000@evil.test/",
        "http://169.254.169.254/",
        "https://user:password@a.test",
        "https://key@a.test/v1",
        "https://a.test/v1?api-version=1",
        "https://a.test/v1#x",
        "https://a.test/v 1",
        "https://a.test/v1\nHost: evil.test",
        "https:///v1",
        "ftp://a.test",
        "file:///etc/passwd",
        " https://a.test",
    ],
)
def test_what_is_no_address_of_a_provider(url: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(url, BaseUrl)
