"""Read an edit from multipart/form-data, strictly, while it arrives.

A form that ends early never becomes an edit: the parser insists on the final boundary.
File parts go to blobs as they come; their declared types and file names are ignored, the
bytes decide.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import multipart

from retouch._tasks import in_thread
from retouch.errors import InvalidRequest, RequestTooLarge
from retouch.http.fields import FormFields
from retouch.media.blob import UNHURRIED_BYTES, BlobWriter, Spool
from retouch.media.pictures import Inspection
from retouch.submission import MAX_IMAGES, Submission
from retouch.types import Picture

MAX_PARTS = 96
MAX_BOUNDARY_BYTES = 70
MAX_NAME_CHARS = 128
MAX_FIELD_BYTES = 128 * 1024
#: OpenAI's limit is "less than 50 MB" a picture.
MAX_FILE_BYTES = 50 * 1024 * 1024

_IMAGE_NAME = re.compile(r"(?:image|images)(?:\[([0-9]{0,2})\])?")
_PICTURE_FIELDS = frozenset({"image", "images", "mask", "markup"})
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_SINGLE_FILES = {"mask": "mask", "mask[]": "mask", "markup": "markup", "markup[]": "markup"}


class _Text(msgspec.Struct):
    """A text field that is being read."""

    name: str
    text: bytearray


class _File(msgspec.Struct):
    """A picture that is being read, and checked at the same time."""

    name: str
    writer: BlobWriter
    inspection: Inspection


async def read(
    chunks: AsyncIterator[bytes], boundary: str, length: int | None, spool: Spool
) -> Submission:
    """The submission of a form.

    :param length: the Content-Length, if the client sent one.
    :raises InvalidRequest: for anything but one complete, well-formed form.
    """
    if not 0 < len(boundary) <= MAX_BOUNDARY_BYTES or not boundary.isascii():
        raise _malformed("The multipart boundary is missing or not valid.")
    form = _Form(spool)
    try:
        with _Parser(boundary, length) as parser:
            async for chunk in chunks:
                for event in parser.parse(chunk):
                    form.feed(event)
                    if form.due is not None:
                        await form.flush()
    except multipart.ParserLimitReached as error:
        raise form.limit_error() from error
    except multipart.MultipartError as error:
        raise _malformed(
            "The multipart body is malformed or incomplete; nothing was edited."
        ) from error
    return form.submission()


class _Parser(multipart.PushMultipartParser):  # type: ignore[misc]
    """The strict parser, with nothing allowed around the form but one final line end.

    The library skips text before the first boundary, and after the last one if it comes in
    the same piece; but it refuses a final line end that comes in a piece of its own.
    """

    def __init__(self, boundary: str, length: int | None) -> None:
        super().__init__(
            boundary,
            content_length=-1 if length is None else length,
            max_segment_count=MAX_PARTS,
            max_segment_size=MAX_FILE_BYTES,
            strict=True,
        )
        self._first = b"--" + boundary.encode()
        self._held = b""

    def parse(self, chunk: bytes) -> Iterator[multipart.MultipartSegment | bytes | None]:
        """Events of one piece. A piece of a line end waits: it may be the last thing sent."""
        chunk = self._held + chunk
        if self._first and len(chunk) < len(self._first):
            self._held = chunk
            return
        if self._first and not chunk.startswith(self._first):
            raise multipart.StrictParserError("text before the first boundary")
        self._first = b""
        self._held = chunk if chunk in (b"\r", b"\n", b"\r\n") else b""
        if not self._held:
            yield from super().parse(chunk)

    def close(self, check_complete: bool = True) -> None:
        """Check that the form is complete and that nothing follows it."""
        left = self._buffer + self._held
        super().close(check_complete=check_complete)
        if check_complete and left not in (b"", b"\r\n"):
            raise multipart.StrictParserError("text after the last boundary")


class _Form:
    """What has been read of a form so far."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._fields = FormFields()
        self._images: list[tuple[int, Picture]] = []
        self._single: dict[str, Picture] = {}
        self._part: _Text | _File | None = None
        self._written = 0
        #: A file that is to be flushed before more is fed.
        self.due: BlobWriter | None = None

    def feed(self, event: multipart.MultipartSegment | bytes | None) -> None:
        """One event of the parser: the head of a part, a piece of it, or its end."""
        part = self._part
        if isinstance(event, multipart.MultipartSegment):
            self._part = self._start(event)
        elif part is None:
            raise AssertionError("the parser sends a head first")
        elif event is None:
            self._part = None
            self._end(part)
        elif isinstance(part, _File):
            if part.writer.append(event):
                self.due = part.writer
            part.inspection.feed(event)
        else:
            part.text += event
            if len(part.text) > MAX_FIELD_BYTES:
                raise InvalidRequest(
                    f"A text field may have at most {MAX_FIELD_BYTES} bytes.",
                    param=part.name,
                    code="string_above_max_length",
                )

    async def flush(self) -> None:
        """Write to the disk what is due."""
        writer, self.due = self.due, None
        assert writer is not None  # noqa: S101  the caller has looked
        self._written += writer.pending
        if self._written <= UNHURRIED_BYTES:
            writer.flush()
        else:
            await in_thread(writer.flush)

    def submission(self) -> Submission:
        """The complete form; images with indices (``image[0]``) in the order of those."""
        self._images.sort(key=lambda pair: pair[0])
        return Submission(
            fields=self._fields.values,
            images=tuple(picture for _, picture in self._images),
            mask=self._single.get("mask"),
            markup=self._single.get("markup"),
            text=True,
        )

    def limit_error(self) -> InvalidRequest:
        """Which of the parser's limits was passed, as far as it can be told."""
        if self._part is not None:
            return RequestTooLarge(
                f"A file may have at most {MAX_FILE_BYTES} bytes.",
                param=_openai_name(self._part.name),
            )
        return _malformed(f"A form may have at most {MAX_PARTS} parts with short headers.")

    def _start(self, segment: multipart.MultipartSegment) -> _Text | _File:
        name = segment.name or ""
        if not 0 < len(name) <= MAX_NAME_CHARS or not name.isprintable():
            raise _malformed("A part has no usable name.")
        _check_headers(segment, name)
        is_picture = _IMAGE_NAME.fullmatch(name) is not None or name in _SINGLE_FILES
        if not is_picture and name.partition("[")[0] in _PICTURE_FIELDS:
            raise _malformed(f"`{name[:64]}` is not a name for a picture.", name.partition("[")[0])
        is_file = segment.filename is not None or _has_filename(segment)
        if is_picture and not is_file:
            raise InvalidRequest(
                f"`{_openai_name(name)}` must be a file, but text was sent.",
                param=_openai_name(name),
                code="invalid_type",
            )
        if is_file and not is_picture:
            raise InvalidRequest(
                f"`{name[:64]}` must be text, but a file was sent.",
                param=name[:64],
                code="invalid_type",
            )
        if not is_file:
            return _Text(name, bytearray())
        return _File(name, self._spool.writer(), Inspection(_openai_name(name)))

    def _end(self, part: _Text | _File) -> None:
        """Take a complete part in."""
        if isinstance(part, _Text):
            self._fields.add(part.name, _decoded(part))
            return
        blob = self._spool.finish(part.writer)
        single = _SINGLE_FILES.get(part.name)
        if single is not None:
            if single in self._single:
                raise InvalidRequest(
                    f"`{single}` was sent more than once.", param=single, code="duplicate_parameter"
                )
            self._single[single] = part.inspection.finish(blob)
            return
        match = _IMAGE_NAME.fullmatch(part.name)
        index = int(match.group(1)) if match and match.group(1) else len(self._images)
        if len(self._images) == MAX_IMAGES:
            raise InvalidRequest(
                f"At most {MAX_IMAGES} images can be sent.", param="image", code="too_many_images"
            )
        self._images.append((index, part.inspection.finish(blob)))


def _check_headers(segment: multipart.MultipartSegment, name: str) -> None:
    """Refuse what two readers of the same part could read in two ways."""
    names = [header for header, _ in segment.headerlist]
    if len(set(names)) < len(names) or any(_CONTROL.search(v) for _, v in segment.headerlist):
        raise _malformed("The headers of a part are malformed.", name[:64])
    encoding = segment.header("Content-Transfer-Encoding", "binary").strip().lower()
    if encoding not in ("binary", "8bit", "7bit"):
        raise _malformed("Content-Transfer-Encoding is not allowed in a form.", name[:64])


def _decoded(part: _Text) -> str:
    try:
        return part.text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"`{part.name[:64]}` is not valid UTF-8.", param=part.name[:64], code="invalid_encoding"
        ) from error


def _has_filename(segment: Any) -> bool:
    """Whether a file name came in the extended notation, which the parser leaves alone."""
    return "filename*" in _QUOTED.sub("", segment.header("Content-Disposition", "")).lower()


def _openai_name(name: str) -> str:
    return _SINGLE_FILES.get(name, "image")


def _malformed(message: str, param: str | None = None) -> InvalidRequest:
    return InvalidRequest(message, param=param, code="invalid_multipart")
