"""The token cache on a clock of the test's own: when a token is renewed, and by whom."""

from __future__ import annotations

import asyncio
import gc
import weakref
from pathlib import Path
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
        self.names = ("one", "two", "three", "four")

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        self.requests.append(request)
        await self.hold.wait()
        name = self.names[len(self.requests) - 1]
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
    assert (await held.get(service)).text == "one"
    service.now += 3299
    assert (await held.get(service)).text == "one"
    service.now += 2
    assert (await held.get(service)).text == "two"


async def test_a_short_life_is_halved(service: Service) -> None:
    service.life = 60
    held = TokenCache(ENTRA)
    assert (await held.get(service)).text == "one"
    service.now += 29
    assert (await held.get(service)).text == "one"
    service.now += 2
    assert (await held.get(service)).text == "two"


@pytest.mark.parametrize("life", [-5, 0, "nan", 1e12])
async def test_a_life_that_cannot_be_true(service: Service, life: float | str) -> None:
    service.life = life
    held = TokenCache(ENTRA)
    assert (await held.get(service)).text == "one"
    service.now += 149
    assert (await held.get(service)).text == "one"
    service.now += 2
    assert (await held.get(service)).text == "two"


async def test_one_renews_while_the_others_go_on(service: Service) -> None:
    held = TokenCache(ENTRA)
    await held.get(service)
    service.now += 3400
    service.hold.clear()
    renewing = asyncio.create_task(held.get(service))  # noqa: TID251 - kept in a variable
    await asyncio.sleep(0)
    assert [(await held.get(service)).text for _ in range(3)] == ["one"] * 3
    service.hold.set()
    assert (await renewing).text == "two"
    assert len(service.requests) == 2


async def test_a_failed_renewal_leaves_a_good_token(service: Service) -> None:
    held = TokenCache(ENTRA)
    await held.get(service)
    service.now += 3400
    service.status = 400
    assert [(await held.get(service)).text for _ in range(3)] == ["one"] * 3
    assert len(service.requests) == 2, "the service is left alone for a while"
    service.now += 31
    assert (await held.get(service)).text == "one"
    assert len(service.requests) == 3
    service.now += 3600
    with pytest.raises(UpstreamAuth):
        await held.get(service)


async def test_a_good_token_waits_for_no_service_that_hangs(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = TokenCache(ENTRA)
    await held.get(service)
    service.now += 3400
    service.hold.clear()
    monkeypatch.setattr(cache, "PATIENCE_SECONDS", 0.001)
    assert (await asyncio.wait_for(held.get(service), timeout=30)).text == "one"
    assert (await held.get(service)).text == "one"
    assert len(service.requests) == 2, "the service is left alone for a while"


async def test_a_refused_token_is_given_to_nobody(service: Service) -> None:
    held = TokenCache(ENTRA)
    refused = await held.get(service)
    service.hold.clear()
    asking = [asyncio.ensure_future(held.get(service, refused=refused)) for _ in range(3)]
    await asyncio.sleep(0)
    other = asyncio.ensure_future(held.get(service))
    await asyncio.sleep(0)
    service.hold.set()
    assert {token.text for token in await asyncio.gather(other, *asking)} == {"two"}
    assert len(service.requests) == 2


async def test_a_token_can_be_refused_after_its_renewal_failed(service: Service) -> None:
    held = TokenCache(ENTRA)
    refused = await held.get(service)
    service.now += 3400
    service.status = 400
    assert (await held.get(service)).text == "one"
    service.status = 200
    assert (await held.get(service, refused=refused)).text == "three"


async def test_a_token_that_is_refused_while_it_is_renewed_does_not_come_back(
    service: Service,
) -> None:
    held = TokenCache(ENTRA)
    refused = await held.get(service)
    service.now += 3400
    service.status = 400
    service.hold.clear()
    renewing = asyncio.ensure_future(held.get(service))
    await asyncio.sleep(0)
    asking = asyncio.ensure_future(held.get(service, refused=refused))
    await asyncio.sleep(0)
    service.hold.set()
    assert (await renewing).text == "one"
    with pytest.raises(UpstreamAuth):
        await asking
    service.status = 200
    assert (await held.get(service)).text == "four"


async def test_one_answer_for_all_whose_token_was_refused(service: Service) -> None:
    """Also where the service keeps its tokens, and says the same one again."""
    held = TokenCache(ENTRA)
    refused = await held.get(service)
    service.names = ("one", "one", "one", "one")
    asking = [held.get(service, refused=refused) for _ in range(3)]
    assert [token.text for token in await asyncio.gather(*asking)] == ["one"] * 3
    assert len(service.requests) == 2


async def test_a_failure_keeps_no_edit_alive(service: Service) -> None:
    class Pictures:
        """Stands for what the edit that asked was about to send."""

    held = TokenCache(ENTRA)
    service.status = 401

    async def edit() -> weakref.ref[Pictures]:
        pictures = Pictures()
        try:
            await held.get(service)
        except UpstreamAuth:
            return weakref.ref(pictures)
        raise AssertionError("there is no token to be had")

    left = await edit()
    gc.collect()
    assert left() is None


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
    assert (await held.get(service)).text == "two"


async def test_one_who_leaves_takes_nobody_along(service: Service) -> None:
    held = TokenCache(ENTRA)
    service.hold.clear()
    leaving, staying = (asyncio.ensure_future(held.get(service)) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    service.hold.set()
    assert (await staying).text == "two"


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


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("https://login.microsoftonline.us/", "https://login.microsoftonline.us"),
        ("login.partner.microsoftonline.cn", "https://login.partner.microsoftonline.cn"),
        ("http://login.microsoftonline.us", None),
        ("ftp://login.microsoftonline.us", None),
        ("https://me@login.microsoftonline.us", None),
    ],
)
async def test_the_authority_of_the_environment(
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    said: str,
    asked: str | None,
) -> None:
    """The assertion is a secret, so that it may not leave over plain http."""
    file = tmp_path / "assertion"
    file.write_text("a.federated.token")
    entra = Entra(
        tenant_id="tenant", client_id="me", workload_identity=True, federated_token_file=str(file)
    )
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", said)
    if asked is None:
        with pytest.raises(UpstreamAuth):
            await TokenCache(entra).get(service)
    else:
        await TokenCache(entra).get(service)
    urls = [request.url for request in service.requests]
    assert urls == ([f"{asked}/tenant/oauth2/v2.0/token"] if asked else [])


def test_a_token_shows_in_no_repr() -> None:
    assert "secret" not in repr(tokens.Token("secret", ends=1, renew=0))
