"""The README names every setting, option and model, and its prices are those of the table."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

import retouch_vertex
from retouch import ModelInfo, Price
from retouch_vertex import gemini, imagen
from retouch_vertex.options import Options
from retouch_vertex.settings import Settings

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")


def rows(section: str) -> dict[str, list[str]]:
    """A section's table: the cells of each row by the name in its first."""
    text = README.split(f"## {section}\n")[1].split("\n## ")[0]
    found = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| `")]
    return {cells[0].strip(" `"): [cell.strip() for cell in cells[1:]] for cells in found}


def test_settings() -> None:
    fields = {field.encode_name: field.default for field in msgspec.structs.fields(Settings)}
    table = rows("Settings")
    assert list(table) == list(fields)
    assert table["location"][0] == f'`"{fields["location"]}"`'


def test_options() -> None:
    table = rows("Options")
    assert set(table) == set(Options.__struct_encode_fields__)
    families = {
        name: "both"
        if name in gemini.OPTIONS & imagen.OPTIONS
        else "gemini"
        if name in gemini.OPTIONS
        else "imagen"
        for name in table
    }
    assert {name: cells[0] for name, cells in table.items()} == families


def test_models() -> None:
    models = retouch_vertex.provider_info().models
    table = rows("Models")
    assert list(table) == [model.id for model in models]
    for model in models:
        family, ends, price = table[model.id]
        assert (family, ends or None) == (model.family, model.shutdown)
        assert price == said(model)


def said(model: ModelInfo) -> str:
    price = model.price
    if price is None:
        return "unknown"
    assert isinstance(price, Price)
    if price.per_image is not None:
        return f"{price.per_image:g} per picture"
    given = (price.text_in, price.image_in, price.image_out, price.text_out)
    return ", ".join(f"{item:g}" for item in given if item is not None)


@pytest.mark.parametrize("name", ["quality", "hint", "models.toml"])
def test_the_steps_and_the_header_are_named(name: str) -> None:
    expected = {
        "quality": ", ".join(str(steps) for steps in imagen.STEPS.values()),
        "hint": f"{retouch_vertex.MASK_HEADER}: hint",
        "models.toml": "gemini-nano-banana-2.1",
    }
    assert expected[name] in README
    assert not re.search(r"\bTODO\b", README)
