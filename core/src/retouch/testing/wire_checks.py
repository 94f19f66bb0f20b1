"""The contract of what goes over the wire: the pictures as they are, and nothing of ours."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from retouch.media.blob import Blob
from retouch.media.pictures import inspect
from retouch.testing import samples
from retouch.testing.declared import Declared
from retouch.testing.kit import CLIENT_KEY, Kit
from retouch.testing.subject import ACCOUNT
from retouch.testing.upstream import Received
from retouch.testing.wire import Sent
from retouch.types import PictureFormat

#: So far apart that none is mistaken for another, however it was compressed.
_COLOURS: tuple[samples.Colour, ...] = ((200, 30, 30), (30, 160, 40), (20, 40, 190), (190, 180, 20))
#: The most by which a channel may differ after a conversion (JPEG at best quality: about 5).
_TOLERANCE = 24
_CANARY = "kit-canary-5d1f"


class WireChecks(Declared):
    """What the recording upstream saw."""

    @pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
    def test_the_picture_arrives(self, kit: Kit, format: PictureFormat) -> None:
        """A picture arrives byte for byte, or converted to a format that the model takes."""
        self.needs_upstream()
        data = samples.picture(*kit.subject.size, colour=_COLOURS[0], format=format)
        kit.edit(images=(data,))
        self._arrived(kit, (data,))

    def test_all_pictures_arrive_in_order(self, kit: Kit) -> None:
        """The first picture is the one that a mask belongs to; the order is the client's."""
        self.needs_upstream()
        count = min(kit.subject.can.max_images, len(_COLOURS))
        if count < 2:
            self.does_not_apply("takes one picture")
        data = tuple(samples.picture(*kit.subject.size, colour=c) for c in _COLOURS[:count])
        kit.edit(images=data)
        self._arrived(kit, data)

    def test_pictures_in_json_arrive(self, kit: Kit) -> None:
        """A JSON request with ``data:`` URLs is the same edit as a form."""
        self.needs_upstream()
        data = samples.picture(*kit.subject.size, colour=_COLOURS[1])
        kit.send(kit.document(images=(data,))).answer()
        self._arrived(kit, (data,))

    def test_pictures_are_declared_as_what_they_are(self, kit: Kit) -> None:
        """Neither the client's file name nor its content type goes on; the bytes decide."""
        self.needs_upstream()
        kit.edit(filename=f"../{_CANARY}.exe", content_type="text/x-kit-canary")
        sent = self._the_edit(kit)
        for word in (_CANARY, "x-kit-canary"):
            assert word not in sent.text, "the client's file name or content type went upstream"
        for found in sent.pictures:
            mime = inspect(Blob(found.data)).mime
            assert found.content_type in ("", mime), (
                f"`{found.where}` is {mime} but was sent as {found.content_type}; use picture.mime"
            )

    def test_the_model_goes_without_the_account(self, kit: Kit) -> None:
        """The provider knows nothing of accounts: it gets the model's own id, or none."""
        self.needs_upstream()
        kit.edit()
        assert ACCOUNT not in self._the_edit(kit).text, "the account's name went upstream"

    def test_the_gateways_own_fields_stay_here(self, kit: Kit) -> None:
        """``metadata`` is for logs and hooks only, and ``retouch[...]`` for the gateway."""
        self.needs_upstream()
        kit.edit({"metadata[note]": _CANARY})
        assert _CANARY not in self._the_edit(kit).text, "`metadata` went upstream"
        kit.upstream.requests.clear()
        kit.edit({"retouch[kit]": _CANARY})
        for sent in kit.upstream.requests:
            assert _CANARY not in sent.text, "a `retouch[...]` field went upstream"

    def test_the_clients_headers_stay_here(self, kit: Kit) -> None:
        """The client's key is for the gateway; its other headers are nobody's business."""
        self.needs_upstream()
        headers = {"cookie": f"session={_CANARY}", "x-kit": _CANARY, "user-agent": _CANARY}
        kit.send(kit.form(mask=kit.sample_mask()), headers).answer()
        sent = self._the_edit(kit).text
        assert CLIENT_KEY not in sent, "the client's own key went upstream"
        assert _CANARY not in sent, "a header of the client went upstream"

    def test_unknown_fields_follow_the_declared_policy(self, kit: Kit) -> None:
        """``extra_fields``: refused with a name, or forwarded as they came; never swallowed."""
        answer = kit.edit({"kit_unknown": _CANARY})
        if kit.subject.can.extra_fields == "refuse":
            assert answer.status == 400, answer
            assert answer.error["param"] == "kit_unknown", answer
            assert not kit.upstream.requests, "refused after the provider was asked"
            return
        self.needs_upstream()
        assert _CANARY in self._the_edit(kit).text, (
            "capabilities say that unknown fields are forwarded, but this one did not arrive: "
            "put edit.extra into the request, or set extra_fields to refuse"
        )

    def test_other_accounts_stay_apart(self, kit: Kit) -> None:
        """An account's address is its own: nothing is kept in the module."""
        self.needs_upstream()
        kit.edit()
        kit.upstream.requests.clear()
        kit.edit({"model": f"kit-unreachable/{self.model}"})
        assert not kit.upstream.requests, "one account's edit went to another account's address"

    def _the_edit(self, kit: Kit) -> Received:
        assert kit.upstream.requests, (
            "nothing reached the provider. Does the request go to the address in the settings "
            f"(base_url_setting = {self.base_url_setting!r})?"
        )
        return kit.upstream.requests[0]

    def _arrived(self, kit: Kit, data: tuple[bytes, ...]) -> None:
        formats = kit.subject.can.image_formats
        found = [sent for sent in self._the_edit(kit).pictures if not _is_mask(sent, self)]
        assert len(found) == len(data), (
            f"{len(data)} picture(s) were uploaded, {len(found)} arrived at the provider"
        )
        for number, (sent, original) in enumerate(zip(found, data, strict=True), 1):
            if sent.data == original:
                continue
            kind = inspect(Blob(sent.data)).format
            assert kind in formats, f"picture {number} arrived as {kind}, which it cannot read"
            assert _alike(sent.data, original), (
                f"picture {number} of {len(data)} arrived as `{sent.where}` with other pixels or "
                "another size"
            )


def _is_mask(sent: Sent, declared: Any) -> bool:
    return "mask" in sent.where.lower() and declared.mask_convention is not None


def _alike(one: bytes, other: bytes) -> bool:
    with Image.open(io.BytesIO(one)) as left, Image.open(io.BytesIO(other)) as right:
        if left.size != right.size:
            return False
        pairs = zip(left.convert("RGB").tobytes(), right.convert("RGB").tobytes(), strict=True)
        return all(abs(a - b) <= _TOLERANCE for a, b in pairs)
