"""Providers with one fault each in their answers or connections, or in the test class itself."""

from __future__ import annotations

from tests.testing.broken_providers import Fault


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


ANSWER_FAULTS = (
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
