"""The contract of ``validate`` and ``translate_request``: sync, pure, and nothing dropped."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from typing import Any
from unittest import mock

import msgspec
from msgspec import inspect

from retouch.errors import GatewayError
from retouch.media.blob import CHUNK_SIZE
from retouch.testing import isolation, samples
from retouch.testing.declared import Declared, listed
from retouch.testing.kit import Kit
from retouch.testing.limit_checks import allowed_values
from retouch.testing.subject import canonical, fingerprint
from retouch.types import EditRequest, UpstreamResponse

#: A value for parameters that a model takes without saying which values.
_TYPICAL: dict[str, Any] = {
    "background": "opaque",
    "complexity": "detailed",
    "frame_count": 4,
    "frame_duration_ms": 100,
    "input_fidelity": "high",
    "moderation": "low",
    "output_compression": 50,
    "output_format": "webp",
    "quality": "high",
    "safety_identifier": "kit-person",
    "user": "kit-person",
}


class RequestChecks(Declared):
    """What the plugin makes of an edit, looked at without a network."""

    def test_translate_request_is_deterministic(self, kit: Kit) -> None:
        """The same edit makes the same request: no clock, no chance, nothing remembered."""
        edit = self._full_edit(kit)
        first = fingerprint(kit.subject.request(edit))
        random.seed(1)
        later = time.time() + 86_400
        with mock.patch("time.time", return_value=later):
            second = fingerprint(kit.subject.request(edit))
        changed = [name for name, value in first.items() if second[name] != value]
        assert not changed, f"called twice for one edit, these differ: {', '.join(changed)}"

    def test_the_edit_is_left_alone(self, kit: Kit) -> None:
        """Hooks may not write into the edit: other plugins and a second attempt use it too."""
        edit = self._full_edit(kit)
        before = canonical(edit), canonical(kit.subject.account.settings)
        kit.subject.hooks.validate(edit, kit.subject.account)
        kit.subject.request(edit)
        self._translate_ok(kit, edit)
        after = canonical(edit), canonical(kit.subject.account.settings)
        assert before == after, "a hook changed the edit or the settings; copy what you change"

    def test_sync_hooks_return_at_once(self, kit: Kit) -> None:
        """Sync hooks run on the event loop: no network, no files, no programs, no waiting."""
        edit = self._full_edit(kit)
        hooks, account = kit.subject.hooks, kit.subject.account
        # The first time modules may still be imported, which opens files.
        for _ in range(2):
            with isolation.watched() as seen:
                hooks.validate(edit, account)
                kit.subject.request(edit)
                self._translate_ok(kit, edit)
        assert not seen, f"a sync hook {' and '.join(sorted(set(seen)))}; do that in `call`"

    def test_the_body_can_be_sent_again(self, kit: Kit) -> None:
        """A second attempt sends the same bytes, as many as were announced."""
        self.needs_upstream()
        body = kit.subject.request(self._full_edit(kit)).body
        once, again = b"".join(body.chunks()), b"".join(body.chunks())
        assert once == again, "sent a second time, the body is another one"
        assert len(once) == body.size, f"body.size is {body.size}, but {len(once)} bytes come"

    def test_large_pictures_stay_on_disk(self, kit: Kit) -> None:
        """Memory does not grow with the upload: a body holds pictures, not copies of them."""
        self.needs_upstream()
        can, data = kit.subject.can, samples.large()
        side = 600
        if "png" not in can.image_formats or len(data) > can.max_image_bytes:
            self.does_not_apply("takes no PNG of 1.1 MB")
        if not can.min_image_side <= side <= can.max_image_side:
            self.does_not_apply(f"takes no picture of {side}x{side} pixels")
        mask = samples.mask(side, side, (0, 0, 90, 90)) if can.mask == "must" else None
        edit = kit.subject.edit(kit.fields(), (data,), mask)
        largest = max(len(piece) for piece in kit.subject.request(edit).body.chunks())
        assert largest <= 2 * CHUNK_SIZE or largest == len(data), (
            f"the body has a piece of {largest} bytes; build it with retouch.json_body and "
            "retouch.Base64(picture.blob), or with retouch.multipart_body"
        )

    def test_every_parameter_reaches_the_provider(self, kit: Kit) -> None:
        """A parameter that the model is said to take changes what is sent: nothing is dropped."""
        without = self._sent(kit, {})
        dropped = []
        for name, values in _worth_trying(kit).items():
            sent = [self._sent(kit, {**self.together.get(name, {}), name: v}) for v in values]
            beside = self._sent(kit, self.together[name]) if name in self.together else without
            if all(request in (None, beside) for request in sent):
                dropped.append(
                    f"`{name}`: the request is the same with {' or '.join(map(str, values))} as "
                    "without it"
                )
        assert not dropped, listed(dropped)

    def test_every_option_reaches_the_provider(self, kit: Kit) -> None:
        """An option that a client sets changes what is sent, or is refused by its name."""
        kind = kit.subject.info.options
        if kind is None:
            self.does_not_apply("has no options of its own")
        problems: list[str] = []
        for field in msgspec.structs.fields(kind):
            problems += self._dropped_option(kit, field)
        assert not problems, listed(problems)

    def _dropped_option(self, kit: Kit, field: Any) -> Iterator[str]:
        name = field.encode_name
        value = self.options.get(name, _guess(field))
        beside = self.together.get(name, {})
        if value is msgspec.UNSET:
            yield f"give a valid value of the option `{name}` in `options` of this test class"
            return
        try:
            sent = fingerprint(
                kit.subject.request(kit.subject.edit(kit.fields({**beside, name: value})))
            )
        except GatewayError as error:
            if name not in self.foreign_options:
                yield (
                    f"`{name}` = {value!r} was refused: {error} Give a valid value in `options`, "
                    "what it needs beside it in `together`, or name it in `foreign_options`"
                )
            elif (error.status, error.param) != (400, name):
                yield f"`{name}` is refused with {error.status}, `param` {error.param}: {error}"
            return
        if name in self.foreign_options:
            yield f"`{name}` is taken, though it is one of `foreign_options`"
        elif sent == self._sent(kit, beside):
            yield f"`{name}` = {value!r} changes nothing in the request"

    def test_secrets_show_in_no_repr(self, kit: Kit) -> None:
        """Whatever of this is printed or logged by accident says nothing."""
        edit = self._full_edit(kit)
        account = kit.subject.account
        request = kit.subject.request(edit)
        shown = f"{account!r} {account.settings!s} {request!r} {edit!r}"
        for secret in self._secrets(kit):
            assert secret not in shown, "a secret stands in the repr of an account or request"

    def test_secrets_are_not_in_the_address(self, kit: Kit) -> None:
        """Addresses end up in the logs of every server on the way."""
        self.needs_upstream()
        url = kit.subject.request(self._full_edit(kit)).url
        for secret in self._secrets(kit):
            assert secret not in url, "a secret stands in the URL; send it in a header"

    def _secrets(self, kit: Kit) -> list[str]:
        found = kit.secrets
        if not found:
            self.does_not_apply("has no credentials in its settings")
        for secret in found:
            assert len(secret) >= 12, "use secrets of 12 characters or more in `settings`"
        return found

    def _full_edit(self, kit: Kit) -> EditRequest:
        """An edit with a mask where there may be one, and with everything that can be changed."""
        extra = {"kit_unknown": {"list": [1]}} if _forwards(kit) else {}
        mask = None if kit.subject.can.mask == "never" else kit.mask()
        edit = kit.subject.edit({**kit.fields(), "metadata": {"kit": [1]}, **extra}, (), mask)
        return msgspec.structs.replace(edit, headers={"x-kit": "1"})

    def _sent(self, kit: Kit, more: Mapping[str, Any]) -> dict[str, Any] | None:
        """The request with these fields; ``None`` when they are refused."""
        try:
            return fingerprint(kit.subject.request(kit.subject.edit(kit.fields(more))))
        except GatewayError:
            return None

    def _translate_ok(self, kit: Kit, edit: EditRequest) -> None:
        ok = self.replies.get("ok")
        if ok is None or callable(ok):
            return
        response = UpstreamResponse(status=ok.status, headers=ok.headers, body=ok.body)
        kit.subject.hooks.translate_response(response, edit, kit.subject.account)


def _forwards(kit: Kit) -> bool:
    return kit.subject.can.extra_fields == "forward"


def _worth_trying(kit: Kit) -> dict[str, list[Any]]:
    """Values, for each parameter that the model itself takes, that a provider must notice."""
    can = kit.subject.can
    found: dict[str, list[Any]] = {"n": [2]} if can.max_n > 1 else {}
    if sizes := allowed_values("size", can.sizes):
        found["size"] = sizes
    for name in can.parameters if can.parameters is not None else _TYPICAL:
        rule = True if can.parameters is None else can.parameters[name]
        if rule is True and name in _TYPICAL:
            found[name] = [_TYPICAL[name]]
        elif rule is not True and name not in ("n", "stream", "partial_images"):
            found[name] = allowed_values(name, rule)
    return found


def _guess(field: Any) -> Any:
    """A value of the field's type that is not its default; ``UNSET`` if that takes a person."""
    for value in _candidates(inspect.type_info(field.type)):
        if value != field.default:
            return value
    return msgspec.UNSET


def _candidates(info: inspect.Type) -> list[Any]:
    if isinstance(info, inspect.Metadata):
        return _candidates(info.type)
    if isinstance(info, inspect.UnionType):
        return [value for part in info.types for value in _candidates(part)]
    if isinstance(info, inspect.BoolType):
        return [True, False]
    if isinstance(info, inspect.LiteralType):
        return list(info.values)
    if isinstance(info, inspect.IntType | inspect.FloatType):
        low = info.ge if info.ge is not None else (info.gt or 0) + 1
        return [low, low + 1 if info.le is None else info.le]
    if isinstance(info, inspect.StrType) and info.pattern is None and not info.min_length:
        return ["kit"]
    return []
