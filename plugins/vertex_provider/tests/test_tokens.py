"""When a token is renewed, by whom, and who waits: hand-made tokens, no Google."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from retouch import UpstreamAuth
from retouch_vertex.tokens import DEAD_SECONDS, STALE_SECONDS, Grant, Tokens


class Mint:
    """Makes tokens ``t1``, ``t2`` ... that live for ``lives`` seconds, the last one for all."""

    def __init__(self, *lives: float | None) -> None:
        self.lives = list(lives)
        self.made: list[bool] = []
        self.open = threading.Event()
        self.open.set()
        self.fails = False

    def __call__(self, refused: bool) -> Grant:
        assert threading.current_thread() is not threading.main_thread()
        self.made.append(refused)
        number = len(self.made)
        assert self.open.wait(10)
        if self.fails:
            raise UpstreamAuth
        life = self.lives[min(number, len(self.lives)) - 1]
        return Grant(token=f"t{number}", expires=None if life is None else time.time() + life)


async def rest(mint: Mint, made: int) -> None:
    """Until the mint has been asked so often and its answer has arrived."""
    while len(mint.made) < made:  # noqa: ASYNC110 - it is called in another thread
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.02)


async def test_a_fresh_token_is_kept() -> None:
    mint = Mint(STALE_SECONDS + 60)
    tokens = Tokens(mint)
    assert [(await tokens.get()).token for _ in range(3)] == ["t1"] * 3
    assert mint.made == [False]


async def test_a_token_without_an_end_is_kept() -> None:
    tokens = Tokens(mint := Mint(None))
    assert [(await tokens.get()).token for _ in range(3)] == ["t1"] * 3
    assert len(mint.made) == 1


async def test_one_request_serves_all_who_wait() -> None:
    mint = Mint(3600)
    mint.open.clear()
    tokens = Tokens(mint)
    waiting = [asyncio.ensure_future(tokens.get()) for _ in range(20)]
    await rest(mint, 1)
    mint.open.set()
    assert {grant.token for grant in await asyncio.gather(*waiting)} == {"t1"}
    assert len(mint.made) == 1


async def test_one_who_leaves_takes_nothing_from_the_others() -> None:
    mint = Mint(3600)
    mint.open.clear()
    tokens = Tokens(mint)
    first, second = (asyncio.ensure_future(tokens.get()) for _ in range(2))
    await rest(mint, 1)
    first.cancel()
    mint.open.set()
    assert (await second).token == "t1"
    assert first.cancelled()
    assert len(mint.made) == 1


async def test_a_stale_token_serves_while_it_is_renewed() -> None:
    mint = Mint(STALE_SECONDS - 60, 3600)
    tokens = Tokens(mint)
    assert (await tokens.get()).token == "t1"
    mint.open.clear()
    assert [(await tokens.get()).token for _ in range(3)] == ["t1"] * 3
    await rest(mint, 2)
    mint.open.set()
    await rest(mint, 2)
    assert (await tokens.get()).token == "t2"
    assert mint.made == [False, False]


async def test_a_renewal_that_fails_is_not_tried_at_once_again() -> None:
    mint = Mint(STALE_SECONDS - 60)
    tokens = Tokens(mint)
    await tokens.get()
    mint.fails = True
    for _ in range(5):
        assert (await tokens.get()).token == "t1"
        await rest(mint, 2)
    assert len(mint.made) == 2


async def test_a_pause_does_not_end_with_the_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    mint = Mint(STALE_SECONDS - 60)
    tokens = Tokens(mint)
    await tokens.get()
    mint.fails = True
    await tokens.get()
    await rest(mint, 2)
    later = time.time() + 60
    monkeypatch.setattr(time, "time", lambda: later)
    assert (await tokens.get()).token == "t1"
    await rest(mint, 2)
    assert len(mint.made) == 2


async def test_a_token_about_to_end_is_not_used() -> None:
    tokens = Tokens(Mint(DEAD_SECONDS - 5, 3600))
    await tokens.get()
    assert (await tokens.get()).token == "t2"


async def test_a_refused_token_is_replaced() -> None:
    tokens = Tokens(mint := Mint(3600))
    grant = await tokens.get()
    assert (await tokens.get(refused=grant.token)).token == "t2"
    # Somebody who was refused with the old one gets what there is now.
    assert (await tokens.get(refused="t1")).token == "t2"
    assert mint.made == [False, True]


async def test_a_refused_token_is_given_to_nobody() -> None:
    tokens = Tokens(mint := Mint(3600))
    await tokens.get()
    mint.open.clear()
    refused = asyncio.ensure_future(tokens.get(refused="t1"))
    await rest(mint, 2)
    other = asyncio.ensure_future(tokens.get())
    await asyncio.sleep(0)
    mint.open.set()
    assert [grant.token for grant in await asyncio.gather(refused, other)] == ["t2", "t2"]


async def test_a_failure_reaches_all_and_is_not_kept() -> None:
    mint = Mint(3600)
    mint.fails = True
    tokens = Tokens(mint)
    failures = await asyncio.gather(*(tokens.get() for _ in range(3)), return_exceptions=True)
    assert [type(failure) for failure in failures] == [UpstreamAuth] * 3
    # The core writes into an error what belongs to one edit.
    assert len({id(failure) for failure in failures}) == 3
    assert len(mint.made) == 1
    mint.fails = False
    assert (await tokens.get()).token == "t2"


def test_a_grant_shows_nothing() -> None:
    assert "canary" not in repr(Grant(token="canary"))
