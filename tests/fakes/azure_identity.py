"""Azure's token services: Entra ID, the instance metadata service, App Service.

Strict about what each wants in its request; tokens end, can be revoked, and are all different.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.replies import Answer, Reply

TENANT, CLIENT = "11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-000000000000"
SECRET = "entra-canary-secret-3c19b7"
ASSERTION = "eyJ.federated-canary-assertion.5d2"
PROOF = "app-service-canary-proof-81f0"
SCOPE, RESOURCE = "https://ai.azure.com/.default", "https://ai.azure.com"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
PATHS = (f"/{TENANT}/oauth2/v2.0/token", "/metadata/identity/oauth2/token", "/msi/token")


@dataclass
class Identity:
    """The state of the token services.

    :ivar life: seconds that new tokens live.
    :ivar script: answers to the next requests, in place of tokens.
    """

    life: float = 3600.0
    script: list[Reply] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    #: When each token ends, by the clock of ``time.monotonic``.
    tokens: dict[str, float] = field(default_factory=dict)

    def is_good(self, token: str) -> bool:
        """Whether the token was issued, has not ended and was not revoked."""
        return time.monotonic() < self.tokens.get(token, 0)

    def revoke(self) -> None:
        """End all tokens that were issued so far."""
        self.tokens.clear()

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Reply:
        """The answer to a request to one of ``PATHS``."""
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        self.asked.append(path)
        if self.script:
            return self.script.pop(0)
        if path == PATHS[0]:
            problem = _entra_problem(method, headers, parse_qs(body.decode()))
        elif path == PATHS[1]:
            problem = _managed_problem(
                method, query, "2018-02-01", headers.get("metadata") == "true"
            )
        else:
            proved = headers.get("x-identity-header") == PROOF
            problem = _managed_problem(method, query, "2019-08-01", proved)
        if problem:
            document = {"error": problem, "error_description": "no", "error_codes": [7000215]}
            return Answer(document, status=400 if path != PATHS[0] else 401)
        return Answer(body=json.dumps(self._issue(path)).encode())

    def _issue(self, path: str) -> dict[str, Any]:
        token = f"canary-token-{len(self.asked)}-9e7d"
        self.tokens[token] = time.monotonic() + self.life
        answer: dict[str, Any] = {"access_token": token, "token_type": "Bearer"}
        if path == PATHS[0]:
            return answer | {"expires_in": int(self.life), "ext_expires_in": int(self.life)}
        if path == PATHS[1]:
            return answer | {"expires_in": str(int(self.life)), "resource": RESOURCE}
        return answer | {"expires_on": str(int(time.time() + self.life)), "resource": RESOURCE}


def _entra_problem(method: str, headers: dict[str, str], form: dict[str, list[str]]) -> str:
    proof = {"client_secret": [SECRET]}
    if "client_assertion" in form:
        proof = {"client_assertion": [ASSERTION], "client_assertion_type": [ASSERTION_TYPE]}
    wanted = {"grant_type": ["client_credentials"], "client_id": [CLIENT], "scope": [SCOPE]}
    if method != "POST" or headers.get("content-type") != "application/x-www-form-urlencoded":
        return "invalid_request"
    return "" if form == wanted | proof else "invalid_client"


def _managed_problem(method: str, query: dict[str, list[str]], version: str, proved: bool) -> str:
    query = dict(query)
    client = query.pop("client_id", [CLIENT])
    wanted = {"api-version": [version], "resource": [RESOURCE]}
    good = method == "GET" and proved and query == wanted and client == [CLIENT]
    return "" if good else "invalid_request"
