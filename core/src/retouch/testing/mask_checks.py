"""The contract of masks: they mean the same area at every provider."""

from __future__ import annotations

import base64
import io

import pytest
from PIL import Image

from retouch.testing import samples
from retouch.testing.declared import Declared, MaskConvention
from retouch.testing.kit import Kit
from retouch.testing.subject import corner
from retouch.testing.wire import Sent

#: Level from which a pixel counts as bright, or opaque.
_HALF = 128


class MaskChecks(Declared):
    """A mask with a small hole in one corner, followed to where it takes effect."""

    @pytest.mark.parametrize("where", ["top left", "bottom right"])
    def test_the_mask_marks_the_same_area_upstream(self, kit: Kit, where: str) -> None:
        """What arrives marks that corner and nothing else, in the declared convention."""
        self.needs_mask(kit.subject.can)
        self.needs_upstream()
        assert self.mask_convention is not None, "see test_the_mask_convention_is_declared"
        kit.edit(mask=kit.mask(where))
        assert kit.upstream.requests, "the edit did not reach the provider"
        sent = [found for found in kit.upstream.requests[0].pictures if found.data != kit.picture]
        assert sent, "an edit with a mask was sent without one"
        hole = corner(kit.subject.size, where)
        seen = [_verdict(found, hole, kit.subject.size, self.mask_convention) for found in sent]
        assert "" in seen, " and ".join(dict.fromkeys(seen))

    @pytest.mark.parametrize("where", ["top left", "bottom right"])
    def test_nothing_outside_the_mask_changes(self, kit: Kit, where: str) -> None:
        """Where the plugin edits by itself, pixels outside the hole stay exactly as they were."""
        self.needs_mask(kit.subject.can)
        if self.has_upstream:
            self.does_not_apply("has an upstream, which does the editing")
        size = kit.subject.size
        hole = corner(size, where)
        answer = kit.edit(images=(samples.spotted(*size, hole),), mask=kit.mask(where))
        assert answer.status == 200, answer
        made = base64.b64decode(answer.document["data"][0]["b64_json"])
        before = _opened(samples.spotted(*size, hole)).convert("RGB")
        after = _opened(made).convert("RGB")
        assert after.size == before.size, f"the result is {after.size}, the picture {before.size}"
        inside, outside = 0, 0
        for x, y in ((x, y) for x in range(size[0]) for y in range(size[1])):
            if before.getpixel((x, y)) != after.getpixel((x, y)):
                within = hole[0] <= x < hole[2] and hole[1] <= y < hole[3]
                inside, outside = inside + within, outside + (not within)
        assert not outside, f"{outside} pixels outside the mask's hole have changed"
        assert inside, "nothing inside the mask's hole has changed"


def _verdict(
    sent: Sent, hole: samples.Box, size: tuple[int, int], convention: MaskConvention
) -> str:
    """What is wrong with a mask as it was sent; empty when it marks the hole."""
    image = _opened(sent.data)
    if convention == "alpha":
        if "A" not in image.getbands():
            return f"`{sent.where}` has no alpha channel, but mask_convention is alpha"
        levels = image.getchannel("A")
    else:
        # An alpha channel would make it a matter of taste what the colours mean.
        if "A" in image.getbands() and image.getchannel("A").getextrema() != (255, 255):
            return f"`{sent.where}` has transparent pixels, but mask_convention is {convention}"
        levels = image.convert("L")
    levels = levels.resize(size, Image.Resampling.NEAREST)
    bright = convention == "white_edits"
    pixels = list(levels.tobytes())
    marked = [(level >= _HALF) == bright for level in pixels]
    width = size[0]
    wanted = [
        hole[0] <= at % width < hole[2] and hole[1] <= at // width < hole[3]
        for at in range(len(pixels))
    ]
    if marked == wanted:
        return ""
    if marked == [not item for item in wanted]:
        return f"`{sent.where}` is inverted: all is marked but the hole of the client's mask"
    return f"`{sent.where}` marks another area than the client's mask"


def _opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image
