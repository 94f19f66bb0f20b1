from __future__ import annotations

import hashlib
import re

import pytest

from retouch.config import KeyConfig
from retouch.errors import Unauthenticated
from retouch.http.auth import Keys, new_key
from retouch.routing import Caller

KEY_A, KEY_B = "rt-" + "a" * 43, "rt-" + "b" * 43


def config(name: str, key: str, accounts: tuple[str, ...] | None = None) -> KeyConfig:
    digest = hashlib.sha256(key.encode()).hexdigest()
    return KeyConfig(name=name, sha256=digest, accounts=accounts)


KEYS = Keys((config("team-a", KEY_A), config("team-b", KEY_B, ("one", "two"))))


def ask(keys: Keys, *headers: tuple[str, str]) -> Caller:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return keys.caller({"type": "http", "headers": raw})


def test_without_keys_everybody_may_use_everything() -> None:
    caller = ask(Keys(()), ("Authorization", "Bearer anything"))
    assert (caller.name, caller.accounts) == ("anonymous", None)
    assert caller.may_use("any")


@pytest.mark.parametrize(
    "header",
    [
        ("Authorization", f"Bearer {KEY_B}"),
        ("authorization", f"bearer {KEY_B}"),
        ("Authorization", f"BEARER   {KEY_B}  "),
        ("api-key", KEY_B),
        ("Api-Key", f" {KEY_B} "),
    ],
)
def test_a_key_in_either_header(header: tuple[str, str]) -> None:
    caller = ask(KEYS, header)
    assert (caller.name, caller.accounts) == ("team-b", frozenset({"one", "two"}))
    assert caller.may_use("one")
    assert not caller.may_use("three")


def test_a_key_for_all_accounts() -> None:
    assert ask(KEYS, ("api-key", KEY_A)) == Caller("team-a", None)


def test_both_headers() -> None:
    """The Azure SDK's placeholder beside a real bearer, or the other way round."""
    headers = ("Authorization", f"Bearer {KEY_A}"), ("api-key", "unused")
    assert ask(KEYS, *headers).name == "team-a"
    assert ask(KEYS, ("Authorization", "Basic eDp5"), ("api-key", KEY_B)).name == "team-b"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", "")],
        [("Authorization", "Bearer")],
        [("Authorization", "Bearer ")],
        [("Authorization", KEY_A)],
        [("Authorization", f"Basic {KEY_A}")],
        [("Authorization", f"Bearer {KEY_A[:-1]}")],
        [("Authorization", f"Bearer {KEY_A}x")],
        [("Authorization", f"Bearer {KEY_A.upper()}")],
        [("Authorization", "Bearer " + hashlib.sha256(KEY_A.encode()).hexdigest())],
        [("Authorization", "Bearer " + "x" * 1_000_000)],
        [("Authorization", "Bearer ' OR 1=1 --")],
        [("Authorization", "Bearer \xff\xfe")],
        [("api-key", "")],
        [("x-api-key", KEY_A)],
        [("cookie", f"key={KEY_A}")],
        [("Authorization", f"Bearer {KEY_A[:-1]}"), ("Authorization", f"Bearer {KEY_B[:-1]}")],
    ],
)
def test_anything_else_is_refused_in_the_same_words(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(Unauthenticated) as refused:
        ask(KEYS, *headers)
    assert refused.value.to_dict() == Unauthenticated().to_dict()
    assert (refused.value.status, refused.value.code) == (401, "invalid_api_key")


def test_new_keys() -> None:
    keys = [new_key() for _ in range(50)]
    assert len({key for key, _ in keys}) == 50
    for key, digest in keys:
        assert re.fullmatch(r"rt-[A-Za-z0-9_-]{43}", key)  # 256 bits
        assert hashlib.sha256(key.encode()).hexdigest() == digest


def test_a_new_key_opens() -> None:
    key, digest = new_key()
    keys = Keys((KeyConfig(name="new", sha256=digest),))
    assert ask(keys, ("Authorization", f"Bearer {key}")).name == "new"


def test_no_key_is_kept_or_shown() -> None:
    for shown in (repr(KEYS), str(vars(KEYS))):
        assert KEY_A not in shown
        assert KEY_B not in shown
