"""Accounts at the fake Bedrock, and an environment without any of the developer's own."""

from __future__ import annotations

import os

import pytest

from tests.fakes.bedrock_upstream import PROFILE_ARN

ACCESS_KEY, SECRET_KEY = "AKIAFAKEFAKEFAKE0001", "fake/secret+key/of/the/gateway/0001"
TOKEN_KEY, TOKEN_SECRET = "ASIAFAKEFAKEFAKE0002", "fake/secret+key/of/a/session/0002"
SESSION_TOKEN = "FwoGZXIvYXdzE-fake-session-token//////////w=="
API_KEY = "bedrock-api-key-fake-0003"

CONFIG = f"""
[accounts.bedrock]
provider = "bedrock"
region = "us-west-2"
endpoint_url = "{{url}}"
access_key_id = "{ACCESS_KEY}"
secret_access_key = {{{{ env = "FAKE_AWS_SECRET" }}}}

[accounts.bedrock.models."{PROFILE_ARN}"]
family = "stability-inpaint"

[accounts.bedrock.models.retouching]
id = "{PROFILE_ARN}"
family = "stability-inpaint"

[accounts.bedrock.models.lost]
id = "us.stability.stable-image-of-tomorrow-v1:0"

[accounts.session]
provider = "bedrock"
region = "us-west-2"
endpoint_url = "{{url}}/"
access_key_id = "{TOKEN_KEY}"
secret_access_key = "{TOKEN_SECRET}"
session_token = "{SESSION_TOKEN}"

[accounts.europe]
provider = "bedrock"
region = "eu-west-1"
endpoint_url = "{{url}}"
access_key_id = "{ACCESS_KEY}"
secret_access_key = {{{{ env = "FAKE_AWS_SECRET" }}}}

[accounts.wrong]
provider = "bedrock"
region = "us-west-2"
endpoint_url = "{{url}}"
access_key_id = "{ACCESS_KEY}"
secret_access_key = "not-the-secret-of-that-key"

[accounts.api-key]
provider = "bedrock"
region = "us-west-2"
endpoint_url = "{{url}}"
api_key = "{API_KEY}"
trace = "ENABLED"

[accounts.api-key.guardrail]
identifier = "gr-0123456789"
version = "7"

[accounts.nowhere]
provider = "bedrock"
endpoint_url = "{{url}}"
access_key_id = "{ACCESS_KEY}"
secret_access_key = "{SECRET_KEY}"
"""


def no_aws(patch: pytest.MonkeyPatch) -> None:
    """Take everything of AWS out of the environment, the instance it may run on included."""
    for name in os.environ:
        if name.startswith("AWS_"):
            patch.delenv(name)
    patch.setenv("AWS_CONFIG_FILE", os.devnull)
    patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
