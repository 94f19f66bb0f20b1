"""The contract of a plugin before any edit: how it is found, and what it says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata
from typing import get_args

import msgspec
import pytest

from retouch.capabilities import Capabilities, Range, SizeRule
from retouch.hookspecs import PROJECT
from retouch.submission import MAX_IMAGES
from retouch.testing import foundations
from retouch.testing.declared import Declared, MaskConvention, listed
from retouch.testing.kit import Kit
from retouch.testing.subject import ACCOUNT, Subject
from retouch.types import PARAMETERS

#: OpenAI's bound of ``n``.
MAX_N = 10
_CONVENTIONS = get_args(MaskConvention)


class PluginChecks(Declared):
    """Discovery, hooks, description, settings, options and capabilities."""

    def test_the_entry_point_names_the_plugin(self) -> None:
        """An installed package with an entry point is all that users need."""
        name = self.plugin.provider_info().name
        points = [p for p in metadata.entry_points(group=PROJECT) if p.name == name]
        assert points, (
            f"no installed package has an entry point `{name}`. Put `{name} = "
            f'"{self.plugin.__name__}"` into [project.entry-points.{PROJECT}] of your '
            "pyproject.toml, and install it: pip install -e ."
        )
        assert len(points) == 1, f"{len(points)} packages call their plugin `{name}`"
        assert points[0].load() is self.plugin, (
            f"the entry point `{name}` leads to `{points[0].value}`, not to the plugin under test"
        )

    def test_hooks_match_the_specs(self) -> None:
        """Every hook is spelt, marked and coloured as ``retouch.hookspecs`` says."""
        self._foundation("test_hooks_match_the_specs")

    def test_provider_info_is_complete(self) -> None:
        """Name, settings and models make a whole, and are the same at every call."""
        self._foundation("test_provider_info_is_complete")

    def test_the_settings_are_accepted(self) -> None:
        """The settings of this test are a configuration that the core starts with."""
        self._foundation("test_the_settings_are_accepted")

    def test_unknown_settings_are_refused(self, kit: Kit) -> None:
        """A misspelt key is an error that names it, never a default in silence."""
        found = foundations.refused(
            type(self), {**self.account(kit.upstream.url), "no_such_setting": 1}
        )
        assert any("no_such_setting" in fault for fault in found), (
            "a key that nobody knows was accepted; derive the settings from msgspec.Struct and "
            "give every key a field of its own"
        )

    def test_missing_settings_are_refused(self, kit: Kit) -> None:
        """A setting without a default is named when it is missing."""
        settings = self.account(kit.upstream.url)
        needed = [
            field.encode_name
            for field in msgspec.structs.fields(kit.subject.info.settings)
            if field.required and field.encode_name in settings
        ]
        if not needed:
            self.does_not_apply("has no setting without a default")
        for name in needed:
            rest = {key: value for key, value in settings.items() if key != name}
            found = foundations.refused(type(self), rest)
            assert any(name in fault for fault in found), f"nobody missed the setting `{name}`"

    def test_the_address_is_checked(self, kit: Kit) -> None:
        """Plain http to another machine would send the credentials in the clear."""
        self.needs_upstream()
        for address in (
            "http://provider.example",
            "https://user:password@provider.example",
            "https://provider.example/?key=1",
            "provider.example",
        ):
            assert foundations.refused(type(self), self.account(address)), (
                f"`{address}` was accepted as `{self.base_url_setting}`; give the field the type "
                "retouch.BaseUrl"
            )

    def test_a_trailing_slash_changes_nothing(self, kit: Kit) -> None:
        """People write addresses with and without a slash at the end."""
        self.needs_upstream()
        edit = kit.subject.edit(kit.fields())
        urls = [
            Subject(self.plugin, {ACCOUNT: self.account(address)}, self.model).request(edit).url
            for address in ("https://provider.example/v1", "https://provider.example/v1/")
        ]
        assert urls[0] == urls[1], f"with a slash at the end the URL is {urls[1]}; use rstrip('/')"

    def test_credentials_are_secrets(self, kit: Kit) -> None:
        """Only a ``Secret`` is kept out of logs, of ``repr`` and of error messages."""
        found = [
            f"the setting `{name}` is a credential; give it the type retouch.Secret"
            for name, _ in foundations.credentials_in_the_open(kit.subject.account.settings)
        ]
        assert not found, listed(found)

    def test_the_options_can_all_be_left_out(self) -> None:
        """A client that knows only OpenAI's fields can edit with this provider."""
        self._foundation("test_the_options_can_all_be_left_out")

    def test_capabilities_are_coherent(self, kit: Kit) -> None:
        """What the models are said to take makes sense, and fits the hooks."""
        info = kit.subject.info
        described = [(model.id, model.capabilities) for model in info.models]
        described += [("(unlisted models)", info.default)] if info.default else []
        problems = [
            f"`{name}`: {problem}" for name, can in described for problem in _incoherent(can)
        ]
        if kit.subject.hooks.streams and not any(can.streaming for _, can in described):
            problems.append("there is a translate_stream, but no model has `streaming`")
        problems += [
            f"`{name}`: `streaming` is set, but there is no translate_stream"
            for name, can in described
            if can.streaming and not kit.subject.hooks.streams
        ]
        assert not problems, listed(problems)

    def test_the_mask_convention_is_declared(self, kit: Kit) -> None:
        """Without it nobody could tell whether a mask arrives inverted."""
        self.needs_upstream()
        self.needs_mask(kit.subject.can)
        assert self.mask_convention in _CONVENTIONS, (
            f"`{self.model}` takes a mask: set mask_convention to one of "
            f"{', '.join(_CONVENTIONS)}, as your provider's documentation says"
        )

    def _foundation(self, test: str) -> None:
        """Report what one of the foundations found; those before it have tests of their own."""
        for name, problems in foundations.of(type(self)):
            if name == test:
                assert not problems, listed(problems)
            elif problems:
                pytest.skip(f"needs what {name} asks for; that one says what is wrong")


def _incoherent(can: Capabilities) -> Iterator[str]:
    if not 1 <= can.max_images <= MAX_IMAGES:
        yield f"max_images is {can.max_images}; it must be from 1 to {MAX_IMAGES}"
    if not 1 <= can.max_n <= MAX_N:
        yield f"max_n is {can.max_n}; it must be from 1 to {MAX_N}"
    if not can.image_formats or len(set(can.image_formats)) < len(can.image_formats):
        yield "image_formats must name at least one format, each once"
    if not 1 <= can.min_image_side <= can.max_image_side:
        yield "min_image_side must be at least 1 and at most max_image_side"
    if min(can.max_image_bytes, can.max_image_pixels, can.max_prompt_chars) < 1:
        yield "limits of bytes, pixels and characters must be at least 1"
    yield from _incoherent_sizes(can)
    for name, rule in (can.parameters or {}).items():
        if name not in PARAMETERS:
            yield f"`{name}` is none of OpenAI's parameters; make it an option"
        elif isinstance(rule, Range) and rule.min > rule.max:
            yield f"the range of `{name}` is empty"
        elif isinstance(rule, tuple) and not rule:
            yield f"`{name}` has no value that is allowed"


def _incoherent_sizes(can: Capabilities) -> Iterator[str]:
    if isinstance(can.sizes, SizeRule):
        rule = can.sizes
        if rule.min_side > rule.max_side or rule.min_pixels > rule.max_pixels:
            yield "no size fits the rule of `sizes`"
        return
    for size in can.sizes or ():
        width, _, height = size.partition("x")
        if size != "auto" and not (width.isdecimal() and height.isdecimal()):
            yield f"the size `{size}` is neither WIDTHxHEIGHT nor auto"
