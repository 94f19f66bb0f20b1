"""The strict fake of Azure and a client of the program; each module brings its ``program``."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from tests.fakes.azure_upstream import AzureUpstream
from tests.fakes.gateway import UPSTREAM_KEY, Gateway


@pytest.fixture(scope="module")
def server() -> Iterator[AzureUpstream]:
    with AzureUpstream(UPSTREAM_KEY) as running:
        yield running


@pytest.fixture
def azure(server: AzureUpstream, program: Gateway) -> Iterator[AzureUpstream]:
    server.reset()
    yield server
    assert not server.faults
    program.check_alive()
    program.check_output()


@pytest.fixture
def client(program: Gateway, azure: AzureUpstream) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=program.v1, api_key="unused", max_retries=0) as sdk:
        yield sdk
