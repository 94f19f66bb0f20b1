"""What happens when a provider leaves a hook out; registered like any plugin, asked last.

``translate_stream`` has its default in ``pipeline``, which is where the answer of a provider
that does not stream becomes events.
"""

from __future__ import annotations

from retouch.hookspecs import hookimpl
from retouch.types import Http, UpstreamRequest, UpstreamResponse


@hookimpl(trylast=True)
async def call(request: UpstreamRequest, http: Http) -> UpstreamResponse:
    """Send the request once."""
    return await http.send(request)
