"""The contract as users meet it: the real OpenAI SDK, over real sockets, plain and streamed."""

from __future__ import annotations

import base64
from typing import Any

from retouch.errors import InvalidImage
from retouch.media.blob import Blob
from retouch.media.pictures import inspect
from retouch.testing.declared import Declared
from retouch.testing.kit import Kit

COMPLETED = "image_edit.completed"


class SdkChecks(Declared):
    """An application that knows nothing but OpenAI's SDK."""

    def test_the_sdk_gets_a_picture(self, kit: Kit) -> None:
        """``client.images.edit(...)`` returns a picture, and says who made it."""
        self._needs_ok()
        result: Any = kit.sdk.images.edit(**kit.sdk_arguments())
        _assert_picture(result.data[0].b64_json)
        assert result.provider == kit.subject.info.name

    def test_the_cost_is_told_or_unknown(self, kit: Kit) -> None:
        """``cost`` is in US dollars; ``null`` when unknown; 0 only where a price list says so."""
        self._needs_ok()
        result: Any = kit.sdk.images.edit(**kit.sdk_arguments())
        assert "cost" in result.model_extra, "the answer has no cost"
        price = kit.subject.route.model.price
        if result.cost is not None:
            assert price is not None, "a cost without a price list; return None when unknown"
            free = not any(price.__getattribute__(name) for name in price.__struct_fields__)
            assert result.cost > 0 or free, "a cost of 0 for an edit that is not free"

    def test_the_sdk_gets_two_pictures(self, kit: Kit) -> None:
        """``n=2`` returns two pictures, from one call or from several."""
        self._needs_ok()
        if self.has_upstream and kit.subject.can.max_n > 1:
            kit.answer(self.needs_reply("two", "what does your provider answer to n=2?"))
        result = kit.sdk.images.edit(**kit.sdk_arguments(), n=2)
        assert result.data is not None
        assert len(result.data) == 2, f"{len(result.data)} picture(s) came for n=2"
        for image in result.data:
            _assert_picture(image.b64_json)

    def test_the_sdk_streams(self, kit: Kit) -> None:
        """``stream=True`` works everywhere, and ends with a completed event that has a picture."""
        self._needs_ok()
        if kit.subject.can.streaming:
            kit.answer(self.needs_reply("stream", "what events does your provider send?"))
        events: list[Any] = list(kit.sdk.images.edit(**kit.sdk_arguments(), stream=True))
        assert events, "no event came"
        last = events[-1]
        assert last.type == COMPLETED, f"the last event is `{last.type}`; it must be {COMPLETED}"
        _assert_picture(last.b64_json)
        assert last.provider == kit.subject.info.name, "the completed event names no provider"
        assert "cost" in last.model_extra, "the completed event has no cost"

    def test_partial_pictures_are_pictures(self, kit: Kit) -> None:
        """Every event carries a picture as base64 and its own type."""
        self.needs_streaming(kit.subject.can)
        kit.answer(self.replies["stream"])
        answer = kit.send(kit.form({"stream": "true"}, mask=kit.sample_mask())).answer()
        assert answer.status == 200, answer
        for event in answer.events:
            assert event["type"] in (COMPLETED, "image_edit.partial_image"), event["type"]
            _assert_picture(event["b64_json"])

    def _needs_ok(self) -> None:
        if self.has_upstream:
            self.needs_reply("ok", "what does your provider answer when all is well?")


def _assert_picture(text: str | None) -> None:
    assert text, "the answer has no b64_json"
    try:
        inspect(Blob(base64.b64decode(text, validate=True)))
    except (ValueError, InvalidImage) as error:
        raise AssertionError(
            f"b64_json is no picture ({error}). If the canned reply has none, use "
            "retouch.testing.samples.RESULT_BASE64"
        ) from error
