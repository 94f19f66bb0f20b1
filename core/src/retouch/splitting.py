"""``n`` above what a model makes in one call: several calls, and one result of all of them."""

from __future__ import annotations

from typing import Any

import msgspec

from retouch.capabilities import Capabilities
from retouch.errors import GatewayError
from retouch.types import EditRequest, EditResult


class Outcome(msgspec.Struct, kw_only=True):
    """An edit's result and what goes with it.

    :param headers: response headers for the client.
    :param failures: of an edit that was split, the calls that failed.
    """

    result: EditResult
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    failures: tuple[GatewayError, ...] = ()


def split(edit: EditRequest, can: Capabilities) -> list[EditRequest]:
    """Several edits of at most ``max_n`` pictures each, with seeds that differ.

    A seed that the client chose counts up from call to call; without one, and with the
    provider's own word for none (``random_seed``), the provider draws each.
    """
    wanted = edit.n or 1
    if wanted <= can.max_n:
        return [edit]
    parts, seed = [], getattr(edit.options, "seed", None)
    for start in range(0, wanted, can.max_n):
        options = edit.options
        if seed not in (None, can.random_seed):
            options = msgspec.structs.replace(options, seed=seed + start)
        count = min(can.max_n, wanted - start)
        parts.append(
            msgspec.structs.replace(edit, n=count if can.max_n > 1 else None, options=options)
        )
    return parts


def merge(results: list[EditResult | GatewayError], headers: dict[str, str]) -> Outcome:
    """One outcome of several calls; only when all of them failed is it a failure.

    Of several failures the one that forbids a repetition is raised: as long as one call may
    have run, the SDK must not send all of them again.
    """
    done = [result for result in results if isinstance(result, EditResult)]
    failures = tuple(result for result in results if isinstance(result, GatewayError))
    if not done:
        raise next((failure for failure in failures if failure.retry is False), failures[0])
    costs = [result.cost for result in done]
    merged = msgspec.structs.replace(
        done[0],
        images=tuple(image for result in done for image in result.images),
        usage=_summed([result.usage for result in done]),
        cost=None if None in costs else round(sum(cost or 0.0 for cost in costs), 10),
        extra=_joined([result.extra for result in done]),
    )
    return Outcome(result=merged, headers=headers, failures=failures)


def _joined(extras: list[dict[str, Any]]) -> dict[str, Any]:
    """Further keys of all calls: lists are put together, of anything else the first stays."""
    joined: dict[str, Any] = {}
    for extra in extras:
        for name, value in extra.items():
            known = joined.get(name)
            if name not in joined:
                joined[name] = value
            elif isinstance(known, list) and isinstance(value, list):
                joined[name] = known + value
    return joined


def _summed(usages: list[dict[str, Any] | None]) -> dict[str, Any] | None:
    """The sum of usage objects, number by number; ``None`` if one call reported none."""
    total: dict[str, Any] = {}
    for usage in usages:
        if usage is None:
            return None
        _add(total, usage)
    return total


def _add(total: dict[str, Any], usage: dict[str, Any]) -> None:
    for name, value in usage.items():
        if not isinstance(value, dict | int | float):
            continue
        known = total.setdefault(name, {} if isinstance(value, dict) else 0)
        if isinstance(value, dict) is not isinstance(known, dict):
            continue  # the provider reports in two shapes
        if isinstance(value, dict):
            _add(known, value)
        else:
            total[name] = known + value
