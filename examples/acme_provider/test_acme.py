"""Acme keeps the contract: everything that is tested is inherited."""

import retouch_acme

from retouch.testing import ProviderContract, reply, samples

PICTURE = samples.RESULT_BASE64
SETTINGS = {"api_key": "acme-secret-for-tests"}
REPLIES = {
    "ok": reply(200, json={"pictures": [PICTURE]}),
    "two": reply(200, json={"pictures": [PICTURE, PICTURE]}),
    "stream": reply(200, sse=[{"preview": PICTURE}, {"pictures": [PICTURE]}]),
    "throttled": reply(429, json={"message": "Slow down."}),
    "denied": reply(401, json={"message": "Who are you?"}),
    "refused": reply(200, json={"blocked": "violence"}),
    "broken": reply(200, json={"images": []}),
}


class TestAcme(ProviderContract):
    plugin = retouch_acme
    settings = SETTINGS
    model = "acme-edit-1"
    mask_convention = "white_edits"
    replies = REPLIES
