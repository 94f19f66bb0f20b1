"""The token cache on a clock of the test's own: when a token is renewed, and by whom."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import msgspec
import pytest

from retouch import (
    Secret,
    UpstreamAuth,
    UpstreamRequest,
    UpstreamResponse,
    UpstreamUnreachable,
)
from retouch_azure import cache, tokens
from retouch_azure.cache import TokenCache
from retouch_azure.settings import Entra

ENTRA = Entra(tenant_id="tenant", client_id="client", client_secret=Secret("a-long-secret"))


class Service:
    """The world behind ``http``: a token service with a clock, tokens named one, two, three."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.life: float | str = 3600
        self.requests: list[UpstreamRequest] = []
        self.status = 200
        self.hold = asyncio.Event()
        self.hold.set()
        self.remaining = 60.0

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        self.requests.append(request)
        await self.hold.wait()
        name = ("one", "two", "three", "four")[len(self.requests) - 1]
        answer = {"access_token": name, "expires_in": self.life}
        return UpstreamResponse(status=self.status, body=msgspec.json.encode(answer))


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    made = Service()
    clock = SimpleNamespace(monotonic=lambda: made.now, time=lambda: made.now)
    monkeypatch.setattr(cache, "time", clock)
    monkeypatch.setattr(tokens, "time", clock)
    return made


@pytest.mark.parametrize("life", [3600, "3600"])
async def test_it_is_renewed_five_minutes_before_its_end(
    service: Service, life: float | str
) -> None:
    service.life = life
    held = TokenCache(ENTRA)
    assert await held.get(service) == "one"
    service.now += 3299
    assert await held.get(service) == "one"
    service.now += 2
    assert await held.get(service) == "two"


async def test_a_short_life_is_halved(service: Service) -> None:
    service.life = 60
    held = TokenCache(ENTRA)
    assert await held.get(service) == "one"
    service.now += 29
    assert await held.get(service) == "one"
    service.now += 2
    assert await held.get(service) == "two"


@pytest.mark.parametrize("life", [-5, 0, "nan", 1e12])
async def test_a_life_that_cannot_be_true(service: Service, life: float | str) -> None:
    service.life = life
    held = TokenCache(ENTRA)
    assert await held.get(service) == "one"
    service.now += 149
    assert await held.get(service) == "one"
    service.now += 2
    assert await held.get(service) == "two"


async def test_one_renews_while_the_others_go_on(service: Service) -> None:
    held = TokenCache(ENTRA)
    await held.get(service)
    service.now += 3400
    service.hold.clear()
    renewing = asyncio.create_task(held.get(service))  # noqa: TID251 - kept in a variable
    await asyncio.sleep(0)
    assert [await held.get(service) for _ in range(3)] == ["one"] * 3
    service.hold.set()
    assert await renewing == "two"
    assert len(service.requests) == 2


async def test_a_failed_renewal_leaves_a_good_token(service: Service) -> None:
    held = TokenCache(ENTRA)
    await held.get(service)
    service.now += 3400
    service.status = 400
    assert [await held.get(service) for _ in range(3)] == ["one"] * 3
    assert len(service.requests) == 2, "the service is left alone for a while"
    service.now += 31
    assert await held.get(service) == "one"
    assert len(service.requests) == 3
    service.now += 3600
    with pytest.raises(UpstreamAuth):
        await held.get(service)


async def test_those_who_wait_share_a_failure(service: Service) -> None:
    held = TokenCache(ENTRA)
    service.status = 401
    service.hold.clear()
    waiting = [asyncio.ensure_future(held.get(service)) for _ in range(5)]
    await asyncio.sleep(0)
    service.hold.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [UpstreamAuth] * 5
    assert len({id(result) for result in results}) == 5
    assert len(service.requests) == 1
    service.status = 200
    assert await held.get(service) == "two"


async def test_one_who_leaves_takes_nobody_along(service: Service) -> None:
    held = TokenCache(ENTRA)
    service.hold.clear()
    leaving, staying = (asyncio.ensure_future(held.get(service)) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    service.hold.set()
    assert await staying == "two"


async def test_no_wait_beyond_the_deadline(service: Service) -> None:
    service.status, service.remaining = 503, 0.2
    with pytest.raises(UpstreamUnreachable):
        await TokenCache(ENTRA).get(service)
    assert len(service.requests) == 1


async def test_the_whole_request(service: Service) -> None:
    await TokenCache(ENTRA).get(service)
    [request] = service.requests
    assert request.url == "https://login.microsoftonline.com/tenant/oauth2/v2.0/token"
    assert b"".join(request.body.chunks()) == (
        b"grant_type=client_credentials&client_id=client"
        b"&scope=https%3A%2F%2Fai.azure.com%2F.default&client_secret=a-long-secret"
    )


def test_a_token_shows_in_no_repr() -> None:
    assert "secret" not in repr(tokens.Token("secret", ends=1, renew=0))
