"""The contract of answers that are failures: each becomes the right error, none a success."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from retouch.errors import GatewayError, PluginBug
from retouch.http.answers import result_body
from retouch.media.blob import Blob
from retouch.splitting import Outcome
from retouch.testing.declared import Declared, listed
from retouch.testing.gateway import Answer
from retouch.testing.kit import Kit
from retouch.testing.replies import Reply, reply
from retouch.types import EditResult, UpstreamResponse

_RETRY_AFTER = "7"
_FOREIGN_VALUES: tuple[Any, ...] = (None, [], {}, 5, "text", {"error": 5}, {"error": {}})
#: Bodies that some proxy, load balancer or outage may put in place of the provider's own.
_FOREIGN_BODIES: tuple[Reply, ...] = (
    reply(0),
    reply(0, body=b"<html><h1>Bad gateway</h1></html>", headers={"content-type": "text/html"}),
    reply(0, body=b"\xff\xfe\x00\x80"),
    reply(0, body=b'{"cut": "in the mid'),
    reply(0, body=b"[" * 5_000),
    *(reply(0, json=value) for value in _FOREIGN_VALUES),
    reply(0, json={"message": {"text": ["unexpected"]}}),
)
_FAILED_STATUSES = (400, 402, 403, 404, 409, 413, 415, 422, 429, 500, 502, 503, 504, 529)
#: What a leaf of an answer is replaced with, to see whether the plugin checks what it reads.
_WRONG_VALUES: tuple[Any, ...] = (None, 17, True, "", 'no "base64" \\', [], {})


class FailureChecks(Declared):
    """Statuses and bodies."""

    def test_throttling_is_a_rate_limit_error(self, kit: Kit) -> None:
        """429 stays 429, with the wait that the provider asked for."""
        canned = self._canned(kit, "throttled", "what does it answer to too many requests?")
        headers = {**canned.headers, "retry-after": _RETRY_AFTER}
        kit.answer(msgspec.structs.replace(canned, headers=headers))
        import openai

        with pytest.raises(openai.APIStatusError) as caught:
            kit.sdk.images.edit(**kit.sdk_arguments())
        assert isinstance(caught.value, openai.RateLimitError), (
            f"a throttled edit became {caught.value.status_code}; raise retouch.RateLimited or "
            "errors.from_upstream(response)"
        )
        assert caught.value.response.headers.get("retry-after") == _RETRY_AFTER, (
            "the provider's Retry-After is lost; errors.retry_after(response.headers) has it"
        )

    def test_a_refused_key_is_not_the_clients_fault(self, kit: Kit) -> None:
        """A wrong key in the configuration is a 502: a 401 would blame the client's own key."""
        kit.answer(self._canned(kit, "denied", "what does it answer to a wrong key?"))
        answer = kit.edit()
        assert (answer.status, answer.error.get("code")) == (502, "upstream_auth"), (
            f"expected 502 upstream_auth, got {answer}; raise retouch.UpstreamAuth"
        )

    def test_a_server_error_is_not_worth_a_retry(self, kit: Kit) -> None:
        """After a 500 the edit may have run: the SDK is told not to pay for it again."""
        self.needs_upstream()
        kit.answer(self.replies.get("failed", reply(500)))
        answer = kit.edit()
        assert answer.status >= 500, f"a 500 of the provider became {answer}"
        assert answer.headers.get("x-should-retry") == "false", (
            "the SDK would send the edit again: raise an UpstreamError (retry=False), or "
            "errors.from_upstream(response)"
        )

    def test_a_refusal_is_the_clients_to_know(self, kit: Kit) -> None:
        """A moderation refusal is a 400 with a code, even if the provider answers 200 to it."""
        self.needs_upstream()
        if "refused" not in self.replies:
            self.does_not_apply('declares no replies["refused"]')
        kit.answer(self.replies["refused"])
        answer = kit.edit()
        assert answer.status == 400, f"a refusal became {answer}; raise retouch.ContentRejected"
        assert answer.error.get("code"), f"the refusal has no code: {answer}"

    def test_a_broken_answer_is_the_providers_fault(self, kit: Kit) -> None:
        """A 200 that is not what the provider promised is a 502, not a bug of the gateway."""
        broken = [self._canned(kit, "broken", "an answer with status 200 that is none")]
        broken += [msgspec.structs.replace(foreign, status=200) for foreign in _FOREIGN_BODIES]
        ok = self.replies.get("ok")
        if isinstance(ok, Reply) and ok.body.startswith(b"{"):
            broken.append(msgspec.structs.replace(ok, body=ok.body[: len(ok.body) // 2]))
        problems = []
        for canned in broken:
            kit.answer(canned)
            answer = kit.edit()
            # A word of moderation may look like anything, so that a 400 is not wrong.
            if answer.status not in (400, 502):
                problems.append(f"{_shown(canned)} became {_named(answer)}")
        assert not problems, listed([*problems, "raise retouch.UpstreamInvalid for these"])

    def test_every_field_of_an_answer_is_checked(self, kit: Kit) -> None:
        """Whatever is missing or of another kind in an answer, no nonsense reaches the client."""
        ok = self._canned(kit, "ok", "what does your provider answer when all is well?")
        if not ok.body.startswith(b"{"):
            self.does_not_apply("does not answer in JSON")
        edit = kit.subject.edit(kit.fields())
        problems: dict[str, None] = {}
        for where, value in _variations(msgspec.json.decode(ok.body), "$"):
            response = UpstreamResponse(
                status=ok.status, headers=ok.headers, body=msgspec.json.encode(value)
            )
            try:
                result = kit.subject.result(response, edit)
            except PluginBug as bug:
                problems[f"{where}: {type(bug.__cause__).__name__}: {bug.__cause__}"] = None
            except GatewayError:
                continue
            else:
                problems |= {f"{where}: {problem}": None for problem in _nonsense(result)}
        assert not problems, listed([*list(problems)[:20], "raise retouch.UpstreamInvalid"])

    @pytest.mark.parametrize("status", _FAILED_STATUSES)
    def test_no_failure_is_swallowed(self, kit: Kit, status: int) -> None:
        """A status outside 2xx is a ``GatewayError``, whatever its body looks like."""
        self.needs_upstream()
        edit = kit.subject.edit(kit.fields())
        canned = [*_FOREIGN_BODIES]
        canned += [found for found in self.replies.values() if isinstance(found, Reply)]
        problems = []
        for foreign in canned:
            if foreign.frames is not None:
                continue
            response = UpstreamResponse(status=status, headers=foreign.headers, body=foreign.body)
            try:
                kit.subject.hooks.translate_response(response, edit, kit.subject.account)
            except PluginBug as bug:
                problems.append(f"{_shown(foreign)}: {type(bug.__cause__).__name__}")
            except GatewayError as error:
                if error.status == 401 or error.status < 400:
                    problems.append(f"{_shown(foreign)}: HTTP {error.status} to the client")
            else:
                problems.append(f"{_shown(foreign)}: taken for a success")
        assert not problems, listed(
            [f"HTTP {status} with {problem}" for problem in problems]
            + ["look at the status before the body; errors.from_upstream(response) fits all"]
        )

    def test_errors_have_one_shape(self, kit: Kit) -> None:
        """Every failure is OpenAI's error object, so that the SDK raises what users expect."""
        self.needs_upstream()
        for name in ("throttled", "denied", "refused", "broken", "failed"):
            if name in self.replies:
                kit.answer(self.replies[name])
                answer = kit.edit()
                assert set(answer.error) >= {"message", "type", "param", "code"}, answer
                assert isinstance(answer.error["message"], str), answer
                assert answer.error["message"], answer

    def _canned(self, kit: Kit, name: str, why: str) -> Reply:
        found = self.needs_reply(name, why)
        if isinstance(found, Reply):
            return found
        kit.edit()
        return found(kit.upstream.requests[0])


def _variations(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    """``value`` with each of its parts in turn missing or replaced by something else."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield f"without {where}.{name}", {k: v for k, v in value.items() if k != name}
            for place, changed in _variations(item, f"{where}.{name}"):
                yield place, {**value, name: changed}
    elif isinstance(value, list):
        for index, item in enumerate(value):
            for place, changed in _variations(item, f"{where}[{index}]"):
                yield place, [*value[:index], changed, *value[index + 1 :]]
    for wrong in _WRONG_VALUES:
        if type(wrong) is not type(value) or not wrong or isinstance(value, str):
            yield f"{where} = {msgspec.json.encode(wrong).decode()}", wrong


def _nonsense(result: EditResult) -> Iterator[str]:
    """What is wrong with a result as the client would get it."""
    if not result.images:
        yield "taken for a success without a picture"
    for image in result.images:
        if image.data is None and not image.url:
            yield "taken for a success without a picture"
        elif image.data is not None and not isinstance(image.data, Blob):
            text = image.data.encode() if isinstance(image.data, str) else bytes(image.data)
            if not text or not _is_base64(text):
                yield "the picture is not base64"
    if isinstance(result.cost, bool) or not isinstance(result.cost, int | float | None):
        yield "the cost is not a number"
    try:
        msgspec.json.decode(b"".join(result_body(Outcome(result=result), "kit").chunks()))
    except (msgspec.DecodeError, TypeError, ValueError) as error:
        yield f"the answer is no longer JSON ({type(error).__name__})"


def _is_base64(text: bytes) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return True


def _shown(canned: Reply) -> str:
    text = canned.body.decode("utf-8", "replace")
    return repr(text if len(text) < 60 else f"{text[:60]}...") if text else "an empty body"


def _named(answer: Answer) -> str:
    code = answer.error.get("code") if answer.status >= 400 else "a success"
    return f"HTTP {answer.status} ({code})"
