"""The contract of capabilities: what they allow is taken, what they forbid costs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from retouch.capabilities import (
    CORE_PARAMETERS,
    OPENAI_DEFAULTS,
    Capabilities,
    Range,
    Rule,
    SizeRule,
)
from retouch.errors import GatewayError
from retouch.submission import MAX_IMAGES, MAX_PROMPT_CHARS
from retouch.testing import samples
from retouch.testing.declared import Declared
from retouch.testing.gateway import Answer
from retouch.testing.kit import Kit

#: Values that OpenAI's own contract allows, for parameters that a model does not have.
_OPENAI_VALUES: dict[str, Any] = {
    "background": "opaque",
    "input_fidelity": "high",
    "moderation": "low",
    "quality": "high",
    "complexity": "detailed",
    "frame_count": 4,
    "frame_duration_ms": 100,
}
#: No provider has these.
_NOBODYS_VALUE = "kit-no-such-value"


class LimitChecks(Declared):
    """Both sides of every limit."""

    def test_the_longest_prompt_is_taken(self, kit: Kit) -> None:
        """A prompt of ``max_prompt_chars`` characters is fine; no hidden limit is lower."""
        if not self.free_prompt:
            self.does_not_apply("has a grammar for prompts (free_prompt is False)")
        length = min(kit.subject.can.max_prompt_chars, MAX_PROMPT_CHARS)
        self._taken(kit, prompt=self.prompt.ljust(length, "!")[:length])

    def test_too_long_a_prompt_is_refused(self, kit: Kit) -> None:
        """One character more is a 400 that names ``prompt``."""
        length = min(kit.subject.can.max_prompt_chars, MAX_PROMPT_CHARS)
        prompt = self.prompt.ljust(length + 1, "!")
        self._refused(kit, kit.edit({"prompt": prompt}), "prompt")

    def test_as_many_images_as_allowed_are_taken(self, kit: Kit) -> None:
        """``max_images`` pictures make a request."""
        count = kit.subject.can.max_images
        try:
            kit.subject.request(kit.subject.edit(kit.fields(), (kit.picture,) * count))
        except GatewayError as error:
            pytest.fail(f"{count} image(s) are allowed by the capabilities, but: {error}")

    def test_too_many_images_are_refused(self, kit: Kit) -> None:
        """One picture more is a 400 that names ``image``."""
        count = min(kit.subject.can.max_images, MAX_IMAGES)
        self._refused(kit, kit.edit(images=(kit.picture,) * (count + 1)), "image")

    def test_pictures_outside_the_limits_are_refused(self, kit: Kit) -> None:
        """Too large and too small pictures are a 400 that names ``image``."""
        can = kit.subject.can
        height = max(1, can.min_image_side)
        sizes = [(can.max_image_side + 1, height)] if can.max_image_side < 16_384 else []
        sizes += [(can.min_image_side - 1, can.min_image_side)] if can.min_image_side > 1 else []
        if not sizes:
            self.does_not_apply("takes pictures of any size that the gateway takes")
        for width, height in sizes:
            answer = kit.edit(images=(samples.flat(width, height),), mask=None)
            self._refused(kit, answer, "image")

    def test_a_mask_is_taken_where_it_may_be(self, kit: Kit) -> None:
        """An edit with a mask makes a request, unless the model takes none."""
        self.needs_mask(kit.subject.can)
        try:
            kit.subject.request(kit.subject.edit(kit.fields(), (kit.picture,), kit.mask()))
        except GatewayError as error:
            pytest.fail(f"a mask is allowed by the capabilities, but: {error}")

    def test_a_mask_is_refused_where_it_cannot_be_honoured(self, kit: Kit) -> None:
        """A mask is never ignored: where there can be none it is a 400 that names ``mask``."""
        if kit.subject.can.mask != "never":
            self.does_not_apply("takes a mask")
        self._refused(kit, kit.edit(mask=kit.mask()), "mask")

    def test_a_missing_mask_is_refused(self, kit: Kit) -> None:
        """A model that needs a mask says so, in place of editing the whole picture."""
        if kit.subject.can.mask != "must":
            self.does_not_apply("does not need a mask")
        self._refused(kit, kit.edit(mask=None), "mask")

    def test_no_mask_is_needed_where_it_may_be_left_out(self, kit: Kit) -> None:
        """An edit without a mask makes a request, unless the model needs one."""
        if kit.subject.can.mask == "must":
            self.does_not_apply("needs a mask")
        self._taken(kit)

    def test_allowed_values_are_taken(self, kit: Kit) -> None:
        """Every size, every value of an enumeration and both ends of a range make a request."""
        for name, values in _allowed(kit.subject.can).items():
            for value in values:
                self._taken(kit, **{**self.together.get(name, {}), name: value})

    def test_openai_defaults_are_taken(self, kit: Kit) -> None:
        """``auto`` and the like ask for nothing, so they are no reason to refuse an edit."""
        for name, values in OPENAI_DEFAULTS.items():
            for value in values:
                self._taken(kit, **{name: value})

    def test_other_values_are_refused(self, kit: Kit) -> None:
        """What the capabilities do not name is a 400 that names the parameter."""
        for name, value in _forbidden(kit.subject.can):
            self._refused(kit, kit.edit({name: str(value)}), name)

    def _taken(self, kit: Kit, **fields: Any) -> None:
        """Whether an edit gets as far as a request to the provider."""
        try:
            kit.subject.request(kit.subject.edit(kit.fields(fields)))
        except GatewayError as error:
            given = ", ".join(f"{name} = {str(value)[:40]}" for name, value in fields.items())
            pytest.fail(
                f"the capabilities allow an edit with {given or 'nothing but a prompt'}, but it "
                f"was refused: {error}. Say every limit in the capabilities, or name what it "
                "needs beside it in `together`"
            )

    def _refused(self, kit: Kit, answer: Answer, param: str) -> None:
        """Whether it was a 400 that names ``param``, before anything went upstream."""
        assert answer.status == 400, (
            f"the capabilities forbid this for `{param}`, but the answer was {answer}"
        )
        assert answer.error["param"] == param, (
            f"the error names `{answer.error['param']}` in place of `{param}`: {answer}"
        )
        assert not kit.upstream.requests, f"`{param}` was refused after the provider was asked"


def allowed_values(name: str, rule: Rule | tuple[str, ...] | SizeRule | None) -> list[Any]:
    """Values that a rule allows and that are no default of OpenAI's; both ends of a range."""
    if rule is None or isinstance(rule, bool):
        return []
    if isinstance(rule, SizeRule):
        return _sizes(rule)
    values = [rule.min, rule.max] if isinstance(rule, Range) else list(rule)
    return [value for value in values if value not in OPENAI_DEFAULTS.get(name, ())]


def _allowed(can: Capabilities) -> dict[str, list[Any]]:
    found = {"size": allowed_values("size", can.sizes), "n": [1, can.max_n]}
    for name, rule in (can.parameters or {}).items():
        found[name] = found.get(name) or allowed_values(name, rule)
    return found


def _forbidden(can: Capabilities) -> Iterator[tuple[str, Any]]:
    """Parameters with a value that the core would let through for another model."""
    if can.parameters is None:
        return
    yield from (("size", size) for size in _wrong_sizes(can.sizes))
    for name, value in _OPENAI_VALUES.items():
        rule = can.parameters.get(name, False)
        if rule is False:
            yield name, value
        elif isinstance(rule, tuple):
            yield name, _NOBODYS_VALUE
    for name, rule in can.parameters.items():
        if isinstance(rule, Range) and name not in CORE_PARAMETERS:
            yield name, rule.min - 1
            yield name, rule.max + 1


def _sizes(rule: SizeRule) -> list[str]:
    """Square sizes at both ends of what the rule allows."""
    squares = [
        side
        for side in range(rule.multiple_of, rule.max_side + 1, rule.multiple_of)
        if rule.problem(side, side) is None
    ]
    return [f"{side}x{side}" for side in (squares[:1] + squares[-1:])]


def _wrong_sizes(sizes: tuple[str, ...] | SizeRule | None) -> list[str]:
    if not isinstance(sizes, SizeRule):
        return ["17x19"]
    step = sizes.multiple_of
    over = sizes.max_side + step
    wrong = [f"{over}x{over}", "17 x 19", "large"]
    return wrong + ([f"{step + 1}x{step}"] if step > 1 else [])
