"""What the loopback upstream answers: canned replies, and answers that break off."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from retouch.testing.upstream import Received

#: An item of ``reply(sse=...)``: the JSON of a ``data:`` line, the same with an ``event:`` name,
#: or a whole frame as it is.
Frame = dict[str, Any] | tuple[str, dict[str, Any]] | bytes


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """One complete answer; made by ``reply``.

    :param frames: of an event stream, each ending with a blank line; ``body`` is then empty.
    """

    status: int
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    body: bytes = b""
    frames: tuple[bytes, ...] | None = None


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that breaks off.

    :param reply: what it would have been; ``None``: not even a status line comes.
    :param sent: how many bytes of its body, or frames of its stream, still come.
    :param then: the connection is reset, or stays open in silence.
    """

    reply: Reply | None = None
    sent: int = 0
    then: Literal["reset", "silence"] = "reset"


#: A canned reply may also be made from the request, for example from the number of pictures.
Canned = Reply | Callable[["Received"], Reply]


def reply(
    status: int,
    *,
    json: Any = msgspec.UNSET,
    body: bytes = b"",
    sse: Sequence[Frame] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """A canned answer of your provider: a JSON body, a body of bytes, or an event stream.

    :param sse: the events in order: a dict becomes a ``data:`` line with its JSON, a pair of
        name and dict has an ``event:`` line as well, bytes are a frame as it stands.
    """
    given = {name.lower(): value for name, value in (headers or {}).items()}
    if sse is not None:
        frames = tuple(_frame(item) for item in sse)
        return Reply(
            status=status, headers={"content-type": "text/event-stream", **given}, frames=frames
        )
    if json is not msgspec.UNSET:
        body = msgspec.json.encode(json)
        given = {"content-type": "application/json", **given}
    return Reply(status=status, headers=given, body=body)


def _frame(item: Frame) -> bytes:
    if isinstance(item, bytes):
        return item
    if isinstance(item, tuple):
        return b"event: " + item[0].encode() + b"\n" + _frame(item[1])
    return b"data: " + msgspec.json.encode(item) + b"\n\n"
