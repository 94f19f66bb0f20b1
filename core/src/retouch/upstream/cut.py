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
#: Text is checked in pieces of this size, whole groups of four that fit the cache.
_CHECK_CHARS = 256 * 1024


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
        if found is not None:
            return found
        if not is_base64(value):
            raise UpstreamInvalid("The provider returned a picture that is not base64.")
        return value


def cut(text: bytes, key: str) -> Cut:
    """``text`` without the long string values of ``key``.

    Inside a JSON string every quote is escaped, so ``"key"`` followed by a colon can only be
    a key. A value that is not base64 as it stands, for example with escaped slashes, is left in
    place for the JSON parser.
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
        if end - start >= MIN_CUT and is_base64(view[start:end]):
            token = f"{_MARK}{len(pictures)}"
            pictures[token] = view[start:end]
            pieces += [view[done:start], token.encode()]
            done = end
    pieces.append(view[done:])
    return Cut(b"".join(pieces) if pictures else text, pictures)


def is_base64(text: str | bytes | memoryview) -> bool:
    """Whether this is base64 from its first character to its last, and not empty.

    It is written into answers as it is: a line end or a byte that is no text would make them
    unreadable. A megabyte takes 0.07 ms.
    """
    padded = False
    for start in range(0, len(text), _CHECK_CHARS):
        part = text[start : start + _CHECK_CHARS]
        try:
            made = pybase64.b64decode(part, validate=True)
        except ValueError:
            return False
        if padded:
            return False
        padded = len(made) * 4 < len(part) * 3
    return len(text) > 0
