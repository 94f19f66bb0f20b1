from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from retouch.config import secret_hook
from retouch.decoding import Fault, decode_struct, decode_value, describe, did_you_mean
from retouch.types import BaseUrl, Secret


class Inner(msgspec.Struct, kw_only=True):
    depth: Annotated[int, Meta(ge=0)] = 0
    kind: Literal["a", "b"] = "a"


class Options(msgspec.Struct, kw_only=True):
    seed: Annotated[int, Meta(ge=0, le=9)] | None = None
    strength: Annotated[float, Meta(gt=0, lt=1)] | None = None
    flag: bool | None = None
    name: Annotated[str, Meta(max_length=5)] | None = None
    classes: list[int] | None = None
    inner: Inner | None = None
    mode: Literal["fast", "good"] | None = None
    camel: str | None = msgspec.field(default=None, name="camelCase")
    anything: Any = None
    table: dict[str, int] | None = None


class Needed(msgspec.Struct, kw_only=True):
    key: Secret
    url: BaseUrl = "https://a.test"


class Checked(msgspec.Struct, kw_only=True):
    low: int = 0
    high: int = 0

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("`low` must not be above `high`")


def decoded(values: dict[str, Any], *, strict: bool = True) -> Options:
    found = decode_struct(values, Options, strict=strict)
    assert isinstance(found, Options), found
    return found


def faults(values: dict[str, Any], kind: Any = Options, *, strict: bool = True) -> list[str]:
    found = decode_struct(values, kind, strict=strict, dec_hook=secret_hook)
    assert isinstance(found, list), found
    assert all(isinstance(fault, Fault) for fault in found)
    return [str(fault) for fault in found]


def test_values_from_json() -> None:
    values = {
        "seed": 3,
        "strength": 0.5,
        "flag": True,
        "name": "abc",
        "classes": [1, 2],
        "inner": {"depth": 1, "kind": "b"},
        "mode": "good",
        "camelCase": "x",
        "anything": {"a": [1]},
        "table": {"a": 1},
    }
    found = decoded(values)
    assert msgspec.to_builtins(found) == values
    assert isinstance(found.inner, Inner)


def test_values_from_a_form_are_text() -> None:
    found = decoded(
        {
            "seed": "3",
            "strength": "0.01",
            "flag": "true",
            "name": "123",
            "classes": ["162", "170"],
            "inner": {"depth": "7"},
            "table": {"a": "1"},
            "anything": "5",
        },
        strict=False,
    )
    assert (found.seed, found.strength, found.flag, found.name) == (3, 0.01, True, "123")
    assert (found.classes, found.table, found.anything) == ([162, 170], {"a": 1}, "5")
    assert found.inner is not None
    assert found.inner.depth == 7


@pytest.mark.parametrize(
    ("text", "expected"),
    [("true", True), ("false", False), ("True", True), ("FALSE", False), ("1", True), ("0", False)],
)
def test_booleans_as_clients_write_them(text: str, expected: bool) -> None:
    assert decoded({"flag": text}, strict=False).flag is expected


@pytest.mark.parametrize("text", ["1e-09", "1e-9", "1", "1.0", "0.5"])
def test_numbers_as_clients_write_them(text: str) -> None:
    """Python prints ``1e-09``, JavaScript ``1e-9`` and ``1`` for 1.0."""
    kind = Annotated[float, Meta(ge=0)]
    assert decode_value(text, kind, path="x", strict=False) == float(text)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"seed": 10}, "seed: must be a whole number from 0 to 9"),
        ({"seed": "3"}, "seed: must be a whole number from 0 to 9"),
        ({"seed": 1.5}, "seed: must be a whole number from 0 to 9"),
        ({"seed": True}, "seed: must be a whole number from 0 to 9"),
        ({"seed": [1]}, "seed: must be a whole number from 0 to 9"),
        ({"seed": 10**400}, "seed: must be a whole number from 0 to 9"),
        ({"strength": 0}, "strength: must be a number above 0 and below 1"),
        ({"strength": 1}, "strength: must be a number above 0 and below 1"),
        ({"flag": 1}, "flag: must be true or false"),
        ({"flag": "true"}, "flag: must be true or false"),
        ({"name": "abcdef"}, "name: must be text of at most 5 characters"),
        ({"name": 5}, "name: must be text of at most 5 characters"),
        ({"classes": 5}, "classes: must be a list, each item a whole number"),
        ({"classes": ["a"]}, "classes: must be a list, each item a whole number"),
        ({"inner": 5}, "inner: must be an object"),
        ({"inner": {"depth": -1}}, "inner.depth: must be a whole number of at least 0"),
        ({"inner": {"kind": "c"}}, "inner.kind: must be one of a, b"),
        ({"inner": {"dept": 1}}, "inner.dept: unknown key; did you mean `depth`?"),
        ({"mode": "slow"}, "mode: must be one of fast, good"),
        ({"table": {"a": "b"}}, "table: must be an object"),
        ({"camel": "x"}, "camel: unknown key; did you mean `camelCase`?"),
        ({"zzz": 1}, "zzz: unknown key"),
    ],
)
def test_faults_say_what_would_be_right(values: dict[str, Any], expected: str) -> None:
    assert faults(values) == [expected]


def test_all_faults_are_named() -> None:
    assert len(faults({"seed": -1, "flag": "x", "zzz": 1, "inner": {"depth": -1, "x": 1}})) == 5


@pytest.mark.parametrize("text", ["x", "", "1.5", "1_0", " 5", "5 ", "+5", "٣", "9" * 5000, "nan"])
def test_texts_that_are_no_small_number(text: str) -> None:
    (fault,) = faults({"seed": text}, strict=False)
    assert fault == "seed: must be a whole number from 0 to 9"


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e400", "0x1", "1,5"])
def test_texts_that_are_no_number_between_bounds(text: str) -> None:
    (fault,) = faults({"strength": text}, strict=False)
    assert fault.startswith("strength: must be a number")


def test_depth_is_a_fault_like_any_other() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    assert len(faults({"classes": deep})) == 1


def test_required_keys_and_hooks() -> None:
    found = decode_struct({"key": "s"}, Needed, path="accounts.a", dec_hook=secret_hook)
    assert found == Needed(key=Secret("s"))
    assert faults({}, Needed) == ["key: is missing"]
    assert faults({"key": 5}, Needed) == ["key: must be text"]
    assert "s3cret" not in faults({"key": ["s3cret"]}, Needed)[0]
    (fault,) = faults({"key": "s", "url": "http://a.test"}, Needed)
    assert fault.startswith("url: must be an https address")


def test_a_structs_own_check_is_a_fault() -> None:
    """What a plugin's ``__post_init__`` says about a request must not be a failure of ours."""
    found = decode_struct({"low": 2, "high": 1}, Checked, path="accounts.a")
    assert found == [Fault("accounts.a", "`low` must not be above `high`")]
    assert isinstance(decode_struct({"high": 1}, Checked), Checked)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (int, "a whole number"),
        (float, "a number"),
        (str, "text"),
        (bool, "true or false"),
        (int | str | None, "a whole number or text"),
        (tuple[str, ...], "a list, each item text"),
        (list[Inner], "a list, each item an object"),
        (dict[str, Any], "an object"),
        (Annotated[int, Meta(le=5)], "a whole number at most 5"),
        (Annotated[int, Meta(ge=1, le=5)], "a whole number from 1 to 5"),
        (Annotated[str, Meta(description="a colour")], "a colour"),
    ],
)
def test_types_in_plain_words(kind: Any, expected: str) -> None:
    assert describe(kind) == expected


def test_did_you_mean() -> None:
    assert did_you_mean("organisation", ["organization", "project"]) == (
        "; did you mean `organization`?"
    )
    assert did_you_mean("zzz", ["organization", "project"]) == ""


def test_a_fault_reads_as_path_and_sentence() -> None:
    assert str(Fault("a.b", "is missing")) == "a.b: is missing"
