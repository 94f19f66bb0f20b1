"""The contract between the core and its plugins: seven hooks.

A provider is a module (or any object) whose functions carry ``@hookimpl``; it is found
through an entry point in the group ``retouch`` whose name is the provider's name. An
implementation may leave out arguments that it does not use. ``sync`` hooks must return at
once: no network, no files, no waiting.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager

import pluggy

from retouch.models import ProviderInfo
from retouch.types import (
    Account,
    EditEvent,
    EditRequest,
    EditResult,
    Http,
    UpstreamRequest,
    UpstreamResponse,
)

#: pluggy's project name, and the entry-point group.
PROJECT = "retouch"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def provider_info() -> ProviderInfo:  # type: ignore[empty-body]
    """Describe this provider. Sync; called once, after loading.

    :return: its name, settings, options and models. A plugin without this hook is
        cross-cutting: its other hooks run for every provider.
    """


@hookspec
def validate(edit: EditRequest, account: Account) -> None:
    """Refuse an edit before anything is spent. Sync; every implementation runs.

    Capabilities were checked before; this is for rules that data cannot express.

    :param edit: the edit, with ``options`` decoded; must not be changed.
    :param account: the account it goes to.
    :raises GatewayError: to refuse, with ``param`` naming the field.
    """


@hookspec(firstresult=True)
def translate_request(edit: EditRequest, account: Account) -> UpstreamRequest:  # type: ignore[empty-body]
    """Say the edit in the provider's words. Sync and pure; stops at the first result.

    Same input, same output: no clock, no network, no random numbers. Called in a worker
    thread when the edit has a mask, or a picture that is transparent or turned by its EXIF
    orientation, since converting one takes time.

    :param edit: the edit as the model's capabilities allow it.
    :param account: settings and credentials.
    :return: the request; no secret belongs into its URL.
    """


@hookspec(firstresult=True)
def call(request: UpstreamRequest, account: Account, http: Http) -> Awaitable[UpstreamResponse]:  # type: ignore[empty-body]
    """Send the request. Async; stops at the first implementation.

    The core's default sends it with ``http.send`` once. A provider that signs, polls or
    fetches a token implements this, and may send several times. Cancellation must pass
    through: it means that the client has left.

    :param request: what ``translate_request`` returned.
    :param account: settings, credentials and ``state``.
    :param http: the way out, under the edit's deadline.
    :return: the provider's answer, whatever its status.
    :raises UpstreamError: when there is no answer.
    """


@hookspec(firstresult=True)
def translate_response(  # type: ignore[empty-body]
    response: UpstreamResponse, edit: EditRequest, account: Account
) -> EditResult:
    """Say the answer in OpenAI's words. Sync and pure; stops at the first result.

    Called for every status, and also for a 2xx that is a refusal in disguise.

    :param response: the answer, with its whole body.
    :param edit: the edit that was asked for.
    :param account: the account it went to.
    :return: the pictures, their usage and cost.
    :raises GatewayError: for failures, usually ``errors.from_upstream(response)``.
    """


@hookspec(firstresult=True)
def translate_stream(  # type: ignore[empty-body]
    response: UpstreamResponse, edit: EditRequest, account: Account
) -> AsyncIterator[EditEvent]:
    """Turn a streamed answer into events as they arrive. Async generator; first one only.

    The core's default hands the body to ``translate_response`` and makes one completed
    event per picture, so that ``stream=true`` works at every provider.

    :param response: a 2xx answer with ``stream`` set; failures go to ``translate_response``.
    :param edit: the edit that was asked for.
    :param account: the account it went to.
    :return: events; the last one must be ``image_edit.completed``.
    :raises GatewayError: becomes an ``error`` event.
    """


@hookspec
def around_edit(edit: EditRequest, account: Account) -> AbstractAsyncContextManager[None]:  # type: ignore[empty-body]
    """Wrap the whole edit. Sync; returns an async context manager; all are entered.

    For cross-cutting plugins (metrics, quotas, audit): the manager sees success, any
    ``GatewayError`` and cancellation.

    :param edit: the edit, after its capabilities were checked.
    :param account: the account it goes to.
    :return: entered before ``validate``, left after the last byte of the answer is made.
    """
