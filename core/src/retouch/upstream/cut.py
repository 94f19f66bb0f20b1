"""Take base64 pictures out of a JSON text without decoding them.

A picture in an answer is megabytes of text that is only passed on. ``cut`` finds each such
string with a memory search, leaves a short token in its place and returns views of the
original bytes, so that only the small rest is parsed.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping

import pybase64

from retouch.errors import UpstreamInvalid

#: Shorter strings are not worth the detour.
MIN_CUT = 4096
#: Starts every token; no provider can guess it, and no base64 text can contain it.
_MARK = f"#{secrets.token_hex(8)}-"
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


class Cut:
    """A JSON text without its pictures.

    :ivar text: the small JSON, with tokens where the pictures stood.
    """

    def __init__(self, text: bytes, pictures: Mapping[str, memoryview]) -> None:
        self.text = text
        self._pictures = pictures

    def restore(self, value: str) -> str | memoryview:
        """The picture behind a token, or ``value`` itself when it is none.

        :raises UpstreamInvalid: when the text is not base64.
        """
        found = self._pictures.get(value)
        good = _is_base64(value) if found is None else _looks_like_base64(found)
        if not good:
            raise UpstreamInvalid("The provider returned a picture that is not base64.")
        return value if found is None else found


def cut(text: bytes, key: str) -> Cut:
    """``text`` without the long string values of ``key``.

    Inside a JSON string every quote is escaped, so ``"key"`` followed by a colon can only be
    a key. A value with a backslash is left in place for the JSON parser.
    """
    pattern = re.compile(rb'(?<!\\)"' + re.escape(key.encode()) + rb'"\s*:\s*"')
    pictures: dict[str, memoryview] = {}
    view = memoryview(text)
    pieces: list[bytes | memoryview] = []
    done = 0
    position = 0
    while match := pattern.search(text, position):
        start = match.end()
        end = text.find(b'"', start)
        if end < 0:
            break
        position = end
        if end - start >= MIN_CUT and text.find(b"\\", start, end) < 0:
            token = f"{_MARK}{len(pictures)}"
            pictures[token] = view[start:end]
            pieces += [view[done:start], token.encode()]
            done = end
    pieces.append(view[done:])
    return Cut(b"".join(pieces) if pictures else text, pictures)


def _is_base64(value: str) -> bool:
    return len(value) % 4 == 0 and _BASE64.fullmatch(value) is not None


def _looks_like_base64(value: memoryview) -> bool:
    """Whether head and tail decode; the middle is the receiver's to check."""
    try:
        for part in (value[:64], value[-64:]):
            pybase64.b64decode(bytes(part), validate=True)
    except ValueError:
        return False
    return len(value) % 4 == 0
