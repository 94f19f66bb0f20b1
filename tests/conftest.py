"""Fixtures for tests from the outside: the fake provider, the running program, real clients."""

from __future__ import annotations

import contextlib
import itertools
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import openai
import pytest

from tests.fakes.gateway import KEY_VARIABLE, SHARED_CONFIG, UPSTREAM_KEY, Gateway, StartGateway
from tests.fakes.openai_upstream import OpenAIUpstream


@pytest.fixture(scope="session")
def upstream_server() -> Iterator[OpenAIUpstream]:
    """The fake provider of the whole run; tests take ``upstream``."""
    with OpenAIUpstream(UPSTREAM_KEY) as server:
        yield server


@pytest.fixture
def upstream(upstream_server: OpenAIUpstream) -> Iterator[OpenAIUpstream]:
    """The fake provider with a clean record."""
    upstream_server.reset()
    yield upstream_server
    assert not upstream_server.faults


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[StartGateway]:
    """Starts the program with a configuration of the test's own; stops and checks it after."""
    numbers = itertools.count()
    with contextlib.ExitStack() as running:

        def start(config: str) -> Gateway:
            started = Gateway(config, tmp_path / f"gateway-{next(numbers)}")
            running.callback(started.stop)
            return started

        yield start


@pytest.fixture(scope="session")
def closed_port() -> Iterator[int]:
    """A port of this machine where nobody listens, for as long as the tests run."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture(scope="session")
def shared_gateway_process(
    upstream_server: OpenAIUpstream, closed_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """The gateway of the whole run; tests take ``shared_gateway``."""
    config = SHARED_CONFIG.format(
        key=KEY_VARIABLE, upstream=upstream_server.base_url, closed_port=closed_port
    )
    running = Gateway(config, tmp_path_factory.mktemp("shared-gateway"))
    yield running
    running.stop()


@pytest.fixture
def shared_gateway(shared_gateway_process: Gateway, upstream: OpenAIUpstream) -> Iterator[Gateway]:
    """The shared gateway in front of a clean ``upstream``; its output is checked after the test."""
    shared_gateway_process.check_alive()
    yield shared_gateway_process
    shared_gateway_process.check_alive()
    shared_gateway_process.check_output()


@pytest.fixture(scope="session")
def client_of_the_run(shared_gateway_process: Gateway) -> Iterator[openai.OpenAI]:
    """One SDK client for the whole run, as applications have; tests take ``client``."""
    with openai.OpenAI(base_url=shared_gateway_process.v1, api_key="unused") as sdk:
        yield sdk


@pytest.fixture
def client(client_of_the_run: openai.OpenAI, shared_gateway: Gateway) -> openai.OpenAI:
    """The OpenAI Python SDK with nothing changed but its address."""
    return client_of_the_run


@pytest.fixture
async def async_client(shared_gateway: Gateway) -> AsyncIterator[openai.AsyncOpenAI]:
    """The asynchronous OpenAI Python SDK."""
    async with openai.AsyncOpenAI(base_url=shared_gateway.v1, api_key="unused") as sdk:
        yield sdk
