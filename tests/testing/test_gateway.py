from __future__ import annotations

import logging

import pytest

from retouch.testing.gateway import Answer, Gateway, Recorder
from retouch.testing.subject import configured, registered

PATIENCE = 10.0


def test_it_serves_the_real_application() -> None:
    import retouch_local

    found, info = registered(retouch_local)
    gateway = Gateway(*configured(found, info.name, {"here": {}}))
    try:
        assert gateway.get("/healthz", PATIENCE) == 200
        assert gateway.get("/nothing", PATIENCE) == 404
    finally:
        gateway.stop()
    with pytest.raises(ConnectionRefusedError):
        gateway.get("/healthz", PATIENCE)


def test_answers_are_read() -> None:
    refused = Answer(status=400, headers={}, body=b'{"error": {"code": "c"}}')
    assert refused.error == {"code": "c"}
    assert repr(refused) == 'HTTP 400 {"error": {"code": "c"}}'
    assert Answer(status=200, headers={}, body=b'{"data": []}').error == {}
    stream = b': beat\n\nevent: a\ndata: {"type": "a"}\n\ndata: {"type": "b"}\n\n'
    assert Answer(status=200, headers={}, body=stream).events == [{"type": "a"}, {"type": "b"}]


def test_the_recorder_sees_what_a_plugin_logs() -> None:
    before = logging.getLogger().handlers
    with Recorder() as recorder:
        logging.getLogger("some.plugin").debug("a %s", "word")
        error = ValueError("in a traceback")
        logging.getLogger("some.plugin").error("failed", exc_info=error)
        logging.getLogger("openai._base_client").debug("the client's own")
    logging.getLogger("some.plugin").error("too late")
    text = "\n".join(recorder.lines)
    assert "DEBUG some.plugin: a word" in text
    assert "ValueError: in a traceback" in text
    assert "client's own" not in text
    assert "too late" not in text
    assert logging.getLogger().handlers == before
