from __future__ import annotations

from typing import Any

import msgspec
import pytest

from retouch.redaction import redact, secrets
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
    short, long = Settings(key=Secret("abcdef"), entra=Entra(Secret("abcdef-and-more"))), "x"
    assert redact("abcdef-and-more abcdef", short) == "*** ***"
    assert long


def test_short_values_do_not_blot_out_words() -> None:
    assert redact("the size of the mask", Settings(key=Secret("size"))) == "the size of the mask"
    assert redact("anything", Settings(key=Secret(""))) == "anything"
