"""The contract of ``call``: a provider that fails, hangs or lies, and a client that leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import msgspec
import pytest

from retouch.testing.declared import Declared
from retouch.testing.gateway import Answer
from retouch.testing.kit import Kit, edits
from retouch.testing.replies import Broken, Reply, reply
from retouch.testing.subject import UNREACHABLE

_HANGS = Broken(then="silence")
_RESETS = Broken(then="reset")
#: Answers after which nobody can know whether the edit has run.
_AFTER_WORK: dict[str, Callable[[Reply], Reply | Broken]] = {
    "500": lambda _: reply(500),
    "502": lambda _: reply(502),
    "504": lambda _: reply(504),
    "reset": lambda _: _RESETS,
    "cut": lambda ok: Broken(reply=ok, sent=len(ok.body) // 2),
    "garbage": lambda _: reply(200, body=b"<html>"),
}


class ConnectionChecks(Declared):
    """Connections that do not end well."""

    def test_an_unreachable_provider_may_be_tried_again(self, kit: Kit) -> None:
        """Where no connection came about nothing was spent: 502, and the SDK may retry."""
        self.needs_upstream()
        answer = kit.edit({"model": f"{UNREACHABLE}/{self.model}"})
        assert (answer.status, answer.error.get("code")) == (502, "upstream_unreachable"), (
            f"expected 502 upstream_unreachable, got {answer}; let the errors of http.send through"
        )
        assert answer.headers.get("x-should-retry") == "true", "nothing was sent, so it may retry"

    @pytest.mark.parametrize("case", ["reset", "cut"])
    def test_a_lost_connection_is_not_tried_again(self, kit: Kit, case: str) -> None:
        """The provider may have done the work before the connection broke: 502, no retry."""
        self.needs_upstream()
        kit.answer(_AFTER_WORK[case](self._ok()))
        answer = kit.edit()
        assert answer.status == 502, f"a {case} answer became {answer}"
        assert answer.headers.get("x-should-retry") == "false", (
            "the SDK would pay for the edit again; let the errors of http.send through"
        )

    @pytest.mark.parametrize("case", list(_AFTER_WORK))
    def test_a_paid_edit_is_never_sent_twice(self, kit: Kit, case: str) -> None:
        """Nothing is sent again once the provider may have begun to work."""
        self.needs_upstream()
        kit.answer(_AFTER_WORK[case](self._ok()))
        kit.edit()
        counts = Counter(edits(kit.upstream.requests))
        assert counts, "the edit did not reach the provider"
        assert max(counts.values()) == 1, (
            f"after `{case}` the edit was sent {max(counts.values())} times; the core does not "
            "retry, and neither may a plugin unless the provider says that it did nothing"
        )

    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    def test_redirects_are_not_followed(self, kit: Kit, status: int) -> None:
        """A redirect would carry the account's credentials to another server."""
        self.needs_upstream()
        elsewhere = f"{kit.upstream.url}/elsewhere"
        kit.answer(reply(status, headers={"location": elsewhere}))
        answer = kit.edit()
        followed = [item for item in kit.upstream.requests if item.path == "/elsewhere"]
        assert not followed, "the redirect was followed, with the account's credentials"
        assert answer.status == 502, f"a redirect became {answer}"

    def test_a_client_that_leaves_ends_the_call(self, kit: Kit) -> None:
        """Nobody pays for an edit that nobody waits for: cancellation closes the connection."""
        self.needs_upstream()
        kit.answer(_HANGS)
        with kit.send(kit.form(mask=kit.sample_mask())):
            received = kit.upstream.wait(kit.patience)
        assert received.left.wait(kit.patience), (
            "the client has left, but the provider is still working; let asyncio.CancelledError "
            "through and shield nothing"
        )

    def test_other_requests_are_served_meanwhile(self, kit: Kit) -> None:
        """While a provider works, the event loop is free for everybody else."""
        self.needs_upstream()
        kit.answer(_HANGS)
        with kit.send(kit.form(mask=kit.sample_mask())):
            kit.upstream.wait(kit.patience)
            try:
                status = kit.gateway.get("/healthz", kit.patience)
            except TimeoutError:
                status = 0
        assert status == 200, "the plugin blocks the event loop while it waits for its provider"

    def test_events_are_relayed_as_they_arrive(self, kit: Kit) -> None:
        """An event reaches the client while the provider is still working on the next one."""
        stream = self._stream(kit)
        if self._count_events(kit, stream) < 2:
            self.does_not_apply('has no partial event in replies["stream"]')
        kit.answer(Broken(reply=stream, sent=len(stream.frames or ()) - 1, then="silence"))
        with kit.send(kit.form({"stream": "true"}, mask=kit.sample_mask())) as connection:
            received = kit.upstream.wait(kit.patience)
            try:
                event = connection.read_event()
            except TimeoutError:
                event = {}
        assert event.get("type") == "image_edit.partial_image", (
            "no event came while the provider was silent; yield each event as it arrives"
        )
        assert received.left.wait(kit.patience), (
            "the client has left the stream, but the provider is still working"
        )

    @pytest.mark.parametrize("then", ["end", "reset"])
    def test_a_cut_stream_is_an_error(self, kit: Kit, then: str) -> None:
        """A stream without its completed event ends in an error, never in silence."""
        stream = self._stream(kit)
        frames = (stream.frames or ())[:-1]
        if then == "end":
            kit.answer(msgspec.structs.replace(stream, frames=frames))
        else:
            kit.answer(Broken(reply=stream, sent=len(frames)))
        answer = kit.send(kit.form({"stream": "true"}, mask=kit.sample_mask())).answer()
        assert _ends_in_an_error(answer), (
            f"the provider's stream ended ({then}) before its last event, but the client was not "
            "told; raise retouch.UpstreamError when the completed event is missing"
        )

    def test_a_failed_stream_is_an_error(self, kit: Kit) -> None:
        """A failure before the stream is an ordinary HTTP error, whatever was asked for."""
        self._stream(kit)
        kit.answer(reply(500))
        answer = kit.send(kit.form({"stream": "true"}, mask=kit.sample_mask())).answer()
        assert answer.status >= 500, f"a 500 of the provider became {answer}"

    def _ok(self) -> Reply:
        ok = self.replies.get("ok")
        return ok if isinstance(ok, Reply) else reply(200, json={"long": "enough to be cut"})

    def _stream(self, kit: Kit) -> Reply:
        stream = self.needs_streaming(kit.subject.can)
        if not isinstance(stream, Reply):
            self.does_not_apply('has a function as replies["stream"], which cannot be cut')
        assert stream.frames, 'replies["stream"] must be made with reply(200, sse=[...])'
        return stream

    def _count_events(self, kit: Kit, stream: Reply) -> int:
        kit.answer(stream)
        answer = kit.send(kit.form({"stream": "true"}, mask=kit.sample_mask())).answer()
        kit.upstream.requests.clear()
        return len(answer.events)


def _ends_in_an_error(answer: Answer) -> bool:
    if answer.status >= 400:
        return bool(answer.error)
    return bool(answer.events) and answer.events[-1]["type"] == "error"
