"""A strict fake of Bedrock's InvokeModel on a real socket.

It recomputes every signature from the bytes that came, serves the thirteen services through
their ``us.`` profile only, and refuses what the models refuse (``bedrock_rules``,
``bedrock_amazon``).
"""

from __future__ import annotations

import base64
import email.utils
import io
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

from aiohttp import web
from PIL import Image

from tests.fakes import bedrock_amazon, bedrock_rules, bedrock_signatures
from tests.fakes.aws_server import AwsServer, Received
from tests.fakes.bedrock_rules import Refusal, Service
from tests.fakes.bedrock_signatures import SignatureFault
from tests.fakes.replies import Answer, Reply

MAX_BODY = 25_000_000
ERROR_URI = "http://internal.amazon.com/coral/com.amazon.bedrock/"
REQUEST_ID = "5f9c8f0e-1111-4c1f-9f3a-fake"
US_REGIONS = {"us-east-1", "us-east-2", "us-west-2"}
_PATH = re.compile(r"/model/([^/]+)/invoke")
#: What the application-inference-profile of the tests stands for.
PROFILE_ARN = "arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/ab1cd2ef3gh4"


def aws_error(status: int, name: str, message: str, **headers: str) -> Answer:
    """An error as Bedrock sends it, for ``script``."""
    named = {"x-amzn-errortype": f"{name}:{ERROR_URI}", "x-amzn-requestid": REQUEST_ID}
    more = {key.replace("_", "-"): value for key, value in headers.items()}
    return Answer({"message": message}, status, {**named, **more})


class BedrockUpstream(AwsServer):
    """The server.

    :ivar keys: access key -> secret and session token (``None``: a key without one).
    :ivar bearers: good API keys.
    :ivar expired: session tokens that are no longer good.
    :ivar clock_offset: by how much the server's clock is ahead of this machine's.
    :ivar edited: the box that the masks of the tests ask to edit.
    """

    def __init__(self) -> None:
        super().__init__()
        self.keys: dict[str, tuple[str, str | None]] = {}
        self.bearers: set[str] = set()
        self.reset()

    def reset(self) -> None:
        """Forget requests, faults and the script."""
        self.requests, self.faults, self._script = [], [], list[Reply]()
        self.expired: set[str] = set()
        self.clock_offset = timedelta()
        self.edited = lambda width, height: (0, 0, width // 2, height)

    def script(self, *replies: Reply) -> None:
        """Answer the next accepted edits with these, one each, then ordinarily again."""
        self._script.extend(replies)

    async def answer(self, received: Received, request: web.Request) -> web.StreamResponse:
        """Bedrock's answer."""
        try:
            region = self._check_access(received)
            result = self._invoke(received, region)
        except SignatureFault as fault:
            received.refused = fault.name
            response = await aws_error(403, fault.name, fault.message).send(request)
            now = datetime.now(UTC) + self.clock_offset
            response.headers["date"] = email.utils.format_datetime(now, usegmt=True)
            return response
        except Refusal as refusal:
            received.refused = refusal.name
            return await aws_error(refusal.status, refusal.name, refusal.message).send(request)
        if self._script:
            return await self._script.pop(0).send(request)
        return await Answer(result, headers={"x-amzn-requestid": REQUEST_ID}).send(request)

    def _check_access(self, received: Received) -> str:
        authorization = received.headers.get("authorization", "")
        if authorization.startswith("Bearer "):
            if authorization.removeprefix("Bearer ") not in self.bearers:
                raise SignatureFault("AccessDeniedException", "Authentication failed")
            return "us-west-2"
        scope = bedrock_signatures.read(authorization)
        if scope.key not in self.keys:
            raise SignatureFault(
                "UnrecognizedClientException", "The security token in the request is invalid."
            )
        secret, token = self.keys[scope.key]
        if received.headers.get("x-amz-security-token") != token:
            raise SignatureFault("UnrecognizedClientException", "another session token")
        bedrock_signatures.check(received, scope, secret, datetime.now(UTC) + self.clock_offset)
        if token in self.expired:
            raise SignatureFault("ExpiredTokenException", "The security token is expired")
        return scope.region

    def _invoke(self, received: Received, region: str) -> dict[str, Any]:
        found = _PATH.fullmatch(received.path)
        if received.method != "POST" or found is None or ":" in received.path:
            raise Refusal(404, "UnknownOperationException", f"no operation at {received.path}")
        if len(received.body) > MAX_BODY:
            raise Refusal(413, "ValidationException", "Member must have length at most 25000000")
        kind = received.headers.get("content-type"), received.headers.get("accept")
        if kind != ("application/json", "application/json"):
            raise bedrock_rules.invalid(f"wrong types: {kind}")
        received.document = json.loads(received.body)
        model = unquote(found[1])
        if model.startswith("amazon."):
            count = bedrock_amazon.check(received.document, self.edited)
            return {"images": [result("png")] * count, "error": None}
        service(model, region).check(received.document, self.edited)
        made = result(received.document.get("output_format", "png"))
        return {"seeds": [1234567], "finish_reasons": [None], "images": [made]}


def service(model: str, region: str) -> Service:
    """The service of an id; ids that cannot be called so are refused as AWS does."""
    if model == PROFILE_ARN:
        return bedrock_rules.SERVICES["stable-image-inpaint"]
    if model == "stability.sd3-5-large-v1:0":
        return bedrock_rules.SD3
    bare = model.removeprefix("us.")
    name = bare.removeprefix("stability.").removesuffix("-v1:0")
    if name not in bedrock_rules.SERVICES or (bare != model and region not in US_REGIONS):
        raise bedrock_rules.invalid("The provided model identifier is invalid.")
    if bare == model:
        raise bedrock_rules.invalid(
            f"Invocation of model ID {model} with on-demand throughput isn\u2019t supported. Retry "
            "your request with the ID or ARN of an inference profile that contains this model."
        )
    return bedrock_rules.SERVICES[name]


def result(output_format: str) -> str:
    """A resulting picture of 40x24 pixels as base64."""
    out = io.BytesIO()
    Image.new("RGB", (40, 24), "purple").save(out, output_format)
    return base64.b64encode(out.getvalue()).decode()
