from __future__ import annotations

from typing import Any

import msgspec
import pytest

from retouch.capabilities import Capabilities, SizeRule
from retouch.models import ModelInfo, load_models, overridden
from retouch.pricing import Price

TABLE = """
[families.new]
price = { text_in = 5.0, image_in = 8.0, image_out = 30.0 }
[families.new.capabilities]
max_images = 16
mask = "may"
sizes = { multiple_of = 16 }
parameters = { quality = ["low", "high"], n = true }

[families.old]
capabilities = { max_images = 1 }

[[models]]
id = "one"
family = "new"

[[models]]
id = "two"
family = "new"
shutdown = "2026-12-01"
hint = "Use one."
capabilities = { max_images = 4, streaming = true }
price = { per_image = 0.04 }

[[models]]
id = "three"
family = "old"

[[models]]
id = "four"

[[models]]
id = "five"
family = "unheard-of"
"""


def test_a_table_of_models() -> None:
    one, two, three, four, five = load_models(TABLE)
    price = Price(text_in=5.0, image_in=8.0, image_out=30.0)
    assert (one.id, one.family, one.price, one.shutdown) == ("one", "new", price, None)
    assert (one.capabilities.max_images, one.capabilities.mask) == (16, "may")
    assert one.capabilities.sizes == SizeRule(multiple_of=16)
    assert one.capabilities.parameters == {"quality": ("low", "high"), "n": True}

    assert (two.shutdown, two.hint, two.price) == ("2026-12-01", "Use one.", Price(per_image=0.04))
    assert (two.capabilities.max_images, two.capabilities.mask) == (4, "may")
    assert two.capabilities.streaming

    assert three.capabilities == Capabilities(max_images=1)
    assert (four.capabilities, four.price, five.family) == (Capabilities(), None, "unheard-of")


@pytest.mark.parametrize(
    "row",
    [
        "",
        'id = "x"\nshutdwon = "2026-12-01"',
        'id = "x"\ncapabilities = { max_image = 1 }',
        'id = "x"\nprice = { per_picture = 1.0 }',
        "id = 5",
    ],
)
def test_tables_with_mistakes(row: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        load_models(f"[[models]]\n{row}\n")


@pytest.mark.parametrize("date", ["2026-12-1", "01.12.2026", "soon"])
def test_dates_are_for_programs(date: str) -> None:
    """``GET /v1/models`` passes them on, and the OpenAI SDK's users parse them."""
    with pytest.raises(msgspec.ValidationError):
        load_models(f'[[models]]\nid = "x"\nshutdown = "{date}"\n')


def test_changes_by_a_configuration() -> None:
    model = load_models(TABLE)[0]
    changes: dict[str, Any] = {
        "id": "deployment-7",
        "capabilities": {"max_images": 2, "sizes": ["8x8"]},
        "price": {"per_image": 1.0},
    }
    changed = msgspec.convert(overridden(model, changes), ModelInfo)
    assert (changed.id, changed.family) == ("deployment-7", "new")
    assert (changed.capabilities.max_images, changed.capabilities.mask) == (2, "may")
    assert changed.capabilities.sizes == ("8x8",)
    assert changed.price == Price(per_image=1.0)
    assert model.id == "one"
    assert msgspec.convert(overridden(model, {}), ModelInfo) == model
