"""Providers with one fault each, made from the example by changing its text.

``caught_by`` names every test of the kit that has to fail, and no other may.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ACME = Path(__file__).parents[2] / "examples" / "acme_provider"

Change = tuple[str, str]


@dataclass(frozen=True)
class Fault:
    """One fault.

    :param change: texts of ``retouch_acme.py`` and what stands there instead.
    :param add: more text at the end of ``retouch_acme.py``.
    :param test: texts of ``test_acme.py`` and what stands there instead.
    """

    name: str
    caught_by: tuple[str, ...]
    change: tuple[Change, ...] = ()
    add: str = ""
    test: tuple[Change, ...] = ()

    @property
    def module(self) -> str:
        """The name of its module."""
        return "acme_" + self.name.replace(" ", "_")

    def files(self) -> dict[str, str]:
        """The module and its test, by file name."""
        own = (("retouch_acme", self.module), ('name="acme"', f'name="{self.module}"'))
        source = (ACME / "retouch_acme.py").read_text()
        test = (ACME / "test_acme.py").read_text()
        return {
            f"{self.module}.py": _changed(source, (*self.change, own[1])) + self.add,
            f"test_{self.module}.py": _changed(test, self.test).replace(*own[0]),
        }


def _changed(text: str, changes: tuple[Change, ...]) -> str:
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the example"
        text = text.replace(old, new)
    return text


def a_call(body: str) -> str:
    """A ``call`` hook with this body."""
    lines = "\n".join(f"    {line}" for line in body.strip("\n").split("\n"))
    return f"\n\n@hookimpl\nasync def call(request, account, http):\n{lines}\n"


#: A ``call`` that does all that the core's own does, but waits on the event loop.
BLOCKING = """
import http.client, urllib.parse
where = urllib.parse.urlsplit(request.url)
connection = http.client.HTTPConnection(where.netloc)
head = {**request.headers, "content-type": request.body.content_type}
try:
    connection.request("POST", where.path, b"".join(request.body.chunks()), head)
    answer = connection.getresponse()
    body = answer.read()
except ConnectionRefusedError:
    raise errors.UpstreamUnreachable from None
except (OSError, http.client.HTTPException):
    raise UpstreamError from None
finally:
    connection.close()
headers = {name.lower(): value for name, value in answer.getheaders()}
if request.stream and answer.status == 200 and body:
    async def pieces():
        yield body
    return UpstreamResponse(status=200, headers=headers, stream=pieces())
return UpstreamResponse(status=answer.status, headers=headers, body=body)
"""

FAULTS = (
    # Masks and pictures.
    Fault(
        "inverted mask",
        ("test_the_mask_marks_the_same_area_upstream",),
        change=(("edit.mask.white_edits()", "edit.mask.black_edits()"),),
    ),
    Fault(
        "mask as it came",
        ("test_the_mask_marks_the_same_area_upstream",),
        change=(("edit.mask.white_edits()", "edit.mask.alpha()"),),
    ),
    Fault(
        "mask left out",
        ("test_the_mask_marks_the_same_area_upstream",),
        change=(("if isinstance(edit.mask, Mask)", "if not isinstance(edit, EditRequest)"),),
    ),
    Fault(
        "mask convention not declared",
        ("test_the_mask_convention_is_declared", "test_the_mask_marks_the_same_area_upstream"),
        test=(('mask_convention = "white_edits"', "mask_convention = None"),),
    ),
    Fault(
        "first picture only",
        ("test_all_pictures_arrive_in_order",),
        change=(("for item in edit.images if", "for item in edit.images[:1] if"),),
    ),
    Fault(
        "pictures turned round",
        ("test_all_pictures_arrive_in_order",),
        change=(("for item in edit.images if", "for item in edit.images[::-1] if"),),
    ),
    Fault(
        "wrong type of data url",
        ("test_pictures_are_declared_as_what_they_are",),
        change=(("[Base64(item.blob) for", '[Base64(item.blob, "data:image/webp;base64,") for'),),
    ),
    Fault(
        "pictures in memory",
        ("test_large_pictures_stay_on_disk",),
        change=(
            (
                "body=json_body(value)",
                'body=Body((b"".join(json_body(value).chunks()),), "application/json")',
            ),
            ("    Base64,\n", "    Base64,\n    Body,\n"),
        ),
    ),
    # What goes upstream.
    Fault(
        "secret in the address",
        ("test_secrets_are_not_in_the_address",),
        change=(('"/v1/edits"', 'f"/v1/edits?key={settings.api_key.reveal()}"'),),
    ),
    Fault(
        "metadata sent",
        ("test_the_gateways_own_fields_stay_here",),
        change=(('"text": edit.prompt,', '"text": edit.prompt, "note": edit.metadata,'),),
    ),
    Fault(
        "account sent",
        ("test_the_model_goes_without_the_account",),
        change=(('"model": edit.model', '"model": f"{account.name}/{edit.model}"'),),
    ),
    Fault(
        "unknown fields swallowed",
        ("test_unknown_fields_follow_the_declared_policy",),
        change=(("streaming=True,", 'streaming=True,\n            extra_fields="forward",'),),
    ),
    Fault(
        "option dropped",
        ("test_every_option_reaches_the_provider",),
        change=(("msgspec.structs.asdict(edit.options)", '{"style": edit.options.style}'),),
    ),
    Fault(
        "parameter dropped",
        ("test_every_parameter_reaches_the_provider",),
        change=(('value["detail"] = DETAIL[edit.quality]', "pass"),),
    ),
    Fault(
        "number dropped",
        ("test_every_parameter_reaches_the_provider",),
        change=(('"count": edit.n or 1', '"count": 1'),),
    ),
    Fault(
        "something new each time",
        ("test_translate_request_is_deterministic",),
        change=(('"text": edit.prompt,', '"text": edit.prompt, "at": int(time.time()),'),),
    ),
    Fault(
        "input changed",
        ("test_the_edit_is_left_alone",),
        change=(("settings: Settings = account", "edit.metadata.clear()\n    settings = account"),),
    ),
    Fault(
        "waiting while translating",
        ("test_sync_hooks_return_at_once",),
        change=(("settings: Settings = account", "time.sleep(0.001)\n    settings = account"),),
    ),
    Fault(
        "network while translating",
        ("test_sync_hooks_return_at_once",),
        change=(
            (
                "settings: Settings = account",
                'import socket; socket.getaddrinfo("127.0.0.1", 80)\n    settings = account',
            ),
        ),
    ),
    Fault(
        "file while translating",
        ("test_sync_hooks_return_at_once",),
        change=(
            ("settings: Settings = account", "open(__file__).close()\n    settings = account"),
        ),
    ),
    Fault(
        "slash doubled",
        ("test_a_trailing_slash_changes_nothing",),
        change=(('.rstrip("/")', ""),),
    ),
    # The description.
    Fault(
        "hook misspelt",
        ("test_hooks_match_the_specs",),
        change=(("def translate_response(", "def translate_respones("),),
    ),
    Fault(
        "hook not marked",
        ("test_hooks_match_the_specs",),
        change=(("@hookimpl\nasync def translate_stream", "async def translate_stream"),),
    ),
    Fault(
        "hook of the wrong colour",
        ("test_hooks_match_the_specs",),
        change=(("def validate(edit", "async def validate(edit"),),
    ),
    Fault(
        "argument that no hook has",
        ("test_hooks_match_the_specs",),
        change=(("def validate(edit: EditRequest)", "def validate(edit, prompt)"),),
    ),
    Fault(
        "key as text",
        (
            "test_credentials_are_secrets",
            "test_secrets_reach_nobody_but_the_provider",
            "test_secrets_show_in_no_repr",
        ),
        change=(("api_key: Secret", "api_key: str"), ("api_key.reveal()", "api_key")),
    ),
    Fault(
        "any address",
        ("test_the_address_is_checked",),
        change=(("base_url: BaseUrl", "base_url: str"),),
    ),
    Fault(
        "option that must be sent",
        ("test_the_options_can_all_be_left_out",),
        change=(('"drawing"] | None = None', '"drawing"]'),),
    ),
    Fault(
        "option with a name of openai",
        ("test_the_options_can_all_be_left_out",),
        change=(("    seed: Annotated[int", "    user: Annotated[int"),),
    ),
    Fault(
        "capabilities out of bounds",
        ("test_capabilities_are_coherent",),
        change=(('sizes=("512x512",', 'sizes=("512 x 512", "512x512",'),),
    ),
    Fault(
        "limit that capabilities hide",
        ("test_the_longest_prompt_is_taken",),
        change=(("if not edit.prompt.isascii()", "if len(edit.prompt) > 400"),),
    ),
    # Answers.
    Fault(
        "wrong key blamed on the client",
        ("test_a_refused_key_is_not_the_clients_fault",),
        change=(
            (
                "    if response.status != 200:",
                "    if response.status == 401:\n"
                '        raise InvalidRequest("Your key is wrong.")\n'
                "    if response.status != 200:",
            ),
        ),
    ),
    Fault(
        "throttling as a server error",
        ("test_throttling_is_a_rate_limit_error",),
        change=(
            (
                "    if response.status != 200:",
                "    if response.status == 429:\n        raise UpstreamError\n"
                "    if response.status != 200:",
            ),
        ),
    ),
    Fault(
        "retry after an edit that may have run",
        ("test_a_server_error_is_not_worth_a_retry",),
        change=(
            (
                "    if response.status != 200:",
                "    if response.status == 500:\n        raise UpstreamError(retry=True)\n"
                "    if response.status != 200:",
            ),
        ),
    ),
    Fault(
        "refusal not seen",
        ("test_a_refusal_is_the_clients_to_know",),
        change=(("if answer.blocked is not None:", "if False:"),),
    ),
    Fault(
        "answer not checked",
        (
            "test_a_broken_answer_is_the_providers_fault",
            "test_every_field_of_an_answer_is_checked",
        ),
        change=(
            (
                "        return msgspec.json.decode(body, type=Answer)\n"
                "    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:",
                "        return msgspec.json.decode(body, type=Answer)\n"
                "    except ZeroDivisionError as error:",
            ),
        ),
    ),
    Fault(
        "failure taken for a success",
        ("test_no_failure_is_swallowed",),
        change=(("if response.status != 200", "if response.status not in (200, 402)"),),
    ),
    Fault(
        "failure not decoded with care",
        ("test_no_failure_is_swallowed", "test_redirects_are_not_followed"),
        change=(
            (
                "        return msgspec.json.decode(body, type=Failure).message\n"
                "    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):",
                "        return msgspec.json.decode(body, type=Failure).message\n"
                "    except UnicodeDecodeError:",
            ),
        ),
    ),
    Fault(
        "cost of nothing",
        ("test_the_cost_is_told_or_unknown",),
        change=(("price.of_images(len(answer.pictures))", "0.0"),),
    ),
    Fault(
        "one picture for two",
        ("test_the_sdk_gets_two_pictures",),
        change=(("for picture in answer.pictures)", "for picture in answer.pictures[:1])"),),
    ),
    # Streams.
    Fault(
        "no completed event",
        ("test_the_sdk_streams", "test_partial_pictures_are_pictures"),
        change=(('yield _event("image_edit.completed"', 'yield _event("image_edit.done"'),),
    ),
    Fault(
        "preview passed off as the result",
        ("test_a_cut_stream_is_an_error",),
        change=(
            (
                'raise UpstreamError("Acme\'s stream ended before the edit was complete.")',
                'yield _event("image_edit.completed", "AAAA")',
            ),
        ),
    ),
    Fault(
        "events kept back",
        ("test_events_are_relayed_as_they_arrive",),
        change=(
            (
                "async for frame in sse.frames(response.stream):",
                "for frame in [frame async for frame in sse.frames(response.stream)]:",
            ),
        ),
    ),
    # Connections.
    Fault(
        "paid twice",
        ("test_a_paid_edit_is_never_sent_twice",),
        add=a_call(
            "response = await http.send(request)\n"
            "return await http.send(request) if response.status == 500 else response"
        ),
    ),
    Fault(
        "paid twice after a lost connection",
        ("test_a_paid_edit_is_never_sent_twice",),
        add=a_call(
            "try:\n"
            "    return await http.send(request)\n"
            "except UpstreamError as error:\n"
            "    if error.retry:\n"
            "        raise\n"
            "    return await http.send(request)"
        ),
    ),
    Fault(
        "redirect followed",
        ("test_redirects_are_not_followed",),
        add=a_call(
            "response = await http.send(request)\n"
            "if response.status not in (301, 302, 307, 308):\n"
            "    return response\n"
            'moved = msgspec.structs.replace(request, url=response.headers["location"])\n'
            "return await http.send(moved)"
        ),
    ),
    Fault(
        "cancellation swallowed",
        ("test_a_client_that_leaves_ends_the_call",),
        add=a_call(
            "import asyncio\n"
            "sending = asyncio.ensure_future(http.send(request))\n"
            "account.state.setdefault('kept', []).append(sending)\n"
            "return await asyncio.shield(sending)"
        ),
    ),
    Fault(
        "event loop blocked",
        (
            "test_other_requests_are_served_meanwhile",
            "test_a_client_that_leaves_ends_the_call",
            "test_events_are_relayed_as_they_arrive",
        ),
        add=a_call(BLOCKING),
    ),
    Fault(
        "lost connection as something to retry",
        ("test_a_lost_connection_is_not_tried_again",),
        add=a_call(
            "try:\n"
            "    return await http.send(request)\n"
            "except errors.UpstreamUnreachable:\n"
            "    raise\n"
            "except UpstreamError as error:\n"
            "    raise UpstreamError(retry=True) from error"
        ),
    ),
    Fault(
        "unreachable as something else",
        ("test_an_unreachable_provider_may_be_tried_again",),
        add=a_call(
            "try:\n"
            "    return await http.send(request)\n"
            "except UpstreamError as error:\n"
            "    raise UpstreamError from error"
        ),
    ),
    Fault(
        "address kept in the module",
        ("test_other_accounts_stay_apart", "test_an_unreachable_provider_may_be_tried_again"),
        change=(
            (
                'url=settings.base_url.rstrip("/") + "/v1/edits"',
                'url=KEPT.setdefault("address", settings.base_url.rstrip("/") + "/v1/edits")',
            ),
        ),
        add="\n\nKEPT = {}\n",
    ),
    # Secrets.
    Fault(
        "key in the log",
        ("test_secrets_reach_nobody_but_the_provider",),
        add=a_call(
            "import logging\n"
            'logging.getLogger("acme").debug("sending %s", request.headers)\n'
            "return await http.send(request)"
        ),
    ),
    Fault(
        "key printed",
        ("test_secrets_reach_nobody_but_the_provider",),
        add=a_call("print(request.headers)\nreturn await http.send(request)"),
    ),
    # The test class itself.
    Fault(
        "test removed",
        ("test_no_inherited_test_was_taken_away",),
        test=(
            (
                "    plugin = retouch_acme\n",
                "    plugin = retouch_acme\n    test_redirects_are_not_followed = None\n",
            ),
        ),
    ),
    Fault(
        "test overridden",
        ("test_no_inherited_test_was_taken_away",),
        test=(
            (
                "    plugin = retouch_acme\n",
                "    plugin = retouch_acme\n\n    def test_the_sdk_streams(self):\n        pass\n",
            ),
        ),
    ),
    Fault(
        "all tests skipped",
        ("test_no_inherited_test_was_taken_away",),
        test=(
            (
                "    plugin = retouch_acme\n",
                "    plugin = retouch_acme\n"
                '    pytestmark = __import__("pytest").mark.skipif(False, reason="later")\n',
            ),
        ),
    ),
    Fault(
        "test overridden with a reason",
        (),
        test=(
            (
                "    plugin = retouch_acme\n",
                "    plugin = retouch_acme\n\n"
                '    @__import__("retouch.testing").testing.departs("Acme has no events")\n'
                "    def test_the_sdk_streams(self):\n        pass\n",
            ),
        ),
    ),
    Fault(
        "reply missing",
        ("test_a_refused_key_is_not_the_clients_fault",),
        test=(('    "denied": reply(401, json={"message": "Who are you?"}),\n', ""),),
    ),
)
