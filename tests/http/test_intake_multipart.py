from __future__ import annotations

import threading

import pytest

from retouch.errors import InvalidImage, InvalidRequest, RequestTooLarge
from retouch.http import intake_multipart
from retouch.http.intake_multipart import MAX_FILE_BYTES, MAX_PARTS
from retouch.media.blob import BlobWriter, budget
from retouch.types import Picture
from tests.fakes.multipart_form import BOUNDARY, Part, encode, file, text
from tests.fakes.pictures import mask, picture
from tests.http.asgi import Read, read, refusal

TYPE = f"multipart/form-data; boundary={BOUNDARY}"
PNG, JPEG, WEBP = picture(8, 8), picture(8, 8, format="JPEG"), picture(8, 8, format="WEBP")
NUMBERED = [picture(8 + number, 8) for number in range(16)]
DASHES = b"--" + BOUNDARY.encode()


def form(*parts: Part) -> bytes:
    return encode(*parts)[0]


def one_part(head: str | bytes, data: bytes = b"v") -> bytes:
    """A form of one part with these header lines."""
    lines = head if isinstance(head, bytes) else head.encode()
    return DASHES + b"\r\n" + lines + b"\r\n\r\n" + data + b"\r\n" + DASHES + b"--\r\n"


async def edit(*parts: Part) -> Read:
    return await read(form(text("prompt", "x"), *parts), TYPE)


async def refused(*parts: Part) -> InvalidRequest:
    error = await refusal(form(*parts), TYPE)
    assert isinstance(error, InvalidRequest)
    assert error.status == 400
    return error


GOOD = form(
    text("model", "a/m"),
    text("prompt", "Käse \N{SPARKLES}"),
    file("image[]", PNG),
    file("image[]", JPEG),
    file("mask", mask(8, 8)),
    text("x[a]", "1"),
)


def check_good(got: Read) -> None:
    assert got.fields == {"model": "a/m", "prompt": "Käse ✨", "x": {"a": "1"}}
    assert got.images == [PNG, JPEG]
    assert isinstance(got.submission.mask, Picture)
    assert got.submission.text


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000, len(GOOD)])
async def test_however_the_network_cuts_a_form(size: int) -> None:
    check_good(await read([GOOD[at : at + size] for at in range(0, len(GOOD), size)], TYPE))


async def test_wherever_the_network_cuts_a_form_in_two() -> None:
    for at in range(len(GOOD) + 1):
        check_good(await read([GOOD[:at], GOOD[at:]], TYPE, length=len(GOOD)))


async def test_a_form_cut_anywhere_is_no_form() -> None:
    """Only the line end after the final boundary may be missing, as some clients leave it out."""
    for at in range(len(GOOD) - 2):
        for pieces in ([GOOD[:at]], [GOOD[: at // 2], GOOD[at // 2 : at]]):
            assert (await refusal(pieces, TYPE)).code == "invalid_multipart", at
    check_good(await read(GOOD[:-2], TYPE))


@pytest.mark.parametrize("after", [b"x", b"\r\nx", b"\r\n\r\n", b"\n", b"--", GOOD, bytes(1 << 20)])
async def test_nothing_follows_the_final_boundary(after: bytes) -> None:
    body = GOOD[:-2] + after
    for pieces in ([body], [GOOD[:-2], after], [GOOD[:-9], body[len(GOOD) - 9 :]]):
        assert (await refusal(pieces, TYPE)).code == "invalid_multipart"


@pytest.mark.parametrize("before", [b"x", b"x\r\n", b"\r\n", b"hello\r\n\r\n", bytes(1 << 20)])
async def test_nothing_comes_before_the_first_boundary(before: bytes) -> None:
    for pieces in ([before + GOOD], [before, GOOD]):
        assert (await refusal(pieces, TYPE)).code == "invalid_multipart"


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        "multipart/form-data; boundary=" + "x" * 71,
        "multipart/form-data; boundary=" + "x" * 300,
        "multipart/form-data; boundary=\xe9",
        "multipart/form-data; boundary=another",
        f"multipart/form-data; boundary=another; boundary={BOUNDARY}x",
        f"multipart/form-data; boundary*=utf-8''{BOUNDARY}",
        "multipart/form-data; boundary*=x''%ff",
        f'multipart/form-data; boundary="{BOUNDARY}\\',
    ],
)
async def test_bad_boundaries(kind: str) -> None:
    assert (await refusal(GOOD, kind)).code == "invalid_multipart"


async def test_a_boundary_of_seventy_bytes() -> None:
    body, kind = encode(text("prompt", "x"), boundary="b" * 70)
    assert (await read(body, kind)).fields == {"prompt": "x"}


async def test_an_empty_body_is_refused() -> None:
    assert (await refusal(b"", TYPE)).code == "invalid_multipart"


async def test_a_form_without_parts_has_no_fields() -> None:
    got = await read(DASHES + b"--\r\n", TYPE)
    assert (got.fields, got.images) == ({}, [])


@pytest.mark.parametrize(
    "names",
    [
        ("image", "image", "image"),
        ("image[]", "image[]", "image[]"),
        ("images[]", "images[]", "images[]"),
        ("image[0]", "image[1]", "image[2]"),
        ("image[7]", "image[08]", "image[15]"),
    ],
)
async def test_names_of_images(names: tuple[str, ...]) -> None:
    pictures = NUMBERED[: len(names)]
    got = await edit(*[file(name, data) for name, data in zip(names, pictures, strict=True)])
    assert got.images == pictures


async def test_numbered_images_go_by_their_numbers() -> None:
    """Old Node SDKs append files in the order in which they were read."""
    order = [2, 10, 0, 1, 9]
    got = await edit(*[file(f"image[{number}]", NUMBERED[number]) for number in order])
    assert got.images == [NUMBERED[number] for number in (0, 1, 2, 9, 10)]


@pytest.mark.parametrize(
    ("name", "param"),
    [
        ("image[100]", "image"),
        ("image[x]", "image"),
        ("image[-1]", "image"),
        ("image[0][1]", "image"),
        ("image[][]", "image"),
        ("image[٣]", "image"),
        ("mask[0]", "mask"),
        ("mask[x]", "mask"),
        ("markup[a]", "markup"),
    ],
)
async def test_other_names_with_brackets_are_no_pictures_and_no_fields(
    name: str, param: str
) -> None:
    for part in (file(name, PNG), text(name, "v")):
        assert (await refused(text("prompt", "x"), part)).param == param


async def test_sixteen_images_and_no_more() -> None:
    parts = [file("image[]", data) for data in NUMBERED]
    assert (await edit(*parts)).images == NUMBERED
    error = await refused(*parts, file("image[]", PNG))
    assert (error.param, error.code) == ("image", "too_many_images")


async def test_as_many_parts_as_any_edit_needs_and_no_more() -> None:
    parts = [text(f"f{number}", "v") for number in range(96)]
    assert len((await read(form(*parts), TYPE)).fields) == MAX_PARTS == 96
    assert (await refused(*parts, text("one-more", "v"))).code == "invalid_multipart"
    assert (await refused(*parts, *[text("f", "v")] * 5000)).code == "invalid_multipart"


@pytest.mark.parametrize("name", ["image", "image[]", "image[0]", "images[]"])
async def test_an_image_must_be_a_file(name: str) -> None:
    error = await refused(text("prompt", "x"), text(name, "iVBORw0KGgo="))
    assert (error.param, error.code) == ("image", "invalid_type")


@pytest.mark.parametrize("name", ["mask", "markup"])
async def test_a_mask_must_be_a_file(name: str) -> None:
    error = await refused(text(name, "iVBORw0KGgo="))
    assert (error.param, error.code) == (name, "invalid_type")


@pytest.mark.parametrize("name", ["prompt", "model", "size", "x[a]", "unheard-of"])
async def test_a_field_must_be_text(name: str) -> None:
    error = await refused(file(name, PNG))
    assert (error.param, error.code) == (name, "invalid_type")


@pytest.mark.parametrize("name", ["mask", "markup"])
async def test_one_mask_and_one_markup(name: str) -> None:
    error = await refused(file(name, mask()), file(name, mask()))
    assert (error.param, error.code) == (name, "duplicate_parameter")


async def test_a_scalar_comes_once() -> None:
    error = await refused(text("model", "a/cheap"), text("model", "a/dear"))
    assert (error.param, error.code) == ("model", "duplicate_parameter")


@pytest.mark.parametrize(
    ("data", "kind"), [(PNG, "png"), (JPEG, "jpeg"), (WEBP, "webp")], ids=["png", "jpeg", "webp"]
)
async def test_the_bytes_decide_what_a_picture_is(data: bytes, kind: str) -> None:
    """Neither the declared type nor the file name is believed, and neither is kept."""
    got = await edit(file("image", data, "../../etc/passwd\\x.svg", "image/svg+xml"))
    (found,) = got.submission.images
    assert isinstance(found, Picture)
    assert (found.format, found.width, found.height) == (kind, 8, 8)
    assert got.images == [data]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "invalid_image_file"),
        (b"GIF89a\x01\x00\x01\x00\x00\x00\x00;", "unsupported_image_format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported_image_format"),
        (b"%PDF-1.7\n", "unsupported_image_format"),
        (b"hello", "unsupported_image_format"),
        (PNG[:-1], "invalid_image_file"),
        (PNG[:40] + bytes([PNG[40] ^ 1]) + PNG[41:], "invalid_image_file"),
        (JPEG[:60], "invalid_image_file"),
    ],
)
async def test_what_is_no_picture(data: bytes, code: str) -> None:
    error = await refused(text("prompt", "x"), file("image", data))
    assert isinstance(error, InvalidImage)
    assert (error.param, error.code) == ("image", code)


@pytest.mark.parametrize(
    "data", [b"\xff", b"ab\xc3", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xc0\x80"]
)
async def test_text_is_utf_8(data: bytes) -> None:
    error = await refused(Part("prompt", data))
    assert (error.param, error.code) == ("prompt", "invalid_encoding")


async def test_a_long_text_is_refused_before_its_end() -> None:
    assert (await read(form(text("a", "x" * 131_072)), TYPE)).fields["a"] == "x" * 131_072
    begun = form(text("user", "x" * 200_000))[:150_000]
    # The form has no end: the answer may not wait for it.
    error = await refusal([begun, b""], TYPE)
    assert (error.param, error.code) == ("user", "string_above_max_length")


async def test_a_picture_above_50_mib_is_refused_before_its_end() -> None:
    begin = form(file("image[]", b""))[: -len(DASHES) - 6]
    piece = bytes(1 << 20)
    error = await refusal([begin, *[piece] * 50, b"x", b"never read"], TYPE)
    assert isinstance(error, RequestTooLarge)
    assert (error.status, error.param) == (413, "image")
    assert str(MAX_FILE_BYTES) in error.message


NAME = 'Content-Disposition: form-data; name="a"'


@pytest.mark.parametrize(
    "head",
    [
        NAME,
        "content-disposition:form-data;name=a",
        f"{NAME}\r\nContent-Type: text/plain; charset=utf-16",
        f"{NAME}\r\nContent-Transfer-Encoding: Binary",
        f"{NAME}\r\nContent-Length: 1",
        f"{NAME}\r\nX-Anything: else",
    ],
)
async def test_heads_of_parts(head: str) -> None:
    assert (await read(one_part(head), TYPE)).fields == {"a": "v"}


@pytest.mark.parametrize(
    "head",
    [
        "Content-Type: text/plain",
        "Content-Disposition: form-data",
        'Content-Disposition: form-data; filename="a"',
        'Content-Disposition: attachment; name="a"',
        "Content-Disposition: form-data; name*=utf-8''a",
        'Content-Disposition: form-data; name=""',
        'Content-Disposition: form-data; name="a\0"',
        'Content-Disposition: form-data; name="a%0D%0Ax"',
        f'Content-Disposition: form-data; name="{"n" * 129}"',
        b'Content-Disposition: form-data; name="\xff"',
        f"{NAME}\r\nContent-Transfer-Encoding: base64",
        f"{NAME}\r\nContent-Transfer-Encoding: quoted-printable",
        f"{NAME}\r\nContent-Length: 2",
        f"{NAME}\r\nContent-Length: 0",
        f"{NAME}\r\nContent-Length: +1",
        f"{NAME}\r\nno colon",
        f"{NAME}\r\n folded: line",
        f"{NAME}\r\nX: bare\nY: line feed",
        f"{NAME}\nX: y",
        f'{NAME}\r\nContent-Disposition: form-data; name="b"',
        f"{NAME}\r\nX: {'y' * 5000}",
        NAME + "".join(f"\r\nX-{number}: y" for number in range(8)),
        "",
    ],
)
async def test_heads_of_parts_refused(head: str | bytes) -> None:
    assert (await refusal(one_part(head), TYPE)).code == "invalid_multipart"


async def test_a_head_without_end_is_refused_before_it() -> None:
    begun = DASHES + b"\r\nX: " + b"y" * 8192
    assert (await refusal([begun, b"never read"], TYPE)).code == "invalid_multipart"


async def test_the_extended_file_name_makes_a_file_too() -> None:
    head = "Content-Disposition: form-data; name=\"image\"; filename*=utf-8''%C3%A9.png"
    assert (await read(one_part(head, PNG), TYPE)).images == [PNG]
    error = await refusal(one_part(head.replace("image", "prompt")), TYPE)
    assert (error.param, error.code) == ("prompt", "invalid_type")


async def test_a_name_that_looks_like_a_file_name_is_text() -> None:
    head = 'Content-Disposition: form-data; name="x filename*=y"'
    assert (await read(one_part(head), TYPE)).fields == {"x filename*=y": "v"}


async def test_nul_and_line_ends_in_text_are_kept() -> None:
    """The prompt's own rules come later; a form carries any text."""
    value = "a\0b\r\nc\n--" + BOUNDARY[:-1]
    assert (await read(form(text("user", value)), TYPE)).fields == {"user": value}


async def test_markup() -> None:
    got = await edit(file("image", PNG), file("markup", mask(8, 8)))
    assert got.submission.markup is not None
    assert got.submission.markup.alpha


async def test_of_a_large_form_only_the_beginning_is_written_on_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Writing may have to wait for the disk, and then everybody would."""
    monkeypatch.setattr(budget, "limit", 0)
    monkeypatch.setattr(intake_multipart, "UNHURRIED_BYTES", 1_000_000)
    threads = []
    flush = BlobWriter.flush

    def noting(writer: BlobWriter) -> None:
        if writer.pending:
            threads.append((threading.current_thread() is threading.main_thread(), writer.pending))
        flush(writer)

    monkeypatch.setattr(BlobWriter, "flush", noting)
    large = [PNG.ljust(1_200_000, b"a"), JPEG.ljust(700_000, b"b") + b"\xff\xd9"]
    body = form(text("prompt", "x"), file("image", large[0]), file("image", large[1]))
    pieces = [body[start : start + 300_000] for start in range(0, len(body), 300_000)]
    assert (await read(pieces, TYPE)).images == large
    on_loop = [size for here, size in threads if here]
    # The last piece of a file is written as it ends.
    assert sum(on_loop) < 1_000_000 + 2 * 300_000
    assert sum(size for _, size in threads) == sum(map(len, large))
    assert len(on_loop) < len(threads)
