from __future__ import annotations

from typing import Any

import msgspec
import pytest

from retouch.errors import UpstreamRefused
from retouch.redaction import redact, redact_error, secrets
from retouch.types import Secret


class Entra(msgspec.Struct):
    secret: Secret
    tenant: str = "tenant-visible"


class Settings(msgspec.Struct):
    key: Secret | None = None
    entra: Entra | None = None
    many: tuple[Secret, ...] = ()
    named: dict[str, Any] = {}
    region: str = "region-visible"


FULL = Settings(
    key=Secret("key-123456"),
    entra=Entra(Secret("entra-123456")),
    many=(Secret("first-123456"), Secret("second-123456")),
    named={"a": {"b": [Secret("deep-123456")]}},
)


def test_secrets_anywhere_in_the_settings() -> None:
    assert set(secrets(FULL)) == {
        "key-123456",
        "entra-123456",
        "first-123456",
        "second-123456",
        "deep-123456",
    }
    assert list(secrets(Settings())) == list(secrets(None)) == []


@pytest.mark.parametrize("secret", sorted(secrets(FULL)))
def test_each_of_them_is_taken_out(secret: str) -> None:
    text = f"Incorrect key {secret}; region-visible tenant-visible ({secret})."
    assert redact(text, FULL) == "Incorrect key ***; region-visible tenant-visible (***)."


def test_a_secret_that_begins_like_another() -> None:
    settings = Settings(key=Secret("abcdef"), entra=Entra(Secret("abcdef-and-more")))
    assert redact("abcdef-and-more abcdef", settings) == "*** ***"


def test_short_values_do_not_blot_out_words() -> None:
    assert redact("the size of the mask", Settings(key=Secret("size"))) == "the size of the mask"
    assert redact("anything", Settings(key=Secret(""))) == "anything"


def test_an_error_is_cleaned_wherever_a_provider_may_have_put_a_secret() -> None:
    key = "key-123456"
    error = UpstreamRefused(
        400,
        f"Bad {key}.",
        type=f"type {key}",
        code=f"code {key}",
        param=f"param {key}",
        headers={"x-request-id": key, "retry-after": "7"},
        details={"moderation_details": {"a": [key, {"b": key}], "n": 5}},
    )
    redact_error(error, FULL)
    assert error.to_dict()["error"] == {
        "message": "Bad ***.",
        "type": "type ***",
        "code": "code ***",
        "param": "param ***",
        "moderation_details": {"a": ["***", {"b": "***"}], "n": 5},
    }
    assert error.headers == {"x-request-id": "***", "retry-after": "7"}
    assert (error.status, error.retry) == (400, None)
