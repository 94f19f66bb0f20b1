"""The code blocks of a Markdown page."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str, language: str) -> list[str]:
    """Every block of one language, in order; fails if the page has none."""
    found = [text for name, text in _BLOCK.findall((ROOT / page).read_text()) if name == language]
    assert found, f"{page} has no {language} block"
    return found
