"""The README's tables are the plugin's own: every setting, option and model, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

import retouch_azure
from retouch_azure.settings import Entra, Options, Settings

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")


def rows(title: str) -> list[tuple[str, str]]:
    """The first two columns of the table below a heading."""
    section = README.partition(f"## {title}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([^`|]+)` \| ([^|]*?) \|", section, re.MULTILINE)


@pytest.mark.parametrize(
    ("title", "kind"), [("Settings", Settings), ("Tokens in place of a key", Entra)]
)
def test_settings(title: str, kind: type[msgspec.Struct]) -> None:
    found = dict(rows(title))
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    assert list(found) == list(fields)
    for name, field in fields.items():
        if isinstance(field.default, str):
            assert found[name] == f'`"{field.default}"`'


def test_options() -> None:
    assert [name for name, _ in rows("Options")] == list(Options.__struct_fields__)


def test_models() -> None:
    listed = {model.id: model for model in retouch_azure.provider_info().models}
    found = rows("Models")
    assert [name for name, _ in found] == list(listed)
    for name, family in found:
        assert family == f"`{listed[name].family}`"
        ends = re.search(rf"^\| `{re.escape(name)}` \|.*\| (.*?) \|$", README, re.MULTILINE)
        assert ends is not None
        assert ends[1] == (listed[name].shutdown or "not announced")
