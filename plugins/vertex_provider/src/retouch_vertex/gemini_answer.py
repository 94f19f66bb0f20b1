"""What Gemini answers, whole or in pieces: one picture, or one of many ways of saying no."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from retouch import (
    EditedImage,
    EditEvent,
    EditResult,
    GatewayError,
    ModelInfo,
    Price,
    TokenDetails,
    UpstreamError,
    UpstreamInvalid,
    UpstreamResponse,
    Usage,
    cut,
    sse,
)
from retouch_vertex import failures, pictures

#: Finish reasons (discovery document) that are a judgement of the content. Others without a
#: picture, also such as Google may add, are a failure to make one.
REFUSALS = frozenset(
    {
        "BLOCKLIST",
        "ESCALATION",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "IMAGE_SAFETY",
        "LANGUAGE",
        "MODEL_ARMOR",
        "PROHIBITED_CONTENT",
        "RECITATION",
        "SAFETY",
        "SPII",
    }
)
#: With these, words in place of a picture are a refusal (Google's page on image generation);
#: with others, such as ``MAX_TOKENS``, they are a picture that did not come about.
SPOKEN = frozenset({"", "NO_IMAGE", "STOP"})
COMPLETED = "image_edit.completed"
MAX_STRAY = 64 * 1024
#: A line of a stream that begins like JSON is no event.
_BARE = re.compile(rb"\n[{\[]")
_NAME = re.compile(r"[A-Z][A-Z0-9_]{1,63}")


class Answer:
    """The answer so far; ``add`` takes each piece of a stream, or the whole at once.

    :ivar ended: whether Google said that there is no more.
    """

    def __init__(self) -> None:
        self.ended = False
        self._picture: str | memoryview | None = None
        self._texts: list[str] = []
        self._finish = ""
        self._messages: list[str] = []
        self._block: str | None = None
        self._judged = self._answered = False
        self._usage: _Usage | None = None

    def add(self, text: bytes) -> None:
        """Take in one ``GenerateContentResponse``.

        :raises UpstreamInvalid: when it is none.
        """
        rest = cut(text, "data")
        chunk = decoded(rest.text, _Chunk)
        if chunk.error is not None:
            raise UpstreamInvalid("Google answered with an error in place of a picture.")
        if chunk.prompt_feedback is not None:
            said = chunk.prompt_feedback.block_reason_message or ""
            self._judged = True
            self._block = chunk.prompt_feedback.block_reason or ("OTHER" if said else self._block)
            self._messages.append(said)
        self._usage = _usage(chunk.usage_metadata) or self._usage
        for candidate in (chunk.candidates or [])[:1]:
            self._answered = True
            self._finish = candidate.finish_reason or self._finish
            self._messages.append(candidate.finish_message or "")
            for part in (candidate.content and candidate.content.parts) or []:
                # Thoughts are drafts; of finished pictures the last one counts.
                if part.inline_data is not None and not part.thought:
                    self._picture = rest.restore(part.inline_data.data)
                elif part.text and not part.thought:
                    self._texts.append(part.text)
        self.ended = bool(self._finish) or self._block is not None

    def result(self, price: Price | None) -> EditResult:
        """The picture, its usage and cost.

        :raises ContentRejected: for a judgement of the content, or a refusal in words.
        :raises UpstreamError: when there is no picture for another reason.
        """
        if self._picture is None:
            raise self._refusal()
        usage = None if self._usage is None else self._usage.ours()
        cost = price.of_usage(usage) if price is not None else None
        if cost is None and price is not None:
            cost = price.of_images(1)
        return EditResult(
            images=(EditedImage(data=self._picture),),
            output_format=pictures.format_of(self._picture),
            size=pictures.size_of(self._picture),
            usage=None if usage is None else _reported(usage),
            cost=cost,
        )

    def _refusal(self) -> GatewayError:
        # A stream cuts a sentence anywhere, also within a word.
        words = "".join(self._texts).strip()
        said = " ".join(filter(None, (*(text.strip() for text in self._messages), words)))
        # Of a prompt that passed, Google may report its ratings as well.
        block = "OTHER" if self._judged and not self._answered else None
        if (block := self._block or block) is not None:
            name = _shown(block)
            return failures.rejected(
                said or f"Google blocked the prompt ({name}).", block_reason=name
            )
        name = _shown(self._finish)
        if self._finish in REFUSALS:
            return failures.rejected(
                said or f"Google blocked the picture ({name}).", finish_reason=name
            )
        if words and self._finish in SPOKEN:
            return failures.rejected(said, finish_reason=name)
        what = f"Google made no picture ({name})." if name else "Google made no picture."
        return UpstreamError(f"{what} {said}".strip()[: failures.MAX_CHARS], code="no_image")


async def events(
    response: UpstreamResponse, price: Price | None, model: str, listed: ModelInfo | None
) -> AsyncIterator[EditEvent]:
    """One completed event once Google has ended; there are no previews.

    :raises GatewayError: for a refusal, for an error in mid-stream (Google sends it bare, as
        JSON that is no event), and for a stream that just ends.
    """
    assert response.stream is not None  # noqa: S101 - the core hands streams only
    answer, stray = Answer(), bytearray()
    async for frame in sse.frames(_events_only(response.stream, stray)):
        said = failures.read(frame.data) if b'"error"' in frame.data[:256] else failures.Said()
        if said.ours:
            raise _midway(said, frame.data, model, listed)
        answer.add(frame.data)
    if stray:
        raise _midway(failures.read(bytes(stray)), bytes(stray), model, listed)
    if not answer.ended:
        raise UpstreamError("Google's stream ended before the edit was complete.")
    result = answer.result(price)
    data = result.images[0].data
    value: dict[str, Any] = {
        "type": COMPLETED,
        "b64_json": _ascii(data) if isinstance(data, memoryview) else data,
        "created_at": int(time.time()),
        "size": result.size or "auto",
        "quality": "auto",
        "background": "auto",
        "output_format": result.output_format or "png",
    }
    if result.usage is not None:
        value["usage"] = result.usage
    yield EditEvent(type=COMPLETED, data=msgspec.json.encode(value), cost=result.cost)


async def _events_only(chunks: AsyncIterator[bytes], stray: bytearray) -> AsyncIterator[bytes]:
    """The stream up to a line that begins like JSON; that and what follows goes to ``stray``."""
    last = b"\n"
    async for chunk in chunks:
        if stray:
            stray += chunk[: max(MAX_STRAY - len(stray), 0)]
            continue
        found = _BARE.search(last + chunk)
        if found is None:
            yield chunk
            last = chunk[-1:] or last
        else:
            # The searched text has one byte more in front than the chunk.
            yield chunk[: found.start()]
            stray += chunk[found.start() : found.start() + MAX_STRAY]


def _midway(said: failures.Said, body: bytes, model: str, listed: ModelInfo | None) -> GatewayError:
    status = said.code if said.code is not None and 400 <= said.code <= 599 else 500
    error = failures.failure(UpstreamResponse(status=status, body=body), model, listed)
    # Google had begun to work.
    error.retry = False
    return error


def _ascii(data: memoryview) -> str:
    """Base64 text whose middle nobody has looked at yet."""
    try:
        return str(data, "ascii")
    except UnicodeDecodeError as error:
        raise UpstreamInvalid("Google returned a picture that is not base64.") from error


def decoded(text: bytes, kind: type[Any]) -> Any:
    """JSON as ``kind``.

    :raises UpstreamInvalid: when it is none.
    """
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamInvalid from error


class _Inline(msgspec.Struct, rename="camel"):
    data: str


class _Part(msgspec.Struct, rename="camel"):
    inline_data: _Inline | None = None
    text: str | None = None
    thought: bool | None = None


class _Content(msgspec.Struct, rename="camel"):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, rename="camel"):
    content: _Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None


class _Feedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None
    block_reason_message: str | None = None


class _Chunk(msgspec.Struct, rename="camel"):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: msgspec.Raw = msgspec.Raw(b"null")
    error: Any = None


#: Google's ``int32``; what is no count must not become a cost.
Count = Annotated[int, Meta(ge=0, le=2_147_483_647)]


class _Tokens(msgspec.Struct, rename="camel"):
    modality: str = ""
    token_count: Count = 0


class _Usage(msgspec.Struct, rename="camel"):
    prompt_token_count: Count | None = None
    prompt_tokens_details: list[_Tokens] | None = None
    candidates_token_count: Count | None = None
    candidates_tokens_details: list[_Tokens] | None = None
    thoughts_token_count: Count | None = None

    def ours(self) -> Usage | None:
        """OpenAI's form: thoughts are text that was put out, as Google bills them."""
        if self.prompt_token_count is None or self.candidates_token_count is None:
            return None
        thoughts = self.thoughts_token_count or 0
        made = _split(self.candidates_tokens_details, self.candidates_token_count) or TokenDetails(
            0, self.candidates_token_count
        )
        return Usage(
            input_tokens=self.prompt_token_count,
            output_tokens=self.candidates_token_count + thoughts,
            input_tokens_details=_split(self.prompt_tokens_details, self.prompt_token_count),
            output_tokens_details=TokenDetails(
                (made.text_tokens or 0) + thoughts, made.image_tokens
            ),
        )


def _split(details: list[_Tokens] | None, total: int) -> TokenDetails | None:
    """Picture tokens by the details; all that is left of the total counts as text."""
    if not details:
        return None
    image = min(total, sum(item.token_count for item in details if item.modality == "IMAGE"))
    return TokenDetails(total - image, image)


def _usage(raw: msgspec.Raw) -> _Usage | None:
    """A usage report of another shape is no reason to lose a picture."""
    try:
        return msgspec.json.decode(raw, type=_Usage | None)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _reported(usage: Usage) -> dict[str, Any]:
    total = (usage.input_tokens or 0) + (usage.output_tokens or 0)
    plain: dict[str, Any] = msgspec.to_builtins(usage)
    return {**{name: value for name, value in plain.items() if value}, "total_tokens": total}


def _shown(name: str) -> str:
    return name if _NAME.fullmatch(name) else ""
