from __future__ import annotations

import base64
import json
import random
from typing import Any

import pytest

from retouch.errors import UpstreamInvalid
from retouch.upstream.cut import MIN_CUT, cut

PICTURES = [
    base64.b64encode(random.Random(seed).randbytes(9000 + seed)).decode() for seed in range(4)
]
LONG = PICTURES[0]


def restored(value: Any, **dumps: Any) -> Any:
    """``value`` after it was cut, parsed and put together again."""
    found = cut(json.dumps(value, **dumps).encode(), "b64_json")

    def walk(item: Any, key: str = "") -> Any:
        if isinstance(item, dict):
            return {name: walk(below, name) for name, below in item.items()}
        if isinstance(item, list):
            return [walk(below, key) for below in item]
        if key == "b64_json" and isinstance(item, str):
            picture = found.restore(item)
            return picture if isinstance(picture, str) else bytes(picture).decode()
        return item

    return walk(json.loads(found.text))


@pytest.mark.parametrize(
    "dumps",
    [{}, {"indent": 2}, {"separators": (",", ":")}, {"separators": (" ,\n", "\t:\r\n ")}],
    ids=["default", "indented", "dense", "wide"],
)
def test_every_picture_comes_back(dumps: dict[str, Any]) -> None:
    value = {
        "created": 1,
        "data": [{"b64_json": text, "revised_prompt": "x"} for text in PICTURES],
        "usage": {"input_tokens": 5},
        "b64_json": PICTURES[2],
    }
    assert restored(value, **dumps) == value
    assert len(cut(json.dumps(value, **dumps).encode(), "b64_json").text) < 800


def test_a_cut_picture_is_a_view_of_the_answer() -> None:
    text = json.dumps({"data": [{"b64_json": LONG}]}).encode()
    found = cut(text, "b64_json")
    (item,) = json.loads(found.text)["data"]
    picture = found.restore(item["b64_json"])
    assert isinstance(picture, memoryview)
    assert picture.obj is text


def test_short_values_stay_where_they_are() -> None:
    text = json.dumps({"b64_json": "QUJD"}).encode()
    assert cut(text, "b64_json").text is text
    assert restored({"b64_json": LONG[: MIN_CUT - 4]}) == {"b64_json": LONG[: MIN_CUT - 4]}
    assert restored({"b64_json": LONG[:MIN_CUT]}) == {"b64_json": LONG[:MIN_CUT]}


@pytest.mark.parametrize(
    "value",
    [
        {"text": f'"b64_json": "{LONG}"'},
        {"text": f'{{"b64_json":"{LONG}"}}', "b64_json": PICTURES[1]},
        {"text": "\\", "b64_json": LONG},
        {"text": '\\"b64_json\\":\\"', "b64_json": LONG},
        {"b64_json": ["b64_json", LONG]},
        {"list": ["b64_json", LONG, {"b64_json": LONG}]},
        {"b64_json": None, "other": LONG},
        {"b64_json": {"b64_json": LONG}},
        {"B64_JSON": LONG, "xb64_json": LONG, "b64_json_x": LONG},
        {'"b64_json': LONG, 'b64_json"': LONG},
    ],
)
def test_only_values_of_the_key_are_cut(value: Any) -> None:
    text = json.dumps(value).encode()
    plain = json.loads(cut(text, "b64_json").text)

    def same(cut_item: Any, item: Any, key: str = "") -> bool:
        if isinstance(item, dict):
            return cut_item.keys() == item.keys() and all(
                same(cut_item[name], item[name], name) for name in item
            )
        if isinstance(item, list):
            return all(same(below, whole) for below, whole in zip(cut_item, item, strict=True))
        return cut_item == item or (key == "b64_json" and str(cut_item).startswith("#"))

    assert same(plain, value)


def test_escaped_slashes_are_read_by_the_json_parser() -> None:
    """Some JSON encoders write ``\\/`` for a slash."""
    text = '{"b64_json": "' + LONG.replace("/", "\\/") + '"}'
    assert "\\/" in text
    found = cut(text.encode(), "b64_json")
    assert found.restore(json.loads(found.text)["b64_json"]) == LONG


@pytest.mark.parametrize(
    "text", [b"", b"{", b'{"b64_json": "' + LONG.encode(), b'"b64_json":"', b"\xff", b"null"]
)
def test_what_is_no_json_is_left_to_the_json_parser(text: bytes) -> None:
    assert cut(text, "b64_json").text == text


@pytest.mark.parametrize(
    "value",
    [
        "",
        "A",
        "AAAA*AAA",
        "AAA",
        "AAA==",
        "http://x",
        "data:image/png;base64,AAAA",
        "#0",
        " " + LONG[:99],
        LONG + "\n",
        LONG[:-4] + "====",
        LONG[:-1] + "\N{LATIN SMALL LETTER E WITH ACUTE}",
        LONG[1:],
        "AAAA" * 40 + '", "x": "' + "AAAA" * 40,
        "AAAA" * 40 + "\n\n\n\n" + "AAAA" * 40,
        "AAAA" * 40 + "-_-_" + "AAAA" * 40,
    ],
)
def test_what_is_no_base64_is_an_error(value: str) -> None:
    for document in ({"b64_json": value}, {"b64_json": value, "more": [{"b64_json": LONG}]}):
        found = cut(json.dumps(document).encode(), "b64_json")
        with pytest.raises(UpstreamInvalid) as invalid:
            found.restore(json.loads(found.text)["b64_json"])
        assert invalid.value.retry is False


def test_keys_with_special_characters() -> None:
    found = cut(json.dumps({"a.b": LONG, "axb": LONG}).encode(), "a.b")
    assert json.loads(found.text)["axb"] == LONG
    picture = found.restore(json.loads(found.text)["a.b"])
    assert isinstance(picture, memoryview)
    assert bytes(picture) == LONG.encode()


WHOLE = base64.b64encode(bytes(range(256)) * 2_400)  # three pieces of the check and a half


@pytest.mark.parametrize("at", [0, 70, 262_143, 262_144, 400_001, len(WHOLE) - 1])
@pytest.mark.parametrize("bad", [b"\n", b"\x00", b"\xff", b"\xc3", b"-", b" ", b"="])
def test_a_picture_is_base64_all_through(at: int, bad: bytes) -> None:
    """It stands in answers as it is; with anything else in it no client could read them."""
    if bad == b"=" and at == len(WHOLE) - 1:
        return  # that is where it belongs
    text = b'{"b64_json": "' + WHOLE[:at] + bad + WHOLE[at + 1 :] + b'"}'
    rest = cut(text, "b64_json")
    assert rest.text == text  # nothing was cut: this is for the JSON parser
    try:
        value = json.loads(rest.text, strict=False)["b64_json"]
    except UnicodeDecodeError:
        return
    with pytest.raises(UpstreamInvalid):
        rest.restore(value)


@pytest.mark.parametrize("end", [b"", b"eA==", b"YWI="])
def test_whole_groups_and_padding(end: bytes) -> None:
    rest = cut(b'{"b64_json": "' + WHOLE + end + b'"}', "b64_json")
    assert len(rest.text) < 100
    assert bytes(rest.restore(json.loads(rest.text)["b64_json"])) == WHOLE + end  # type: ignore[arg-type]
