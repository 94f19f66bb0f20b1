"""Somebody else on the event loop, who counts the turns that are left for others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from retouch._tasks import cancel, spawn


async def turns_beside(work: Awaitable[object]) -> int:
    """How often others got their turn while ``work`` was done."""
    passed = 0

    async def other() -> None:
        nonlocal passed
        while True:
            await asyncio.sleep(0)
            passed += 1

    beside = spawn(other())
    await asyncio.sleep(0)
    await work
    await cancel(beside)
    return passed
