"""Fakes of where AWS's chain gets credentials: STS, a container's endpoint, an instance's.

Each hands out keys that the fake Bedrock knows from then on.
"""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from tests.fakes.aws_server import AwsServer, Received
from tests.fakes.bedrock_upstream import BedrockUpstream

CONTAINER_TOKEN = "container-authorization-token"
IMDS_TOKEN = "imds-session-token"
WEB_TOKEN = "eyJ.web-identity.token"
ROLE = "arn:aws:iam::123456789012:role/editor"
INSTANCE_ROLE = "instance-role"


class CredentialSources(AwsServer):
    """All of them at one address.

    :ivar issued: the sources that have handed out keys, in order.
    :ivar lifetime: of what is handed out.
    :ivar released: keys are held back until it is set.
    :ivar broken: answer everything with a 500.
    """

    def __init__(self, bedrock: BedrockUpstream) -> None:
        super().__init__()
        self.issued: list[str] = []
        self.lifetime = timedelta(hours=1)
        self.released = threading.Event()
        self.released.set()
        self.broken = False
        self.most_at_once = 0
        self._at_once = 0
        self._bedrock = bedrock

    async def answer(self, received: Received, request: web.Request) -> web.StreamResponse:
        """The answer of the service that the request is for."""
        if self.broken:
            return web.Response(status=500)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            while not self.released.is_set():  # noqa: ASYNC110 - it is set in another thread
                await asyncio.sleep(0.005)
            return self._answer(received)
        finally:
            self._at_once -= 1

    def _answer(self, received: Received) -> web.Response:
        if received.path == "/container":
            assert received.headers["authorization"] == CONTAINER_TOKEN
            return web.json_response(self._json("container", Token="Token"))
        if received.path.startswith("/latest/"):
            return self._instance(received)
        form = {name: values[0] for name, values in parse_qs(received.body.decode()).items()}
        assert form["RoleArn"] == ROLE, form
        action = form["Action"]
        if action == "AssumeRole":
            assert received.headers["authorization"].startswith("AWS4-HMAC-SHA256 ")
            return self._xml(action, form.get("ExternalId", "sts"))
        assert action == "AssumeRoleWithWebIdentity", form
        assert form["WebIdentityToken"] == WEB_TOKEN
        return self._xml(action, "web identity")

    def _instance(self, received: Received) -> web.Response:
        if received.path == "/latest/api/token":
            assert received.method == "PUT"
            assert received.headers["x-aws-ec2-metadata-token-ttl-seconds"]
            return web.Response(text=IMDS_TOKEN)
        assert received.headers["x-aws-ec2-metadata-token"] == IMDS_TOKEN
        if received.path.endswith("/security-credentials/"):
            return web.Response(text=INSTANCE_ROLE)
        assert received.path.endswith(f"/security-credentials/{INSTANCE_ROLE}")
        return web.json_response({"Code": "Success", **self._json("instance", Token="Token")})

    def _issue(self, source: str) -> tuple[str, str, str, str]:
        self.issued.append(source)
        number = len(self.issued)
        key, secret = f"ASIAISSUED{number:010d}", f"issued/secret/{number}"
        token = f"issued-session-token-{number}=="
        self._bedrock.keys[key] = secret, token
        return key, secret, token, (datetime.now(UTC) + self.lifetime).strftime(_TIME)

    def _json(self, source: str, **names: str) -> dict[str, Any]:
        key, secret, token, ends = self._issue(source)
        return {
            "AccessKeyId": key,
            "SecretAccessKey": secret,
            names["Token"]: token,
            "Expiration": ends,
        }

    def _xml(self, action: str, source: str) -> web.Response:
        key, secret, token, ends = self._issue(source)
        text = (
            f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
            f"<{action}Result><Credentials><AccessKeyId>{key}</AccessKeyId>"
            f"<SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken>"
            f"<Expiration>{ends}</Expiration></Credentials>"
            f"<AssumedRoleUser><Arn>{ROLE}/x</Arn><AssumedRoleId>A:x</AssumedRoleId>"
            f"</AssumedRoleUser></{action}Result>"
            f"<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{action}Response>"
        )
        return web.Response(text=text, content_type="text/xml")


_TIME = "%Y-%m-%dT%H:%M:%SZ"
