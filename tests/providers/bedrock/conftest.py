"""The fake Bedrock, the real gateway in front of it, and the OpenAI SDK in front of that."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from tests.fakes.bedrock_accounts import (
    ACCESS_KEY,
    API_KEY,
    CONFIG,
    SECRET_KEY,
    SESSION_TOKEN,
    TOKEN_KEY,
    TOKEN_SECRET,
    no_aws,
)
from tests.fakes.bedrock_upstream import BedrockUpstream
from tests.fakes.gateway import Gateway


@pytest.fixture(scope="session")
def bedrock_server() -> Iterator[BedrockUpstream]:
    """The fake Bedrock of the whole run; tests take ``bedrock``."""
    with BedrockUpstream() as server:
        server.keys[ACCESS_KEY] = (SECRET_KEY, None)
        server.keys[TOKEN_KEY] = (TOKEN_SECRET, SESSION_TOKEN)
        server.bearers.add(API_KEY)
        yield server


@pytest.fixture
def bedrock(bedrock_server: BedrockUpstream) -> Iterator[BedrockUpstream]:
    """The fake with a clean record."""
    bedrock_server.reset()
    yield bedrock_server
    assert not bedrock_server.faults


@pytest.fixture(scope="session")
def bedrock_gateway_process(
    bedrock_server: BedrockUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """The gateway of the whole run, in an environment without any of the developer's AWS."""
    with pytest.MonkeyPatch.context() as patch:
        no_aws(patch)
        patch.setenv("FAKE_AWS_SECRET", SECRET_KEY)
        config = CONFIG.format(url=bedrock_server.url)
        running = Gateway(config, tmp_path_factory.mktemp("bedrock-gateway"))
    yield running
    running.stop()


@pytest.fixture
def bedrock_gateway(
    bedrock_gateway_process: Gateway, bedrock: BedrockUpstream
) -> Iterator[Gateway]:
    """The gateway in front of a clean ``bedrock``; its output is checked after the test."""
    yield bedrock_gateway_process
    bedrock_gateway_process.check_alive()
    bedrock_gateway_process.check_output()


@pytest.fixture(scope="session")
def bedrock_sdk(bedrock_gateway_process: Gateway) -> Iterator[openai.OpenAI]:
    """One SDK client for the whole run; it does not retry."""
    base = bedrock_gateway_process.v1
    with openai.OpenAI(base_url=base, api_key="unused", max_retries=0) as sdk:
        yield sdk


@pytest.fixture
def sdk(bedrock_sdk: openai.OpenAI, bedrock_gateway: Gateway) -> openai.OpenAI:
    """The OpenAI Python SDK with nothing changed but its address."""
    return bedrock_sdk
