from __future__ import annotations

from typing import Any

import pytest

from retouch.errors import InvalidRequest
from retouch.http.fields import FormFields, parse_name


def collected(*pairs: tuple[str, str]) -> dict[str, Any]:
    fields = FormFields()
    for name, text in pairs:
        fields.add(name, text)
    return fields.values


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("prompt", ("prompt", [])),
        ("a[b]", ("a", ["b"])),
        ("a[]", ("a", [""])),
        ("a[b][]", ("a", ["b", ""])),
        ("svg[reasoning][effort]", ("svg", ["reasoning", "effort"])),
        ("a b.c-d", ("a b.c-d", [])),
        ("ключ[é]", ("ключ", ["é"])),
        ("a" + "[b]" * 8, ("a", ["b"] * 8)),
    ],
)
def test_names_with_keys(name: str, expected: tuple[str, list[str]]) -> None:
    assert parse_name(name) == expected


@pytest.mark.parametrize(
    "name",
    [
        "[", "]", "[]", "[a]", "a[", "a]", "a[b", "a[b]]", "a[[b]]", "a[b]c", "a][b", "",
        "a" + "[b]" * 9, "a" + "[" * 1000, "a" + "[b]" * 40,
    ],
)  # fmt: skip
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_name(name)
    assert refused.value.code == "invalid_multipart"


@pytest.mark.parametrize("name", ["a[][k]", "a[][]", "a[b][][c]", "a[][k][]"])
def test_a_list_of_objects_is_refused_with_a_way_out(name: str) -> None:
    """The SDKs write the keys of all items one after another: nobody can tell them apart."""
    with pytest.raises(InvalidRequest) as refused:
        parse_name(name)
    assert refused.value.param == "a"
    assert "application/json" in refused.value.message


def test_what_the_python_sdk_sends() -> None:
    """``extra_body={"maskClasses": [162, 170], "dilation": 0.01, "x": {"a": 1}, "flag": True}``
    and a deeper one, as observed on the wire."""
    assert collected(
        ("prompt", "p"),
        ("maskClasses[]", "162"),
        ("maskClasses[]", "170"),
        ("dilation", "0.01"),
        ("x[a]", "1"),
        ("flag", "true"),
        ("nested[list][]", "1"),
        ("nested[list][]", "2"),
        ("nested[d][f]", "false"),
        ("empty", ""),
    ) == {
        "prompt": "p",
        "maskClasses": ["162", "170"],
        "dilation": "0.01",
        "x": {"a": "1"},
        "flag": "true",
        "nested": {"list": ["1", "2"], "d": {"f": "false"}},
        "empty": "",
    }


def test_the_order_of_keys_does_not_matter() -> None:
    assert collected(("a[b][c]", "1"), ("z", "2"), ("a[d]", "3"), ("a[b][e][]", "4")) == {
        "a": {"b": {"c": "1", "e": ["4"]}, "d": "3"},
        "z": "2",
    }


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("model", "model"),
        ("a[b]", "a[b]"),
        ("a", "a[b]"),
        ("a[b]", "a"),
        ("a", "a[]"),
        ("a[]", "a"),
        ("a[]", "a[b]"),
        ("a[b]", "a[]"),
        ("a[b]", "a[b][c]"),
        ("a[b][c]", "a[b]"),
        ("a[b]", "a[b][]"),
        ("a[b][]", "a[b]"),
        ("a[b][]", "a[b][c]"),
        ("a[b][c]", "a[b][]"),
    ],
)
def test_a_place_is_taken_once(first: str, second: str) -> None:
    """Whichever of two wins, somebody who looked at the other one was deceived."""
    with pytest.raises(InvalidRequest) as refused:
        collected((first, "1"), (second, "2"))
    assert refused.value.code == "duplicate_parameter"
    assert refused.value.param == first.partition("[")[0]


def test_long_names_are_cut_in_messages() -> None:
    with pytest.raises(InvalidRequest) as refused:
        collected(("n" * 500, "1"), ("n" * 500, "2"))
    assert len(refused.value.message) < 120
    assert refused.value.param == "n" * 64
