"""The program in front of the strict fake of Google, for every module of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from tests.fakes.gateway import Gateway
from tests.fakes.vertex_upstream import VertexUpstream
from tests.providers.vertex_accounts import express, serving, with_token


@pytest.fixture(scope="module")
def server() -> Iterator[VertexUpstream]:
    with VertexUpstream() as running:
        yield running


@pytest.fixture(scope="module")
def running(
    server: VertexUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Gateway, openai.OpenAI]]:
    config = with_token(server, more='location = "us-central1"\nquota_project = "who-pays"')
    config += with_token(server, "lenient", "drop_params = true") + express(server)
    with serving(config, tmp_path_factory.mktemp("vertex")) as found:
        yield found


@pytest.fixture
def google(
    server: VertexUpstream, running: tuple[Gateway, openai.OpenAI]
) -> Iterator[VertexUpstream]:
    server.reset()
    yield server
    assert not server.faults
    running[0].check_alive()
    running[0].check_output()


@pytest.fixture
def sdk(google: VertexUpstream, running: tuple[Gateway, openai.OpenAI]) -> openai.OpenAI:
    return running[1]
