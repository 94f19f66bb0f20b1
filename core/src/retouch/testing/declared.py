"""What a plugin author declares, and what every part of the contract builds on."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, ClassVar, Literal, NoReturn

import pytest

from retouch.capabilities import Capabilities
from retouch.testing import foundations
from retouch.testing.kit import Kit
from retouch.testing.replies import Canned, Reply

#: OpenAI's alpha 0, white or black marks the area to edit.
MaskConvention = Literal["alpha", "white_edits", "black_edits"]


class Declared:
    """The declarations. Only ``plugin`` and ``model`` have no default.

    :cvar plugin: the plugin's module (or object).
    :cvar model: the id of one of its models, without an account. Write one class for each kind
        of model that you have.
    :cvar settings: an account's settings as they stand in TOML; secrets as plain strings.
    :cvar base_url_setting: the settings key that points at the provider. The kit puts the
        address of its own loopback upstream there. ``None``: the plugin has no upstream.
    :cvar replies: what your provider answers, by name; see ``docs/writing-a-provider.md``.
    :cvar side_replies: answers to requests that are not the edit itself, such as for a token,
        by path.
    :cvar mask_convention: how masks go upstream; for a model that takes one.
    :cvar prompt: a prompt that the model accepts.
    :cvar free_prompt: whether any text is a prompt; ``False`` for a model with a grammar.
    :cvar options: valid values for your own request fields, where the kit cannot guess one.
    :cvar foreign_options: names of options that only other models of yours have; this one must
        refuse them by name.
    :cvar together: other fields that a parameter or option needs beside it to be accepted, for
        example ``{"output_compression": {"output_format": "jpeg"}}``.
    :cvar patience: seconds to wait for what must happen.
    """

    plugin: Any
    model: str
    settings: Mapping[str, Any] = {}
    base_url_setting: str | None = "base_url"
    replies: Mapping[str, Any] = {}
    side_replies: Mapping[str, Reply] = {}
    mask_convention: MaskConvention | None = None
    prompt: str = "Make the sky a little greener."
    free_prompt: bool = True
    options: Mapping[str, Any] = {}
    foreign_options: Collection[str] = ()
    together: Mapping[str, Mapping[str, Any]] = {}
    patience: float = 10.0

    _kit: ClassVar[Kit | None] = None

    @classmethod
    def account(cls, address: str) -> dict[str, Any]:
        """The settings of an account whose provider is at ``address``.

        Override it where one key is not enough, for example for a token endpoint.
        """
        where = {} if cls.base_url_setting is None else {cls.base_url_setting: address}
        return {**cls.settings, **where}

    @classmethod
    def teardown_class(cls) -> None:
        """Stop the gateway and the upstream; call ``super()`` if you override this."""
        if cls._kit is not None:
            cls._kit.close()
            cls._kit = None

    @pytest.fixture
    def kit(self) -> Iterator[Kit]:
        """The running gateway with the plugin, one for the whole class, with a clean record."""
        cls = type(self)
        if cls._kit is None:
            for test, problems in foundations.of(cls):
                if problems:
                    pytest.skip(f"needs what {test} asks for; that one says what is wrong")
            cls._kit = Kit(cls)
        cls._kit.reset()
        yield cls._kit
        cls._kit.reset()

    @property
    def has_upstream(self) -> bool:
        """Whether edits leave this machine."""
        return self.base_url_setting is not None

    def needs_upstream(self) -> None:
        """Skip a test of a provider that does its work itself."""
        if not self.has_upstream:
            self.does_not_apply("has no upstream (base_url_setting is None)")

    def needs_reply(self, name: str, why: str) -> Canned:
        """The canned reply of this name; the test fails if the author has not given one."""
        self.needs_upstream()
        assert name in self.replies, f'replies["{name}"] is missing: {why}'
        found: Canned = self.replies[name]
        return found

    def needs_mask(self, can: Capabilities) -> None:
        """Skip a test for models that take a mask."""
        if can.mask == "never":
            self.does_not_apply("takes no mask (capabilities.mask is never)")

    def needs_streaming(self, can: Capabilities) -> Canned:
        """The canned stream; skip a test for models that do not stream."""
        if not can.streaming:
            self.does_not_apply("does not stream (capabilities.streaming is false)")
        return self.needs_reply("stream", "what events does your provider send?")

    def does_not_apply(self, why: str) -> NoReturn:
        """Skip, with a reason that names the model."""
        pytest.skip(f"`{self.model}` {why}")


def listed(problems: list[str]) -> str:
    """Problems as the message of a failed assertion."""
    return "\n".join(["", *(f"- {problem}" for problem in problems)])
