"""The README says what the code does: settings, models, prices, request fields."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

import retouch_bedrock
from retouch import config, plugins, routing
from retouch_bedrock.families import FAMILIES
from retouch_bedrock.options import Options
from retouch_bedrock.settings import Settings

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")


def rows(section: str) -> list[list[str]]:
    """The cells of the tables in a section."""
    start = README.index(f"## {section}\n")
    text = README[start:].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_every_setting() -> None:
    named = {row[0].strip("| `") for row in rows("Settings")}
    assert named == {field.encode_name for field in msgspec.structs.fields(Settings)}


def test_every_model_and_price() -> None:
    listed = {model.id: model for model in retouch_bedrock.provider_info().models}
    table = {row[0].strip("| `"): row for row in rows("Models")}
    bare = {name for name in listed if f"us.{name}" in listed}
    assert set(table) == set(listed) - bare
    assert len(bare) == 13
    for name, row in table.items():
        price = listed[name].price
        assert price is not None
        assert price.per_image == float(row[3].strip("| ").split()[0])
        assert listed[name].family.endswith(row[1])


def test_every_request_field_and_its_families() -> None:
    short = {name.removeprefix("stability-"): name for name in FAMILIES}
    fields = {field.encode_name for field in msgspec.structs.fields(Options)}
    table = {row[0].strip("| `"): row for row in rows("Request fields")}
    assert fields <= set(table)
    for name in fields:
        said = {short[word] for word in table[name][2].strip("| ").split(", ")}
        assert said == {family for family, found in FAMILIES.items() if name in found.accepts}


@pytest.mark.parametrize("block", re.findall(r"```toml\n(.*?)```", README, re.DOTALL))
def test_its_configurations_can_be_served(block: str) -> None:
    read = config.parse(tomllib.loads(block), {})
    routes = routing.build(read, plugins.load(("bedrock",)))
    assert routes.targets()


def test_every_family_has_a_model() -> None:
    families = {model.family for model in retouch_bedrock.provider_info().models}
    assert families == set(FAMILIES)
