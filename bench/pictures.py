"""Pictures, forms and answers with the structure of real ones and bytes nobody can compress."""

from __future__ import annotations

import base64
import json
import random
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

#: As long as that of the OpenAI SDK: the search for a short one takes longer.
BOUNDARY = "9f1c0b7ad5e24c6fb6a83d2e71f05c48"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"
PROMPT = "Put the cat on the moon and keep the light as it is."

SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: libpng writes pixel data in chunks of this many bytes, and so do the browsers built on it.
#: Each chunk has a checksum to verify, so larger ones would flatter a gateway that looks.
IDAT_BYTES = 8192


def png(size: int) -> bytes:
    """A valid PNG of exactly ``size`` bytes (from 1 KiB to 50 MB): noise, RGB, 8 bits."""
    width = 64 if size < 64 * 1024 else 1024
    row = 1 + 3 * width
    # Chunk heads and zlib's stored blocks add 0.25 %; the comment fills up what is left.
    rows = int((size - 300) * 0.9965) // row
    noise = random.Random(size)
    pixels = b"".join(b"\0" + noise.randbytes(row - 1) for _ in range(rows))
    data = zlib.compress(pixels, level=0)
    pieces = [SIGNATURE, _chunk(b"IHDR", struct.pack(">IIBBBBB", width, rows, 8, 2, 0, 0, 0))]
    pieces += [
        _chunk(b"IDAT", data[start : start + IDAT_BYTES])
        for start in range(0, len(data), IDAT_BYTES)
    ]
    end = _chunk(b"IEND", b"")
    room = size - sum(map(len, pieces)) - len(end) - 12
    pieces.insert(2, _chunk(b"tEXt", b"Comment\0".ljust(room, b".")))
    whole = b"".join([*pieces, end])
    if len(whole) != size:
        raise AssertionError(f"made {len(whole)} bytes instead of {size}")
    return whole


def form(pictures: tuple[int, ...], model: str) -> bytes:
    """The whole multipart body of an edit with pictures of these sizes."""
    return b"".join(form_pieces([png(size) for size in pictures], model))


def form_pieces(pictures: list[bytes], model: str) -> Iterator[bytes]:
    """The same piece by piece, for forms too large to build."""
    name = "image" if len(pictures) == 1 else "image[]"
    for field, value in (("model", model), ("prompt", PROMPT), ("size", "1024x1024")):
        yield (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
        ).encode()
    for index, picture in enumerate(pictures):
        yield (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; '
            f'filename="picture-{index}.png"\r\nContent-Type: image/png\r\n\r\n'
        ).encode()
        yield picture
        yield b"\r\n"
    yield f"--{BOUNDARY}--\r\n".encode()


def base64_picture(size: int) -> str:
    """A PNG whose base64 has ``size`` characters."""
    return base64.b64encode(png(size // 4 * 3)).decode()


def write_answers(folder: Path, sizes: dict[str, int]) -> None:
    """What the upstream serves: ``NAME.json`` as OpenAI answers, others as their providers do."""
    for name, size in sizes.items():
        picture = base64_picture(size)
        answer = {
            "created": 1_790_000_000,
            "background": "opaque",
            "data": [{"b64_json": picture}],
            "output_format": "png",
            "quality": "high",
            "size": "1024x1024",
            "usage": {
                "input_tokens": 1040,
                "input_tokens_details": {"image_tokens": 1000, "text_tokens": 40},
                "output_tokens": 4160,
                "total_tokens": 5200,
            },
        }
        (folder / f"{name}.json").write_text(json.dumps(answer), "utf-8")
        stability = {"seeds": [7], "finish_reasons": [None], "images": [picture]}
        (folder / f"{name}.bedrock.json").write_text(json.dumps(stability), "utf-8")
        part = {"inlineData": {"mimeType": "image/png", "data": picture}}
        candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}
        (folder / f"{name}.vertex.json").write_text(
            json.dumps({"candidates": [candidate]}), "utf-8"
        )


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(data, zlib.crc32(kind))
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)
