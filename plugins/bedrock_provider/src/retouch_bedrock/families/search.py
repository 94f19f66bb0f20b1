"""Search and replace, search and recolor: what is edited is found by words."""

from __future__ import annotations

from retouch import EditRequest
from retouch_bedrock.families.shape import required
from retouch_bedrock.families.stability import STYLED, service


def _needs_search_prompt(edit: EditRequest) -> None:
    required(edit, "search_prompt", "what in the picture shall be replaced")


def _needs_select_prompt(edit: EditRequest) -> None:
    required(edit, "select_prompt", "what in the picture shall be recoloured")


REPLACE = service({**STYLED, "search_prompt": None, "grow_mask": None}, check=_needs_search_prompt)
RECOLOR = service({**STYLED, "select_prompt": None, "grow_mask": None}, check=_needs_select_prompt)
