"""The other pages: every block of code in them is read or run."""

from __future__ import annotations

import asyncio
import inspect
import tomllib
import types
from typing import Any

import msgspec
import openai
import pytest

import retouch
from retouch import config, hookspecs, plugins, routing
from retouch.http.intake_json import MAX_URL_CHARS
from retouch.http.intake_multipart import MAX_FIELD_BYTES, MAX_FILE_BYTES, MAX_PARTS
from retouch.http.protocol import MAX_HEADER_BYTES, MAX_HEADERS
from retouch.media.blob import MEMORY_BUDGET, MIB, REQUEST_BUDGET
from retouch.media.structure import MAX_PIXELS, MAX_SIDE
from retouch.submission import MAX_EXTRA_HEADERS, MAX_IMAGES
from tests.docs.blocks import ROOT, blocks


@pytest.mark.parametrize("block", blocks("docs/configuration.md", "toml"))
def test_configurations_can_be_served(block: str) -> None:
    read = config.parse(tomllib.loads(block), {"OPENAI_API_KEY": "sk-of-a-test"})
    routing.build(read, plugins.load(read.plugins.enabled))


@pytest.mark.parametrize(
    ("section", "kind"),
    [
        ("server", config.ServerConfig),
        ("limits", config.LimitsConfig),
        ("plugins", config.PluginsConfig),
        ("accounts.NAME", config.AccountCommon),
        ("keys", config.KeyConfig),
    ],
)
def test_every_key_is_documented_with_its_default(section: str, kind: type[msgspec.Struct]) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    start = page.index("## `[[keys]]`" if section == "keys" else f"## `[{section}]`")
    table = page[start : page.index("\n## ", start)]
    for field in msgspec.structs.fields(kind):
        row = next((line for line in table.splitlines() if f"| `{field.name}` |" in line), None)
        assert row is not None, f"{section}.{field.name}"
        if isinstance(field.default, bool | int | float | str):
            assert msgspec.json.encode(field.default).decode() in row, row


def test_the_fixed_limits_are_those_of_the_code() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text().replace("\n", " ")
    for statement in (
        f"at most {MAX_IMAGES} images, {MAX_FILE_BYTES // MIB} MiB each",
        f"{MAX_PIXELS // 1_000_000} megapixels and {MAX_SIDE:,} pixels a side",
        f"{MAX_PARTS} parts in a form and {MAX_FIELD_BYTES // 1024} KiB in a text field",
        f"a `data:` URL of {MAX_URL_CHARS:,} characters; {MAX_EXTRA_HEADERS} extra headers",
        f"{MAX_HEADERS} headers of a request, {MAX_HEADER_BYTES // 1024} KiB in all",
        f"{REQUEST_BUDGET // MIB} MiB for one request and {MEMORY_BUDGET // MIB} MiB for a worker",
    ):
        assert statement in page


@pytest.mark.parametrize("language", ["json"])
def test_error_shapes(language: str) -> None:
    for block in blocks("docs/errors.md", language):
        error = msgspec.json.decode(block)["error"]
        assert set(error) == {"message", "type", "param", "code"}


def test_the_documented_hook_runs(capsys: pytest.CaptureFixture[str]) -> None:
    namespace: dict[str, Any] = {}
    exec(blocks("docs/hooks.md", "python")[0], namespace)
    module = types.SimpleNamespace(around_edit=namespace["around_edit"])
    plugins.register(plugins.new_manager(), "audit", module)

    async def fail() -> None:
        account = retouch.Account(name="main", provider="x", settings=None)
        edit = retouch.EditRequest(model="m", prompt="p", images=())
        async with module.around_edit(edit, account):
            raise retouch.ContentRejected

    with pytest.raises(retouch.ContentRejected):
        asyncio.run(fail())
    assert capsys.readouterr().out == "main/m: moderation_blocked\n"


def test_every_hook_has_a_heading_with_its_signature() -> None:
    page = (ROOT / "docs" / "hooks.md").read_text()
    hooks = [
        hook
        for _, hook in inspect.getmembers(hookspecs, inspect.isfunction)
        if hasattr(hook, "retouch_spec")
    ]
    assert len(hooks) == 7
    for hook in hooks:
        signature = str(inspect.signature(hook)).replace("'", "")
        assert f"\n### `{hook.__name__}{signature}`\n" in page


def test_the_json_request(client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    namespace: dict[str, Any] = {}
    exec(blocks("docs/requests.md", "python")[0], namespace)
    answer = client.post(
        "/images/edits", body=namespace["body"], cast_to=openai.types.ImagesResponse
    )
    assert answer.data is not None
    assert len(answer.data) == 1
